"""What encoders of recordings promise beside what all encoders do."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor

from headstart.encoders import Encoder

if TYPE_CHECKING:
    from headstart.batch import Batch


class WaveformEncoder(Encoder):
    """An encoder of recordings.

    Attributes:
        rate: samples a second of the waveforms that it reads.
    """

    reads = "waveform"
    rate: int


class FrameEncoder(WaveformEncoder):
    """An encoder of recordings in two steps, between which frames can be masked (``frames``).

    ::

        waveform -- latents --> (B,T,C) -- project --> (B,T,D) -- contextualize --> (B,T,D)

    Attributes:
        step: samples between the beginnings of two frames.
        latent_width: C, the size of a frame that no other one has changed.
        frame_width: the size of the vectors between the steps.
        channels: D, the size of a frame's vector in context; ``width`` is that of a recording.
        near: frames to each side that a vector in context sees, where it does not see all
            (``near_frames``).
    """

    step: int
    latent_width: int
    frame_width: int
    channels: int
    near: int

    @abstractmethod
    def frames(self, lengths: Tensor) -> Tensor:
        """Return the number of frames (B,) of recordings of ``lengths`` samples, at least one."""

    @abstractmethod
    def latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return frames (B,T,C), each by itself, and how many are real (B,)."""

    @abstractmethod
    def project(self, latents: Tensor) -> Tensor:
        """Return the vectors (B,T,frame_width) in which frames enter the context."""

    @abstractmethod
    def contextualize(self, vectors: Tensor, frames: Tensor) -> Tensor:
        """Return vectors (B,T,D) in context; what lies behind ``frames`` (B,) is not seen."""
