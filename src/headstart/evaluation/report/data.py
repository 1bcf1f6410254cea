"""The data: counts, lengths, languages, duplicates, quarantined records, and overlaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.pages.markup import Markup, cut, table, tag
from headstart.pages.tables import Table

#: Maximum number of listed records, and of rows in any table.
_NAMED = 20
_LETTERS = 200
_COUNTS = {
    "kept": "Kept",
    "quarantine": "Set aside",
    "blank": "Blank",
    "duplicates": "Duplicates among the kept",
}

Audits = Mapping[str, Mapping[str, Any]]


def section(audits: Audits) -> Markup:
    """Return tables of the audits of all sources."""
    if not audits:
        return Markup("")
    rows = [
        [what, *(f"{audit.get(name, 0):,}" for name in _COUNTS), _near(audit)]
        for what, audit in audits.items()
    ]
    head = ["Records", *_COUNTS.values(), "Near duplicates"]
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    parts = [table(head, {"": rows})]
    parts += _overlaps(audits)
    for title, found in (("Facts", _facts(audits)), ("Lengths", _lengths(audits))):
        if found:
            parts.append(tag("details", tag("summary", title), table([title, ""], found)))
    parts += _tables(audits)
    parts += _quarantined(audits)
    notes = [note for audit in audits.values() for note in audit.get("notes", [])]
    parts += [tag("p", cut(str(note), _LETTERS), class_="small") for note in notes[:_NAMED]]
    return tag("section", tag("h2", "The data", id="data"), *parts)


def _near(audit: Mapping[str, Any]) -> str:
    near = audit.get("near_duplicates")
    return f"{near['count']:,}" if isinstance(near, Mapping) and "count" in near else ""


def _overlaps(audits: Audits) -> list[Markup]:
    parts = []
    for what, audit in audits.items():
        found = audit.get("overlap")
        if not isinstance(found, Mapping):
            continue
        exact, near = found.get("exact", 0), found.get("near", 0)
        words = f"Overlap of {what} with the pre-training data: {exact:,} exact, {near:,} near."
        parts.append(tag("p", words, class_="note" if exact or near else "good"))
        pairs = [[cut(str(a), 60), cut(str(b), 60)] for a, b in found.get("examples", [])[:_NAMED]]
        if pairs:
            listed = table(["Tested record", "is like the pre-training record"], {"": pairs})
            parts.append(tag("details", tag("summary", "Which ones"), listed))
    return parts


def _facts(audits: Audits) -> dict[str, list[list[str]]]:
    return {
        what: [
            [cut(str(name), 60), cut(_plain(value), _LETTERS)]
            for name, value in list(audit["facts"].items())[: 2 * _NAMED]
        ]
        for what, audit in audits.items()
        if audit.get("facts")
    }


def _lengths(audits: Audits) -> dict[str, list[list[str]]]:
    return {
        what: [
            [f"{name}, in {audit['lengths'].get('unit', '')}", _plain(value)]
            for name, value in dict(audit["lengths"].get("quantiles", {})).items()
        ]
        for what, audit in audits.items()
        if audit.get("lengths")
    }


def _tables(audits: Audits) -> list[Markup]:
    """Return the tables specific to the kind of data, grouped by title."""
    by_title: dict[str, dict[str, Table]] = {}
    for what, audit in audits.items():
        for values in audit.get("tables", []):
            by_title.setdefault(str(values["title"]), {})[what] = Table(**values)
    parts = []
    for title, found in by_title.items():
        head = list(next(iter(found.values())).head)
        groups = {
            what: [[cut(cell, 60) for cell in row] for row in one.rows[:_NAMED]]
            for what, one in found.items()
        }
        notes = [
            tag("p", f"{what}: {one.note}", class_="small")
            for what, one in found.items()
            if one.note
        ]
        parts.append(tag("details", tag("summary", title), table(head, groups), *notes))
    return parts


def _quarantined(audits: Audits) -> list[Markup]:
    quarantined = [
        [cut(str(record["where"]), _LETTERS), cut(str(record["reason"]), _LETTERS)]
        for audit in audits.values()
        for record in audit.get("records", [])
    ]
    if not quarantined:
        return []
    more = len(quarantined) - _NAMED
    parts = [table(["Set aside", "Why"], {"": quarantined[:_NAMED]})]
    if more > 0:
        parts.append(tag("p", f"And {more:,} more, named in audit.json.", class_="small"))
    return parts


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
