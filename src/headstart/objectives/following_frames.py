"""What follows in a recording: its spectrogram is predicted (APC), or recognised (CPC).

A recurrent network sees the encoder's vectors from the left, and is thrown away. The encoder's own
vectors must not know what is predicted, so both are for networks that see little to the right of a
frame (``near_frames``), and what is predicted lies beyond that.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders.recordings import FrameEncoder
from headstart.errors import HeadstartError
from headstart.modalities import Processor
from headstart.modalities.spectra import BANDS, real_frames
from headstart.objectives import Objective
from headstart.objectives.frame_targets import mel_values
from headstart.objectives.losses import full_precision, gather_uneven
from headstart.objectives.predictive import among


class APCOptions(Options):
    """The paper's values, but for the distance (Chung et al. 2019, section 3.2)."""

    ahead: int = Field(
        3, ge=1, le=100, description="Frames between what is seen and what is predicted."
    )
    hidden: int = Field(256, ge=8, le=2048, description="Width of the recurrent network.")
    layers: int = Field(1, ge=1, le=6, description="Its layers.")


class Following(Objective):
    """What both share: an encoder, and a recurrent network from left to right over its vectors."""

    needs = frozenset({"waveform", "near_frames"})
    encoder: FrameEncoder
    recurrent: nn.GRU

    def __init__(self, encoder: FrameEncoder, processor: Processor, name: str, reach: int) -> None:
        super().__init__()
        self.encoder, self._name = encoder, name
        self.near = encoder.near
        piece = getattr(processor, "piece", None)
        most = None if piece is None else int(encoder.frames(torch.tensor([piece]))[0])
        self.least = self.near + reach + 1
        if most is not None and most < self.least:
            step = f"{1000 * encoder.step / encoder.rate:.0f} ms"
            raise HeadstartError(
                f"{name} predicts what lies {self.least - 1} frames of {step} ahead, and these "
                f"pieces have {most}; set a longer --length, or predict what is nearer."
            )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the recordings as they are: what follows is the task."""
        return dict(batch)

    def warning(self, batch: Batch) -> str | None:
        short = int((self.encoder.frames(batch["lengths"]) < self.least).sum())
        if not short:
            return None
        return (
            f"{short} of {len(batch['lengths'])} recordings have fewer than {self.least} frames: "
            f"too short to have what {self._name} predicts, they teach it nothing."
        )

    def context(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the encoder's vectors (B,T,D), those from the left (B,T,H), and frames (B,)."""
        latents, frames = self.encoder.latents(batch)
        vectors = self.encoder.contextualize(self.encoder.project(latents), frames)
        with torch.autocast(vectors.device.type, enabled=False):
            seen, _ = self.recurrent(vectors.float())
        return vectors, seen, frames


class APC(Following):
    """Predict the spectrogram a few frames ahead; the error is absolute, as published.

    The loss is the mean over all bands of the frames that have one ahead. See Chung et al. 2019,
    "An unsupervised autoregressive model for speech representation learning",
    https://arxiv.org/abs/1904.03240.
    """

    family = "prediction of what follows"
    Options = APCOptions

    def __init__(self, encoder: FrameEncoder, processor: Processor, options: APCOptions) -> None:
        super().__init__(encoder, processor, "apc", options.ahead)
        self.ahead = self.near + options.ahead
        width, hidden = encoder.channels, options.hidden
        self.recurrent = nn.GRU(width, hidden, options.layers, batch_first=True)
        many = max(1, round(encoder.step * 100 / encoder.rate))
        self.predict = nn.Linear(hidden, many * BANDS)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        _, seen, frames = self.context(batch)
        with torch.no_grad():
            wanted, _ = mel_values(batch, self.encoder)
        drawn = self.predict(seen[:, : -self.ahead])
        real = real_frames((frames - self.ahead).clamp(min=0), drawn.shape[1])
        return {"loss": absolute_error(drawn[real], wanted[:, self.ahead :][real])}


@full_precision
def absolute_error(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean absolute error of rows (M,C); 0 with a gradient where there is none."""
    return (drawn - wanted).abs().sum() / max(1, wanted.numel())


class FrameCPCOptions(Options):
    """Values for seconds of sound (van den Oord et al. 2018, section 3.1: 12 steps of 10 ms)."""

    steps: int = Field(6, ge=1, le=50, description="Frames ahead that are predicted, one by one.")
    hidden: int = Field(256, ge=8, le=2048, description="Width of the recurrent network.")
    targets: int = Field(64, ge=4, le=1024, description="Size of the vectors that are compared.")


class FrameCPC(Following):
    """Identify the encoder's vectors a few frames ahead among those of the whole batch.

    The loss is the mean over the distances of the cross-entropy among all frames of the batch, of
    all processes. See van den Oord et al. 2018, https://arxiv.org/abs/1807.03748, section 3.1.
    """

    family = "prediction of what follows"
    Options = FrameCPCOptions

    def __init__(
        self, encoder: FrameEncoder, processor: Processor, options: FrameCPCOptions
    ) -> None:
        super().__init__(encoder, processor, "frame_cpc", 1)
        self.options = options
        self.recurrent = nn.GRU(encoder.channels, options.hidden, batch_first=True)
        self.target = nn.Linear(encoder.channels, options.targets)
        self.predict = nn.ModuleList(
            nn.Linear(options.hidden, options.targets) for _ in range(options.steps)
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        vectors, seen, frames = self.context(batch)
        real = real_frames(frames, vectors.shape[1])
        targets = self.target(vectors[real])
        # Once, as the distances that are predicted may differ from process to process.
        every, first = gather_uneven(targets)
        # The number of each real frame among those of all processes.
        number = (real.flatten().cumsum(0) - 1).view_as(real) + first
        sums: dict[str, Tensor] = {}
        done = 0
        for step, predict in enumerate(self.predict, self.near + 1):
            both = real[:, step:]
            if not both.any():
                continue
            done += 1
            predicted = predict(seen[:, :-step][both]) * targets.shape[1] ** -0.5
            found = among(predicted, every, number[:, step:][both])
            for name, value in found.items():
                sums[name] = sums.get(name, 0) + value
        if not done:
            return {"loss": every.sum() * 0.0 + seen.sum() * 0.0}
        return {name: value / done for name, value in sums.items()}
