"""Noise from a folder: recordings that views mix in, decoded once and kept beside the training."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headstart.errors import HeadstartError
from headstart.files import whole_folder, write_json
from headstart.modalities.audio.content import SUFFIXES
from headstart.modalities.audio.decode import BadAudio, blocks
from headstart.modalities.audio.reading import Reading
from headstart.stored import opening, read_json, seal

#: Seconds of noise that are kept of one file, and of all of them.
OF_FILE, OF_ALL = 60.0, 1800.0
#: Most files that are decoded.
MOST = 1000
#: Quieter samples are no noise to mix in: 80 dB below full.
SILENCE = 1e-4
#: The highest value that is stored.
_FULL = 32767


def noise_files(folder: str) -> list[Path]:
    """Return the sound files of a folder and the folders in it, by name; links are not followed.

    Raises:
        HeadstartError: there is no such folder, it cannot be read, or it holds no sound file.
    """
    if not os.path.isdir(folder):
        what = "a file" if os.path.exists(folder) else "not there"
        raise HeadstartError(f"audio.noise: {folder} is {what}; name a folder of recordings.")
    refused: list[OSError] = []
    found = [
        Path(where, name)
        for where, _, names in os.walk(folder, onerror=refused.append)
        for name in names
        if os.path.splitext(name.lower())[1] in SUFFIXES
        and not name.startswith(".")
        and not os.path.islink(os.path.join(where, name))
    ]
    if found:
        return sorted(found)
    if refused:
        raise HeadstartError(
            f"audio.noise: {refused[0].filename} cannot be read ({refused[0].strerror}); change "
            "its permissions, or name another folder."
        )
    raise HeadstartError(
        f"audio.noise: {folder} holds no recording ({', '.join(sorted(SUFFIXES))}); name a folder "
        "that does."
    )


def write_noises(source: str, folder: Path, reading: Reading) -> list[str]:
    """Decode the noise of a folder, whole or not at all; return sentences on what was left out.

    The first minute of each file is kept, until there are 30 minutes; of over 1,000 files, those
    at even distances by name.

    Raises:
        HeadstartError: no file can be decoded, or all are silent.
    """
    files = noise_files(source)
    if len(files) > MOST:
        files = [files[index] for index in np.linspace(0, len(files) - 1, MOST).round().astype(int)]
    kept: list[np.ndarray] = []
    bad: dict[str, str] = {}
    left = round(OF_ALL * reading.rate)
    for file in files:
        value = {"bytes": None, "path": str(file)}
        try:
            parts = blocks(value, reading.rate, channel=reading.channel, seconds=OF_FILE)
            samples = np.concatenate(list(parts))[:left]
        except BadAudio as error:
            bad[str(file)] = str(error)
            continue
        samples = samples - samples.mean()
        if np.sqrt(np.square(samples).mean()) < SILENCE:
            bad[str(file)] = "it is silent"
            continue
        kept.append((samples.clip(-1, 1) * _FULL).round().astype("<i2"))
        left -= len(samples)
        if left <= 0:
            break
    if not kept:
        name, reason = next(iter(bad.items()))
        raise HeadstartError(
            f"audio.noise: none of the {len(bad):,} recording(s) in {source} can be mixed in "
            f"({name}: {reason}); name another folder."
        )
    with whole_folder(folder) as unfinished:
        np.save(unfinished / "samples.npy", np.concatenate(kept))
        np.save(unfinished / "counts.npy", np.array([len(each) for each in kept], dtype=np.int64))
        write_json(unfinished / "noise.json", {"rate": reading.rate})
        seal(unfinished)
    return [
        f"audio.noise: {len(bad):,} of {len(files):,} recordings are left out, such as {name}: "
        f"{reason}"
        for name, reason in list(bad.items())[:1]
    ]


class Noises:
    """Noise to mix in, at the rate of the recordings.

    Args:
        samples: (N,) int16 of all recordings, one after the other.
        counts: (K,) their samples.
        levels: range of how far below a recording the noise is, in dB.
    """

    def __init__(self, samples: Tensor, counts: Tensor, levels: tuple[float, float]) -> None:
        self.samples, self.counts, self.levels = samples, counts, levels
        self.starts = counts.cumsum(0) - counts

    @classmethod
    def load(cls, folder: Path, rate: int, levels: tuple[float, float]) -> Noises:
        """Open what :func:`write_noises` wrote.

        Raises:
            HeadstartError: it is damaged, or of another rate.
        """
        with opening(folder, "start the run again with --overwrite"):
            if read_json(folder / "noise.json", rate=int)["rate"] != rate:
                raise ValueError("another rate")
            samples, counts = np.load(folder / "samples.npy"), np.load(folder / "counts.npy")
            if counts.sum() != len(samples) or not (counts > 0).all():
                raise ValueError("lengths that are not those of the samples")
        return cls(torch.from_numpy(samples), torch.from_numpy(counts), levels)

    def at(self, levels: tuple[float, float]) -> Noises:
        """Return the same noise at other levels."""
        return Noises(self.samples, self.counts, levels)

    def draw(self, count: int, length: int, generator: torch.Generator) -> Tensor:
        """Return a piece of noise for each of ``count`` recordings, (count,length) float32.

        Each is of a random file, from a random moment on; a file that ends begins anew. All have
        the mean square 1, but for those that are silent there, which stay so.
        """
        drawn = torch.rand(2, count, generator=generator, device=generator.device).cpu()
        file = (drawn[0] * len(self.counts)).long().clamp(max=len(self.counts) - 1)
        counts = self.counts[file]
        begin = (drawn[1].double() * counts).long()
        at = (begin[:, None] + torch.arange(length)) % counts[:, None]
        found = self.samples[self.starts[file][:, None] + at].float() / _FULL
        level = found.square().mean(1, keepdim=True).sqrt()
        return found / level.clamp(min=SILENCE)
