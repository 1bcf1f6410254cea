"""Supervised contrast: with few labels the network learns which records are of one class.

A few dozen labels say little about a linear layer on all features, but their pairs are many: two
records of one class are drawn together, all others are pushed apart (Khosla et al. 2020,
https://arxiv.org/abs/2004.11362; with few labels and a published sentence encoder Tunstall et al.
2022, section 3, https://arxiv.org/abs/2209.11055). The lower third of the layers does not learn, as
it has what any task needs. Then heads are fitted to the features as to any frozen ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from headstart.downstream.rows import batches
from headstart.downstream.training_defaults import learning_rate_for
from headstart.errors import HeadstartError
from headstart.objectives import Objective
from headstart.objectives.losses import supervised_contrast
from headstart.seeding import numbers
from headstart.training.train import train

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.downstream import Task, TaskDefaults
    from headstart.downstream.finetuning import Finetuning
    from headstart.downstream.rows import LabeledRows
    from headstart.encoders import Encoder
    from headstart.training.plan import TrainingPlan

#: How sharply the loss looks at near pairs (Khosla et al. 2020, section 4.4).
TEMPERATURE = 0.1
#: Steps of :data:`ROWS` records, each with another one of its class.
STEPS, ROWS = 30, 16


class SupervisedContrast(Objective):
    """The encoder of a classifier as objective: records of one class together, others apart.

    Args:
        tuned: the encoder with its head, which does not learn here.
    """

    def __init__(self, tuned: Finetuning) -> None:
        super().__init__()
        self.tuned = tuned
        self.tuned.head.requires_grad_(False)

    @property
    def encoder(self) -> nn.Module:  # type: ignore[override]
        """The encoder that learns."""
        return self.tuned.encoder

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch unchanged."""
        return batch

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and ``positive_similarity`` of rows with ``labels`` (B,)."""
        features = self.tuned.head.features(self.tuned.encoder, batch)
        return supervised_contrast(features, batch["labels"], TEMPERATURE)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return parameters of the encoder and their rates, layer by layer."""
        groups = self.tuned.parameter_groups(learning_rate)
        return [group for group in groups if all(p.requires_grad for p in group["params"])]


class PairedRows:
    """Labeled rows, each followed by another one of its class.

    Which one is a function of the seed, the epoch and the row, so that a resumed run draws the
    same. A class of one record pairs it with itself, which dropout makes two different views of.

    Args:
        rows: N labeled rows.
    """

    def __init__(self, rows: LabeledRows, seed: int) -> None:
        self._rows, self._seed = rows, seed
        targets = rows.targets.numpy()
        self._members = {label: np.flatnonzero(targets == label) for label in np.unique(targets)}
        self._targets = targets

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the rows at ``indices`` (n,), then their partners: 2n rows."""
        partners = [self._partner(int(index), epoch) for index in indices]
        return self._rows.batch(np.concatenate([indices, partners]), epoch)

    def _partner(self, index: int, epoch: int) -> int:
        members = self._members[self._targets[index]]
        others = members[members != index]
        if not len(others):
            return index
        return int(numbers(self._seed, "partner", epoch, index).choice(others))


def defaults(encoder: Encoder) -> TaskDefaults:
    """Return how long, how fast and in which batches the network learns by contrast."""
    rate = learning_rate_for(encoder) / 2
    return {"steps": STEPS, "batch_size": ROWS, "learning_rate": rate, "validate_steps": STEPS}


def lower_third(encoder: Encoder) -> str:
    """Return the layers that do not learn, as the option ``freeze``."""
    above = len(encoder.layers()) - 1
    return str(above // 3) if above > 1 else "none"


def check_contrast(kind: type[Task], config: FinetuneConfig) -> None:
    """Refuse what has no classes to tell apart, or nothing that learns.

    Raises:
        HeadstartError: the task is another than classification, all is frozen, or unlabeled records
            are learned from in a way that trains the network itself.
    """
    if not kind.classifies:
        raise HeadstartError(
            f"loss=contrast draws records of one class together, and the task {config.task} has "
            "none; leave it out."
        )
    if config.freeze == "all":
        raise HeadstartError("loss=contrast has nothing to learn with freeze=all; leave one out.")
    if config.unlabeled and config.semi not in ("auto", "propagate"):
        raise HeadstartError(
            f"loss=contrast and semi={config.semi} both train the network; write semi=propagate, "
            "or leave loss=contrast out."
        )


def draw_together(
    tuned: Finetuning,
    rows: Any,
    held: Any,
    plan: TrainingPlan,
    console: Any,
) -> str:
    """Train the encoder by supervised contrast, and say what that was worth on held-out records.

    Where the head that is fitted afterwards has fewer of them right than the one before, the
    encoder stays as it was.

    Args:
        rows, held: labeled rows that are trained on, and those that judge.
        plan: of the fine-tuning, of which run and options are taken.
    """
    before = _right(tuned, rows, held)
    start = {name: value.clone() for name, value in tuned.encoder.state_dict().items()}
    objective = SupervisedContrast(tuned).train()
    paired = PairedRows(rows, plan.config.seed)
    # Held-out rows have too few pairs to say when to stop.
    learning = replace(plan, objective=objective, rows=paired, validation=None, restore_best=False)
    train(learning, console)
    tuned.head.requires_grad_(True)
    after = _right(tuned, rows, held)
    told = (
        f"of {len(held):,} held-out records logistic regression had {before / len(held):.1%} right "
        f"before supervised contrast, {after / len(held):.1%} after it."
    )
    if after < before:
        tuned.encoder.load_state_dict(start)
        return f"The encoder stays as it was: {told}"
    return f"The encoder learned to tell the classes apart: {told}"


def _right(tuned: Finetuning, rows: Any, held: Any) -> int:
    """Return how many held-out records logistic regression on the features has right."""
    tuned.head.warm_start(tuned.encoder, rows, held)
    tuned.eval()
    right = 0
    with torch.no_grad():
        for batch in batches(held, tuned.head.eval_batch_size):
            right += round(tuned(batch)["accuracy"].item() * len(batch["labels"]))
    return right
