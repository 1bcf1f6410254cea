"""Consistency training: two views of an unlabeled record should get the same prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.config import SemiOptions
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.semi_supervised.losses import (
    annealed_loss,
    fixmatch_loss,
    mean_teacher_loss,
    ramp,
    uda_loss,
)
from headstart.downstream.semi_supervised.unlabeled import UNLABELED, classifier_of, joined
from headstart.objectives import Objective
from headstart.objectives.momentum import MomentumSchedule, ema_update, momentum_copy
from headstart.objectives.views import part

if TYPE_CHECKING:
    from headstart.downstream.classification import Classification
    from headstart.encoders import Encoder
    from headstart.modalities import Processor

#: Longest memory of the averaged weights, as a share of the run.
MEMORY = 0.1
#: The papers' thresholds and weights (FixMatch, table 4; UDA, section on confidence; the weight of
#: the mean teacher's code on CIFAR-10).
THRESHOLDS = {"fixmatch": 0.95, "uda": 0.8}
WEIGHTS = {"fixmatch": 1.0, "uda": 1.0, "mean-teacher": 100.0}


class Consistency(Objective):
    """Fine-tuning that also learns from unlabeled records, by FixMatch, UDA or a mean teacher.

    In all three the moving average of the weights is validated and saved (FixMatch, section 2.4,
    https://arxiv.org/abs/2001.07685; mean teacher, Tarvainen and Valpola 2017,
    https://arxiv.org/abs/1703.01780). Batches without an unlabeled part are evaluated with it.

    Args:
        tuned: what the optimizer moves; its head scores classes (``logits``).
        processor: makes the views.
        method: ``fixmatch``, ``uda`` or ``mean-teacher``.
    """

    Options = SemiOptions

    def __init__(
        self, tuned: Finetuning, processor: Processor, method: str, options: SemiOptions
    ) -> None:
        super().__init__()
        self.tuned = tuned
        self.average = momentum_copy(tuned)
        self.schedule = MomentumSchedule(options.momentum, MEMORY, rising=False)
        self.method, self.options = method, options
        self._processor = processor
        self._threshold = options.threshold or THRESHOLDS.get(method, 0.0)
        self._weight = WEIGHTS[method] if options.weight is None else options.weight

    @property
    def encoder(self) -> Encoder:  # type: ignore[override]
        """The encoder that learns."""
        return self.tuned.encoder

    @property
    def head(self) -> Classification:
        """The head that learns."""
        return classifier_of(self.tuned)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return parameters and their rates."""
        return self.tuned.parameter_groups(learning_rate)

    def train(self, mode: bool = True) -> Consistency:
        """Set training mode for all but the average, which has no dropout."""
        super().train(mode)
        self.average.eval()
        return self

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the labeled rows, and ``weak/...`` and ``strong/...`` views of the unlabeled.

        The labeled rows are in a weak view, too. A mean teacher gets two views of equal strength;
        see :meth:`headstart.modalities.Processor.weak_and_strong`.
        """
        unlabeled = part(batch, UNLABELED)
        if not unlabeled:
            return batch
        labeled = {name: value for name, value in batch.items() if "/" not in name}
        made = labeled | self._processor.weak_view(labeled, generator)
        weak_view, strong_view = self._processor.weak_and_strong(
            unlabeled, generator, self.options.views, alike=self.method == "mean-teacher"
        )
        for name, view in (("weak", weak_view), ("strong", strong_view)):
            made |= {f"{name}/{key}": value for key, value in view.items()}
        return made

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and named scalars; those of the task where no rows are unlabeled."""
        weak, strong = part(batch, "weak"), part(batch, "strong")
        if not weak:
            return self.average(batch)
        labels = batch["labels"]
        count, others = len(labels), len(next(iter(weak.values())))
        labeled = {name: value for name, value in batch.items() if "/" not in name}
        if self.method == "mean-teacher":
            with torch.no_grad():
                target = scores(self.average, weak)
            # As one batch, so that batch norms see labeled and unlabeled rows together.
            ours = scores(self.tuned, joined([labeled, strong]))
        else:
            ours = scores(self.tuned, joined([labeled, weak, strong]))
            target = ours[count : count + others]
        known, guessed = ours[:count], ours[-others:]
        loss, scalars = self._unlabeled_loss(target, guessed)
        progress = float(self.schedule.progress)
        schedule = self.options.annealing if self.method == "uda" else "none"
        supervised = annealed_loss(known, labels, progress, schedule, self.head.weights)
        weight = self._weight
        if self.method == "mean-teacher":
            weight *= ramp(progress, self.options.ramp)
        return {
            "loss": supervised + weight * loss,
            "accuracy": (known.argmax(1) == labels).float().mean(),
            "labeled_loss": supervised.detach(),
            "unlabeled_loss": loss.detach(),
            **scalars,
        }

    def _unlabeled_loss(self, target: Tensor, guessed: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.method == "mean-teacher":
            return mean_teacher_loss(target, guessed), {}
        if self.method == "fixmatch":
            loss, sure = fixmatch_loss(target, guessed, self._threshold)
        else:
            loss, sure = uda_loss(target, guessed, self._threshold, self.options.temperature)
        return loss, {"sure": sure.float().mean()}

    def after_step(self, progress: float) -> None:
        """Update the average."""
        ema_update(self.average, self.tuned, self.schedule.advance(progress))

    def averaged(self) -> Finetuning:
        """Return the fine-tuned network with the averaged weights, which were validated."""
        self.tuned.load_state_dict(self.average.state_dict())
        return self.tuned.eval()


def scores(tuned: Finetuning, batch: Batch) -> Tensor:
    """Return the logits (B,classes) of a fine-tuned classifier."""
    head = classifier_of(tuned)
    return head.logits(head.features(tuned.encoder, batch), batch)
