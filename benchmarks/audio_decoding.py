"""Decoding and views of recordings, in seconds of audio a CPU-second, against other libraries.

Decoding is from files to float samples at one rate: this library (libsndfile, SciPy's polyphase
filters), librosa (soundfile, soxr), and soundfile with soxr by hand. Views are of one-second clips:
noise, another loudness and a silent part; and the noise of a folder. This library makes them for
whole batches, audiomentations for one clip after the other. One process and one thread; the sides
run in turn, and the median of the rounds counts. The peers are no part of the project's
environment: a folder that pip filled with ``--target`` is named with --peers.

    python benchmarks/audio_decoding.py --peers FOLDER
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from setting import announce, data

RATE = 16_000
#: Clips of a batch, and how many batches a round makes.
BATCH, BATCHES = 64, 6


def raced(sides: dict[str, Callable[[], float]], rounds: int) -> None:
    """Print the seconds of audio a CPU-second of each side; a side returns its seconds of audio."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):  # the first round warms up
        for name, side in sides.items():
            started = time.process_time()
            seconds = side()
            if number:
                found[name].append(seconds / (time.process_time() - started))
    ours = statistics.median(next(iter(found.values())))
    for name, speeds in found.items():
        middle = statistics.median(speeds)
        print(
            f"| {name} | {middle:,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f}) | "
            f"{ours / middle:.2f} |",
            flush=True,
        )


def decoding(files: list[Path], rate: int) -> dict[str, Callable[[], float]]:
    """Return what decodes the files once, by library."""
    import librosa
    import soxr

    from headstart.modalities.audio.decode import decode

    def ours() -> float:
        return sum(len(decode({"bytes": None, "path": str(file)}, rate)) for file in files) / rate

    def theirs() -> float:
        return sum(len(librosa.load(file, sr=rate)[0]) for file in files) / rate

    def by_hand() -> float:
        total = 0
        for file in files:
            samples, own = soundfile.read(file, dtype="float32")
            total += len(samples if own == rate else soxr.resample(samples, own, rate))
        return total / rate

    return {"headstart": ours, "librosa": theirs, "soundfile and soxr": by_hand}


def noise_in(folder: str, files: list[Path]) -> Path:
    """Write recordings into a folder at the rate of the clips, so that no side has to change it."""
    from headstart.modalities.audio.decode import decode

    for number, file in enumerate(files):
        samples = decode({"bytes": None, "path": str(file)}, RATE)
        soundfile.write(Path(folder, f"{number}.wav"), samples, RATE)
    return Path(folder)


def viewing(noise: Path | None) -> dict[str, Callable[[], float]]:
    """Return what makes views of clips of a second, by library."""
    from audiomentations import AddBackgroundNoise, AddGaussianSNR, Compose, Gain, TimeMask

    from headstart.modalities.audio.noises import Noises, write_noises
    from headstart.modalities.audio.reading import Reading
    from headstart.modalities.audio.views import Recipe, render
    from headstart.seeding import generator

    clips = np.random.default_rng(0).standard_normal((BATCH, RATE)).astype(np.float32) * 0.1
    batch: Any = {
        "waveform": torch.from_numpy(clips)[:, None],
        "lengths": torch.full((BATCH,), RATE),
    }
    if noise is None:
        recipe, noises = Recipe(noise=(-20, 0), gain=6, time_mask=0.15), None
        theirs = Compose(
            [
                AddGaussianSNR(min_snr_db=0, max_snr_db=20, p=1.0),
                Gain(min_gain_db=-6, max_gain_db=6, p=1.0),
                TimeMask(min_band_part=0.0, max_band_part=0.15, p=1.0),
            ]
        )
    else:
        recipe = Recipe(noise=(-20, 0))
        write_noises(str(noise), noise / "kept", Reading(RATE))
        noises = Noises.load(noise / "kept", RATE, (0, 20))
        theirs = Compose([AddBackgroundNoise(str(noise), min_snr_db=0.0, max_snr_db=20.0, p=1.0)])

    def ours() -> float:
        for number in range(BATCHES):
            render(batch, generator(number), recipe, RATE, noises)
        return BATCHES * BATCH

    def one_by_one() -> float:
        for _ in range(BATCHES):
            for clip in clips:
                theirs(clip, RATE)
        return BATCHES * BATCH

    return {"headstart": ours, "audiomentations": one_by_one}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="folder that holds librosa, soxr and audiomentations")
    parser.add_argument("--files", type=int, default=200, help="recordings that are decoded")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.peers:
        sys.path.append(options.peers)
    torch.set_num_threads(1)
    announce("decoding and views of recordings")
    digits = sorted(data("fsdd", "recordings").glob("*.flac"))
    prompts = sorted(data("asterisk_prompts_en", "audio").glob("*.ogg"))[: options.files]
    spread = [digits[index] for index in np.linspace(0, len(digits) - 1, options.files).astype(int)]
    with tempfile.TemporaryDirectory() as folder:
        for title, sides in (
            ("spoken digits, FLAC of 8 kHz, as they are", decoding(spread, 8000)),
            ("the same at 16 kHz", decoding(spread, RATE)),
            ("prompts, Ogg, at 16 kHz", decoding(prompts, RATE)),
            ("views: noise, loudness, a silent part", viewing(None)),
            ("views: noise of a folder", viewing(noise_in(folder, prompts))),
        ):
            print(f"\n{title}\n\n| | seconds of audio a CPU-second | times as fast |")
            print("|---|---|---|")
            raced(sides, options.rounds)


if __name__ == "__main__":
    main()
