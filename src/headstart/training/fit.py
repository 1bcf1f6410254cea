"""One session of a training: resolve open settings, load the last checkpoint, and train."""

from __future__ import annotations

import copy
import time
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from headstart.config import Budget
from headstart.precision import precision, threads
from headstart.training.anchor import Anchor
from headstart.training.boundary import Boundary, Session
from headstart.training.budget import Rehearsal, ends_early, off_budget, steps_of, steps_within
from headstart.training.checkpoint import newest
from headstart.training.head_warmup import HeadWarmup
from headstart.training.interrupt import Signals
from headstart.training.lightning import quiet, trainer
from headstart.training.loader import NumberedBatches
from headstart.training.log import RunLog
from headstart.training.loop import TrainingLoop
from headstart.training.memory import keep_buffers
from headstart.training.metrics import Metrics
from headstart.training.plan import TrainingPlan
from headstart.training.processes import ProcessGroup
from headstart.training.progress import Progress
from headstart.training.start import KeepStart

#: Steps of a rehearsal, which ends by time.
_ENDLESS = 10**9
#: Minimum number of steps, however small the corpus.
_FEWEST = 30


def in_process(plan: TrainingPlan, displayed: bool) -> None:
    """Train in one of several spawned processes."""
    # A spawned process receives tensors in memory that it shares with the others.
    plan = replace(plan, objective=copy.deepcopy(plan.objective))
    fit(plan, Console() if displayed else None)


def fit(plan: TrainingPlan, console: Console | None) -> None:
    """Train in this process, which may be one of several, from the newest checkpoint if any."""
    run, group = plan.run, ProcessGroup.here()
    console = console if group.rank == 0 else None
    say = RunLog(run.log_file if group.rank == 0 else None, console)
    threads_before = torch.get_num_threads()
    if not torch.cuda.is_available():
        keep_buffers()
    signals = Signals(run.command())
    # The global generator is seeded in every step; afterwards the caller's state is restored.
    with quiet(), torch.random.fork_rng(), signals.caught():
        try:
            group.join()
            # Lightning takes it from RANK, whoever set that.
            rank_zero_only.rank = group.rank  # type: ignore[attr-defined]
            # Wait for what other processes write to the run folder.
            group.meet()
            decided = _decide(plan, group, say)
            steps = decided["steps"]
            path = newest(run.checkpoints, say)
            step = int(path.stem.removeprefix("step-")) if path else 0
            loop = TrainingLoop(plan, steps, group)
            metrics = Metrics(run, step, plan.config.tracker, say) if group.rank == 0 else None
            progress = Progress(console, loop.train_dataloader())
            if not step and plan.guards is not None:
                say(plan.guards.describe(plan.learning_rate))
            session = Session(group, signals, progress, metrics, say)
            callbacks = [*_safeguards(plan), Boundary(plan, steps, session)]
            with (
                progress.displayed(step, steps),
                closing(metrics) if metrics else nullcontext(),
                loop.train_dataloader().watched(),
            ):
                trainer(plan, callbacks, decided["precision"], group).fit(loop, ckpt_path=path)
            if not step and loop.counts.step == steps and "capped" not in run.resolved:
                _tell_use(plan, steps, say)
        finally:
            torch.set_num_threads(threads_before)


def _tell_use(plan: TrainingPlan, steps: int, say: RunLog) -> None:
    """Say where a budget in minutes was used in part only, or exceeded by much."""
    budget = Budget.parse(plan.config.budget)
    if budget.unit != "minutes" or budget.amount < 1:  # seconds go by until training begins
        return
    used = (time.monotonic() - plan.started) / 60
    if sentence := off_budget(budget.amount, used, steps):
        say(sentence)


def _safeguards(plan: TrainingPlan, *, rehearsed: bool = False) -> list[Callback]:
    """Return the safeguards in the order of a step; in a rehearsal only the expensive one."""
    guards, run = plan.guards, plan.run
    if guards is None:
        return []
    keep = [KeepStart(run)] if (guards.anchor or guards.measure) and not rehearsed else []
    warmup = [HeadWarmup(guards.warmup)] if guards.warmup and not rehearsed else []
    return [*keep, *warmup, *([Anchor(run, guards.anchor)] if guards.anchor else [])]


def _decide(plan: TrainingPlan, group: ProcessGroup, say: RunLog) -> dict[str, Any]:
    """Resolve steps, precision and threads once for the run, the same in all processes.

    A resumed run reuses them, since other values would change the result.
    """
    config, resolved = plan.config, plan.run.resolved
    decided: dict[str, Any] = {
        "precision": precision(config.precision),
        "threads": threads(config.workers, group.local_world),
    }
    decided |= {
        name: resolved[name] for name in ("precision", "threads", "steps") if name in resolved
    }
    torch.set_num_threads(decided["threads"])
    if "steps" not in decided:
        batches = NumberedBatches.of(plan, group)
        steps = steps_of(Budget.parse(config.budget), batches, config.accumulate)
        if steps is None:
            say("Measuring how many steps fit the budget on this machine.")
            steps = _measured(plan, decided["precision"], group)
            most = _most_steps(plan, group)
            if most is not None and steps > most:
                say(_ends_early(plan, most / steps))
                steps, decided["capped"] = most, True
        decided["steps"] = steps
    decided = group.share(decided)
    if group.rank == 0:
        plan.run.resolve(**decided)
    return decided


def _ends_early(plan: TrainingPlan, share: float) -> str:
    """Return why only a share of the steps for which there is time will be taken."""
    minutes = Budget.parse(plan.config.budget).amount
    passed = (time.monotonic() - plan.started) / 60
    used = passed + share * max(0.0, minutes - passed)
    assert plan.most_epochs is not None
    return ends_early(minutes, used, plan.most_epochs, len(plan.rows))


def _most_steps(plan: TrainingPlan, group: ProcessGroup) -> int | None:
    """Return the steps of ``most_epochs``, but at least a minimum; None without a limit."""
    if plan.most_epochs is None:
        return None
    epochs = plan.most_epochs * NumberedBatches.of(plan, group).per_epoch / plan.config.accumulate
    return max(_FEWEST, round(epochs))


def _measured(plan: TrainingPlan, precision: str, group: ProcessGroup) -> int:
    """Time a few steps on a copy, and return the steps that fit a budget in minutes."""
    alone = ProcessGroup(local_rank=group.local_rank)
    copied = replace(plan, objective=copy.deepcopy(plan.objective))
    rehearsal = Rehearsal(copied, alone)
    loop = TrainingLoop(copied, _ENDLESS, alone)
    callbacks = [*_safeguards(copied, rehearsed=True), rehearsal]
    trainer(copied, callbacks, precision, alone).fit(loop)
    assert rehearsal.timings is not None
    return steps_within(plan, rehearsal.timings)
