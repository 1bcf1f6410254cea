"""Registries: names of entries, here or in other packages, that are imported on demand."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError, did_you_mean, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: The package whose entries are written in the registries themselves.
HOME = "headstart"
#: Least similarity of a misspelt name: mixnet_s of timm is not a misspelling of xlnet.
_SIMILARITY = 0.65
#: Valid names on a command line, in ``mlm:1,simcse:0.1`` and in ``--set NAME.option=1``.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
#: Names with another meaning there.
_RESERVED = frozenset(
    {"auto", "none", "encoder", "mixture", "optimizer", "columns", "safeguard_options"}
    | {"encoder_options", "modality_options", "objective_options", "task_options"}
)


class Registry:
    """A read-only table of names, resolved lazily.

    There is one for each thing that can be extended, in :mod:`headstart.registries`. Installed
    packages add entries with entry points, and their modules are imported only when the entry is
    used::

        [project.entry-points."headstart.objectives"]
        next_reading = "sensors.objective:NextReading"

    Args:
        kind: name of an entry's kind in messages.
        entries: ``name -> "module:attribute"`` of this package.
        group: of the entry points of other packages.
        members: attributes that an entry of another package must have.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, str], *, group: str, members: Sequence[str] = ()
    ) -> None:
        self.kind = kind
        self.group = group
        self.members = members
        self._entries = entries

    @property
    def family(self) -> str:
        """The word for its entries in `headstart list`, such as ``objectives``."""
        return self.group.partition(".")[2]

    def __iter__(self) -> Iterator[str]:
        """Yield the available names: this package's, then those of others."""
        yield from self._entries
        yield from sorted(self._foreign.keys() - self.refused.keys())

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._foreign

    def __getitem__(self, name: str) -> Any:
        """Import and return the entry.

        If another package claims a name of this one, this package's entry is returned with a
        warning.

        Raises:
            HeadstartError: the name is unknown, several packages claim it, or the package's entry
                cannot be imported or lacks a member.
        """
        self.check(name)
        if name not in self._entries:
            return self._load(self._foreign[name][0])
        if name in self.refused:
            warnings.warn(self.refused[name], stacklevel=2)
        module, attribute = self._entries[name].split(":")
        return getattr(import_module(module), attribute)

    def check(self, name: str) -> None:
        """Raise a :class:`HeadstartError` for an unknown or refused name, without imports."""
        if name in self._entries:
            return
        if name in self.refused:
            raise HeadstartError(self.refused[name])
        if name not in self._foreign:
            hint = did_you_mean(name, self, all_in=f"headstart list {self.family}")
            raise HeadstartError(f"unknown {self.kind} {name!r}{hint}")

    def where(self, name: str) -> str | None:
        """Return ``"module:attribute"`` of an entry of this package; None for any other name."""
        return self._entries.get(name)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield each name with its imported entry, without those that cannot be imported."""
        for name in self:
            try:
                yield name, self[name]
            except HeadstartError:
                if name in self._entries:
                    raise

    def near(self, name: str) -> bool:
        """Return whether ``name`` looks like a misspelling of a known name.

        The first letter is rarely wrong, and short names are alike by chance, as run and gru are.
        """
        found = () if name in self else nearest(name, self, _SIMILARITY)
        return any(other[:1].lower() == name[:1].lower() for other in found)

    def package_of(self, name: str) -> str:
        """Return the installed package of an entry; ``headstart`` is this one.

        Raises:
            HeadstartError: the name is unknown or refused.
        """
        self.check(name)
        return HOME if name in self._entries else _package(self._foreign[name][0])

    @property
    def foreign(self) -> tuple[str, ...]:
        """The names of other packages, refused ones included."""
        return tuple(sorted(self._foreign))

    @property
    def refused(self) -> dict[str, str]:
        """The names of other packages that are not available, with the reason."""
        return {
            name: reason
            for name, points in self._foreign.items()
            if (reason := self._refusal(name, points))
        }

    @property
    def _foreign(self) -> dict[str, list[EntryPoint]]:
        return _installed(tuple(sys.path), self.group)

    def _refusal(self, name: str, points: list[EntryPoint]) -> str | None:
        """Return why an entry of another package is refused, or None."""
        packages = [*([HOME] if name in self._entries else []), *map(_package, points)]
        if len(packages) > 1:
            given = f"headstart's own {name!r} is used" if packages[0] == HOME else "none is used"
            return (
                f"the {self.kind} {name!r} is claimed by the packages "
                f"{' and '.join(packages)}: {given}; uninstall or rename the other."
            )
        if not _NAME.fullmatch(name) or name in _RESERVED:
            return (
                f"the package {packages[0]} names its {self.kind} {name!r}, which cannot be: "
                "a name has up to 32 of a-z, 0-9 and _, a letter first, and means nothing else "
                "on the command line."
            )
        return None

    def _load(self, point: EntryPoint) -> Any:
        named = f"the {self.kind} {point.name!r} of the package {_package(point)}"
        error = _import_error(tuple(sys.path), point.value.partition(":")[0].strip())
        if error is None:
            try:
                entry = point.load()
            except Exception as found:
                error = found
        if error is not None:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise HeadstartError(
                f"{named} cannot be imported ({reason}); install what it lacks, or uninstall it."
            ) from error
        abstract = getattr(entry, "__abstractmethods__", ())
        lacking = [member for member in self.members if not hasattr(entry, member)]
        lacking += sorted(abstract)
        if lacking:
            raise HeadstartError(
                f"{named} has no {' and no '.join(lacking)}; take a release of it that was made "
                "for this headstart, or uninstall it."
            )
        return entry


def _package(point: EntryPoint) -> str:
    try:
        name = point.dist.name if point.dist else None
    except TypeError:  # from Python 3.14 on, where an installation lacks its METADATA
        name = None
    return name or "without a name"


@cache
def _import_error(path: tuple[str, ...], module: str) -> Exception | None:
    """Import a module and return its error; a broken module is executed once per ``path``."""
    try:
        import_module(module)
    except Exception as error:
        return error
    return None


@cache
def _installed(path: tuple[str, ...], group: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name, as the packages on ``path`` declare them."""
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, []).append(point)
    return found
