"""Train an objective on rows: the one entry to this stage, for pre-training and fine-tuning."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.config import TrainingOptions
from headstart.run import RunFolder

if TYPE_CHECKING:
    from rich.console import Console

    from headstart.batch import Rows
    from headstart.objectives import Objective
    from headstart.training.safeguards import Safeguards
    from headstart.training.watch import Watch


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        steps: optimizer steps taken.
        planned: optimizer steps that the budget allowed.
        validation_loss: at the last validation, or None without validation rows.
        best_step: the step of the best validation, 0 without one.
        stopped_early: True if ``patience`` ran out.
        rows: rows seen, counting repeats.
        positions: real positions (tokens) seen, counting repeats.
        seconds: time spent in steps and validations, over all sittings.
        resumed_from: the step this sitting began with.
        verdict: which weights are kept and why, where the start was guarded by a measure.
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


def train(
    objective: Objective,
    rows: Rows,
    validation: Rows | None,
    run: RunFolder,
    config: TrainingOptions,
    *,
    batch_size: int,
    learning_rate: float,
    watch: Watch | None = None,
    console: Console | None = None,
    restore_best: bool = False,
    started: float | None = None,
    most_epochs: float | None = None,
    guards: Safeguards | None = None,
) -> Outcome:
    """Train ``objective`` in place; going on by itself where ``run`` holds a checkpoint.

    Stopped and gone on with any number of times, it gives the same bits as if never stopped.
    Afterwards ``objective`` is on the CPU, in evaluation mode, and holds the last weights, or the
    best validated ones with ``restore_best`` or ``config.keep``; ``config.watch`` names the measure
    by which they are best.

    Args:
        validation: held-out rows; their loss is logged, and ``config.patience`` watches it.
        batch_size: rows a micro-batch and process.
        learning_rate: peak rate of the AdamW parameters.
        watch: fixed records whose features are measured while training.
        console: where progress is shown; None is silent (``log.txt`` is written all the same).
        started: ``time.monotonic()`` from which a budget in minutes counts; now by default.
        most_epochs: where a budget in minutes ends early, since more would be learning by heart.
        guards: of an encoder that has learned something; with a ``measure`` the weights that are
            kept are the best by it, those of the start among them.

    Raises:
        HeadstartError: a loss that is not finite, a full disk, a damaged checkpoint.
        Interrupted: Ctrl-C or SIGTERM, after saving.
    """
    # Before the slow imports, which count into the budget too.
    started = time.monotonic() if started is None else started
    from headstart.training import fit, processes
    from headstart.training import log as voice
    from headstart.training.choice import check_choice

    restore_best = restore_best or config.keep == "best"
    kept_by = guards.measure if guards else None
    decides = restore_best or kept_by == config.watch
    check_choice(config, decides, bool(validation is not None and len(validation)), watch)
    restore_best = restore_best and not kept_by
    guards = guards.default_options(objective) if guards else None

    task = fit.Task(
        objective=objective,
        rows=rows,
        validation=validation,
        run=run,
        config=config,
        batch_size=batch_size,
        learning_rate=learning_rate,
        watch=watch,
        restore_best=restore_best,
        started=started,
        most_epochs=most_epochs,
        guards=guards,
    )
    begun = _begun(run)
    if not _finished(begun, run):
        if config.devices > 1 and processes.ProcessGroup.here().world == 1:
            processes.launch(config.devices, fit.in_process, task, console is not None)
        else:
            fit.fit(task, console)
    outcome = _outcome(objective, run, restore_best, begun["counts"]["step"] if begun else 0)
    if outcome.verdict and processes.ProcessGroup.here().rank == 0:
        voice.RunLog(run.log_file, console)(outcome.verdict)
    return outcome


def _begun(run: RunFolder) -> dict[str, Any] | None:
    """Return what the newest checkpoint says about how far the run is."""
    if not any(run.checkpoints.glob("step-*.ckpt")):
        return None
    from headstart.training.checkpoint import newest, read

    path = newest(run.checkpoints)
    return dict(read(path)["headstart"]) if path else None


def _finished(begun: dict[str, Any] | None, run: RunFolder) -> bool:
    if begun is None:
        return False
    return begun["stopped"] or begun["counts"]["step"] >= run.resolved["steps"]


def _outcome(objective: Any, run: RunFolder, restore_best: bool, resumed_from: int) -> Outcome:
    """Fill ``objective`` with the weights to keep, from what was saved."""
    from headstart.training import checkpoint, rollback

    path = checkpoint.newest(run.checkpoints)
    assert path is not None
    content = checkpoint.read(path)
    weights = {
        name.removeprefix("objective."): tensor for name, tensor in content["state_dict"].items()
    }
    kept, best = content["headstart"], run.checkpoints / checkpoint.BEST
    last, seen = kept["counts"]["step"], kept.get("rollback")
    file = rollback.kept_file(seen, run.checkpoints, last) if seen else None
    if restore_best and kept["best_step"] and best.exists():
        file = best
    if file is not None:
        weights = checkpoint.read(file)["state_dict"]
    objective.cpu()
    objective.load_state_dict(weights)
    objective.eval()
    return Outcome(
        steps=last,
        planned=run.resolved["steps"],
        validation_loss=kept.get("validation_loss"),
        best_step=kept["best_step"],
        stopped_early=kept["stopped"],
        rows=kept["counts"]["rows"],
        positions=kept["counts"]["positions"],
        seconds=kept["counts"]["seconds"],
        resumed_from=resumed_from,
        verdict=rollback.verdict(seen, last) if seen and seen["seen"] else None,
    )
