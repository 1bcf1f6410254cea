"""What happens between two steps, in this order: log, validate, stop early, save, obey signals."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer

from headstart.claim import take_place
from headstart.config import Budget, TrainingOptions
from headstart.training import checkpoint
from headstart.training.alarms import Alarm, Alarms
from headstart.training.checkpoint import BEST
from headstart.training.choice import EXPENSIVE, update_best
from headstart.training.interrupt import Interrupted, Signals
from headstart.training.loop import NotFinite, TrainingLoop
from headstart.training.metrics import Metrics
from headstart.training.plan import TrainingPlan
from headstart.training.processes import ProcessGroup
from headstart.training.progress import Progress
from headstart.training.rollback import nothing_seen, take_note
from headstart.training.validation import Validation

#: Approximate number of logged steps in a run.
_LOGGED = 1000


def validate_every(config: TrainingOptions, steps: int) -> int:
    """Return the steps between two validations; by default about twenty validations in a run.

    Short runs are validated less often, unless validation decides when to stop.
    """
    fewest = 1 if config.patience else min(20, steps)
    return config.validate_steps or max(fewest, steps // 20)


@dataclass(frozen=True)
class Session:
    """The state of one process during training.

    Attributes:
        group: the processes that train together.
        signals: received by this process.
        metrics: None in all processes but the first.
        say: reports a sentence to the user.
    """

    group: ProcessGroup
    signals: Signals
    progress: Progress
    metrics: Metrics | None
    say: Callable[[str], None]


class Boundary(Callback):
    """Everything that is decided at a step boundary.

    A checkpoint is written last, so that resuming starts with the next step and repeats nothing.
    The times at which checkpoints are written do not affect the result.

    Args:
        steps: of the whole run.
    """

    def __init__(self, plan: TrainingPlan, steps: int, session: Session) -> None:
        config, group = plan.config, session.group
        self._run, self._config, self._watch = plan.run, config, plan.watch
        self._metrics, self._signals = session.metrics, session.signals
        self._progress, self._say = session.progress, session.say
        self._restore_best = plan.restore_best
        #: The measure by which the best weights are kept, possibly those of the start.
        self._rollback = plan.guards.measure if plan.guards else None
        between = validate_every(config, steps) * config.accumulate
        self._validation = Validation.of(plan, between, group, whole=config.patience > 0)
        #: Rows trained on between two validations.
        self._between = between * plan.batch_size * group.world
        self._alarms = Alarms()
        self._state: dict[str, Any] = {}
        self._saved = self._tick = time.monotonic()

    # -- Lightning's hooks -------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, loop: Any) -> None:
        self._signals.install()
        self._state = loop.keep
        for name, value in {"best": None, "best_step": 0, "waited": 0, "stopped": False}.items():
            self._state.setdefault(name, value)
        if self._rollback:
            margin = self._watch.margin(self._rollback) if self._watch else 0.0
            self._state.setdefault("rollback", nothing_seen(self._rollback, margin))
        self._alarms = Alarms(**self._state.get("alarms", {}))
        self._saved = self._tick = time.monotonic()
        if loop.counts.step == 0:
            if self._watch is not None:
                self._report(self._few_steps(loop), 0)
            self._validate(trainer, loop)

    def on_train_batch_end(
        self, trainer: Trainer, loop: Any, outputs: Any, numbered: Any, batch_idx: int
    ) -> None:
        # Logged under the current step, so that the row is dropped if the step is repeated.
        self._report(self._alarms.saw(numbered[1]), loop.counts.step + 1)
        if (batch_idx + 1) % loop.accumulate:
            return
        counts = loop.counts
        counts.step += 1
        loop.objective.after_step(counts.step / loop.steps)
        now = time.monotonic()
        counts.seconds += now - self._tick
        self._tick = now
        last = counts.step == loop.steps
        self._progress.step(loop)
        if last or counts.step % max(1, loop.steps // _LOGGED) == 0:
            self._log(trainer, loop)
        if last or counts.step % validate_every(self._config, loop.steps) == 0:
            self._validate(trainer, loop, last)
        self._save(trainer, loop, last or self._state["stopped"])
        if self._state["stopped"]:
            trainer.should_stop = True

    def on_exception(self, trainer: Trainer, loop: Any, exception: BaseException) -> None:
        if isinstance(exception, NotFinite):
            self._report(self._alarms.not_finite(str(exception)), loop.counts.step + 1)

    # -- the parts ---------------------------------------------------------------------------

    def _few_steps(self, loop: TrainingLoop) -> list[Alarm]:
        """Return the alarm of too few steps, unless the user asked for that number."""
        budget = Budget.parse(self._config.budget)
        if budget.unit == "steps":
            return []
        epochs = loop.steps * loop.accumulate / loop.train_dataloader().batches.per_epoch
        minutes = budget.amount if budget.unit == "minutes" else None
        capped = bool(self._run.resolved.get("capped"))
        return self._alarms.few_steps(loop.steps, epochs, minutes, capped=capped)

    def _log(self, trainer: Trainer, loop: TrainingLoop) -> None:
        values = dict(
            zip(loop.scalars, self._mean(trainer, list(loop.scalars.values())), strict=True)
        )
        if self._metrics is not None:
            self._metrics.log(loop.counts.step, values, self._progress.clock(loop))
            losses = self._metrics.values("loss")
            self._report(self._alarms.divergence(losses, ()), loop.counts.step)

    def _validate(self, trainer: Trainer, loop: TrainingLoop, last: bool = False) -> None:
        row: dict[str, float] = {}
        context = trainer.precision_plugin.forward_context
        counts = loop.counts
        if self._validation is not None:
            totals = self._validation.totals(loop.objective, loop.device, context())
            sums = dict(zip(totals, self._mean(trainer, list(totals.values())), strict=True))
            rows = sums.pop("rows")
            row = {f"validation_{name}": total / rows for name, total in sums.items()}
            self._state["validation_loss"] = row["validation_loss"]
        alarms: list[Alarm] = []
        if self._watch is not None:
            views = last or self._views_due(counts.step, loop.steps)
            snapshot = self._watch.measure(loop.objective, loop.device, context(), views=views)
            row |= snapshot.measures
            alarms += self._alarms.collapse(snapshot, counts.step / loop.steps, counts.step)
        self._choose(row, trainer, loop)
        if self._rollback in row:
            value = self._mean(trainer, [row[self._rollback]])[0]
            if take_note(self._state["rollback"], value, counts.step) and counts.step:
                self._keep(trainer, loop)
        if self._metrics is not None:
            if row:
                self._metrics.log(counts.step, row)
            alarms += self._alarms_of_run(self._metrics, loop, last)
        self._report(alarms, counts.step)

    def _views_due(self, step: int, steps: int) -> bool:
        """Whether to measure views now: as often as it is cheap, or whenever a choice needs it."""
        assert self._watch is not None
        patience = self._config.patience
        if (patience or self._restore_best) and self._config.watch in EXPENSIVE:
            return True
        if patience and self._rollback in EXPENSIVE:  # any validation may turn out to be the last
            return True
        every = self._watch.every(self._between)
        return step // validate_every(self._config, steps) % every == 0

    def _alarms_of_run(self, metrics: Metrics, loop: TrainingLoop, last: bool) -> list[Alarm]:
        """Return the alarms that the logged rows raise."""
        progress, rows = loop.counts.step / loop.steps, metrics.rows
        warmup = self._config.optimizer.warmup
        alarms = self._alarms.divergence(metrics.values("loss"), metrics.values("validation_loss"))
        alarms += self._alarms.growth(_sizes(loop.trainer), loop.counts.step)
        alarms += self._alarms.temperature(rows, progress)
        alarms += self._alarms.plateau(rows, progress, warmup)
        if not self._restore_best:
            alarms += self._alarms.overfitting(rows)
        if last and self._watch is not None and not self._state["stopped"]:
            capped = bool(self._run.resolved.get("capped"))
            alarms += self._alarms.still_improving(rows, capped=capped)
        return alarms

    def _choose(self, row: dict[str, float], trainer: Trainer, loop: TrainingLoop) -> None:
        """Keep the best weights, and stop after ``patience`` validations without improvement."""
        name, step, state = self._config.watch, loop.counts.step, self._state
        if name not in row:
            return
        # All processes must have the same value, to the last bit.
        value = row[name] if name == "validation_loss" else self._mean(trainer, [row[name]])[0]
        best = update_best(state, name, value, step, self._config.patience)
        if best and self._restore_best:
            self._keep(trainer, loop)
        if state["stopped"] and step < loop.steps:
            self._say(
                f"Stopped early at step {step} of {loop.steps}: the {name.replace('_', ' ')} was "
                f"best at step {state['best_step']}."
            )

    def _keep(self, trainer: Trainer, loop: TrainingLoop) -> None:
        """Write the weights as the best so far."""
        if trainer.is_global_zero:
            # A resumed run may find the file of a later step; it will write the same one again.
            checkpoint.write(
                {"state_dict": loop.objective.state_dict()}, self._run.checkpoints / BEST
            )

    def _save(self, trainer: Trainer, loop: TrainingLoop, ending: bool) -> None:
        step, every = loop.counts.step, self._config.checkpoint_steps
        signum = self._signals.received or 0
        if every is not None:
            due = step % every == 0
        else:
            due = time.monotonic() - self._saved >= self._config.checkpoint_every * 60
        if trainer.world_size > 1:
            # The processes must agree, although their clocks and signals differ.
            requests = torch.tensor([float(due), float(signum)], device=loop.device)
            requests = trainer.strategy.reduce(requests, reduce_op="max")
            due, signum = bool(requests[0]), int(requests[1])
        if not (due or ending or signum):
            return
        self._state["alarms"] = asdict(self._alarms)
        if self._metrics is not None:
            self._metrics.sync()
        trainer.save_checkpoint(checkpoint.path_of(self._run.checkpoints, step))
        if trainer.is_global_zero:
            checkpoint.forget_old(self._run.checkpoints)
            take_place(self._run)
        self._saved = time.monotonic()
        if signum and not ending:
            raise Interrupted(
                f"stopped at step {step} of {loop.steps}, and saved; go on with "
                f"`{self._run.command()}`.",
                signum,
            )

    def _report(self, alarms: list[Alarm], step: int) -> None:
        for alarm in alarms:
            self._say(alarm.message)
            if self._metrics is not None:
                self._metrics.ring(step, alarm)

    @staticmethod
    def _mean(trainer: Trainer, values: list[float]) -> list[float]:
        """Return the mean over the processes."""
        if trainer.world_size == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=trainer.strategy.root_device)
        return [float(value) for value in trainer.strategy.reduce(tensor, reduce_op="mean")]


def _sizes(trainer: Trainer) -> list[float]:
    """Return the norms of all matrices that are trained."""
    groups = (group for optimizer in trainer.optimizers for group in optimizer.param_groups)
    weights = (weight for group in groups for weight in group["params"] if weight.ndim > 1)
    return [float(weight.detach().norm()) for weight in weights]
