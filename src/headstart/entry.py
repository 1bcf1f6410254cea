"""The page of one name: what it does, where it is from, what it needs, and its options."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.catalog import FAMILIES, WIDTH, Line, line, options_of
from headstart.config.described import facts, single
from headstart.errors import HeadstartError
from headstart.registries import MODALITIES, OBJECTIVES
from headstart.registry import HOME

#: Where the pages with pictures are, in a checkout.
_DOCS = Path(__file__).parents[2] / "docs"
#: The word for one entry of a family.
_ONE = {"modalities": "kind of data", "encoders": "encoder", "objectives": "objective"}
_ONE |= {"tasks": "task of fine-tuning", "protocols": "task of evaluation"}
#: The option that takes a name of a family.
_USED = {
    "modalities": "headstart pretrain SOURCES --modality {name} --out RUN",
    "encoders": "headstart pretrain SOURCES --encoder {name} --out RUN",
    "objectives": "headstart pretrain SOURCES --objective {name} --out RUN",
    "tasks": "headstart finetune RUN --task {name} --train LABELED --out RUN2",
    "protocols": "headstart evaluate RUN --task {name} --train LABELED",
}


@dataclass(frozen=True)
class Entries:
    """All entries of one name; a task of fine-tuning may be called as one of evaluation."""

    name: str
    found: dict[str, Line]

    @classmethod
    def named(cls, name: str) -> Entries | None:
        """Return what a name stands for; None where nothing is called so.

        Raises:
            HeadstartError: the name is of another package that is broken.
        """
        found = {
            family: line(registry, name)
            for family, registry in FAMILIES.items()
            if name in registry
        }
        for one in found.values():
            if one.entry is None:
                raise HeadstartError(str(one.fault))
        if not found and any(registry.near(name) for registry in FAMILIES.values()):
            near = next(registry for registry in FAMILIES.values() if registry.near(name))
            near.check(name)
        return cls(name, found) if found else None

    def summary(self) -> dict[str, Any]:
        """Return plain values by family."""
        return {
            family: {**one.summary(), "about": _about(one), "needs": _needs(one), **options_of(one)}
            for family, one in self.found.items()
        }

    def __str__(self) -> str:
        return "\n\n".join(_page(family, one) for family, one in self.found.items())


def _page(family: str, one: Line) -> str:
    where = f", of the package {one.package}" if one.package not in (None, HOME) else ""
    parts = [f"{one.name}: {_ONE[family]}{where}", "", *_about(one).splitlines()]
    parts += [""] if _needs(one) or _partners(family, one.name) else []
    parts += _wrapped("Needs ", ", ".join(need.replace("_", " ") for need in _needs(one)))
    parts += _wrapped("Goes with ", _partners(family, one.name))
    parts += _options(family, one)
    parts += ["", _USED[family].format(name=one.name)]
    page = _DOCS / family / f"{one.name}.md"
    parts += [f"with a picture: {page}"] * page.is_file()
    return "\n".join(parts)


def _about(one: Line) -> str:
    """Return the documentation of an entry, with its sources, as text."""
    text = inspect.getdoc(one.entry) if inspect.isclass(one.entry) else one.about
    text = re.split(r"\n(?:Args|Attributes|Example|Raises)::?\s*\n", text or "")[0]
    text = re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "")
    paragraphs = (" ".join(each.split()) for each in text.strip().split("\n\n"))
    return "\n\n".join(
        textwrap.fill(each, WIDTH, break_long_words=False, break_on_hyphens=False)
        for each in paragraphs
    )


def _needs(one: Line) -> list[str]:
    return sorted(getattr(one.entry, "needs", ()))


def _partners(family: str, name: str) -> str:
    """Return the kinds of data and encoders of an objective, or an encoder's objectives."""
    if family not in ("objectives", "encoders"):
        return ""
    from headstart.objectives.needs import encoders_for

    kinds = dict(MODALITIES.items())
    if family == "objectives":
        able = {kind: encoders_for(OBJECTIVES[name].needs, its) for kind, its in kinds.items()}
        return ", ".join(f"{kind} ({', '.join(names)})" for kind, names in able.items() if names)
    found = [
        objective
        for kind in kinds.values()
        for objective, its in OBJECTIVES.items()
        if name in encoders_for(its.needs, kind)
    ]
    return ", ".join(found)


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(f"{head}{text}.", WIDTH, break_on_hyphens=False) if text else []


def _options(family: str, one: Line) -> list[str]:
    """Return the options as lines: name and facts, then the description."""
    if not one.options:
        return []
    prefix = "encoder" if family == "encoders" else one.name
    rows = ["", f"Options, as --set {prefix}.NAME=VALUE:"]
    for name, field in single(one.options):
        known = facts(field)
        rows.append(f"  {name}" + (f"  ({known})" if known else ""))
        rows += textwrap.wrap(
            field.description or "", WIDTH, initial_indent="    ", subsequent_indent="    "
        )
    return rows
