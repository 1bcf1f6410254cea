"""Semi-supervised fine-tuning: few labels, and unlabeled records beside them.

Every method uses the same fine-tuning loop with the same head. Pseudo-labels and consistency
between views are each a file; here a method is chosen, added to the fine-tuning, and compared with
the labels alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import FinetuneConfig
from headstart.downstream import TaskDefaults
from headstart.downstream.classes import hold_out_of_each
from headstart.downstream.finetune import finetune
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.frozen import even_indices
from headstart.downstream.frozen_head import FrozenHead
from headstart.downstream.holding_out import held_out
from headstart.downstream.predict import predict
from headstart.downstream.semi_supervised.consistency import Consistency
from headstart.downstream.semi_supervised.pseudo_labels import pseudo_rows
from headstart.downstream.semi_supervised.unlabeled import (
    MixedRows,
    classifier_of,
    features_of,
    unlabeled_rows,
    without_known,
)
from headstart.downstream.training_defaults import batch_size_for, validation_share_for
from headstart.errors import HeadstartError
from headstart.evaluation.heads.propagation import POOL
from headstart.modalities.joined import JoinedProcessor
from headstart.run import RunFolder
from headstart.training.log import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Dataset

    from headstart.batch import Rows
    from headstart.downstream.rows import LabeledRows
    from headstart.encoders import Encoder
    from headstart.modalities import Processor
    from headstart.objectives import Objective

#: Steps of the methods that compare views.
STEPS = 1000
#: Significance level of the verdict.
LEVEL = 0.05


class UnlabeledRecords:
    """Unlabeled records, and the method that learns from them; an argument of :func:`finetune`.

    Args:
        records: none of them in the labeled, validation or test data.
        method: ``auto``, ``propagate``, ``pseudo``, ``fixmatch``, ``uda`` or ``mean-teacher``; it
            is what ``auto`` has become once :meth:`head` was called.
        config: of the fine-tuning.
        say: called with messages on what was done.
    """

    def __init__(
        self, records: Dataset, method: str, config: FinetuneConfig, say: Callable[[str], None]
    ) -> None:
        self.records, self.method, self.config, self._say = records, method, config, say

    def defaults(self, encoder: Encoder, count: int) -> TaskDefaults:
        """Return defaults that replace those of a task with ``count`` labels."""
        if self.method not in ("auto", "propagate", "pseudo"):
            return {"steps": STEPS, "validate_steps": STEPS // 20, "patience": 0}
        total = count + round(self.config.semi_options.share * len(self.records))
        batch_size = batch_size_for(encoder, total)
        steps = max(300, 2 * -(-total // batch_size))
        return {"batch_size": batch_size, "steps": steps, "validate_steps": max(10, steps // 20)}

    def head(
        self,
        tuned: Finetuning,
        rows: LabeledRows,
        held: LabeledRows,
        processor: Processor,
        length: int,
        names: Any = None,
    ) -> FrozenHead | None:
        """Return the head that spreads the labels over the records; None where others learn.

        ``auto`` takes it where cross-validation inside the labels prefers it, or where the labels
        reach too few of the records, which then teach nothing; else pseudo-labels.

        Args:
            tuned: the encoder with its head, which was fitted to the labels.
            rows, held: labeled rows.
            names: class names as rows, if there are any.
        """
        if self.method not in ("auto", "propagate"):
            return None
        some = even_indices(len(self.records), POOL)
        unlabeled = unlabeled_rows(processor, self.records.select(some), length)
        others = features_of(tuned.encoder, unlabeled, self._say)
        seed = self.config.seed
        spread = FrozenHead(
            tuned.encoder,
            classifier_of(tuned),
            rows,
            held,
            seed,
            others.numpy(),
            names=names,
            keep_pool=self.config.semi_options.keep_pool,
            seen=self.config.loss == "contrast",
        )
        beyond = spread.chosen.selection.left_out
        if spread.spreads:
            of = f" of {len(self.records):,}" if len(some) < len(self.records) else ""
            self._say(f"The labels are spread over {len(some):,}{of} unlabeled records.")
        elif self.method == "auto" and not beyond:
            self.method = "pseudo"
            self._say("Spreading the labels is no better inside them: pseudo-labels instead.")
            return None
        else:
            why = "; ".join(beyond) or "spreading the labels is no better inside them"
            self._say(f"Nothing is learned from the unlabeled records: {why}.")
        self.method = "propagate"
        return spread

    def join(
        self,
        tuned: Finetuning,
        rows: LabeledRows,
        held: LabeledRows,
        processor: Processor,
        length: int,
    ) -> tuple[Objective, Rows]:
        """Return the objective and the training rows, made from those of the labels.

        Args:
            tuned: the encoder with its head, which was fitted to the labels.
            rows: labeled training rows.
            held: labeled validation rows.
        """
        others = unlabeled_rows(processor, self.records, length)
        options = self.config.semi_options
        if self.method == "pseudo":
            return tuned, pseudo_rows(tuned, rows, held, others, options, self._say)
        mixed = MixedRows(rows, others, options.ratio, self.config.seed)
        return Consistency(tuned, processor, self.method, options), mixed

    def finish(self, objective: Objective) -> None:
        """Copy the weights that were validated to the network that is saved."""
        if isinstance(objective, Consistency):
            objective.averaged()


def semi_method(semi: str, processor: Processor) -> str:
    """Return the method that learns from unlabeled records, or ``auto``.

    Raises:
        HeadstartError: the method compares views, and the records have none.
    """
    if semi not in ("auto", "propagate", "pseudo") and "two_views" not in processor.provides:
        joined = isinstance(processor, JoinedProcessor)
        what = "encoders side by side" if joined else processor.content.noun
        raise HeadstartError(
            f"--semi {semi} compares views of a record, and {what} have none; use --semi propagate."
        )
    return semi


def finetune_with_unlabeled(
    encoder: Encoder,
    processor: Processor,
    records: Dataset,
    validation: Dataset | None,
    unlabeled: Dataset,
    tested: Dataset | None,
    config: FinetuneConfig,
    run: RunFolder,
    *,
    note: dict[str, Any],
    cautions: Sequence[str] = (),
    names: Dataset | None = None,
    console: Any = None,
) -> RunFolder:
    """Fine-tune on labels alone (``RUN/labels_alone``), then with unlabeled records, and compare.

    Both have the same options and hold the same records out, on which they are compared; the
    verdict is printed, and written to ``config.yaml`` under ``resolved: semi``.

    Args:
        unlabeled: records whose labels, if any, are ignored.
        tested: test records; as the labeled ones, they are removed from the unlabeled ones.
        note, cautions, names: as in :func:`headstart.downstream.finetune.finetune`.

    Raises:
        HeadstartError: the task is not classification, or no unlabeled record is left.
    """
    if config.task != "classification":
        raise HeadstartError(
            f"--unlabeled can help with the task classification, not with {config.task}; leave it "
            "out."
        )
    method = semi_method(config.semi, processor)
    say = RunLog(run.log_file, console)
    known: dict[str, Dataset | None] = {
        "the labeled data": records,
        "the validation data": validation,
        "the test data": tested,
    }
    seen = {name: records for name, records in known.items() if records is not None}
    remaining, messages = without_known(unlabeled, seen, processor.content)
    for message in [
        *messages,
        f"First on the labels alone; then with {len(remaining):,} unlabeled ({method}).",
    ]:
        say(message)
    if validation is None:
        # Split here, so that no run learns from the records that the two are compared on.
        share = config.validation_share or validation_share_for(len(records))
        divided: list[str] = []
        records, validation = held_out(records, share, config, hold_out_of_each, divided)
        for message in divided:
            say(message)
    alone = _alone(run, config)
    if not alone.finished:
        first, options = copy.deepcopy(encoder), alone.plan(FinetuneConfig)
        finetune(
            first,
            processor,
            records,
            validation,
            options,
            alone,
            note=note,
            cautions=cautions,
            names=names,
            console=console,
        )
    if config.loss == "contrast" and method == "auto":
        method = "propagate"  # the network has learned already, and from the labels alone
    taken = UnlabeledRecords(remaining, method, config, say)
    finetune(
        encoder,
        processor,
        records,
        validation,
        config,
        run,
        note=note,
        cautions=cautions,
        names=names,
        unlabeled=taken,
        console=console,
    )
    found = compare_with_labels_only(run, alone, validation)
    run.resolve(semi={"way": taken.method, "unlabeled": len(remaining), **found})
    say(verdict(found))
    return run


def _alone(run: RunFolder, config: FinetuneConfig) -> RunFolder:
    """Open or create the run of the labels alone, whose other options are the same."""
    if RunFolder(run.labels_alone).begun:
        alone = RunFolder.open(run.labels_alone)
    else:
        out = str(run.out / run.labels_alone.name)
        changed = {"unlabeled": [], "remove_overlap": [], "out": out, "resume": False}
        plan = config.model_copy(update=changed)
        alone = RunFolder.create(run.labels_alone, "finetune", plan)
    alone.within = run
    return alone


def compare_with_labels_only(run: RunFolder, alone: RunFolder, held: Dataset) -> dict[str, Any]:
    """Return accuracy and loss of two runs on held-out records, and the p-value of the difference.

    ``p`` is of McNemar's exact two-sided test, over the records that only one run has right.
    """
    from scipy.stats import binomtest

    labels = [str(label) for label in held["label"]]
    right, losses = [], []
    for one in (run, alone):
        rows = list(predict(one, held))
        pairs = list(zip(rows, labels, strict=True))
        right.append(np.array([row["label"] == label for row, label in pairs]))
        probabilities = [max(row["scores"].get(label, 0.0), 1e-12) for row, label in pairs]
        losses.append(float(-np.mean(np.log(probabilities))))
    ours, theirs = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p = binomtest(ours, ours + theirs).pvalue if ours + theirs else 1.0
    return {
        "held_out": len(labels),
        "accuracy": float(right[0].mean()),
        "accuracy_labels_alone": float(right[1].mean()),
        "loss": losses[0],
        "loss_labels_alone": losses[1],
        "p": float(p),
    }


def verdict(found: dict[str, Any]) -> str:
    """Return in a sentence or two whether the unlabeled records were worth it."""
    ours, theirs = found["accuracy"], found["accuracy_labels_alone"]
    alone = RunFolder.labels_alone.name
    where = f"this run is the model with them, and {alone} in it that of the labels alone."
    if found["p"] > LEVEL:
        answer = "Not clear"
        end = f"too few to tell them apart (more with --val); {where}"
    else:
        answer = "Yes" if ours > theirs else "No"
        end = "the unlabeled records help." if ours > theirs else f"they do harm; {where}"
    return (
        f"{answer}: of {found['held_out']:,} held-out records {100 * ours:.1f}% are right with "
        f"the unlabeled ones, {100 * theirs:.1f}% on the labels alone; {end}"
    )
