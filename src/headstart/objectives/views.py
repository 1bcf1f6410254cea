"""Two views of each record, for any modality.

Records with a second text (``pair/...`` in the batch) have their views already; hard negatives
(``negative/...``) are passed on beside them.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch, part
from headstart.config import Options
from headstart.data.pairs import NEGATIVE, PAIR
from headstart.encoders import Encoder
from headstart.modalities import Processor
from headstart.objectives import Objective

VIEWS = ("first", "second")


class ViewOptions(Options):
    """Which views a two-view objective compares."""

    views: str = Field(
        "auto",
        description="Kind of views; the modality names its own, auto is its default. Records with "
        "a second text are seen as pairs unless another kind is named.",
    )
    side: int | None = Field(
        None, ge=4, description="Pixels per side of a view; by default chosen by the pictures."
    )
    drop: float = Field(
        0.0, ge=0, lt=1, description="Share of each view's tokens left out; pictures have none."
    )


class TwoViews(Objective):
    """Base of two-view objectives: views, and a projection after the pooled vectors."""

    needs = frozenset({"two_views"})
    projection: nn.Module

    def __init__(self, encoder: Encoder, processor: Processor, options: ViewOptions) -> None:
        super().__init__()
        self.encoder = encoder
        self.processor, self.options = processor, options

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return both views in one batch, as ``first/...`` and ``second/...``."""
        return draw_views(self.processor, batch, generator, self.options)

    @property
    def projector(self) -> nn.Module:
        """The projection, which is not saved."""
        return self.projection


def draw_views(
    processor: Processor,
    batch: Batch,
    generator: torch.Generator,
    options: ViewOptions,
    *,
    local: int = 0,
) -> Batch:
    """Return one batch of all views: ``first/...``, ``second/...`` and ``local/...``.

    The small crops are concatenated in ``local/...``, ``local`` times B rows. ``options.drop``
    applies only to views with a ``mask``.

    Args:
        processor: must provide ``two_views``.
        local: number of small crops; 0 for a modality without ``multi_crop``.
    """
    requested = {"local": local, "side": options.side}
    given: dict[str, Any] = {name: value for name, value in requested.items() if value}
    is_pair = f"{PAIR}/mask" in batch and "views" not in options.model_fields_set
    kind = "pairs" if is_pair else options.views
    drawn = processor.views(batch, generator, kind, **given)
    views = [_thin(view, options.drop, generator) for view in drawn]
    corrupted: Batch = {"mask": batch["mask"]} if "mask" in batch else {}
    for name, view in zip(VIEWS, views[:2], strict=True):
        corrupted.update({f"{name}/{key}": tensor for key, tensor in view.items()})
    hard = part(batch, NEGATIVE)
    if hard:
        thinned = _thin(hard, options.drop, generator)
        corrupted.update({f"{NEGATIVE}/{key}": tensor for key, tensor in thinned.items()})
    if local:
        for key in views[2]:
            corrupted[f"local/{key}"] = torch.cat([view[key] for view in views[2:]])
    return corrupted


def _thin(view: Batch, drop: float, generator: torch.Generator) -> Batch:
    if not drop or "mask" not in view:
        return view
    mask = view["mask"]
    draw = torch.rand(mask.shape, generator=generator, device=mask.device)
    return {**view, "mask": mask & (draw >= drop)}


def pooled(encoder: Encoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the pooled vectors (B,D) of both views, in one pass each.

    Batch norms see one view at a time, as in the original code of BYOL, SimSiam, Barlow Twins and
    VICReg.
    """
    first, second = (encoder.pool(part(batch, name)) for name in VIEWS)
    return first, second


def pooled_negatives(encoder: Encoder, batch: Batch) -> Tensor | None:
    """Return the pooled vectors (B,D) of the hard negatives; None without any."""
    hard = part(batch, NEGATIVE)
    return encoder.pool(hard) if hard else None
