"""Which of the candidates is taken: the best of those that reach the target within the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.errors import HeadstartError

#: What both differ by is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Row:
    """A candidate, or the original, as it was measured.

    Attributes:
        name: how it differs from the original.
        weights: ``float32`` or ``int8``.
        records_per_second: on one core, in batches of 32.
        faster: than the original, as a factor.
        megabytes: of its weights.
        quality: a share in 0..1.
        lost: points of quality that the original has more.
    """

    name: str
    weights: str
    records_per_second: float
    faster: float
    megabytes: float
    quality: float
    lost: float

    def words(self) -> str:
        """Return its name with what it costs and loses."""
        gone = f"{abs(self.lost):.1f} points {'lost' if self.lost >= 0 else 'gained'}"
        return (
            f"{self.name} in {self.weights} ({self.faster:.1f}x as fast, {self.megabytes:.1f} MB, "
            f"{gone})"
        )


def choose(
    rows: Sequence[Row], *, target: float | None, max_size: float | None, loss: float
) -> Row:
    """Return the row that is taken; of two as good the faster one.

    Raises:
        HeadstartError: there is none; the message has the nearest on both sides.
    """
    reach = [
        row
        for row in rows
        if (target is None or row.faster >= target)
        and (max_size is None or row.megabytes <= max_size)
    ]
    within = [row for row in rows if row.lost <= loss + _ROUNDING]
    both = [row for row in reach if row in within]
    if both:
        return max(both, key=lambda row: (row.quality, row.faster))
    bounds = [f"{target:g}x as fast"] if target is not None else []
    bounds += [f"of {max_size:g} MB at most"] if max_size is not None else []
    shown = "none reaches that"
    if reach:
        shown = f"of those the best is {max(reach, key=lambda row: row.quality).words()}"
    if within:
        nearest = max(within, key=lambda row: row.faster if target else -row.megabytes)
        shown += f", and within the loss the nearest is {nearest.words()}"
    raise HeadstartError(
        f"nothing is {' and '.join(bounds)} within {loss:g} points: {shown}; take another bound, "
        "for which nothing is learned again, or give more --budget and another --out."
    )
