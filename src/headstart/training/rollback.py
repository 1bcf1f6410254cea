"""A safeguard: the best weights by a measure are kept, possibly those of the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.training.checkpoint import BEST
from headstart.training.choice import figure, update_best
from headstart.training.start import START


def nothing_seen(measure: str, margin: float = 0.0) -> dict[str, Any]:
    """Return the initial state: plain values, which are part of the checkpoint.

    Args:
        margin: noise of the measure; only a larger gain replaces the start.
    """
    best = {"best": None, "best_step": 0, "waited": 0, "stopped": False}
    return {"measure": measure, "margin": margin, "seen": {}, **best}


def take_note(state: dict[str, Any], value: float, step: int) -> bool:
    """Record the measure after ``step`` (0: the start); return whether it is the best."""
    name, start = state["measure"], state["seen"].get("0")
    state["seen"][str(step)] = value
    if state["best_step"] == 0 and start is not None and step:
        gain = figure(name, start) - figure(name, value)
        if gain < state.get("margin", 0.0):
            return False
    return update_best(state, name, value, step, 0, start=True)


def kept_file(state: dict[str, Any], folder: Path, last: int) -> Path | None:
    """Return the file of the weights to keep; None for those of the ``last`` step."""
    if not state["seen"] or state["best_step"] == last:
        return None
    return folder / (BEST if state["best_step"] else START)


def verdict(state: dict[str, Any], last: int) -> str:
    """Return a sentence that says which weights are kept after the ``last`` step, and why."""
    name, best = state["measure"], state["best_step"]
    seen = {int(step): value for step, value in state["seen"].items()}
    if not best:
        later = [value for step, value in seen.items() if step]
        nearest = min(later, key=lambda value: figure(name, value))
        if figure(name, nearest) < figure(name, seen[0]):
            return (
                "The start's weights are kept, since nothing was clearly better (measured by "
                f"{name} it has {seen[0]:.3f}, what came later {nearest:.3f} at best; below "
                f"{seen[0] + state['margin']:.3f} that may be chance)."
            )
        return (
            f"The start was better: its weights are kept (measured by {name} it has {seen[0]:.3f}, "
            f"what came later {nearest:.3f} at best and {seen[last]:.3f} at the end)."
        )
    where = "last weights" if best == last else f"weights of step {best} of {last}"
    rest = "" if best == last else f", the end {seen[last]:.3f}"
    return (
        f"The {where} are kept, the best of {len(seen)} evaluations by {name}: they have "
        f"{seen[best]:.3f}, the start had {seen[0]:.3f}{rest}."
    )
