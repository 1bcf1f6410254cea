"""An audit for a person: the finding first, then one table for each thing that was looked at."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.files import write_json, write_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Pairs and set-aside records that are shown; all are in the .json file.
SHOWN = 5
_WIDEST = 110


def checked(out: str | None) -> Path | None:
    """Return the file to write; one that is neither .json nor .html is a HeadstartError."""
    if out is None:
        return None
    if Path(out).suffix not in (".json", ".html"):
        raise HeadstartError(f"--out {out} must end in .json or .html.")
    return Path(out)


class AuditPage:
    """What :func:`headstart.modalities.auditing.audit_sources` found, to be read or written."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return self._found

    def __str__(self) -> str:
        """Return the page for a terminal, coloured where there is one."""
        from rich.console import Console

        terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
        width = min(_WIDEST, Console().width) if terminal else _WIDEST
        console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
        return self._printed(console).rstrip()

    def headline(self) -> str:
        """Return the finding in one or two sentences."""
        found, noun = self._found, self._found["noun"]
        near = found.get("near_duplicates", {}).get("count")
        twice = found["duplicates"] + (near or 0)
        share = twice / max(1, found["kept"])
        duplicates = (
            f"{_share(share).capitalize()} of {found['kept']:,} {noun} are duplicates"
            if twice
            else f"None of {found['kept']:,} {noun} is a duplicate"
        )
        if near is None:
            duplicates += " (only exact ones were looked for)"
        if "overlap" not in found:
            return f"{duplicates}."
        overlap = found["overlap"]
        shared = overlap["exact"] + overlap["near"]
        tested = f"of {overlap['tested']:,} test {noun}"
        return (
            f"{duplicates}; {shared:,} {tested} are in the pre-training data."
            if shared
            else f"{duplicates}; none {tested} is in the pre-training data."
        )

    def write(self, path: Path) -> None:
        """Write a .json file with everything, or else an .html file with the page."""
        if path.suffix == ".json":
            write_json(path, self._found)
        else:
            write_text(path, self._html())

    def _html(self) -> str:
        from rich.console import Console

        console = Console(file=io.StringIO(), record=True, width=_WIDEST)
        self._printed(console)
        page = console.export_html(
            code_format=_HTML.replace("TITLE", _escaped(self.headline())), inline_styles=True
        )
        return page

    def _printed(self, console: Console) -> str:
        console.print(f"[bold]{_marked(self.headline())}[/bold]", highlight=False)
        for part in self._parts():
            console.print()
            console.print(part, highlight=False)
        for note in self._found.get("notes", []):
            console.print()
            console.print(f"[dim]{_marked(note)}[/dim]", highlight=False)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def _parts(self) -> Iterator[RenderableType]:
        found = self._found
        # Of texts the facts are numbers; of pictures they are words.
        yield _table("What went in", _went_in(found), 1 if found["content"] == "text" else None)
        if "lengths" in found:
            quantiles = found["lengths"]["quantiles"]
            yield _wide(f"Sizes, in {found['lengths']['unit']}", quantiles)
        if found.get("languages"):
            yield _counted("Languages", found["languages"], sum(found["languages"].values()))
        yield from self._repeated()
        if found.get("quality"):
            yield self._quality()
        if found["reasons"]:
            rows = ((f"{count:,}", reason) for reason, count in found["reasons"].items())
            yield _table("Set aside", rows, right=0)
            named = [(row["where"], row["reason"]) for row in found["records"][:SHOWN]]
            yield _table("For example", named)

    def _repeated(self) -> Iterator[RenderableType]:
        near = self._found.get("near_duplicates")
        if near and near["examples"]:
            yield _pairs("Nearly the same", near["examples"], ("this one", "repeats this one"))
        overlap = self._found.get("overlap")
        if overlap:
            rows = [
                (f"{overlap['exact']:,}", "test records occur in the sources exactly"),
                (f"{overlap['near']:,}", "more occur nearly"),
                (f"{overlap['pretraining']:,}", "records of the sources are affected"),
            ]
            yield _table("Overlap with the test data", rows, right=0)
        if overlap and overlap["examples"]:
            yield _pairs("Pairs", overlap["examples"], ("in the test data", "in the sources"))

    def _quality(self) -> RenderableType:
        of = self._found["quality_looked_at"]
        skipped = self._found.get("quality_does_not_apply", {})
        table = _empty("Fail a quality rule", ("rule", "records", "share", ""))
        table.columns[1].justify = table.columns[2].justify = "right"
        passed = []
        for rule, count in self._found["quality"].items():
            applies = of - skipped.get(rule, 0)
            remark = f"does not apply to {skipped[rule]:,}" if skipped.get(rule) else ""
            if count:
                table.add_row(rule, f"{count:,}", _share(count / max(1, applies)), remark)
            else:
                passed.append(rule if applies else f"{rule} (applies to none)")
        if passed:
            table.caption = f"None fails {', '.join(passed)}."
            table.caption_justify = "left"
        return table


