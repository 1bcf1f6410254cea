"""What a compression found, as a result and as a page with the curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.deployment.compressing.choosing import Row
from headstart.pages.markup import table
from headstart.pages.page import page
from headstart.pages.result import Result
from headstart.pages.sections import method, section
from headstart.pages.top import tile, top
from headstart.pages.tradeoff import Place, tradeoff

_HEAD = ["", "Weights", "Records a second", "Times as fast", "MB", "Quality", "Points lost"]


@dataclass(frozen=True)
class Compressed(Result):
    """The run that was written, and all candidates.

    Attributes:
        out: the run folder.
        chosen: what was taken.
        rows: everything that was measured, the original first.
        measure: what quality is, in words.
        judged: the records that it was measured on, in words.
        notes: what was left out, and why.
    """

    out: Path
    chosen: Row
    rows: Sequence[Row]
    measure: str
    judged: str
    notes: Sequence[str] = ()

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "out": str(self.out),
            "chosen": asdict(self.chosen),
            "candidates": [asdict(row) for row in self.rows],
            "measure": self.measure,
            "judged": self.judged,
            "notes": list(self.notes),
        }

    @property
    def answer(self) -> str:
        """The result in one sentence."""
        return f"{self.chosen.words()} takes the place of the original."

    def __str__(self) -> str:
        cells = [_HEAD, *(_cells(row) for row in self.rows)]
        wide = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
        lines = [
            "  ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True)).rstrip()
            for row in cells
        ]
        about = f"quality: {self.measure}, on {self.judged}"
        return "\n".join([f"{self.out}: {self.answer}", *lines, about, *self.notes])

    def page(self) -> str:
        """Return the page with the curve, which works offline."""
        chosen, original = self.chosen, self.rows[0]
        tiles = [
            tile("Faster", f"{chosen.faster:.1f}x", "on one core"),
            tile("Smaller", f"{original.megabytes / chosen.megabytes:.1f}x", "weights"),
            tile("Quality", f"{chosen.quality:.1%}", f"of {original.quality:.1%}"),
            tile("Weights", chosen.weights, f"{chosen.megabytes:.1f} MB"),
        ]
        tone = "gain" if chosen.lost <= 0 else "level"
        header = top("How small may it be?", [self.answer], tone, tiles, (), list(self.notes))
        places = [
            Place(
                f"{row.name}, {row.weights}",
                row.records_per_second,
                100 * row.quality,
                row.words(),
                strong=row in (chosen, original),
            )
            for row in self.rows
        ]
        curve = tradeoff(
            "What quality costs",
            places,
            x_label="records a second on one core",
            y_label="quality, percent",
        )
        about = {
            "quality": f"{self.measure}, on {self.judged}",
            "time": "seconds of one core, in batches of 32 records that were prepared before; "
            "float32 is run by torch, int8 by ONNX Runtime, all in turn, the least of three",
            "size": "the weights as they are stored",
        }
        parts = [
            section("The curve", "course", curve),
            section("All candidates", "figures", table(_HEAD, {"": [*map(_cells, self.rows)]})),
            method(about),
        ]
        return page(header, parts, title="headstart: how small may it be?", script=False)


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        row.weights,
        f"{row.records_per_second:,.0f}",
        f"{row.faster:.2f}",
        f"{row.megabytes:.1f}",
        f"{row.quality:.1%}",
        f"{row.lost:+.1f}",
    ]
