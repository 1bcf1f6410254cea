"""Train an objective on rows: the entry point for pre-training and fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from headstart.run import RunFolder
    from headstart.training.plan import TrainingPlan


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        steps: optimizer steps taken.
        planned: optimizer steps that the budget allowed.
        validation_loss: at the last validation, or None without validation rows.
        best_step: the step of the best validation, 0 without one.
        stopped_early: True if ``patience`` ran out.
        rows: rows seen, counting repeats.
        positions: real positions (tokens) seen, counting repeats.
        seconds: time spent in steps and validations, over all sessions.
        resumed_from: the step from which this session started.
        verdict: which weights are kept and why, if a safeguard chose them.
    """

    steps: int
    planned: int
    validation_loss: float | None
    best_step: int
    stopped_early: bool
    rows: int
    positions: int
    seconds: float
    resumed_from: int
    verdict: str | None = None


def train(plan: TrainingPlan, console: Console | None = None) -> TrainingResult:
    """Train the objective of a plan, resuming from a checkpoint if its run has one.

    The result is the same to the last bit however often training is interrupted and resumed.
    Afterwards the objective is on the CPU, in evaluation mode, and holds the last weights, or with
    ``restore_best`` or ``config.keep`` the best ones by the measure ``config.watch``.

    Args:
        console: where progress is displayed; None is silent (``log.txt`` is written anyway).

    Raises:
        HeadstartError: a loss that is not finite, a full disk, a damaged checkpoint, or a choice of
            the best weights by what is not measured.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP, after saving.

    Example::

        plan = TrainingPlan(objective, rows, run, config, batch_size=64, learning_rate=1e-3)
        print(train(plan).validation_loss)
    """
    from headstart.training import fit, processes
    from headstart.training.checkpoint import forget_old
    from headstart.training.log import RunLog

    plan = _checked(plan)
    run = plan.run
    state = _last_state(run)
    if not _finished(state, run):
        if plan.config.devices > 1 and processes.ProcessGroup.here().world == 1:
            processes.launch(plan.config.devices, fit.in_process, plan, console is not None)
        else:
            fit.fit(plan, console)
    elif processes.ProcessGroup.here().rank == 0:
        forget_old(run.checkpoints)  # a process may have been killed just before
    result = _result(plan, resumed_from=state["counts"]["step"] if state else 0)
    if result.verdict and processes.ProcessGroup.here().rank == 0:
        RunLog(run.log_file, console)(result.verdict)
    return result


def _checked(plan: TrainingPlan) -> TrainingPlan:
    """Resolve which weights will be kept, and which safeguards apply to the objective."""
    from headstart.training.choice import check_choice

    restore_best = plan.restore_best or plan.config.keep == "best"
    kept_by = plan.guards.measure if plan.guards else None
    check_choice(plan, decides=restore_best or kept_by == plan.config.watch)
    guards = plan.guards.for_objective(plan.objective) if plan.guards else None
    return replace(plan, restore_best=restore_best and not kept_by, guards=guards)


def _last_state(run: RunFolder) -> dict[str, Any] | None:
    """Return the progress in the newest checkpoint; None without one."""
    if not any(run.checkpoints.glob("step-*.ckpt")):
        return None
    from headstart.training.checkpoint import newest, read

    path = newest(run.checkpoints)
    return dict(read(path)["headstart"]) if path else None


def _finished(state: dict[str, Any] | None, run: RunFolder) -> bool:
    if state is None:
        return False
    return state["stopped"] or state["counts"]["step"] >= run.recorded("steps", int)


def _result(plan: TrainingPlan, resumed_from: int) -> TrainingResult:
    """Load the weights to keep into the objective."""
    from headstart.training import checkpoint, rollback

    run, objective = plan.run, plan.objective
    path = checkpoint.newest(run.checkpoints)
    assert path is not None
    content = checkpoint.read(path)
    weights = {
        name.removeprefix("objective."): tensor for name, tensor in content["state_dict"].items()
    }
    saved, best = content["headstart"], run.checkpoints / checkpoint.BEST
    last, seen = saved["counts"]["step"], saved.get("rollback")
    file = rollback.kept_file(seen, run.checkpoints, last) if seen else None
    if plan.restore_best and saved["best_step"] and best.exists():
        file = best
    if file is not None:
        weights = checkpoint.read(file)["state_dict"]
    objective.cpu()
    objective.load_state_dict(weights)
    objective.eval()
    return TrainingResult(
        steps=last,
        planned=run.recorded("steps", int),
        validation_loss=saved.get("validation_loss"),
        best_step=saved["best_step"],
        stopped_early=saved["stopped"],
        rows=saved["counts"]["rows"],
        positions=saved["counts"]["positions"],
        seconds=saved["counts"]["seconds"],
        resumed_from=resumed_from,
        verdict=rollback.verdict(seen, last) if seen and seen["seen"] else None,
    )
