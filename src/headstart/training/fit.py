"""One sitting of a training: decide what is open, take up the last checkpoint, and go."""

from __future__ import annotations

import copy
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from pytorch_lightning import Callback
from rich.console import Console

from headstart.batch import Rows
from headstart.config import Budget, TrainingOptions
from headstart.run import RunFolder
from headstart.training.anchor import Anchor
from headstart.training.boundary import Boundary, validate_every
from headstart.training.budget import Rehearsal, steps_of, steps_within
from headstart.training.checkpoint import newest
from headstart.training.head_warmup import HeadWarmup
from headstart.training.interrupt import Signals
from headstart.training.lightning import quiet, trainer
from headstart.training.loader import NumberedBatches, ResumableLoader
from headstart.training.log import RunLog
from headstart.training.loop import TrainingLoop
from headstart.training.memory import keep_buffers
from headstart.training.metrics import Metrics
from headstart.training.precision import precision, threads
from headstart.training.processes import ProcessGroup
from headstart.training.progress import Progress
from headstart.training.safeguards import Safeguards
from headstart.training.start import KeepStart
from headstart.training.validation import Validation
from headstart.training.watch import Watch

#: Steps of a rehearsal, which its clock ends.
_ENDLESS = 10**9
#: Fewer steps than these are no training, however small the corpus.
_FEWEST = 30


@dataclass(frozen=True)
class Task:
    """What :func:`headstart.training.train.train` was asked for, under the same names."""

    objective: Any
    rows: Rows
    validation: Rows | None
    run: RunFolder
    config: TrainingOptions
    batch_size: int
    learning_rate: float
    watch: Watch | None
    restore_best: bool
    started: float
    most_epochs: float | None = None
    guards: Safeguards | None = None

    def loop(self, steps: int, group: ProcessGroup) -> TrainingLoop:
        """Return the objective as Lightning sees it, over ``steps`` steps."""
        config = self.config
        batches = self.batches(group)
        return TrainingLoop(
            self.objective,
            ResumableLoader(batches, steps * config.accumulate, config.workers),
            config.optimizer,
            learning_rate=self.learning_rate,
            steps=steps,
            accumulate=config.accumulate,
            seed=config.seed,
            compile=config.compile,
            guards=self.guards,
        )

    def guarding(self, *, rehearsed: bool = False) -> list[Callback]:
        """Return what guards the start, in the order of a step; in a rehearsal what costs most."""
        guards, run = self.guards, self.run
        if guards is None:
            return []
        keep = [KeepStart(run)] if (guards.anchor or guards.measure) and not rehearsed else []
        warmup = [HeadWarmup(guards.warmup)] if guards.warmup and not rehearsed else []
        return [*keep, *warmup, *([Anchor(run, guards.anchor)] if guards.anchor else [])]

    def batches(self, group: ProcessGroup) -> NumberedBatches:
        """Return the numbered batches of a process."""
        seed = self.config.seed
        return NumberedBatches(self.rows, self.batch_size, seed, rank=group.rank, world=group.world)

    def looks(self, between: int, group: ProcessGroup, *, whole: bool) -> Validation | None:
        """Return a process's share of the validation, if there is one."""
        if self.validation is None or not len(self.validation):
            return None
        return Validation(
            self.validation,
            self.batch_size,
            between,
            self.config.seed,
            whole=whole,
            rank=group.rank,
            world=group.world,
        )


def in_process(task: Task, shown: bool) -> None:
    """Be one of several spawned processes."""
    # What a spawned process receives shares its memory with the other ones.
    task = replace(task, objective=copy.deepcopy(task.objective))
    fit(task, Console() if shown else None)


