"""Units of sound that masked frames predict: they are fitted before training, and stay.

HuBERT: k-means of cepstra with their slopes. BEST-RQ: a random projection of the spectrogram and a
random code book.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch, Rows
from headstart.config import Options
from headstart.encoders.recordings import FrameEncoder
from headstart.modalities import Processor
from headstart.modalities.spectra import BANDS, cepstra, frames_of, log_mel, on_grid, slopes
from headstart.objectives import Objective
from headstart.objectives.earlier_frames import EarlierFrames
from headstart.objectives.frame_masks import (
    in_frames,
    masked_spans,
    masked_vectors,
    short_recordings,
    span_of,
)
from headstart.objectives.losses import full_precision, token_loss
from headstart.seeding import derive, numbers

#: Recordings, and frames of them, that units are fitted to.
RECORDINGS, FRAMES = 1000, 20_000
#: Cepstra of a frame, as is usual for speech.
COEFFICIENTS = 13
_CHUNK = 50


class MaskedUnitsOptions(Options):
    """What is masked."""

    mask_ratio: float = Field(
        0.8, gt=0, lt=1, description="Share of the frames in spans, if these did not overlap."
    )
    span: int | None = Field(
        None, ge=2, le=200, description="Frames of a span; by default 10, or fewer in short pieces."
    )


class MaskedUnits(Objective):
    """What HuBERT and BEST-RQ share: masked frames, and a unit of each that is to be predicted.

    The cross-entropy is the mean over all masked frames of the batch.

    Attributes:
        mean, spread: (C,) of the values that units are made of, over the training recordings.
    """

    needs = frozenset({"waveform", "frames"})
    encoder: FrameEncoder
    options: MaskedUnitsOptions

    def __init__(
        self,
        encoder: FrameEncoder,
        processor: Processor,
        options: MaskedUnitsOptions,
        name: str,
        width: int,
    ) -> None:
        super().__init__()
        self.encoder, self.options, self._name = encoder, options, name
        self.span = span_of(name, options.span, encoder, processor)
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    @abstractmethod
    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what units are made of (B,T,C), and the real frames (B,)."""

    @abstractmethod
    def units(self, values: Tensor) -> Tensor:
        """Return the units (M,) of standardised values (M,C)."""

    @abstractmethod
    def scores(self, context: Tensor) -> Tensor:
        """Return the logits (M,V) of vectors in context (M,D)."""

    @abstractmethod
    def replacement(self, batch: Batch, vectors: Tensor) -> Tensor:
        """Return what stands in place of masked vectors (B,T,D)."""

    def begin(self, rows: Rows, seed: int) -> None:
        """Fit the values' mean and spread to some of the recordings."""
        found = self._sampled(rows, seed)
        self.mean.copy_(found.mean(0))
        self.spread.copy_(found.std(0).clamp(min=1e-3))

    def _sampled(self, rows: Rows, seed: int) -> Tensor:
        """Return values (M,C) of random frames of random recordings."""
        drawn = numbers(seed, self._name).permutation(len(rows))[:RECORDINGS]
        found = torch.cat(list(self._real_values(rows, drawn)))
        kept = numbers(seed, self._name, "frames").permutation(len(found))[:FRAMES]
        return found[torch.from_numpy(kept)]

    def _real_values(self, rows: Rows, drawn: np.ndarray) -> Iterator[Tensor]:
        for start in range(0, len(drawn), _CHUNK):
            values, frames = self.values(rows.batch(np.sort(drawn[start : start + _CHUNK]), 0))
            at = torch.arange(values.shape[1])
            yield values[at < frames[:, None]]

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the recordings, and where their frames are ``masked`` (B,T)."""
        frames = self.encoder.frames(batch["lengths"])
        share = self.options.mask_ratio
        masked = masked_spans(frames, int(frames.max()), share, self.span, generator)
        return {**batch, "masked": masked}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        masked = batch["masked"]
        # Targets are chosen among near neighbours, for which eight bits do not suffice.
        with torch.no_grad(), torch.autocast(masked.device.type, enabled=False):
            values, _ = self.values(batch)
            targets = self.units((values[masked] - self.mean) / self.spread)
        latents, frames = self.encoder.latents(batch)
        vectors = self.encoder.project(latents)
        vectors = masked_vectors(vectors, masked, self.replacement(batch, vectors))
        context = self.encoder.contextualize(vectors, frames)
        return token_loss(self.scores(context[masked]), targets)

    def warning(self, batch: Batch) -> str | None:
        return short_recordings(self._name, self.encoder, batch)


def mel_values(batch: Batch, encoder: FrameEncoder) -> tuple[Tensor, Tensor]:
    """Return log-mel spectrograms, less their mean, stacked a frame (B,T,k M), and real frames."""
    mel, frames = _mel(batch, encoder.rate)
    count = encoder.frames(batch["lengths"])
    return in_frames(mel, frames, encoder, count).flatten(2), count


def cepstral_values(batch: Batch, encoder: FrameEncoder) -> tuple[Tensor, Tensor]:
    """Return 13 cepstra with slopes and slopes of these a frame (B,T,39), and real frames."""
    mel, frames = _mel(batch, encoder.rate)
    found = [cepstra(mel, COEFFICIENTS)]
    last = (frames - 1)[:, None]
    for _ in range(2):
        at = torch.minimum(torch.arange(mel.shape[2], device=mel.device), last)[:, None]
        found.append(slopes(found[-1].gather(2, at.expand_as(found[-1]))))
    count = encoder.frames(batch["lengths"])
    return in_frames(torch.cat(found, 1), frames, encoder, count).mean(2), count


def _mel(batch: Batch, rate: int) -> tuple[Tensor, Tensor]:
    with torch.autocast(batch["waveform"].device.type, enabled=False):
        frames = frames_of(batch["lengths"], rate)
        mel = log_mel(batch["waveform"].flatten(1), rate, BANDS)
        return mel - on_grid(mel, frames, 1).mean(1, keepdim=True), frames


class HuBERTOptions(MaskedUnitsOptions):
    """The paper's values for its first iteration (Hsu et al. 2021, section IV)."""

    teacher: str = Field(
        "", description="Folder of an earlier run whose frames are clustered in place of cepstra."
    )
    layer: int = Field(
        0, ge=0, description="The block of the teacher whose frames they are, from 1; 0: the last."
    )
    clusters: int = Field(100, ge=2, le=2000, description="Units, found by k-means.")
    output: int = Field(128, ge=8, description="Width in which frames and units are compared.")
    temperature: float = Field(0.1, gt=0, description="Divides the cosines.")


