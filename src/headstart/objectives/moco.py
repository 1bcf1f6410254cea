"""Momentum contrast: MoCo v2 with a queue of keys, MoCo v3 without."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.encoders import Encoder
from headstart.modalities import Processor
from headstart.objectives.heads import projection
from headstart.objectives.losses import info_nce, queue_nce
from headstart.objectives.momentum import (
    MomentumSchedule,
    ema_update,
    eval_except_batch_norm,
    momentum_copy,
)
from headstart.objectives.queue import KeyQueue
from headstart.objectives.views import TwoViews, ViewOptions, part, pooled

#: Rows below which batch norm statistics are too noisy.
_SMALLEST_GROUP = 8


class MoCoOptions(ViewOptions):
    """MoCo v2's values (Chen et al. 2020, "Improved baselines"), and v3's without a queue.

    The paper's queue of 65,536 is for a million images. On small data so long a queue would hold
    each record several times, as its own negative. The authors take 4,096 for CIFAR-10; the queue
    should be much shorter than the number of records.
    """

    queue: int = Field(
        4096, ge=0, description="Keys kept as wrong answers; 0 is MoCo v3, for transformers."
    )
    temperature: float = Field(0.2, gt=0, description="Divides the cosines.")
    momentum: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Of the key encoder: 0.999; without a queue 0.99, rising to 1.",
    )
    memory: float = Field(
        0.2, gt=0, description="Share of the run that the key encoder remembers at most."
    )
    groups: int = Field(
        4, ge=1, description="Groups in which the keys pass the batch norms; none without a queue."
    )
    hidden: int = Field(0, ge=0, description="Width inside the MLPs; 0 is the encoder's own.")
    output: int = Field(128, ge=2, description="Width of queries and keys.")


class MoCo(TwoViews):
    """Identify the key of the other view among those of many other rows.

    With a queue (v2, He et al. 2020, https://arxiv.org/abs/1911.05722) the first view is the query
    and the second the key; the MLP has two layers and no batch norm. Without one (v3, Chen et al.
    2021, https://arxiv.org/abs/2104.02057) the other rows of the batch are the negatives, both
    directions are averaged, and a predictor follows the queries' projection.

    If query and key pass batch norm in the same batch, they can be matched by its statistics. The
    paper shuffles the keys among devices; here they are encoded in random groups, which also works
    on one device (section 3.3, "shuffling BN").
    """

    family = "agreement of two views"
    Options = MoCoOptions
    options: MoCoOptions

    @classmethod
    def default_options(cls, records: int, batch_size: int) -> dict[str, Any]:
        """Return a queue of at most half of the records, in whole batches."""
        half = records // 2 // batch_size * batch_size
        return {"queue": max(batch_size, min(MoCoOptions().queue, half))}

    def __init__(self, encoder: Encoder, processor: Processor, options: MoCoOptions) -> None:
        super().__init__(encoder, processor, options)
        hidden = options.hidden or encoder.width
        if options.queue:
            widths = [encoder.width, hidden, options.output]
            self.projection = projection(widths, batch_norm=False)
            self.queue = KeyQueue(options.queue, options.output)
        else:
            widths = [encoder.width, hidden, hidden, options.output]
            self.projection = projection(widths, normed_output=True)
            self.predictor = projection([options.output, hidden, options.output])
        self.key_encoder = momentum_copy(encoder)
        self.key_projection = momentum_copy(self.projection)
        default = 0.999 if options.queue else 0.99
        momentum = default if options.momentum is None else options.momentum
        self.schedule = MomentumSchedule(momentum, options.memory, rising=not options.queue)

    def train(self, mode: bool = True) -> MoCo:
        super().train(mode)
        if mode:
            eval_except_batch_norm(self.key_encoder)
            eval_except_batch_norm(self.key_projection)
        return self

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the two views, ``first/...`` and ``second/...``, and the ``order`` of the keys."""
        views = super().corrupt(batch, generator)
        rows = next(iter(batch.values()))
        order = torch.randperm(len(rows), generator=generator, device=rows.device)
        return {**views, "order": order}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self._from_queue(batch) if self.options.queue else self._from_batch(batch)

    def _from_queue(self, batch: Batch) -> dict[str, Tensor]:
        queries = self.projection(self.encoder.pool(part(batch, "first")))
        keys = self._keys(part(batch, "second"), batch["order"])
        results = queue_nce(queries, keys, self.queue.negatives(), self.options.temperature)
        if self.training:
            self.queue.push(keys)
        return results

    @torch.no_grad()
    def _keys(self, view: Batch, order: Tensor) -> Tensor:
        """Return L2-normalised keys (B,D), encoded group by group in the given order."""
        count = max(1, min(self.options.groups, len(order) // _SMALLEST_GROUP))
        groups = [
            {name: rows[indices] for name, rows in view.items()} for indices in order.chunk(count)
        ]
        keys = self.key_projection(torch.cat([self.key_encoder.pool(group) for group in groups]))
        return F.normalize(keys.float(), dim=1)[order.argsort()]

    def _from_batch(self, batch: Batch) -> dict[str, Tensor]:
        queries = [
            self.predictor(self.projection(vectors)) for vectors in pooled(self.encoder, batch)
        ]
        with torch.no_grad():
            keys = [self.key_projection(vectors) for vectors in pooled(self.key_encoder, batch)]
        one, other = (
            info_nce(queries[a], keys[b], self.options.temperature) for a, b in ((0, 1), (1, 0))
        )
        return {name: (one[name] + other[name]) / 2 for name in one}

    def after_step(self, progress: float) -> None:
        """Update the key encoder with the encoder (exponential moving average)."""
        momentum = self.schedule.advance(progress)
        ema_update(self.key_encoder, self.encoder, momentum)
        ema_update(self.key_projection, self.projection, momentum)
