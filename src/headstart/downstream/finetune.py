"""Fine-tuning: any task's head on any encoder, through the one training loop."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from datasets import concatenate_datasets

from headstart.config import FinetuneConfig
from headstart.downstream import TASKS, Task, TaskDefaults
from headstart.downstream.alternatives import compare_with_alternatives
from headstart.downstream.class_page import write_class_page
from headstart.downstream.contrast import check_contrast, draw_together, lower_third
from headstart.downstream.contrast import defaults as contrast_defaults
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.holding_out import held_out
from headstart.downstream.lora import LORA_RATE, add_lora
from headstart.downstream.training_defaults import MOST_RATE, decide, learning_rate_for
from headstart.encoders.opening import save_encoder
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.written import formatted
from headstart.files import whole_folder, write_text
from headstart.modalities.opening import open_modality
from headstart.objectives import Objective
from headstart.seeding import seeded
from headstart.stored import seal
from headstart.training.log import RunLog
from headstart.training.plan import TrainingPlan
from headstart.training.processes import ProcessGroup
from headstart.training.train import train

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Rows
    from headstart.downstream.frozen_head import FrozenHead
    from headstart.encoders import Encoder
    from headstart.evaluation.heads.chosen import Chosen
    from headstart.modalities import Processor
    from headstart.run import RunFolder


class Unlabeled(Protocol):
    """Unlabeled records, and the method that learns from them beside the labeled ones."""

    def defaults(self, encoder: Encoder, count: int) -> TaskDefaults:
        """Return defaults that replace those of a task with ``count`` labels."""
        ...

    def head(
        self,
        tuned: Finetuning,
        rows: Any,
        held: Any,
        processor: Processor,
        length: int,
        names: Any = None,
    ) -> FrozenHead | None:
        """Return the head that needs no training of the network; None where the method trains.

        Args:
            names: class names as rows, if there are any.
        """
        ...

    def join(
        self, tuned: Finetuning, rows: Any, held: Any, processor: Processor, length: int
    ) -> tuple[Objective, Rows]:
        """Return the objective and the training rows, made from those of the labels alone.

        Args:
            tuned: the encoder with its head, which was fitted to the labels.
            rows: labeled training rows.
            held: labeled validation rows.
        """
        ...

    def finish(self, objective: Objective) -> None:
        """Copy the weights that were validated to the network that is saved."""
        ...


def finetune(
    encoder: Encoder,
    processor: Processor,
    records: Dataset,
    validation: Dataset | None,
    config: FinetuneConfig,
    run: RunFolder,
    *,
    note: dict[str, Any],
    cautions: Sequence[str] = (),
    names: Dataset | None = None,
    unlabeled: Unlabeled | None = None,
    console: Any = None,
) -> RunFolder:
    """Fine-tune ``encoder`` on labeled records and write ``RUN/encoder`` and ``RUN/head``.

    The head starts from a fit on the frozen features; then both learn together until the
    validation loss no longer falls. The best weights are kept, including those of the start.
    Where the task has a simpler head (:meth:`headstart.downstream.Task.frozen_head`), that one is
    taken unless the fine-tuned network is better on the held-out records.
    Budget, batch size, learning rate, patience and validation share that were not given follow
    from the number of records and the encoder, and are written under ``resolved`` in
    ``config.yaml``.

    Args:
        validation: labeled records for early stopping; without them a slice of each class of
            ``records`` is held out.
        note: the encoder folder's ``headstart.json`` (``modality``, ``length``, ...), to be copied.
        cautions: clauses about what makes the scores doubtful, for the line that states them.
        names: class names as records, with the ``label`` that each is the name of.
        unlabeled: unlabeled records to learn from as well, once the head is fitted.

    Raises:
        HeadstartError: an unknown task, or one that the encoder cannot serve; one class only, no
            class large enough to hold records out, a validation label without training records,
            or ``freeze`` beyond the layers.
    """
    kind: type[Task] = TASKS[config.task]
    kind.check_encoder(encoder, processor)
    defaults = kind.defaults(encoder, len(records))
    if unlabeled is not None:
        defaults |= unlabeled.defaults(encoder, len(records))
    by_contrast, freeze = config.loss == "contrast", config.freeze
    if by_contrast:
        check_contrast(kind, config)
        defaults |= contrast_defaults(encoder)
        freeze = lower_third(encoder) if freeze == "none" else freeze
    if config.lora:
        usual = defaults.get("learning_rate") or learning_rate_for(encoder)
        defaults["learning_rate"] = min(MOST_RATE, LORA_RATE * usual)
    decided = decide(defaults, encoder, len(records), config, run)
    with seeded(config.seed, "head"):
        head = kind.build(encoder, records, config)
    own = validation is not None
    if validation is None:
        share = decided["validation_share"]
        divided: list[str] = []
        records, validation = held_out(records, share, config, head.hold_out, divided)
        for line in divided:
            RunLog(run.log_file, console)(line)
    with seeded(config.seed, "lora"):
        merge = add_lora(encoder, config.lora, config.freeze) if config.lora else None
    tuned = Finetuning(encoder, head, freeze=freeze, layer_decay=decided["layer_decay"])
    objective: Objective = tuned
    modality = open_modality(note["modality"], note.get("modality_options"))
    length = int(note["length"])
    rows = head.rows(processor, records, length, config.seed)
    held = head.rows(processor, validation, length)
    run.resolve(task=config.task, labels=head.labels, modality=modality.name, length=length)
    for line in head.notes():
        RunLog(run.log_file, console)(line)

    plan = TrainingPlan(
        objective=tuned,
        rows=rows,
        run=run,
        config=config.model_copy(update=decided),
        batch_size=decided["batch_size"],
        learning_rate=decided["learning_rate"],
        validation=held,
        restore_best=True,
    )
    if by_contrast:
        told = draw_together(tuned, rows, held, plan, console)
        ProcessGroup.here().first(lambda: RunLog(run.log_file, console)(told))
    head.warm_start(encoder, rows, held)
    frozen, learns = None, head.learns and not by_contrast
    named = {} if names is None else {"names": head.rows(processor, names, length)}
    if unlabeled is not None:
        frozen = unlabeled.head(tuned, rows, held, processor, length, **named)
        learns = frozen is None and not by_contrast
        if learns:
            objective, rows = unlabeled.join(tuned, rows, held, processor, length)
    elif config.alternatives:
        frozen = head.frozen_head(encoder, rows, held, config, **named)
    start = {name: value.clone() for name, value in objective.state_dict().items()}
    start_loss = _means(objective, held, head.eval_batch_size)["loss"]
    if learns:
        objective.train()  # the trainer keeps the mode, and what was measured is in the other
        train(replace(plan, objective=objective, rows=rows), console)
    if _means(objective, held, head.eval_batch_size)["loss"] > start_loss:
        # With few labels, training may not improve on the fitted head.
        objective.load_state_dict(start)
    if unlabeled is not None:
        unlabeled.finish(objective)
    group, log = ProcessGroup.here(), RunLog(run.log_file, console)
    choice = frozen.compare(encoder, held) if frozen is not None and learns else None
    if choice is not None and not choice.frozen:
        frozen = None
    if frozen is not None:
        objective.load_state_dict(start)
        frozen.set_part()

    def measure() -> None:
        if choice is not None:
            run.resolve(head=choice.summary())
            log(str(choice))
        _measure(tuned, held, len(validation), run, log, cautions)
        try:
            if write_class_page(head, encoder, held, validation, modality, run.classes_file):
                log(f"Each class with its mistakes: {run.out / run.classes_file.name}")
            if head.write_page(run.alignments_file):
                log(f"Its mistakes, one by one: {run.out / run.alignments_file.name}")
        except Exception as error:  # a page is not worth a training
            log(f"The page of the classes is left out ({type(error).__name__}: {error}).")

    group.first(measure)
    if frozen is not None:
        learned = records
        if not own:
            frozen.set_all()
            learned = concatenate_datasets([records, validation])
        known = (frozen.chosen, frozen.features, learned, processor.content, frozen.others)
        # Vectors that the labels have formed say little of which records are unlike them, and
        # figures inside the labels would be those of records that were learned by heart.
        if by_contrast:
            group.first(partial(tell_name, frozen.chosen, run, log))
        else:
            head.remember(*known)
            group.first(partial(tell_choice, frozen.chosen, run, log))
    if merge is not None:
        merge()

    def keep() -> None:
        with whole_folder(run.encoder) as folder:
            save_encoder(encoder, processor, folder, note)
            head.publish(encoder, folder)
            seal(folder)
        with whole_folder(run.head) as folder:
            head.save(folder)
            seal(folder)
        run.resolve(finished=True, compared=False)  # the verb compares, or does so again

    group.first(keep)
    if config.alternatives:
        group.first(
            lambda: compare_with_alternatives(head, modality, records, validation, run, log)
        )
    group.leave()
    return run


def tell_name(chosen: Chosen, run: RunFolder, log: RunLog) -> None:
    """Log and write what was chosen on features that the labels have formed, without figures."""
    run.resolve(chosen={"taken": chosen.selection.name})
    log(f"On the features that the labels formed: {chosen.selection.name}.")


def tell_choice(chosen: Chosen, run: RunFolder, log: RunLog) -> None:
    """Log and write what the head on frozen features was chosen to be, and how sure it is."""
    run.resolve(chosen=chosen.summary())
    log(f"On the frozen features: {chosen.selection}")
    found = chosen.calibration
    if not math.isnan(found.before):
        log(
            f"Its probabilities are calibrated (temperature {found.temperature:.2f}): their "
            f"expected error is {found.after:.1%} in place of {found.before:.1%} on held-out "
            "labels."
        )


def _means(objective: Objective, rows: Rows, eval_batch_size: int) -> dict[str, float]:
    """Return the mean over all rows of ``loss`` and the other scalars, in evaluation mode."""
    objective.eval()
    totals: dict[str, float] = {}
    with torch.no_grad():
        for indices in np.array_split(np.arange(len(rows)), -(-len(rows) // eval_batch_size)):
            for name, value in objective(rows.batch(indices, epoch=0)).items():
                totals[name] = totals.get(name, 0.0) + value.item() * len(indices)
    return {name: total / len(rows) for name, total in totals.items()}


def _measure(
    objective: Finetuning,
    rows: Rows,
    count: int,
    run: RunFolder,
    log: RunLog,
    cautions: Sequence[str],
) -> None:
    """Log the metrics of the task on the held-out records, and what makes them doubtful."""
    head = objective.head
    doubt = f"; but {' and '.join(cautions)}" if cautions else ""
    run.resolve(**({"cautions": list(cautions)} if cautions else {}))
    measured = head.measure(objective.encoder, rows)
    if not measured:  # the validation has logged them already
        means = _means(objective, rows, head.eval_batch_size)
        scores = {name: value for name, value in means.items() if name != "loss"}
        run.resolve(scores=scores)
        summary = ", ".join(f"{name} {value:.3f}" for name, value in (scores or means).items())
        log(f"On {count:,} held-out records: {summary}{doubt}.")
        return
    intervals = {name: [e.low, e.high] for name, e in measured.items() if isinstance(e, Estimate)}
    scores = {name: e.mean if isinstance(e, Estimate) else e for name, e in measured.items()}
    run.resolve(scores=scores, **({"intervals": intervals} if intervals else {}))
    rows_before = [row for row in run.metrics() if scores.keys().isdisjoint(row)]
    lines = [
        json.dumps(row) for row in [*rows_before, {"step": run.resolved.get("steps", 0), **scores}]
    ]
    write_text(run.metrics_file, "".join(line + "\n" for line in lines))
    summary = ", ".join(
        formatted({name: value}) if isinstance(value, Estimate) else f"{name} {value:.3f}"
        for name, value in measured.items()
    )
    log(f"On {count:,} held-out records: {summary}{doubt}.")
