"""The fixed records that are looked at while training, and what a look costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from headstart.batch import Batch, byte_pixels, to_device
from headstart.seeding import generator
from headstart.training.evaluation_mode import frozen
from headstart.training.health import Look, look, view_matching
from headstart.training.probe import Probe, explained
from headstart.training.seeding import reseed

if TYPE_CHECKING:
    from headstart.modalities import Processor
    from headstart.objectives import Objective

#: Records that views are drawn of, and how many each; so many are enough for LiDAR to tell a
#: collapsed network from a sound one, not to rank sound ones (Thilak et al. 2024 take 1,000 x 50).
_RECORDS, _PAIRS = 64, 2
#: Of the training between two looks at the views, the share that one may cost; more where the
#: weights to keep are chosen by it.
_SHARE, _CHOOSING_SHARE = 0.02, 0.1
#: A row costs three times as much to train on as to look at.
_TRAINED = 3
#: Rows that are looked at together.
_AT_ONCE = 64
#: Standard deviation, over texts, of how much better or worse a text finds its other half after
#: thirty steps of a guarded run than before (measured for four objectives, docs/log.md).
_MATCHING_CHANGE = 0.15


@dataclass(frozen=True)
class Watch:
    """Records, and views of the first of them, that stay the same for the whole run.

    Attributes:
        batch: the records (N rows).
        views: K batches of the same M records each; none where the modality has no views.
        view_matching: two views of some records, for the measure of that name; or none.
        probe: labeled records, for the measure of that name.
    """

    batch: Batch
    views: Sequence[Batch] = ()
    view_matching: Sequence[Batch] = ()
    probe: Probe | None = None

    def every(self, trained: int) -> int:
        """Return how many validations share one look at the views, ``trained`` rows apart each."""
        rows = sum(_rows(view) for view in (*self.views, *self.view_matching))
        rows += _rows(self.probe.batch) if self.probe else 0
        share = _CHOOSING_SHARE if self.view_matching or self.probe else _SHARE
        return max(1, math.ceil(rows / (share * _TRAINED * max(1, trained))))

    def margin(self, measure: str) -> float:
        """Return by how much a measure may rise by chance, two standard errors; 0 where unknown."""
        if measure != "view_matching" or not self.view_matching:
            return 0.0
        return 2 * _MATCHING_CHANGE / math.sqrt(_rows(self.view_matching[0]))

    def look(
        self,
        objective: Objective,
        device: torch.device,
        context: AbstractContextManager[None],
        *,
        views: bool,
    ) -> Look:
        """Look at the features, and those of the ``views`` and the probe too; nothing changes."""
        found: dict[str, float] = {}
        with frozen(objective), context:
            reseed(device, "features")
            pooled = objective.encoder(to_device(self.batch, device)).pooled
            head = _projector(objective)
            projected = None if head is None else head(pooled).float()
            seen = [_pooled(objective, view, device) for view in (self.views if views else ())]
            if views and self.view_matching:
                one, other = (_pooled(objective, view, device) for view in self.view_matching)
                found["view_matching"] = view_matching(one, other)
            if views and self.probe is not None:
                vectors = _pooled(objective, self.probe.batch, device)
                found["probe"] = explained(vectors, self.probe.labels)
        looked = look(pooled.float(), seen, projected)
        looked.measures.update(found)
        return looked


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def _pooled(objective: Objective, batch: Batch, device: torch.device) -> Tensor:
    """Return vectors (N,D) of a batch, some rows at a time: together they might not fit."""
    parts = [
        objective.encoder.pool(
            to_device({k: v[begin : begin + _AT_ONCE] for k, v in batch.items()}, device)
        ).float()
        for begin in range(0, _rows(batch), _AT_ONCE)
    ]
    return torch.cat(parts)


def draw_watch(
    processor: Processor,
    batch: Batch,
    seed: int,
    *,
    view_matching_of: Batch | None = None,
    probe: Probe | None = None,
) -> Watch:
    """Return what to watch: the records of ``batch``, and four views of the first 64 of them.

    Args:
        view_matching_of: records to draw two views of besides: such as the halves of a text.
        probe: labeled records to watch besides.
    """
    if "two_views" not in processor.provides:
        return Watch(batch, probe=probe)
    few = {name: tensor[:_RECORDS] for name, tensor in batch.items()}
    views = [
        byte_pixels(view)
        for pair in range(_PAIRS)
        for view in processor.views(few, generator(seed, "watched views", pair), "auto")
    ]
    pair: list[Batch] = []
    if view_matching_of is not None:
        kind = "halves" if "halves" in processor.provides else "auto"
        drawn = processor.views(view_matching_of, generator(seed, "view_matching"), kind)
        pair = [byte_pixels(view) for view in drawn]
    return Watch(batch, views, pair, probe)


def _projector(objective: Objective) -> torch.nn.Module | None:
    """Return what an objective, or the first of a mixture, puts behind the pooled vector."""
    heads = (member.projector for member in objective.members())
    found = (head for head in heads if head and not isinstance(head, torch.nn.Identity))
    return next(found, None)