class HuBERT(MaskedUnits):
    """Predict the k-means cluster of masked frames' cepstra, or of a layer of an earlier run.

    Scores are cosines of the projected frame and an embedding of each unit (equation 3). See Hsu et
    al. 2021, "HuBERT", https://arxiv.org/abs/2106.07447.
    """

    family = "masked prediction"
    Options = HuBERTOptions
    options: HuBERTOptions

    def __init__(self, encoder: FrameEncoder, processor: Processor, options: HuBERTOptions) -> None:
        earlier = (
            EarlierFrames(options.teacher, options.layer, encoder) if options.teacher else None
        )
        width = earlier.width if earlier else 3 * COEFFICIENTS
        super().__init__(encoder, processor, options, "hubert", width)
        self._earlier = earlier
        self.mask = nn.Parameter(torch.rand(encoder.frame_width))
        self.predict = nn.Linear(encoder.channels, options.output)
        self.embeddings = nn.Parameter(torch.randn(options.clusters, options.output))
        # Random until training begins.
        self.centres: Tensor
        self.register_buffer("centres", torch.randn(options.clusters, width))

    def begin(self, rows: Rows, seed: int) -> None:
        """Fit the clusters to some of the recordings; the same in every process."""
        from sklearn.cluster import KMeans

        super().begin(rows, seed)
        found = (self._sampled(rows, seed) - self.mean) / self.spread
        count = min(len(self.centres), len(found.unique(dim=0)))
        state = derive(seed, "clusters") % 2**32
        fitted = KMeans(count, n_init=1, random_state=state).fit(found.double().numpy())
        self.centres.fill_(torch.inf)
        self.centres[:count] = torch.from_numpy(fitted.cluster_centers_).float()

    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return (
            self._earlier.values(batch) if self._earlier else cepstral_values(batch, self.encoder)
        )

    def units(self, values: Tensor) -> Tensor:
        return torch.cdist(values, self.centres).nan_to_num(torch.inf).argmin(1)

    def scores(self, context: Tensor) -> Tensor:
        return cosines(self.predict(context), self.embeddings) / self.options.temperature

    def replacement(self, batch: Batch, vectors: Tensor) -> Tensor:
        return self.mask


class BestRQOptions(MaskedUnitsOptions):
    """The paper's values (Chiu et al. 2022, section 4.1): 0.15 of the frames begin a span of 4."""

    mask_ratio: float = Field(
        0.6, gt=0, lt=1, description="Share of the frames in spans, if these did not overlap."
    )
    span: int | None = Field(
        4, ge=2, le=200, description="Frames of a span; 4 are 0.08 seconds here."
    )
    codes: int = Field(8192, ge=2, le=65536, description="Entries of the random code book.")
    size: int = Field(16, ge=2, le=256, description="Width of the projection and the entries.")
    noise: float = Field(0.1, gt=0, description="Deviation of the noise at masked frames.")


class BestRQ(MaskedUnits):
    """Predict the entry of a random code book that is nearest to a random projection.

    Both stay as they were drawn. See Chiu et al. 2022, "Self-supervised learning with
    random-projection quantizer for speech recognition", https://arxiv.org/abs/2202.01855.
    """

    family = "masked prediction"
    Options = BestRQOptions
    options: BestRQOptions

    def __init__(self, encoder: FrameEncoder, processor: Processor, options: BestRQOptions) -> None:
        width = BANDS * max(1, round(encoder.step * 100 / encoder.rate))
        super().__init__(encoder, processor, options, "best_rq", width)
        self.predict = nn.Linear(encoder.channels, options.codes)
        self.projection: Tensor
        self.entries: Tensor
        drawn = nn.init.xavier_uniform_(torch.empty(width, options.size))
        self.register_buffer("projection", drawn)
        self.register_buffer("entries", F.normalize(torch.randn(options.codes, options.size)))

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return what :meth:`MaskedUnits.corrupt` does, and the ``noise`` (B,T,D)."""
        found = super().corrupt(batch, generator)
        size = (*found["masked"].shape, self.encoder.frame_width)
        noise = torch.randn(size, generator=generator, device=generator.device)
        return {**found, "noise": noise.to(found["masked"].device) * self.options.noise}

    def values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return mel_values(batch, self.encoder)

    def units(self, values: Tensor) -> Tensor:
        # Of unit vectors the nearest is that of the largest cosine.
        return cosines(values @ self.projection, self.entries).argmax(1)

    def scores(self, context: Tensor) -> Tensor:
        found: Tensor = self.predict(context)
        return found.float()

    def replacement(self, batch: Batch, vectors: Tensor) -> Tensor:
        return batch["noise"]


@full_precision
def cosines(vectors: Tensor, entries: Tensor) -> Tensor:
    """Return the cosines (M,V) of vectors (M,d) and entries (V,d)."""
    return F.normalize(vectors, dim=1) @ F.normalize(entries, dim=1).T
