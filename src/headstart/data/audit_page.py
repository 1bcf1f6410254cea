"""The page of an audit: a headline, then a table for each measure."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.data.audit import MANY, set_aside, share_set_aside
from headstart.data.audit_html import audit_html
from headstart.data.contradictions import MATTERS
from headstart.data.survey import in_words
from headstart.files import write_json, write_text
from headstart.pages.cards import Shown
from headstart.pages.result import Result
from headstart.pages.tables import Table

#: Pairs and quarantined records on the page; all are in the .json file.
EXAMPLES = 5
_WIDEST = 110


class AuditPage(Result):
    """The result of :func:`headstart.modalities.auditing.audit_sources`, for display or a file.

    Args:
        found: all figures.
        samples: some of the records, for the page.
        shown: the records that are named in pairs, by their ids.
    """

    def __init__(
        self,
        found: dict[str, Any],
        samples: Sequence[Shown] = (),
        shown: Mapping[str, Shown] | None = None,
    ) -> None:
        self._found, self._samples, self._shown = found, samples, shown or {}

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return self._found

    def __str__(self) -> str:
        """Return the page for a terminal, coloured where there is one."""
        from rich.console import Console
        from rich.markup import escape

        terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
        width = min(_WIDEST, Console().width) if terminal else _WIDEST
        written = io.StringIO()
        console = Console(file=written, force_terminal=terminal, width=width)
        console.print(f"[bold]{escape(self.headline())}[/bold]", highlight=False)
        for table in self._tables():
            console.print()
            console.print(table.printed(), highlight=False)
        for note in self._found.get("notes", []):
            console.print()
            console.print(f"[dim]{escape(note)}[/dim]", highlight=False)
        return written.getvalue().rstrip()

    def headline(self) -> str:
        """Return the main result in one or two sentences, what was lost first."""
        found = self._found
        lost = f"{set_aside(found)}. " if share_set_aside(found) > MANY else ""
        return f"{lost}{self._repeated()}"

    def _repeated(self) -> str:
        """Return how many records are duplicates, and how many test records are among them."""
        found, noun = self._found, self._found["noun"]
        near = found.get("near_duplicates", {}).get("count")
        twice = found["duplicates"] + (near or 0)
        share = twice / max(1, found["kept"])
        duplicates = (
            f"{in_words(share).capitalize()} of {found['kept']:,} {noun} are duplicates"
            if twice
            else f"None of {found['kept']:,} {noun} is a duplicate"
        )
        if near is None:
            duplicates += " (only exact ones were looked for)"
        labels = found.get("contradictions", {"records": 0, "labeled": 1})
        if labels["records"] >= MATTERS * labels["labeled"]:
            share = in_words(labels["records"] / labels["labeled"])
            duplicates += f", and {share} of those with a label have a copy with another label"
        if "overlap" not in found:
            return f"{duplicates}."
        overlap = found["overlap"]
        shared = overlap["exact"] + overlap["near"]
        nearly = f" ({overlap['near']:,} of them nearly)" if overlap["near"] else ""
        nearly = ", nearly" if overlap["near"] == 1 == shared else nearly
        are = "is" if shared == 1 else "are"
        tested = f"of {overlap['tested']:,} test {noun}"
        return (
            f"{duplicates}; {shared:,} {tested} {are} in the pre-training data{nearly}."
            if shared
            else f"{duplicates}; none {tested} is in the pre-training data."
        )

    def write(self, path: Path) -> None:
        """Write a .json file with everything, or else an .html file with the page."""
        if path.suffix.lower() == ".json":
            write_json(path, self._found)
        else:
            write_text(path, self._html())

    def _html(self) -> str:
        return audit_html(self._found, self.headline(), self._samples, self._shown)

    def _tables(self) -> Iterator[Table]:
        found = self._found
        yield Table("What went in", _went_in(found))
        if "lengths" in found:
            quantiles = found["lengths"]["quantiles"]
            sizes = [f"{value:,}" for value in quantiles.values()]
            yield Table(f"Sizes, in {found['lengths']['unit']}", [sizes], list(quantiles))
        yield from (Table(**values) for values in found.get("tables", []))
        near, overlap = found.get("near_duplicates"), found.get("overlap")
        if near and near["examples"]:
            yield _pairs("Nearly the same", near["examples"], ["this one", "repeats this one"])
        if "contradictions" in found:
            yield _pairs(
                "Copies with different labels",
                found["contradictions"]["examples"],
                ["this one", "has the label", "and its copy", "has the label"],
            )
        if overlap:
            rows = [
                [f"{overlap['exact']:,}", "test records occur in the sources exactly"],
                [f"{overlap['near']:,}", "more occur nearly"],
                [f"{overlap['pretraining']:,}", "of the sources affected"],
            ]
            yield Table("Overlap with the test data", rows)
        if overlap and overlap["examples"]:
            yield _pairs("Pairs", overlap["examples"], ["in the test data", "in the sources"])
        if found["reasons"]:
            rows = [[f"{count:,}", reason] for reason, count in found["reasons"].items()]
            yield Table("Set aside", rows)
            named = [[row["where"], row["reason"]] for row in found["records"][:EXAMPLES]]
            yield Table("For example", named)


def _went_in(found: dict[str, Any]) -> list[list[str]]:
    rows = [
        [f"{found['noun']} kept", f"{found['kept']:,}"],
        ["exact duplicates of an earlier one", f"{found['duplicates']:,}"],
    ]
    if "near_duplicates" in found:
        rows.append(["near duplicates of an earlier one", f"{found['near_duplicates']['count']:,}"])
    if "contradictions" in found:
        rows.append(["with a copy of another label", f"{found['contradictions']['records']:,}"])
    rows += [["set aside", f"{found['quarantine']:,}"], ["blank", f"{found['blank']:,}"]]
    return rows + [[name, str(value)] for name, value in found.get("facts", {}).items()]


def _pairs(title: str, pairs: list[list[str]], head: list[str]) -> Table:
    return Table(f"{title} (the first {min(EXAMPLES, len(pairs))})", pairs[:EXAMPLES], head)
