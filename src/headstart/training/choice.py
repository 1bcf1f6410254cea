"""The measures by which the best checkpoint is chosen and training stops early."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.training.plan import TrainingPlan

#: For each measure the figure that is minimal at the best step.
_LEAST: dict[str, Callable[[float], float]] = {
    "validation_loss": lambda value: value,
    "effective_rank": lambda value: -value,
    "lidar": lambda value: -value,
    "alpha_req": lambda value: abs(value - 1),
    "alignment": lambda value: value,
    "uniformity": lambda value: value,
    "view_matching": lambda value: -value,
    "probe": lambda value: -value,
}
#: Those that need views of the records.
NEED_VIEWS = ("lidar", "alignment", "view_matching")
#: Those that are not computed at every validation.
EXPENSIVE = (*NEED_VIEWS, "probe")


def check_choice(plan: TrainingPlan, *, decides: bool) -> None:
    """Refuse to stop or choose weights by a measure that will not be computed.

    Without held-out rows, patience for the validation loss never runs out.

    Args:
        decides: whether the measure decides which weights are kept.

    Raises:
        HeadstartError: the measure needs held-out rows, watched records or views of them.
    """
    config, watch = plan.config, plan.watch
    if not (config.patience or decides):
        return
    name = config.watch
    if name == "validation_loss":
        if config.keep == "best" and not plan.held_out:
            raise HeadstartError(
                "keep best goes by the validation loss, and no records are held out; raise "
                "--validation-share, or choose --watch effective_rank."
            )
    elif name == "probe" and (watch is None or watch.probe is None):
        raise HeadstartError(
            "--watch probe needs records with labels; name a file of some with --probe, or choose "
            "another measure."
        )
    elif watch is None or (name in NEED_VIEWS and not watch.views):
        lacking = "views of the records" if watch is not None else "watched records"
        raise HeadstartError(
            f"--watch {name} needs {lacking}, which there are none of here; choose --watch "
            f"{'effective_rank' if watch is not None else 'validation_loss'}."
        )


def figure(name: str, value: float) -> float:
    """Return the figure that is minimal at the best step, for a ``value`` of a measure."""
    return _LEAST[name](value)


def update_best(
    state: dict[str, Any],
    name: str,
    value: float,
    step: int,
    patience: int,
    *,
    start: bool = False,
) -> bool:
    """Record a measure after ``step`` and return whether it is the best so far.

    ``state`` (``best``, ``best_step``, ``waited``, ``stopped``) is part of the checkpoint. ``best``
    is the smallest figure so far; ``stopped`` is set after ``patience`` values without
    improvement, if that is not 0. Values that are not finite are never the best. Step 0 counts
    only if ``start`` is set, and wins ties.
    """
    if step == 0 and not start:
        return False
    found = figure(name, value)
    if math.isfinite(found) and (state["best"] is None or found < state["best"]):
        state.update(best=found, best_step=step, waited=0)
        return True
    state["waited"] += 1
    if patience and state["waited"] >= patience:
        state["stopped"] = True
    return False
