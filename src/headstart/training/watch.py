"""The fixed records that are looked at while training, and what a look costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from headstart.batch import Batch, to_device
from headstart.seeding import generator
from headstart.training.chance import reseed
from headstart.training.health import Look, look
from headstart.training.validation import frozen

if TYPE_CHECKING:
    from headstart.modalities import Processor

#: Records that views are drawn of, and how many each; so many are enough for LiDAR to tell a
#: collapsed network from a sound one, not to rank sound ones (Thilak et al. 2024 take 1,000 x 50).
_RECORDS, _PAIRS = 64, 2
#: Of the training between two looks at the views, the share that one may cost.
_SHARE = 0.02
#: A row costs three times as much to train on as to look at.
_TRAINED = 3


@dataclass(frozen=True)
class Watch:
    """Records, and views of the first of them, that stay the same for the whole run.

    Attributes:
        batch: the records (N rows).
        views: K batches of the same M records each; none where the modality has no views.
    """

    batch: Batch
    views: Sequence[Batch] = ()

    def every(self, trained: int) -> int:
        """Return how many validations share one look at the views, ``trained`` rows apart each."""
        rows = sum(len(next(iter(view.values()))) for view in self.views)
        return max(1, math.ceil(rows / (_SHARE * _TRAINED * max(1, trained))))

    def look(
        self,
        objective: Any,
        device: torch.device,
        context: AbstractContextManager[None],
        *,
        views: bool,
    ) -> Look:
        """Look at the features, and those of the ``views`` too; nothing is changed by it."""
        with frozen(objective), context:
            reseed(device, "features")
            pooled = objective.encoder(to_device(self.batch, device)).pooled
            head = _projection(objective)
            projected = None if head is None else head(pooled).float()
            seen = [
                objective.encoder.pool(to_device(view, device)).float()
                for view in (self.views if views else ())
            ]
        return look(pooled.float(), seen, projected)


def draw_watch(processor: Processor, batch: Batch, seed: int) -> Watch:
    """Return what to watch: the records of ``batch``, and four views of the first 64 of them."""
    if "two_views" not in processor.provides:
        return Watch(batch)
    few = {name: tensor[:_RECORDS] for name, tensor in batch.items()}
    views = [
        _small(view)
        for pair in range(_PAIRS)
        for view in processor.views(few, generator(seed, "watched views", pair), "auto")
    ]
    return Watch(batch, views)


def _small(view: Batch) -> Batch:
    """Keep pixels as bytes: views of large pictures would fill hundreds of megabytes."""
    if "pixels" not in view or not view["pixels"].is_floating_point():
        return view
    return {**view, "pixels": (view["pixels"] * 255).round().to(torch.uint8)}


def _projection(objective: Any) -> Any:
    """Return what an objective, or the first of a mixture, puts behind the pooled vector."""
    members = getattr(objective, "objectives", None)
    heads = [
        head
        for member in (members.values() if members is not None else [objective])
        if isinstance(head := getattr(member, "projection", None), torch.nn.Module)
        and not isinstance(head, torch.nn.Identity)
    ]
    return heads[0] if heads else None
