"""Curves from the rows of metrics.jsonl, and their trends."""

from __future__ import annotations

from typing import Any

#: Maximum number of points of a learning curve; more are averaged.
_POINTS = 200


def curve(metrics: list[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    """Return (step, value) of a logged number, averaged to at most a few hundred points."""
    rows = [(row["step"], row[key]) for row in metrics if row.get(key) is not None]
    size = -(-len(rows) // _POINTS) if rows else 1
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        (sum(step for step, _ in part) / len(part), sum(value for _, value in part) / len(part))
        for part in parts
    ]


def alarms(metrics: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return (step, kind, message) of every alarm."""
    return [
        (row["step"], str(row["alarm"].get("kind", "")), str(row["alarm"].get("message", "")))
        for row in metrics
        if isinstance(row.get("alarm"), dict)
    ]


def trend(name: str, points: list[tuple[float, float]]) -> str:
    """Describe the trend of a curve: ``Training loss fell from 7 to 5``."""
    first, last = points[0][1], points[-1][1]
    # A value below a thousandth of the other is written as 0.
    words = [f"{0 if abs(x) < 1e-3 * max(abs(first), abs(last)) else x:.3g}" for x in (first, last)]
    if words[0] == words[1]:
        return f"{name} stayed at {words[1]}"
    return f"{name} {'fell' if last < first else 'rose'} from {words[0]} to {words[1]}"
