"""Recordings that a network of mu-law samples writes, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from headstart.encoders.opening import OpenedEncoder, first_part
from headstart.encoders.wavenet import WaveNet
from headstart.encoders.wavenet_steps import WaveNetSteps
from headstart.errors import HeadstartError
from headstart.files import check_ending, whole_file, whole_folder
from headstart.modalities.mu_law import SILENCE, decode
from headstart.objectives.opening import open_token_head
from headstart.outputs import store_of
from headstart.run import RunFolder
from headstart.seeding import numbers

if TYPE_CHECKING:
    from headstart.config import GenerateConfig
    from headstart.objectives.heads import TokenHead

#: Recordings that are computed side by side, and seconds of silence between two in one file.
_SIDE_BY_SIDE, _BETWEEN = 64, 0.25
#: Samples of all of them, for whose draws and codes there must be memory.
_CELLS = 2**24
#: Lowest temperature that samples are drawn at.
_COLDEST = 1e-4
#: The highest draw.
_BELOW = 1 - 1e-12


def write_recordings(run: RunFolder, config: GenerateConfig) -> Path:
    """Write ``config.count`` recordings to a WAV file or to a folder, and return its path.

    Each begins after silence, and is of 16 bits at the rate of the network. The first ones are the
    same however many there are.

    Raises:
        HeadstartError: ``config.out`` is neither a WAV file nor a folder, there is a prompt, or the
            run has lost its output layer.
    """
    out = Path(config.out) if config.out else RunFolder(store_of(run.folder)).sounds_file
    if out.suffix:
        check_ending(out, "recordings", (".wav",))
    if config.prompt:
        raise HeadstartError(
            f"{run.folder} writes recordings from silence, and no text tells it which; leave out "
            "--prompt."
        )
    encoder = cast(WaveNet, OpenedEncoder(first_part(run.require_encoder())).encoder).eval()
    head = open_token_head(run, encoder)
    size = max(1, round(config.seconds * encoder.rate))
    made = _recordings(encoder, head, size, config)
    if not out.suffix:
        with whole_folder(out) as folder:
            for number, samples in enumerate(made, start=1):
                # Of a file that cannot be written, the library says "System error", Python why.
                (folder / f"{number:05}.wav").write_bytes(_wav(samples, encoder.rate))
        return out
    pause = np.zeros(round(_BETWEEN * encoder.rate), np.float32)
    parts = [part for samples in made for part in (samples, pause)][:-1]
    with whole_file(out) as partial:
        partial.write_bytes(_wav(np.concatenate(parts), encoder.rate))
    return out


def compose(
    encoder: WaveNet,
    head: TokenHead,
    size: int,
    draws: np.ndarray,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    cache: bool = True,
) -> np.ndarray:
    """Return the codes (N,size) of recordings that follow a sample of silence, which is left out.

    Args:
        encoder, head: the network and its output layer.
        size: samples of each recording.
        draws: (N,size) in 0..1, which decide what is drawn.
        temperature: divides the scores before the softmax; 0 is greedy.
        top_k: draw among this many of the likeliest codes; 0 means all.
        cache: compute each sample once (:class:`headstart.encoders.wavenet_steps.WaveNetSteps`)
            instead of all that a vector knows of again; the codes are the same.

    Example::

        draws = numbers(0, "compose").random((2, 8000))
        samples = decode(compose(encoder, head, 8000, draws))  # (2,8000) in -1..1
    """
    count = len(draws)
    reader = WaveNetSteps(encoder, head.decoder, count).next if cache else _recompute(encoder, head)
    found = np.full((count, size + 1), SILENCE)
    for time in range(size):
        scores = reader(found[:, time])
        found[:, time + 1] = drawn(scores, draws[:, time, None], temperature, top_k)
    return found[:, 1:]


def drawn(scores: np.ndarray, draws: np.ndarray, temperature: float, top_k: int) -> np.ndarray:
    """Return the code (N,) that each of the draws (N,1) in 0..1 picks by scores (N,V)."""
    if temperature < _COLDEST:
        found: np.ndarray = scores.argmax(1)
        return found
    if 0 < top_k < scores.shape[1]:
        least = np.partition(scores, -top_k, axis=1)[:, -top_k, None]
        scores = np.where(scores < least, -np.inf, scores)
    shares = np.exp((scores - scores.max(1, keepdims=True)) / temperature)
    up_to = shares.cumsum(1, dtype=np.float64)
    # Rounding must not carry a draw of almost 1 beyond the last code that has a share.
    found = (up_to > np.minimum(draws, _BELOW) * up_to[:, -1:]).argmax(1)
    return found


def _recordings(
    encoder: WaveNet, head: TokenHead, size: int, config: GenerateConfig
) -> Iterator[np.ndarray]:
    """Yield the samples (S,) of each recording."""
    together = max(1, min(_SIDE_BY_SIDE, _CELLS // size))
    for start in range(0, config.count, together):
        indices = range(start, min(start + together, config.count))
        draws = np.stack([numbers(config.seed, "compose", index).random(size) for index in indices])
        codes = compose(
            encoder, head, size, draws, temperature=config.temperature, top_k=config.top_k
        )
        yield from decode(codes)


def _recompute(encoder: WaveNet, head: TokenHead) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives the scores (N,V) after each further code (N,), without a cache."""
    past: list[np.ndarray] = []

    def scores(codes: np.ndarray) -> np.ndarray:
        past.append(codes.copy())
        ids = torch.from_numpy(np.stack(past[-encoder.reach :], 1))
        with torch.inference_mode():
            vectors = encoder.contextualize(encoder.embed({"input_ids": ids}), None)
            found: np.ndarray = head(vectors[:, -1]).numpy()
        return found

    return scores


def _wav(samples: np.ndarray, rate: int) -> bytes:
    import soundfile

    stream = BytesIO()
    soundfile.write(stream, samples, rate, subtype="PCM_16", format="WAV")
    return stream.getvalue()
