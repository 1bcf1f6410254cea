"""Feature distillation: a student learns to predict the vectors of a given encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import Encoder
from headstart.encoders.opening import encoder_folder, open_encoder, open_processor, read_note
from headstart.errors import HeadstartError
from headstart.modalities import Processor
from headstart.objectives import Objective
from headstart.objectives.losses import cosine_regression


class DistillOptions(Options):
    """Cosine or squared distance to the teacher's vectors.

    ``cosine`` is DistilBERT's term (Sanh et al. 2019, section 3). ``mse`` is FitNets' hint (Romero
    et al. 2015, equation 3) with targets standardised to mean 0 and deviation 1 (Wei et al. 2022,
    "Feature distillation", section 3), so that the loss has one scale for all teachers. ``copy``
    has no linear layer: the squared distance by the variance of the teacher's vectors.
    """

    teacher: str = Field(description="Folder of the teacher: a run, or a saved encoder.")
    loss: Literal["cosine", "mse", "copy"] = Field(
        "cosine",
        description="What is made small; copy: the difference of the vectors themselves, so that "
        "the student can take the teacher's place.",
    )
    views: str = Field(
        "identity", description="Kind of views; student and teacher both get the first view."
    )


class Distill(Objective):
    """Predict the teacher's pooled vector with a linear layer on the student's, or copy it.

    The teacher is frozen and opened from its folder in each process. It is not part of the state:
    checkpoints hold the student alone, and resuming needs that folder unchanged.
    """

    family = "imitation of a teacher"
    needs = frozenset({"two_views"})
    Options = DistillOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: DistillOptions) -> None:
        super().__init__()
        self.encoder = encoder
        self.processor, self.options = processor, options
        teacher = open_encoder(options.teacher)
        _check(options.teacher, teacher, processor)
        teacher.eval().requires_grad_(False)
        self._length = int(read_note(encoder_folder(options.teacher))["length"])
        # In a tuple it is not a submodule: neither trained, nor saved, nor put in training mode.
        self._teacher = (teacher,)
        if options.loss == "copy" and encoder.width != teacher.width:
            raise HeadstartError(
                f"loss=copy needs a student as wide as its teacher, {teacher.width}, and this one "
                f"is {encoder.width} wide; take another loss, or another width."
            )
        self.head = (
            nn.Identity() if options.loss == "copy" else nn.Linear(encoder.width, teacher.width)
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return one view of each record, for student and teacher alike."""
        return dict(self.processor.views(batch, generator, self.options.views)[0])

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        predicted = self.head(self.encoder.pool(batch)).float()
        targets = self._targets(batch)
        similarity = F.cosine_similarity(predicted.detach(), targets, dim=1).mean()
        if self.options.loss == "cosine":
            loss = cosine_regression(predicted, targets) / 2
        elif self.options.loss == "copy":
            spread = (targets - targets.mean(0)).square().mean().clamp(min=1e-12)
            loss = F.mse_loss(predicted, targets) / spread
        else:
            loss = F.mse_loss(predicted, F.layer_norm(targets, targets.shape[1:]))
        return {"loss": loss, "similarity": similarity}

    @torch.no_grad()
    def _targets(self, batch: Batch) -> Tensor:
        """Return the teacher's vectors (B,D'); it gets images in the size it was trained on."""
        teacher = self._teacher[0].to(next(iter(batch.values())).device)
        return teacher.pool(self.processor.adapt(batch, self._length)).float()


def _check(folder: str, teacher: Encoder, processor: Processor) -> None:
    """Refuse a teacher that reads another kind of data or has another vocabulary."""
    if teacher.joined:
        raise HeadstartError(
            f"in {folder} encoders stand side by side; name one of them as the teacher, such as "
            f"{Path(encoder_folder(folder)) / next(iter(teacher.joined))}."
        )
    if teacher.reads != processor.gives:
        raise HeadstartError(
            f"the teacher in {folder} reads another kind of data than the student; name an encoder "
            "of the same kind."
        )
    if processor.vocabulary is None:
        return
    if not processor.agrees_with(open_processor(encoder_folder(folder))):
        raise HeadstartError(
            f"the teacher in {folder} has another vocabulary than the student, so their token ids "
            f"mean different things; begin the student with embeddings={folder}, which takes over "
            "the teacher's tokenizer."
        )
