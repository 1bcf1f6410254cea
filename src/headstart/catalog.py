"""The registries as tables: what is available, and which entries work together."""

from __future__ import annotations

import inspect
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo

from headstart.config.described import described, single
from headstart.errors import HeadstartError, did_you_mean
from headstart.pages.result import Result
from headstart.registries import ENCODERS, FAMILIES, MODALITIES, OBJECTIVES, PROTOCOLS
from headstart.registry import HOME, Registry
from headstart.said import Said, first_line, said

if TYPE_CHECKING:
    from headstart.encoders.published import Found

#: Columns of a table of combinations, of a table's names, and of its encoders.
WIDTH, NAMES, ENCODERS_WIDE = 80, 20, 26


def names(
    what: str | None = None, *, fetch: str | None = None, quick: bool = False
) -> Catalog | Listing | Cells | Found:
    """Return what is available, in headstart and in packages that extend it.

    Args:
        what: a family (``objectives``, ``encoders``, ``modalities``, ``tasks``, ``protocols``,
            ``exports``);
            ``cells`` for what goes with what; ``starts`` for the published encoders on this
            machine; by default all families.
        fetch: with ``starts``, a model of the Hugging Face hub that is fetched first.
        quick: with ``starts``, measure no speed that is not known yet.

    Raises:
        HeadstartError: there is no such family, or the model cannot be fetched.

    Example::

        print(hs.list("objectives"))
        hs.list("encoders").to_dict()["light"]["options"]
    """
    if what is not None and what not in (known := [*FAMILIES, "cells", "starts"]):
        raise HeadstartError(f"there is no list {what!r}{did_you_mean(what, known)}")
    if fetch is not None or what == "starts":
        from headstart.encoders import published
        from headstart.evaluation.speed import speeds
        from headstart.verbs.reading import say

        if fetch is not None:
            published.fetch(fetch)
        found = published.Found.here()
        return replace(found, speeds=speeds(found.encoders, None if quick else say))
    if what is None or what == "cells":
        return Cells.read() if what else Catalog.read()
    return Listing(what, lines(FAMILIES[what]))


@dataclass(frozen=True)
class Line:
    """One name of a registry.

    Attributes:
        registry: that it is a name of.
        package: of the entry; None where several packages claim the name.
        fault: why it is not available, in a sentence: it cannot be imported, or is claimed twice.
    """

    name: str
    registry: Registry
    package: str | None = None
    fault: str | None = None

    @cached_property
    def entry(self) -> Any:
        """The object with this name, imported now; None if it is not available."""
        try:
            return self.registry[self.name]
        except HeadstartError:
            return None

    @property
    def about(self) -> str:
        """The entry's description, in one line."""
        if self._said.about is not None:
            return self._said.about
        text = self.entry.__doc__ if inspect.isclass(self.entry) else self._field("about")
        return first_line(text) or ""

    @property
    def options(self) -> dict[str, FieldInfo]:
        """The options of the entry, by name."""
        options = self._field("Options")
        return options.model_fields if options else {}

    @property
    def group(self) -> str:
        """The heading in a list: the family of an objective, or what an encoder reads."""
        if self.registry is OBJECTIVES:
            return self._said.family or str(self._field("family") or "")
        if self.registry is not ENCODERS:
            return ""
        reads = self._said.reads or self._field("reads")
        kinds = [kind for _, kind in MODALITIES.items() if kind.gives == reads]
        return " or ".join(kind.content.noun for kind in kinds if kind.content is not None)

    @property
    def _said(self) -> Said:
        where = self.registry.where(self.name)
        return said(where) if where else Said()

    def _field(self, name: str) -> Any:
        return getattr(self.entry, name, None)

    def summary(self) -> dict[str, str]:
        """Return plain values; the package is left out where it is headstart."""
        text = {"about": self.about, "package": self.package, "fault": self.fault}
        return {key: value for key, value in text.items() if value and value != HOME}

    def __str__(self) -> str:
        source = f" [{self.package}]" if self.package not in (None, HOME) else ""
        start = f"  {self.name:{NAMES - 3}} "
        terminal = sys.__stdout__
        about = self.about
        if terminal is not None and terminal.isatty():  # a file or a pipe has room for all
            room = shutil.get_terminal_size().columns - len(start) - len(source)
            about = textwrap.shorten(about, max(room, NAMES), placeholder="…")
        line = start + about + source
        fault = textwrap.indent(textwrap.fill(self.fault or "", WIDTH - 4), "    ")
        return "\n".join(filter(None, [line.rstrip(), fault]))


