"""What would decide a comparison that is not clear: more draws of labels, or more test records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy import stats

from headstart.data.labels import FEWEST_TESTED

if TYPE_CHECKING:
    from headstart.evaluation.intervals import Change

#: Most draws of labels, and most times the present test records, that are proposed.
MOST_DRAWS, MOST_GROWTH = 100, 20.0


def more_to_decide(change: Change, draws: int, units: int, level: float) -> tuple[str, int] | None:
    """Return what would make a difference of this size significant, if it stays the same.

    Args:
        draws: draws of labels, as they are.
        units: tested units, as they are.
        level: two-sided level that the comparison must meet.

    Returns:
        ``("draws", number)``, ``("units", number)``, or None where neither alone would be enough.
        Draws come first, as they cost no labels.
    """
    for count in range(draws + 1, MOST_DRAWS + 1) if change.between else ():
        error = math.sqrt(change.within + change.rest + change.between * draws / count)
        if abs(change.estimate.mean) > stats.t.ppf(1 - level / 2, count - 1) * error:
            return "draws", count
    allowed = (change.estimate.mean / stats.norm.ppf(1 - level / 2)) ** 2
    left = allowed - change.between - change.rest
    if left > 0 and 1 < change.within / left <= MOST_GROWTH:
        return "units", _rounded_up(units * change.within / left)
    return None


def is_too_few(tested: int) -> bool:
    """Return whether so few units were tested that nothing is claimed; 0 are not known."""
    return 0 < tested < FEWEST_TESTED


def few_tested(tested: int, unit: str) -> str:
    """Return that so few units (a plural) were tested that nothing is claimed."""
    were = f"1 of the {unit} was" if tested == 1 else f"{tested} {unit} were"
    return (
        f"Too few to tell: only {were} tested, and a verdict needs {FEWEST_TESTED} or more; "
        "label more, or name labeled records with --test."
    )


def _rounded_up(count: float) -> int:
    """Round up to two significant digits."""
    digits = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / digits) * digits
