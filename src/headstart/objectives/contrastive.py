"""Contrast of two views of a record, whatever the modality: each must find its twin."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.objectives.losses import info_nce


class ContrastOptions(Options):
    """InfoNCE between two parts of a record, both directions (van den Oord et al. 2018)."""

    views: str = Field("disjoint", description="Kind of views; the modality names its own.")
    temperature: float = Field(0.2, gt=0, description="Divides the cosines.")
    symmetric: bool = Field(True, description="Average both directions.")
    drop: float = Field(0.2, ge=0, lt=1, description="Share of each view's tokens left out.")
    head: Literal["none", "tanh"] = Field(
        "none", description="Projection in training only: none, or a linear layer and tanh."
    )


class SimCSEOptions(ContrastOptions):
    """Unsupervised SimCSE's values (Gao et al. 2021, section 3 and appendix A)."""

    views: str = Field("identity", description="The same text twice: dropout is the difference.")
    drop: float = Field(0.0, ge=0, lt=1, description="Share of each view's tokens left out.")
    temperature: float = Field(0.05, gt=0, description="Divides the cosines.")
    symmetric: bool = Field(False, description="Average both directions.")
    head: Literal["none", "tanh"] = Field(
        "tanh", description="Projection in training only: none, or a linear layer and tanh."
    )


class Contrast(nn.Module):
    """Contrast of two views with the other rows of the batch as negatives.

    The paper of SimCSE pools ``[CLS]``; here the encoder's own pooling is what is contrasted, so
    that what is trained is what ``embed`` writes.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"two_views"})
    layout: ClassVar[str] = "documents"
    Options: ClassVar[type[Options]] = ContrastOptions

    def __init__(self, encoder: Any, processor: Any, options: ContrastOptions) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.views = processor.views
        width = encoder.width
        self.projection: nn.Module = (
            nn.Sequential(nn.Linear(width, width), nn.Tanh())
            if options.head == "tanh"
            else nn.Identity()
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch of the two views, named ``first/...`` and ``second/...``."""
        corrupted: Batch = {"mask": batch["mask"]}
        views = self.views(batch, generator, self.options.views)
        for name, view in zip(("first", "second"), views, strict=True):
            if self.options.drop:
                draw = torch.rand(
                    view["mask"].shape, generator=generator, device=view["mask"].device
                )
                view = {**view, "mask": view["mask"] & (draw >= self.options.drop)}
            corrupted.update({f"{name}/{key}": tensor for key, tensor in view.items()})
        return corrupted

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        first, second = (
            self.projection(self.encoder.pool(part(batch, view))) for view in ("first", "second")
        )
        one = info_nce(first, second, self.options.temperature)
        if not self.options.symmetric:
            return one
        other = info_nce(second, first, self.options.temperature)
        return {name: (one[name] + other[name]) / 2 for name in one}

    def after_step(self, progress: float) -> None:
        """Nothing moves but by gradient."""


class SimCSE(Contrast):
    """The same text twice under dropout, with the published values (Gao et al. 2021)."""

    needs: ClassVar[frozenset[str]] = frozenset({"two_views", "dropout"})
    Options: ClassVar[type[Options]] = SimCSEOptions


def part(batch: Batch, name: str) -> Batch:
    """Return the tensors whose names begin with ``name/``, without that beginning."""
    return {
        key.removeprefix(f"{name}/"): tensor
        for key, tensor in batch.items()
        if key.startswith(f"{name}/")
    }
