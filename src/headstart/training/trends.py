"""How logged values change over a run: means with their noise, and the share gained late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch


def change(
    before: Sequence[dict[str, Any]], lately: Sequence[dict[str, Any]], name: str
) -> tuple[float, float, float]:
    """Return the earlier mean, its decrease since, and the standard error of the decrease."""
    old, new = (
        [float(row[name]) for row in part if row.get(name) is not None] for part in (before, lately)
    )
    if len(old) < 2 or len(new) < 2:
        return 0.0, 0.0, math.inf
    one, two = torch.tensor(old).double(), torch.tensor(new).double()
    noise = (one.var() / len(one) + two.var() / len(two)).sqrt().item()
    return one.mean().item(), (one.mean() - two.mean()).item(), noise


def still_rises(rows: Sequence[dict[str, Any]], name: str, since: int) -> bool:
    """Whether a measure is higher lately than it was around a step, three rows each, by 2%."""
    points = [(row["step"], float(row[name])) for row in rows if row.get(name) is not None]
    around = sorted(points, key=lambda point: abs(point[0] - since))[:3]
    lately = points[-3:]
    if not points:
        return False
    return mean([value for _, value in lately]) > 1.02 * mean([value for _, value in around])


def late_share(points: Sequence[tuple[int, float]], *, steadily: bool) -> float:
    """Return the share of a curve's total decrease that is in its last quarter of steps.

    0 if it is not significant: if the curve did not fall at every late point (``steadily``), or if
    the means of noisy points do not differ by three standard errors.
    """
    if len(points) < 5 or points[-1][0] <= points[0][0]:
        return 0.0
    edge = points[-1][0] - (points[-1][0] - points[0][0]) / 4
    late = [value for step, value in points if step >= edge]
    if steadily:
        if len(late) < 3 or any(b >= a for a, b in pairwise(late)):
            return 0.0
        whole, gain = points[0][1] - late[-1], late[0] - late[-1]
    else:
        part = len(late) // 3
        if part < 5:
            return 0.0
        ends = [[{"v": v} for v in values] for values in (late[:part], late[-part:])]
        _, gain, noise = change(ends[0], ends[1], "v")
        if gain < 3 * noise:
            return 0.0
        whole = median([value for _, value in points[:part]]) - mean(late[-part:])
    return gain / whole if whole > 0 else 0.0


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def median(values: Sequence[float]) -> float:
    """Return the median, of an even number the upper one."""
    return sorted(values)[len(values) // 2]
