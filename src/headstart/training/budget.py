"""Turn a budget into a number of steps once, before the first; later no clock is read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from pytorch_lightning import Callback, Trainer

from headstart.config import Budget
from headstart.training.boundary import validate_every
from headstart.training.choice import EXPENSIVE
from headstart.training.loader import NumberedBatches
from headstart.training.plan import TrainingPlan
from headstart.training.processes import ProcessGroup
from headstart.training.validation import Validation, batch_count

#: Steps not timed, since they warm up caches and allocators.
_WARM_UP = 2
_FEWEST = 3
#: Share of the budget, and seconds, that timing may take at most.
_SHARE, _MOST = 0.05, 20.0
#: Most of a step's time, in medians of its measurements.
_ABOVE = 1.2
#: Share of the budget from which on the use of less is no news, nor of more by its inverse.
_OFF = 0.6
#: Minutes below which a time is told in seconds.
_MINUTES = 2
#: Share of the budget that training gets even if start-up took the rest.
_LEAST = 0.1


@dataclass(frozen=True)
class Timings:
    """Seconds for starting, a step, a validation batch, a snapshot, and a checkpoint.

    ``views`` are the extra seconds of a snapshot with views and labeled records.
    """

    start: float
    step: float
    validation_batch: float
    snapshot: float
    checkpoint: float
    views: float = 0.0


def steps_of(budget: Budget, batches: NumberedBatches, accumulate: int) -> int | None:
    """Return the steps of a budget in steps or epochs, or None for one in minutes."""
    if budget.unit == "minutes":
        return None
    if budget.unit == "steps":
        return int(budget.amount)
    return max(1, round(budget.amount * batches.per_epoch / accumulate))


def steps_within(plan: TrainingPlan, timings: Timings) -> int:
    """Return the largest number of steps whose training, validation and saving fit the budget."""
    config, watch = plan.config, plan.watch
    whole = Budget.parse(config.budget).amount * 60
    left = max(whole - (time.monotonic() - plan.started), _LEAST * whole)

    def seconds(steps: int) -> float:
        every = validate_every(config, steps)
        validations = -(-steps // every) + 1
        validation = timings.snapshot
        if plan.held_out:
            between = every * config.accumulate
            count = batch_count(plan.held_out, plan.batch_size, between, config.patience > 0)
            validation += count * timings.validation_batch
        training = steps * timings.step
        saves = training / (config.checkpoint_every * 60)
        if config.checkpoint_steps is not None:
            saves = steps / config.checkpoint_steps
        interval = watch.every(every * config.accumulate * plan.batch_size) if watch else 1
        if config.watch in EXPENSIVE and (config.patience or config.keep == "best"):
            interval = 1
        training += (validations / interval + 1) * timings.views
        saving = (saves + 1) * timings.checkpoint
        return timings.start + training + validations * validation + saving

    low, high = 1, max(2, int(left / timings.step) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if seconds(middle) <= left else (low, middle)
    return low


def ends_early(minutes: float, used: float, epochs: float, records: int) -> str:
    """Return why a budget in minutes is not used up, before training begins.

    Args:
        used: minutes that will be used, about.
        epochs: the most that help.
    """
    end = f"more than {epochs:g} epochs over {records:,} records do not help"
    if used >= minutes:  # the start took most of a short one
        began = "Training takes no longer:"
    elif minutes < _MINUTES:
        began = f"Of the {60 * minutes:.3g} seconds about {60 * used:.2g} will be used:"
    else:
        about = f"about {used:.2g}" if used >= 1 else "less than one"
        began = f"Of the {minutes:.3g} minutes {about} will be used:"
    return (
        f"{began} {end} (measured: docs/log.md). More records can use the rest; a --budget in "
        "epochs or steps sets another end."
    )


def typical(seconds: np.ndarray) -> float:
    """Return how long a step takes (n,), though others may have used the machine meanwhile.

    That is the mean, in which long rows count as often as they occur, but no more than a little
    above the median, which some disturbed steps do not move.
    """
    return float(min(seconds.mean(), _ABOVE * np.median(seconds)))


def off_budget(minutes: float, used: float, steps: int) -> str | None:
    """Return why far less or more than the budget was used, after training; None if it was not.

    Args:
        minutes: the budget.
        used: minutes that were used.
        steps: the number that was planned.
    """
    if _OFF <= used / minutes <= 1 / _OFF:
        return None
    when = "before" if used < minutes else "after"
    fits = max(1, round(steps * minutes / used))
    return (
        f"Used {used:.2g} of {minutes:.3g} minutes: the machine was busier {when} the speed had "
        f"been measured. About {fits:,} steps take that time: --budget {fits}steps."
    )


class Rehearsal(Callback):
    """Times a few steps of the real loop, on a copy.

    Attributes:
        timings: the result, once the fit has ended.
    """

    def __init__(self, plan: TrainingPlan, group: ProcessGroup) -> None:
        self._limit = min(_MOST, _SHARE * Budget.parse(plan.config.budget).amount * 60)
        self._folder, self._watch = plan.run.checkpoints, plan.watch
        self._validation = Validation.of(plan, 0, group, whole=False)
        self._began = time.perf_counter()
        self._ends: list[float] = []
        self.timings: Timings | None = None

    def on_train_batch_end(
        self, trainer: Trainer, loop: Any, outputs: Any, numbered: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % loop.accumulate:
            return
        loop.counts.step += 1
        loop.objective.after_step(0.0)
        self._ends.append(time.perf_counter())
        measured = len(self._ends) - _WARM_UP
        passed = self._ends[-1] - self._ends[0]
        if not (measured >= _FEWEST and passed >= self._limit) and not (
            measured > 0 and passed >= 4 * self._limit
        ):
            return
        step = typical(np.diff(self._ends[_WARM_UP - 1 :]))
        self.timings = Timings(
            start=max(0.0, self._ends[0] - self._began - step),
            step=step,
            validation_batch=self._validation_batch(trainer, loop),
            snapshot=(snapshot := self._snapshot(trainer, loop, views=False)),
            checkpoint=self._checkpoint(trainer),
            views=max(0.0, self._snapshot(trainer, loop, views=True) - snapshot),
        )
        trainer.should_stop = True

    def _validation_batch(self, trainer: Trainer, loop: Any) -> float:
        if self._validation is None:
            return 0.0
        began = time.perf_counter()
        context = trainer.precision_plugin.forward_context()
        self._validation.totals(loop.objective, loop.device, context)
        return (time.perf_counter() - began) / len(self._validation)

    def _snapshot(self, trainer: Trainer, loop: Any, *, views: bool) -> float:
        if self._watch is None:
            return 0.0
        began = time.perf_counter()
        context = trainer.precision_plugin.forward_context()
        self._watch.measure(loop.objective, loop.device, context, views=views)
        return time.perf_counter() - began

    def _checkpoint(self, trainer: Trainer) -> float:
        began = time.perf_counter()
        scratch = self._folder / ".rehearsal.partial"
        trainer.save_checkpoint(scratch)
        scratch.unlink(missing_ok=True)
        return time.perf_counter() - began