def fit(task: Task, console: Console | None) -> None:
    """Train in this process, which may be one of several, from the newest checkpoint if any."""
    run, config, group = task.run, task.config, ProcessGroup.here()
    console = console if group.rank == 0 else None
    say = RunLog(run.log_file if group.rank == 0 else None, console)
    threads_before = torch.get_num_threads()
    if not torch.cuda.is_available():
        keep_buffers()
    signals = Signals()
    # The global generator is seeded in every step; what the caller draws from it stays as it was.
    with quiet(), torch.random.fork_rng(), signals.caught():
        try:
            group.join()
            # What the others wrote to the run folder must be there before more is written.
            group.meet()
            decided = _decide(task, group, say)
            steps = decided["steps"]
            path = newest(run.checkpoints, say)
            step = int(path.stem.removeprefix("step-")) if path else 0
            loop = task.loop(steps, group)
            between = validate_every(config, steps) * config.accumulate
            metrics = Metrics(run, step, config.tracker) if group.rank == 0 else None
            progress = Progress(console, loop.train_dataloader())
            if not step and task.guards is not None:
                say(task.guards.told(task.learning_rate))
            boundary = Boundary(
                run,
                config,
                metrics,
                signals,
                progress,
                validation=task.looks(between, group, whole=config.patience > 0),
                watch=task.watch,
                between=between * task.batch_size * group.world,
                restore_best=task.restore_best,
                rollback=task.guards.measure if task.guards else None,
                say=say,
            )
            with progress.shown(step, steps), closing(metrics) if metrics else nullcontext():
                callbacks = [*task.guarding(), boundary]
                trainer(run, config, callbacks, decided["precision"], group).fit(
                    loop, ckpt_path=path
                )
        finally:
            torch.set_num_threads(threads_before)


def _decide(task: Task, group: ProcessGroup, say: RunLog) -> dict[str, Any]:
    """Decide steps, precision and threads once for the run; all processes agree with the first.

    What once was decided is not decided anew: another machine or another hour would change the
    bits.
    """
    config, resolved = task.config, task.run.resolved
    decided: dict[str, Any] = {
        "precision": precision(config.precision),
        "threads": threads(config.workers, group.local_world),
    }
    decided |= {
        name: resolved[name] for name in ("precision", "threads", "steps") if name in resolved
    }
    torch.set_num_threads(decided["threads"])
    if "steps" not in decided:
        budget = Budget.parse(config.budget)
        steps = steps_of(budget, task.batches(group), config.accumulate)
        if steps is None:
            say("Measuring how many steps fit the budget on this machine.")
            steps = _measure(task, budget, decided["precision"], group)
            enough = _enough(task, group)
            if enough is not None and steps > enough:
                say(
                    f"The budget has room for {steps:,} steps; {task.most_epochs:g} epochs are "
                    f"{enough:,}, and more would learn the records by heart. More data can use it."
                )
                steps = enough
        decided["steps"] = steps
    decided = group.share(decided)
    if group.rank == 0:
        task.run.resolve(**decided)
    return decided


def _enough(task: Task, group: ProcessGroup) -> int | None:
    """Return the steps of the most epochs that do good, but enough to learn anything at all."""
    if task.most_epochs is None:
        return None
    epochs = task.most_epochs * task.batches(group).per_epoch / task.config.accumulate
    return max(_FEWEST, round(epochs))


def _measure(task: Task, budget: Budget, precision: str, group: ProcessGroup) -> int:
    """Train a copy for a few steps, and return the steps that fit a budget in minutes."""
    alone = ProcessGroup(local_rank=group.local_rank)
    copied = replace(task, objective=copy.deepcopy(task.objective))
    rehearsal = Rehearsal(
        budget, task.run.checkpoints, copied.looks(0, alone, whole=False), task.watch
    )
    loop = copied.loop(_ENDLESS, alone)
    callbacks = [*task.guarding(rehearsed=True), rehearsal]
    trainer(task.run, task.config, callbacks, precision, alone).fit(loop)
    assert rehearsal.pace is not None
    return steps_within(
        budget,
        task.started,
        rehearsal.pace,
        task.config,
        validation_rows=len(task.validation) if task.validation is not None else 0,
        batch_size=task.batch_size,
        watch=task.watch,
    )
