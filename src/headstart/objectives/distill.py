"""Distillation of representations: a student learns the vectors of a given, larger encoder."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch, unit_pixels
from headstart.config import Options
from headstart.encoders.opening import encoder_folder, open_encoder, read_note
from headstart.errors import HeadstartError
from headstart.modalities.opening import open_processor
from headstart.objectives.losses import cosine_regression


class DistillOptions(Options):
    """Cosine or squared distance to the teacher's vectors.

    ``cosine`` is DistilBERT's term (Sanh et al. 2019, section 3); ``mse`` is FitNets' hint (Romero
    et al. 2015, equation 3) against vectors brought to mean 0 and deviation 1 (Wei et al. 2022,
    "Feature distillation", section 3), so that the loss has one scale for all teachers.
    """

    teacher: str = Field(description="Folder of the teacher: a run, or a saved encoder.")
    loss: Literal["cosine", "mse"] = Field("cosine", description="What is made small.")
    views: str = Field(
        "identity", description="What both are shown: a kind of views, of which the first is taken."
    )


class Distill(nn.Module):
    """Say with a linear layer on the student's pooled vector what the teacher's is.

    The teacher is frozen and reopened from its folder with each sitting: it is no part of the
    state, so checkpoints hold the student alone and going on needs that folder unchanged.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"two_views"})
    layout: ClassVar[str] = "documents"
    Options: ClassVar[type[Options]] = DistillOptions

    def __init__(self, encoder: Any, processor: Any, options: DistillOptions) -> None:
        super().__init__()
        self.encoder = encoder
        self.processor, self.options = processor, options
        teacher: Any = open_encoder(options.teacher)
        _check(options.teacher, teacher, processor)
        teacher.eval().requires_grad_(False)
        note = read_note(encoder_folder(options.teacher))
        self._side = int(note["length"]) if note["modality"] == "image" else 0
        # In a tuple it is no submodule: neither trained, nor saved, nor told to train.
        self._teacher = (teacher,)
        self.head = nn.Linear(encoder.width, teacher.width)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return one view of each record, for student and teacher alike."""
        return dict(self.processor.views(batch, generator, self.options.views)[0])

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        guess = self.head(self.encoder.pool(batch)).float()
        wanted = self._wanted(batch)
        similarity = F.cosine_similarity(guess.detach(), wanted, dim=1).mean()
        if self.options.loss == "cosine":
            loss = cosine_regression(guess, wanted) / 2
        else:
            loss = F.mse_loss(guess, F.layer_norm(wanted, wanted.shape[1:]))
        return {"loss": loss, "similarity": similarity}

    @torch.no_grad()
    def _wanted(self, batch: Batch) -> Tensor:
        """Return the teacher's vectors (B,D'); it sees pictures at the side it was trained on."""
        teacher = self._teacher[0].to(next(iter(batch.values())).device)
        if self._side and batch["pixels"].shape[-1] != self._side:
            pixels = unit_pixels(batch["pixels"])
            size = (self._side, self._side)
            larger = F.interpolate(pixels, size, mode="bilinear", antialias=True)
            batch = {**batch, "pixels": larger}
        return teacher.pool(batch).float()

    def after_step(self, progress: float) -> None:
        """Nothing moves but by gradient."""


def _check(folder: str, teacher: Any, processor: Any) -> None:
    """Refuse a teacher to whom the student's batches say nothing, or something else."""
    if ("pixels_in" in teacher.provides) != ("pixels" in processor.provides):
        raise HeadstartError(
            f"the teacher in {folder} reads another kind of data than the student; name an encoder "
            "of the same kind."
        )
    if "discrete_targets" not in processor.provides:
        return
    theirs: Any = open_processor(encoder_folder(folder))
    if theirs.tokenizer.get_vocab() != processor.tokenizer.get_vocab():
        raise HeadstartError(
            f"the teacher in {folder} has another vocabulary than the student, so their token ids "
            f"mean different things; begin the student with embeddings={folder}, which takes over "
            "the teacher's tokenizer."
        )
