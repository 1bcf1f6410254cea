"""Two views of each record as an objective sees them, whatever the modality."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options

VIEWS = ("first", "second")


class ViewOptions(Options):
    """Which views a two-view objective compares."""

    views: str = Field(
        "auto", description="Kind of views; the modality names its own, auto is its default."
    )
    side: int | None = Field(
        None, ge=4, description="Pixels a side of a view; by default what suits the pictures."
    )
    drop: float = Field(
        0.0, ge=0, lt=1, description="Share of each view's tokens left out; pictures have none."
    )


def draw_views(
    processor: Any,
    batch: Batch,
    generator: torch.Generator,
    options: ViewOptions,
    *,
    local: int = 0,
) -> Batch:
    """Return one batch of all views: ``first/...``, ``second/...`` and ``local/...``.

    The small crops lie one after the other in ``local/...``: ``local`` times B rows. Only views
    with a ``mask`` can lose tokens to ``options.drop``.

    Args:
        processor: gives ``views``.
        local: small crops besides the two views; 0 for a modality without ``multi_crop``.
    """
    asked = {"local": local, "side": options.side}
    given = {name: value for name, value in asked.items() if value}
    drawn = processor.views(batch, generator, options.views, **given)
    views = [_thin(view, options.drop, generator) for view in drawn]
    corrupted: Batch = {"mask": batch["mask"]} if "mask" in batch else {}
    for name, view in zip(VIEWS, views[:2], strict=True):
        corrupted.update({f"{name}/{key}": tensor for key, tensor in view.items()})
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


def part(batch: Batch, name: str) -> Batch:
    """Return the tensors whose names begin with ``name/``, without that beginning."""
    return {
        key.removeprefix(f"{name}/"): tensor
        for key, tensor in batch.items()
        if key.startswith(f"{name}/")
    }


def pooled(encoder: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the pooled vectors (B,D) of both views, one pass each.

    Batch norms see one view at a time, as in the original code of BYOL, SimSiam, Barlow Twins and
    VICReg.
    """
    first, second = (encoder.pool(part(batch, name)) for name in VIEWS)
    return first, second
