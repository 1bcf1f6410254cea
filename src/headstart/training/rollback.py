"""A safeguard: the weights that are kept are the best seen, those of the start among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.training.checkpoint import BEST
from headstart.training.choice import figure, judge
from headstart.training.start import START


def nothing_seen(measure: str) -> dict[str, Any]:
    """Return what is known before the first look: plain values, which go with the checkpoint."""
    judged = {"best": None, "best_step": 0, "waited": 0, "stopped": False}
    return {"measure": measure, "seen": {}, **judged}


def take_note(state: dict[str, Any], value: float, step: int) -> bool:
    """Take note of the measure after ``step`` (0: the start); return whether it is the best."""
    state["seen"][str(step)] = value
    return judge(state, state["measure"], value, step, 0, start=True)


def kept_file(state: dict[str, Any], folder: Path, last: int) -> Path | None:
    """Return the file of the weights to keep, or None where those of the ``last`` step are."""
    if not state["seen"] or state["best_step"] == last:
        return None
    return folder / (BEST if state["best_step"] else START)


def verdict(state: dict[str, Any], last: int) -> str:
    """Return the sentence that says which weights are kept after the ``last`` step, and why."""
    name, best = state["measure"], state["best_step"]
    seen = {int(step): value for step, value in state["seen"].items()}
    if not best:
        later = [value for step, value in seen.items() if step]
        nearest = min(later, key=lambda value: figure(name, value))
        return (
            f"The start was better: its weights are kept (measured by {name} it has {seen[0]:.3f}, "
            f"what came later {nearest:.3f} at best and {seen[last]:.3f} at the end)."
        )
    where = "last weights" if best == last else f"weights of step {best} of {last}"
    rest = "" if best == last else f", the end {seen[last]:.3f}"
    return (
        f"The {where} are kept, the best of {len(seen)} looks by {name}: they have "
        f"{seen[best]:.3f}, the start had {seen[0]:.3f}{rest}."
    )
