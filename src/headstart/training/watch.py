"""Fixed records whose features are measured during training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from headstart.batch import Batch, byte_pixels, to_device
from headstart.seeding import generator, reseed
from headstart.training.evaluation_mode import frozen
from headstart.training.health import Snapshot, measure, view_matching
from headstart.training.probe import Probe, explained

if TYPE_CHECKING:
    from headstart.modalities import Processor
    from headstart.objectives import Objective

#: Records with views, and pairs of views of each; enough for LiDAR to detect a collapsed network,
#: not to rank healthy ones (Thilak et al. 2024 take 1,000 x 50).
_RECORDS, _PAIRS = 64, 2
#: Cost of measuring views as a share of the training between two measurements; more if the weights
#: are chosen by it.
_SHARE, _CHOOSING_SHARE = 0.02, 0.1
#: Cost of training on a row, relative to encoding it.
_TRAINED = 3
#: Rows encoded together.
_BATCH = 64
#: Standard deviation over texts of the change in view matching after thirty steps of a run with
#: safeguards (measured for four objectives, docs/log.md).
_MATCHING_CHANGE = 0.15


@dataclass(frozen=True)
class Watch:
    """Records, and views of the first of them, fixed for the whole run.

    Attributes:
        batch: the records (N rows).
        views: K batches of the same M records; empty if the modality has no views.
        view_matching: two views of some records, for the measure of that name; or empty.
        probe: labeled records, for the measure of that name.
    """

    batch: Batch
    views: Sequence[Batch] = ()
    view_matching: Sequence[Batch] = ()
    probe: Probe | None = None

    def every(self, trained: int) -> int:
        """Return after how many validations to measure views; ``trained`` rows lie between two."""
        rows = sum(_rows(view) for view in (*self.views, *self.view_matching))
        rows += _rows(self.probe.batch) if self.probe else 0
        share = _CHOOSING_SHARE if self.view_matching or self.probe else _SHARE
        return max(1, math.ceil(rows / (share * _TRAINED * max(1, trained))))

    def margin(self, measure: str) -> float:
        """Return two standard errors of the change in a measure; 0 if unknown."""
        if measure != "view_matching" or not self.view_matching:
            return 0.0
        return 2 * _MATCHING_CHANGE / math.sqrt(_rows(self.view_matching[0]))

    def measure(
        self,
        objective: Objective,
        device: torch.device,
        context: AbstractContextManager[None],
        *,
        views: bool,
    ) -> Snapshot:
        """Measure the features, and with ``views`` also views and probe; without side effects."""
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
        snapshot = measure(pooled.float(), seen, projected)
        snapshot.measures.update(found)
        return snapshot


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def _pooled(objective: Objective, batch: Batch, device: torch.device) -> Tensor:
    """Return vectors (N,D) of a batch, encoded in parts to limit memory."""
    parts = [
        objective.encoder.pool(
            to_device({k: v[begin : begin + _BATCH] for k, v in batch.items()}, device)
        ).float()
        for begin in range(0, _rows(batch), _BATCH)
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
    """Return the records of ``batch`` to watch, with four views of the first 64 of them.

    Args:
        view_matching_of: records of which two further views are drawn, such as halves of a text.
        probe: labeled records to watch as well.
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
    """Return the projection of an objective, or of the first of a mixture that has one."""
    heads = (member.projector for member in objective.members())
    found = (head for head in heads if head and not isinstance(head, torch.nn.Identity))
    return next(found, None)
