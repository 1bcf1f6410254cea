"""What the results of an evaluation say, as cells of a table."""

from __future__ import annotations

from typing import Any


def score(results: Any, candidate: str, labels: int) -> Any:
    """Return the outcome of a candidate at a number of labels, by the classifier that is judged."""
    return next(o for o in results.judged(labels) if o.candidate == candidate)


def change(results: Any, labels: int, other: str) -> str:
    """Return what the pre-trained encoder gains over another candidate, in points."""
    from headstart.evaluation.intervals import compare

    ours, theirs = (score(results, name, labels) for name in ("pre-trained", other))
    gain = compare(results, ours, theirs).estimate
    return f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def show(*cells: str) -> None:
    """Print a row of a table, at once."""
    print(f"| {' | '.join(cells)} |", flush=True)
