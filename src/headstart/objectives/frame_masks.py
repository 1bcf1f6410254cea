"""Spans of frames that are masked, in recordings of any length.

Never padding, never a single frame, and never more than half of a recording by one span: of a short
one enough is left to predict the rest from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.encoders.recordings import FrameEncoder
from headstart.errors import HeadstartError
from headstart.modalities import Processor

#: Fewer frames are not masked: two are masked at least, and two are seen.
FEWEST = 4
#: Frames of a span where the pieces are long enough: 0.2 seconds (wav2vec 2.0, section 4.2).
SPAN = 10


def masked_spans(
    frames: Tensor, total: int, share: float, span: int, generator: torch.Generator
) -> Tensor:
    """Return where frames are masked (B,T) bool.

    Each frame begins a span with probability ``share / span``; spans may overlap. A recording in
    which none begins gets one, and so does one of which fewer than two frames would be left. Spans
    of recordings shorter than two spans are half as long as these.

    Args:
        frames: (B,) the real ones.
        total: T.
        share: of the frames, if spans did not overlap.
        span: frames of a span.
    """
    own = torch.minimum(frames // 2, torch.full_like(frames, span)).clamp(min=1)[:, None]
    at = torch.arange(total, device=frames.device)
    allowed = (at <= frames[:, None] - own) & (frames >= FEWEST)[:, None]
    draws = torch.rand(2, len(frames), total, generator=generator, device=generator.device)
    draw, forced = draws.to(frames.device)
    one = torch.zeros_like(allowed).scatter(
        1, forced.masked_fill(~allowed, -1.0).argmax(1, keepdim=True), True
    )
    one &= allowed
    starts = (draw < share / own) & allowed
    starts = torch.where(starts.any(1, keepdim=True), starts, one)
    found = _spread(starts, own)
    few = (found.sum(1) > frames - 2)[:, None]
    return torch.where(few, _spread(one, own), found)


def _spread(starts: Tensor, span: Tensor) -> Tensor:
    """Return the frames (B,T) that lie in spans of ``span`` (B,1) frames from their starts."""
    begun = starts.cumsum(1)
    at = torch.arange(starts.shape[1], device=starts.device) - span
    before = begun.gather(1, at.clamp(min=0)).masked_fill(at < 0, 0)
    return begun > before


def span_of(name: str, wanted: int | None, encoder: FrameEncoder, processor: Processor) -> int:
    """Return the frames of a span, once it is sure that the pieces are long enough for it.

    By default it is :data:`SPAN`, or a quarter of a shorter piece.

    Args:
        name: of the objective, for messages.
        wanted: what the user asked for; None for the default.

    Raises:
        HeadstartError: the pieces are too short to mask a span and see the rest.
    """
    piece = getattr(processor, "piece", None)
    if piece is None:
        return wanted or SPAN
    most = int(encoder.frames(torch.tensor([piece]))[0])
    step = f"{1000 * encoder.step / encoder.rate:.0f} ms"
    if most < FEWEST:
        raise HeadstartError(
            f"{name} masks a part of each piece and predicts it from the rest; these pieces have "
            f"{most} frames of {step}, and {FEWEST} are needed: set a longer --length, or choose "
            "simclr."
        )
    if wanted is not None and 2 * wanted > most:
        raise HeadstartError(
            f"{name}.span={wanted} would mask over half of a piece, which has {most} frames of "
            f"{step}; set {most // 2} or less, or a longer --length."
        )
    return wanted or min(SPAN, max(2, most // 4))


def short_recordings(name: str, encoder: FrameEncoder, batch: Batch) -> str | None:
    """Return a sentence if recordings are too short to be masked."""
    short = int((encoder.frames(batch["lengths"]) < FEWEST).sum())
    if not short:
        return None
    count = len(batch["lengths"])
    return (
        f"{short} of {count} recordings have fewer than {FEWEST} frames of "
        f"{1000 * encoder.step / encoder.rate:.0f} ms: too short to be masked, they teach {name} "
        "nothing."
    )


def masked_vectors(vectors: Tensor, masked: Tensor, replacement: Tensor) -> Tensor:
    """Return vectors (B,T,D) with a replacement, (D,) or (B,T,D), where ``masked`` (B,T)."""
    return torch.where(masked[:, :, None], replacement.to(vectors.dtype), vectors)


def in_frames(values: Tensor, frames: Tensor, encoder: FrameEncoder, count: Tensor) -> Tensor:
    """Return the values of a spectrogram's frames that belong to each frame of an encoder.

    Args:
        values: (B,C,F), one vector each 10 ms.
        frames: (B,) the real ones of these.
        encoder: whose frames are asked for.
        count: (B,) its real frames.

    Returns:
        (B,T,k,C): k is how many of them a frame of the encoder lasts, one at least. What lies
        behind a recording's end is its last frame again.
    """
    ratio = encoder.step * 100 / encoder.rate
    many = max(1, round(ratio))
    total = int(count.max())
    first = (torch.arange(total, device=values.device) * ratio).long()
    at = first[:, None] + torch.arange(many, device=values.device)  # (T,k)
    at = torch.minimum(at.flatten()[None], frames[:, None] - 1)  # (B,T k)
    found = values.gather(2, at[:, None].expand(-1, values.shape[1], -1))
    return found.transpose(1, 2).unflatten(1, (total, many))
