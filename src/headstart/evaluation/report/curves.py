"""Lines from the rows of metrics.jsonl, and how they went."""

from __future__ import annotations

from typing import Any

#: Most points of a learning curve; neighbours are averaged beyond it.
_POINTS = 200


def curve(metrics: list[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    """Return (step, value) of a logged number, neighbours averaged to a few hundred points."""
    rows = [(row["step"], row[key]) for row in metrics if row.get(key) is not None]
    size = -(-len(rows) // _POINTS) if rows else 1
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        (sum(step for step, _ in part) / len(part), sum(value for _, value in part) / len(part))
        for part in parts
    ]


def alarms(metrics: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return (step, kind, message) of every alarm that rang."""
    return [
        (row["step"], str(row["alarm"].get("kind", "")), str(row["alarm"].get("message", "")))
        for row in metrics
        if isinstance(row.get("alarm"), dict)
    ]


def went(name: str, points: list[tuple[float, float]]) -> str:
    """Say how a line went: ``Training loss fell from 7 to 5``."""
    first, last = points[0][1], points[-1][1]
    # Beside the other, what is a thousandth of it is nothing.
    words = [f"{0 if abs(x) < 1e-3 * max(abs(first), abs(last)) else x:.3g}" for x in (first, last)]
    if words[0] == words[1]:
        return f"{name} stayed at {words[1]}"
    return f"{name} {'fell' if last < first else 'rose'} from {words[0]} to {words[1]}"