@dataclass(frozen=True)
class Catalog(Result):
    """All entries by family; a broken package is a line, not an error."""

    families: dict[str, list[Line]]

    @classmethod
    def read(cls) -> Catalog:
        """Read every entry of every registry; only those of other packages are imported."""
        return cls({family: lines(registry) for family, registry in FAMILIES.items()})

    def summary(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        return {
            family: {line.name: line.summary() for line in found}
            for family, found in self.families.items()
        }

    def __str__(self) -> str:
        rows = []
        for family, found in self.families.items():
            rows += [family, *map(str, found), ""]
        rows.append("headstart list FAMILY: one of these; list cells: what goes with what;")
        rows.append("headstart info NAME: what it needs, and its options.")
        return "\n".join(rows)


@dataclass(frozen=True)
class Listing(Result):
    """The entries of one registry, by the group that they belong to.

    Attributes:
        family: the name of the registry's family, such as ``objectives``.
    """

    family: str
    found: list[Line]

    def summary(self) -> dict[str, Any]:
        """Return plain values, the options of each entry included."""
        return {line.name: line.summary() | options_of(line) for line in self.found}

    def __str__(self) -> str:
        rows = []
        for group in dict.fromkeys(line.group for line in self.found):
            rows += [group] * bool(group)
            rows += [str(line) for line in self.found if line.group == group]
            rows += [""] * bool(group)
        example = self.found[0].name if self.found else "NAME"
        rows.append(f"headstart info NAME, such as {example}: what it needs, and its options.")
        return "\n".join(rows)


def options_of(line: Line) -> dict[str, dict[str, str]]:
    """Return ``{"options": {name: description with default and bounds}}``; {} without any."""
    options = {name: described(field) for name, field in single(line.options)}
    return {"options": options} if options else {}


def lines(registry: Registry) -> list[Line]:
    """Return a line for each name of a registry, unavailable ones included."""
    return [line(registry, name) for name in dict.fromkeys([*registry, *registry.foreign])]


def foreign() -> dict[str, list[Line]]:
    """Return the lines of other packages, by family; families without any are left out."""
    found = {
        family: [line(registry, name) for name in registry.foreign]
        for family, registry in FAMILIES.items()
    }
    return {family: theirs for family, theirs in found.items() if theirs}


def line(registry: Registry, name: str) -> Line:
    """Return the line of a name; errors of other packages, which are imported, are part of it."""
    package = None
    try:
        package = registry.package_of(name)
        if package != HOME or name in registry.refused:
            registry[name]
        return Line(name, registry, package, registry.refused.get(name))
    except HeadstartError as error:
        return Line(name, registry, package=package, fault=str(error))


@dataclass(frozen=True)
class Cell:
    """The encoders and protocols of an objective on one kind of data.

    Attributes:
        encoders: those that it can train, in the order of the registry.
        protocols: those that can evaluate one of these encoders.
    """

    modality: str
    objective: str
    encoders: tuple[str, ...]
    protocols: tuple[str, ...]


@dataclass(frozen=True)
class Cells(Result):
    """The valid combinations of modality, objective, encoder and protocol.

    Attributes:
        missing: sentences on entries and kinds of data that are in none.
    """

    cells: tuple[Cell, ...]
    missing: tuple[str, ...] = ()

    @classmethod
    def read(cls, package: str | None = None) -> Cells:
        """Return the combinations of all entries, or of those of one package."""
        cells = tuple(_cells(package))
        broken = [each.fault for found in foreign().values() for each in found if each.fault]
        served = {cell.modality for cell in cells}
        idle = [
            f"nothing goes with {name}: no encoder reads it that an objective can teach."
            for name, _ in MODALITIES.items()
            if name not in served and package in (None, MODALITIES.package_of(name))
        ]
        return cls(cells, (*broken, *idle))

    def summary(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        missing = {"missing": list(self.missing)} if self.missing else {}
        return {"cells": [asdict(cell) for cell in self.cells], **missing}

    def __str__(self) -> str:
        rows = []
        for modality in dict.fromkeys(cell.modality for cell in self.cells):
            own = [cell for cell in self.cells if cell.modality == modality]
            rows += _row(f"{modality} encoders", "objectives that teach them")
            for encoders, objectives in grouped(own).items():
                rows += _row(f"  {', '.join(encoders)}", ", ".join(objectives))
            measures = dict.fromkeys(name for cell in own for name in cell.protocols)
            rows += [*_row("  is measured by", ", ".join(measures)), ""]
        rows += [textwrap.fill(sentence, WIDTH) for sentence in self.missing]
        rows.append("Encoders are also networks of timm, and Transformers folders.")
        return "\n".join(rows)


def _cells(package: str | None) -> Iterator[Cell]:
    """Yield a cell for each objective and kind of data that share an encoder.

    Encoders are those that :mod:`headstart.objectives.needs` accepts. A protocol of the kind of
    data is valid if the data and one of these encoders provide what it needs.
    """
    from headstart.evaluation.protocols import protocols_for
    from headstart.objectives.needs import encoders_for

    def entries(registry: Registry) -> dict[str, Any]:
        return {
            name: entry
            for name, entry in registry.items()
            if package in (None, registry.package_of(name))
        }

    encoders, protocols = entries(ENCODERS), entries(PROTOCOLS)
    objectives = entries(OBJECTIVES)
    for modality, kind in entries(MODALITIES).items():
        for objective, its in objectives.items():
            able = [name for name in encoders_for(its.needs, kind) if name in encoders]
            offered = [kind.provides | encoders[name].provides for name in able]
            measures = [
                name
                for name in protocols_for(kind)
                if name in protocols and any(protocols[name].needs <= each for each in offered)
            ]
            if able:
                yield Cell(modality, objective, tuple(able), tuple(measures))


def grouped(found: Iterable[Cell]) -> dict[tuple[str, ...], list[str]]:
    """Return the objectives by their encoders, those with the most encoders first."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for cell in found:
        groups.setdefault(cell.encoders, []).append(cell.objective)
    return dict(sorted(groups.items(), key=lambda group: -len(group[0])))


def _row(left: str, right: str) -> list[str]:
    """Return the lines of two columns."""
    indent = " " * (len(left) - len(left.lstrip()))
    narrow = textwrap.wrap(left, ENCODERS_WIDE - 2, subsequent_indent=indent)
    wide = textwrap.wrap(right, WIDTH - ENCODERS_WIDE)
    pairs = zip_longest(narrow, wide, fillvalue="")
    return [f"{one:{ENCODERS_WIDE}}{other}".rstrip() for one, other in pairs]
