"""Contrastive learning: each view of a record must identify the other view, in any modality."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.encoders import Encoder
from headstart.modalities import Processor
from headstart.objectives.heads import projection
from headstart.objectives.losses import info_nce, nt_xent
from headstart.objectives.views import TwoViews, ViewOptions, pooled, pooled_negatives

_HEAD = "Projection in training only: none, a linear layer and tanh, or an MLP with batch norm."


class ContrastOptions(ViewOptions):
    """InfoNCE between two views of a record, in both directions (van den Oord et al. 2018)."""

    temperature: float = Field(0.2, gt=0, description="Divides the cosines.")
    symmetric: bool = Field(True, description="Average both directions.")
    negatives: Literal["twins", "all"] = Field(
        "twins",
        description="Wrong answers: the other rows' views of the other kind, or of both kinds.",
    )
    drop: float = Field(
        0.2, ge=0, lt=1, description="Share of each view's tokens left out; pictures have none."
    )
    head: Literal["none", "tanh", "mlp"] = Field("none", description=_HEAD)
    layers: int = Field(2, ge=2, le=3, description="Linear layers of the MLP.")
    hidden: int = Field(0, ge=0, description="Width inside the MLP; 0 is the encoder's own.")
    output: int = Field(128, ge=2, description="Width of what the MLP puts out.")

    @model_validator(mode="after")
    def _both_directions(self) -> ContrastOptions:
        if self.negatives == "all" and not self.symmetric:
            raise ValueError("negatives of both kinds need both directions (symmetric)")
        return self


class SimCSEOptions(ContrastOptions):
    """SimCSE's values (Gao et al. 2021, sections 3 and 4 and appendix A)."""

    views: str = Field("identity", description="The same text twice: dropout is the difference.")
    drop: float = Field(0.0, ge=0, lt=1, description="Share of each view's tokens left out.")
    temperature: float = Field(0.05, gt=0, description="Divides the cosines.")
    symmetric: bool = Field(False, description="Average both directions.")
    head: Literal["none", "tanh", "mlp"] = Field("tanh", description=_HEAD)


class SimCLROptions(ContrastOptions):
    """SimCLR's values (Chen et al. 2020, sections 2 and B.9).

    The temperature is between the paper's best for CIFAR-10 after a thousand epochs (0.5) and for
    ImageNet (0.1): within minutes 0.2 learns much more than 0.5 (``docs/log.md``).
    """

    temperature: float = Field(0.2, gt=0, description="Divides the cosines.")
    negatives: Literal["twins", "all"] = Field(
        "all",
        description="Wrong answers: the other rows' views of the other kind, or of both kinds.",
    )
    drop: float = Field(
        0.0, ge=0, lt=1, description="Share of each view's tokens left out; pictures have none."
    )
    head: Literal["none", "tanh", "mlp"] = Field("mlp", description=_HEAD)


class Contrast(TwoViews):
    """Contrast two views, with the other rows of the batch as negatives.

    If the records are pairs, their two texts are the views. If each also has a hard negative, those
    of all rows are negatives of every first text (SimCSE, equation 5).

    SimCSE pools ``[CLS]``; here the encoder's own pooling is trained, which is what ``embed``
    returns.
    """

    family = "agreement of two views"
    Options = ContrastOptions
    options: ContrastOptions

    def __init__(self, encoder: Encoder, processor: Processor, options: ContrastOptions) -> None:
        super().__init__(encoder, processor, options)
        self.projection = _projection(encoder.width, options)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        options = self.options
        first, second = (self.projection(vectors) for vectors in pooled(self.encoder, batch))
        hard = pooled_negatives(self.encoder, batch)
        hard = None if hard is None else self.projection(hard)
        if options.negatives == "all":
            return nt_xent(first, second, options.temperature, hard)
        one = info_nce(first, second, options.temperature, hard)
        if not options.symmetric:
            return one
        other = info_nce(second, first, options.temperature)
        return {name: (one[name] + other[name]) / 2 for name in one}


def _projection(width: int, options: ContrastOptions) -> nn.Module:
    if options.head == "none":
        return nn.Identity()
    if options.head == "tanh":
        return nn.Sequential(nn.Linear(width, width), nn.Tanh())
    hidden = options.hidden or width
    return projection([width, *[hidden] * (options.layers - 1), options.output])


class SimCSE(Contrast):
    """The same text twice under dropout, or pairs, with the published values.

    See Gao et al. 2021, https://arxiv.org/abs/2104.08821.
    """

    family = "agreement of two views"
    needs = frozenset({"two_views", "dropout"})
    Options = SimCSEOptions


class SimCLR(Contrast):
    """Two views, an MLP, and the views of all other rows as negatives.

    See Chen et al. 2020, https://arxiv.org/abs/2002.05709.
    """

    family = "agreement of two views"
    Options = SimCLROptions
