"""Random views of recordings, made on whole batches of waveforms.

A view is drawn first and then rendered: all random numbers come from the generator, for the whole
batch at once. Steps that belong to a spectrum (a room, an equalizer, missing frequencies) are one
product of the Fourier transform of the whole recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities.audio.noises import Noises
from headstart.modalities.spectra import real_frames

#: Shortest view in seconds.
SHORTEST = 0.05
#: Bumps of an equalizer.
_BUMPS = 2


@dataclass(frozen=True)
class Recipe:
    """The constants of one view; a step whose value is 0 is left out.

    Attributes:
        shift: largest share that is cut from each end.
        speed: largest change of the speed, which changes pitch and formants with it, as a share:
            0.35 is from 0.74 to 1.35 (Ko et al. 2015, "Audio augmentation for speech recognition").
        gain: largest change of the loudness, in dB.
        equalizer: largest change of the loudness of a band, in dB.
        noise: range of the white noise, in dB below the recording; None for none. Where there is
            noise of a folder, it takes the place of this one, at its own levels.
        room: probability of a synthetic room: an exponentially decaying noise (Habets 2006).
        decay: range of the seconds in which the sound of a room falls by 60 dB.
        time_mask: longest share that is silent (SpecAugment, Park et al. 2019).
        frequency_mask: widest share of the frequencies that is missing.
        mixup: largest share of another recording that is mixed in (Niizumi et al. 2021, "BYOL for
            Audio", section III-B).
    """

    shift: float = 0.0
    speed: float = 0.0
    gain: float = 0.0
    equalizer: float = 0.0
    noise: tuple[float, float] | None = None
    room: float = 0.0
    decay: tuple[float, float] = (0.05, 0.4)
    time_mask: float = 0.0
    frequency_mask: float = 0.0
    mixup: float = 0.0


# Weaker ones let the network tell recordings apart by the voice alone: by speaker it then knew
# fewer digits than untrained (docs/log.md).
_WEAK = Recipe(shift=0.05, gain=6.0)
_SPEECH = Recipe(
    shift=0.15,
    speed=0.35,
    gain=6.0,
    equalizer=12.0,
    noise=(-30.0, -8.0),
    room=0.3,
    time_mask=0.15,
    frequency_mask=0.2,
)
KINDS: dict[str, Recipe] = {
    "speech": _SPEECH,
    "masks": replace(_SPEECH, speed=0.15, room=0.0, equalizer=0.0, frequency_mask=0.25),
    "mixup": replace(_SPEECH, speed=0.0, room=0.0, equalizer=0.0, time_mask=0.0, mixup=0.3),
    "noise": Recipe(noise=(-20.0, 0.0)),
    "weak": _WEAK,
    "identity": Recipe(),
}
#: The kind of ``auto``.
DEFAULT = "speech"


def recipe_of(kind: str) -> Recipe:
    """Return the recipe of a kind of views.

    Raises:
        HeadstartError: there is no such kind.
    """
    kind = DEFAULT if kind == "auto" else kind
    if kind not in KINDS:
        raise HeadstartError(
            f"recordings have no views {kind!r}{did_you_mean(kind, ['auto', *KINDS])}"
        )
    return KINDS[kind]


def views(
    batch: Batch,
    generator: torch.Generator,
    kind: str,
    rate: int,
    *,
    noises: Noises | None = None,
    local: int = 0,
    side: int | None = None,
) -> tuple[Batch, ...]:
    """Return two views of each recording.

    Args:
        batch: ``waveform`` (B,1,S) and ``lengths`` (B,).
        generator: the only source of randomness.
        kind: a name in :data:`KINDS`, or ``auto``.
        noises: of a folder, in the place of white noise.

    Returns:
        Batches of ``waveform`` (B,1,S'), with silence behind each view, and ``lengths`` (B,).

    Raises:
        HeadstartError: there is no such kind, or views of pictures are asked for.
    """
    if local or side:
        raise HeadstartError("views of recordings have no pixels; leave out local and side.")
    recipe_of(kind)
    return tuple(one_view(batch, generator, kind, rate, noises) for _ in range(2))


def one_view(
    batch: Batch,
    generator: torch.Generator,
    kind: str,
    rate: int,
    noises: Noises | None = None,
) -> Batch:
    """Return one view of each recording; see :func:`views`."""
    return render(batch, generator, recipe_of(kind), rate, noises)


def render(
    batch: Batch,
    generator: torch.Generator,
    recipe: Recipe,
    rate: int,
    noises: Noises | None = None,
) -> Batch:
    """Return one view of each recording by any recipe."""
    waveform, lengths = batch["waveform"].flatten(1).float(), batch["lengths"]
    count, device = len(waveform), waveform.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        draw = torch.rand(count, *shape, generator=generator, device=generator.device)
        return (draw * (high - low) + low).to(device)

    if recipe.shift or recipe.speed:
        waveform, lengths = _cut(waveform, lengths, uniform, recipe, rate)
    if recipe.mixup:
        share = uniform(0, recipe.mixup)[:, None] * _level(waveform, lengths)
        other = waveform.roll(1, 0)
        waveform = waveform + share * other / _level(other, lengths.roll(1, 0))
    if recipe.room or recipe.equalizer or recipe.frequency_mask:
        waveform = _filtered(waveform, uniform, generator, recipe, rate)
    if recipe.time_mask:
        width = uniform(0, recipe.time_mask) * lengths
        begin = uniform(0, 1) * (lengths - width)
        at = torch.arange(waveform.shape[1], device=device)
        hidden = (at >= begin[:, None]) & (at < (begin + width)[:, None])
        waveform = waveform.masked_fill(hidden, 0.0)
    if recipe.noise is not None:
        if noises is None:
            below = uniform(*recipe.noise)
            noise = torch.randn(waveform.shape, generator=generator, device=generator.device)
        else:
            below = -uniform(*noises.levels)
            noise = noises.draw(count, waveform.shape[1], generator)
        level = _level(waveform, lengths) * 10 ** (below[:, None] / 20)
        waveform = waveform + noise.to(device) * level
    if recipe.gain:
        waveform = waveform * 10 ** (uniform(-recipe.gain, recipe.gain)[:, None] / 20)
    waveform = waveform * real_frames(lengths, waveform.shape[1])
    return {"waveform": waveform[:, None], "lengths": lengths}


def _cut(
    waveform: Tensor,
    lengths: Tensor,
    uniform: Callable[..., Tensor],
    recipe: Recipe,
    rate: int,
) -> tuple[Tensor, Tensor]:
    """Cut recordings at both ends, and read them at another speed (linear interpolation)."""
    begin = uniform(0, recipe.shift) * lengths
    end = uniform(0, recipe.shift) * lengths
    reach = math.log1p(recipe.speed)
    speed = uniform(-reach, reach).exp()
    shortest = torch.minimum(lengths.float(), torch.tensor(SHORTEST * rate, device=lengths.device))
    kept = torch.maximum((lengths - begin - end) / speed, shortest).long()
    at = torch.arange(int(kept.max()), device=waveform.device) * speed[:, None] + begin[:, None]
    left = at.floor().long().clamp(max=waveform.shape[1] - 2)
    weight = (at - left).clamp(max=1)
    return waveform.gather(1, left) * (1 - weight) + waveform.gather(1, left + 1) * weight, kept


def _filtered(
    waveform: Tensor,
    uniform: Callable[..., Tensor],
    generator: torch.Generator,
    recipe: Recipe,
    rate: int,
) -> Tensor:
    """Multiply the spectrum by that of a room, an equalizer and a band stop."""
    count, samples = waveform.shape
    tail = round(recipe.decay[1] * rate) if recipe.room else 0
    points = _fast(samples + tail)
    spectrum = torch.fft.rfft(waveform, points)
    pitch = torch.linspace(0, 1, spectrum.shape[1], device=waveform.device)
    if recipe.equalizer:
        nepers = recipe.equalizer / 20 * math.log(10)
        shape = torch.zeros(count, len(pitch), device=waveform.device)
        for _ in range(_BUMPS):
            centre, width = uniform(0, 1)[:, None], uniform(0.05, 0.25)[:, None]
            height = uniform(-nepers, nepers)[:, None]
            shape += height * (-0.5 * ((pitch - centre) / width).square()).exp()
        spectrum = spectrum * shape.exp()
    if recipe.frequency_mask:
        width = uniform(0, recipe.frequency_mask)[:, None]
        low = uniform(0, 1)[:, None] * (1 - width)
        spectrum = spectrum.masked_fill((pitch >= low) & (pitch < low + width), 0.0)
    if recipe.room:
        spectrum = spectrum * torch.fft.rfft(
            _rooms(count, tail, uniform, generator, recipe, rate), points
        )
    return torch.fft.irfft(spectrum, points)[:, :samples]


def _rooms(
    count: int,
    tail: int,
    uniform: Callable[..., Tensor],
    generator: torch.Generator,
    recipe: Recipe,
    rate: int,
) -> Tensor:
    """Return impulse responses (B,tail): the direct sound, and noise that decays behind it."""
    seconds = uniform(*recipe.decay)[:, None]
    at = torch.arange(tail, device=seconds.device) / rate
    # 60 dB are a thousandth of the amplitude.
    echo = torch.exp(-math.log(1000) * at / seconds)
    drawn = torch.randn(count, tail, generator=generator, device=generator.device)
    echo = echo * drawn.to(seconds.device)
    echo = echo / echo.norm(dim=1, keepdim=True) * uniform(0.1, 0.7)[:, None]
    echo = echo * (uniform(0, 1) < recipe.room)[:, None]
    echo[:, 0] = 1.0
    return echo


def _level(waveform: Tensor, lengths: Tensor) -> Tensor:
    """Return the root mean square (B,1) of each recording, which is silent behind its end."""
    return (waveform.square().sum(1) / lengths.clamp(min=1)).sqrt().clamp(min=1e-6)[:, None]


def _fast(count: int) -> int:
    """Return a number of at least ``count`` points that is fast to transform: 2^k or 3 2^k."""
    power = 2 ** math.ceil(math.log2(max(count, 2)))
    return power * 3 // 4 if power * 3 // 4 >= count else power
