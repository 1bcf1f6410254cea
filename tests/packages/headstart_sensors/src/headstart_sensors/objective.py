"""Masked readings: parts of a series are flat, and the network says what was there."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.modalities import Processor
from headstart.objectives import Objective
from headstart_sensors.encoder import SeriesConv


class MaskedReadingsOptions(Options):
    """How much is masked."""

    mask_ratio: float = Field(0.4, gt=0, lt=1, description="Share of the spans that is masked.")
    span: int = Field(8, ge=1, description="Readings of a span.")


class MaskedReadings(Objective):
    """Mask spans of readings and rebuild them; the mean squared error counts what was masked."""

    needs = frozenset({"series", "steps"})
    Options = MaskedReadingsOptions

    def __init__(
        self, encoder: SeriesConv, processor: Processor, options: MaskedReadingsOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.head = nn.Linear(encoder.width, encoder.step)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``series`` with masked spans, the ``original`` and where it was ``masked``."""
        series = batch["series"]
        count, _, length = series.shape
        spans = -(-length // self.options.span)
        draw = torch.rand(count, spans, generator=generator, device=series.device)
        most = max(1, round(spans * self.options.mask_ratio))
        masked = (draw.argsort(1).argsort(1) < most).repeat_interleave(self.options.span, 1)
        masked = masked[:, None, :length]
        return {"series": series.masked_fill(masked, 0.0), "original": series, "masked": masked}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        original, masked = batch["original"], batch["masked"]
        rebuilt = self.head(self.encoder(batch).tokens).flatten(1)[:, None, : original.shape[2]]
        error = (rebuilt.float() - original).square()
        return {"loss": (error * masked).sum() / masked.sum()}