def _went_in(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(f"{found['noun']} kept", f"{found['kept']:,}")]
    if "near_duplicates" in found:
        rows.append(("near duplicates of an earlier one", f"{found['near_duplicates']['count']:,}"))
    rows.insert(1, ("exact duplicates of an earlier one", f"{found['duplicates']:,}"))
    rows += [("set aside", f"{found['quarantine']:,}"), ("blank", f"{found['blank']:,}")]
    return rows + [(name, str(value)) for name, value in found.get("facts", {}).items()]


def _empty(title: str, head: Iterable[str] = ()) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    names = list(head)
    return Table(
        *names,
        title=title,
        title_style="bold",
        title_justify="left",
        box=SIMPLE_HEAD if names else None,
        show_header=bool(names),
        header_style="dim",
        pad_edge=False,
    )


def _table(title: str, rows: Iterable[tuple[str, str]], right: int | None = None) -> RenderableType:
    table = _empty(title)
    for row in rows:
        table.add_row(*map(_marked, row))
    if right is not None:
        table.columns[right].justify = "right"
    return table


def _wide(title: str, values: dict[str, Any]) -> RenderableType:
    table = _empty(title, values)
    for column in table.columns:
        column.justify = "right"
    table.add_row(*(f"{value:,}" for value in values.values()))
    return table


def _counted(title: str, counts: dict[str, int], of: int) -> RenderableType:
    table = _empty(title, ("", "records", "share"))
    table.columns[1].justify = table.columns[2].justify = "right"
    for name, count in list(counts.items())[: 2 * SHOWN]:
        table.add_row(_marked(_LANGUAGES.get(name, name)), f"{count:,}", _share(count / of))
    return table


def _pairs(title: str, pairs: list[list[str]], head: tuple[str, str]) -> RenderableType:
    table = _empty(f"{title} (the first {min(SHOWN, len(pairs))})", head)
    for column in table.columns:
        column.overflow = "fold"
    for one, other in pairs[:SHOWN]:
        table.add_row(_marked(one), _marked(other))
    return table


def _share(share: float) -> str:
    return "less than 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _marked(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


#: The commonest codes; others are shown as they are.
_LANGUAGES = {
    **{"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian"},
    **{"zh": "Chinese", "ja": "Japanese", "ko": "Korean", "pt": "Portuguese", "ru": "Russian"},
    **{"nl": "Dutch", "pl": "Polish", "cs": "Czech", "ar": "Arabic", "tr": "Turkish"},
    **{"und": "too short to tell"},
}

_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>TITLE</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ margin: 2rem; color: #1a1a1a; background: #fff; overflow-x: auto; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e8e8e8; background: #16181c; }} }}
pre {{ font: 14px/1.35 ui-monospace, Menlo, Consolas, monospace; }}
</style></head><body><pre>{code}</pre></body></html>
"""
