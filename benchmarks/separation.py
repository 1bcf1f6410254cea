"""Separation of two voices: with clean recordings (PIT), and with mixtures alone (MixIT).

Each mixture is two spoken digits of different speakers, one at a time of each; those of the test
are official test clips. For PIT, training recordings are clips of one voice each, which the
objective mixes. For MixIT they are mixtures of two voices: nothing clean is ever seen. SI-SDR
improvement is the mean over both voices, in the better order, over that of the mixture itself.

    python benchmarks/separation.py --objective pit --steps 600
    python benchmarks/separation.py --objective mixit --steps 600
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
import torch
from setting import announce
from spoken import RATE, clips, mixtures

TRAIN, TEST = 4000, 200


def improvement(estimates: np.ndarray, sources: np.ndarray) -> float:
    """Return the SI-SDR improvement (dB) of estimates (2,S) of sources (2,S), best order."""
    mixture = sources.sum(0)
    base = np.mean([si_sdr(mixture, each) for each in sources])
    orders = ((0, 1), (1, 0))
    return max(
        float(np.mean([si_sdr(estimates[o[n]], sources[n]) for n in (0, 1)]) - base) for o in orders
    )


def si_sdr(estimate: np.ndarray, source: np.ndarray) -> float:
    """Return the SI-SDR in dB, in double precision and apart from the library's own."""
    e, s = (each.astype(np.float64) - each.mean() for each in (estimate, source))
    wanted = (e @ s) / (s @ s) * s
    return float(10 * np.log10((wanted @ wanted + 1e-12) / (np.sum((e - wanted) ** 2) + 1e-12)))


def ideal(sources: np.ndarray) -> np.ndarray:
    """Return what masks of the true shares of magnitude give: an oracle."""
    window = torch.hann_window(256)
    spectra = torch.stft(torch.from_numpy(sources), 256, 64, window=window, return_complex=True)
    share = spectra.abs() / spectra.abs().sum(0).clamp(min=1e-9)
    found = torch.istft(share * spectra.sum(0), 256, 64, window=window, length=sources.shape[1])
    return found.numpy()


def report(name: str, made: Callable[[np.ndarray], np.ndarray], tested: list[np.ndarray]) -> None:
    """Print mean and 95% interval over the mixtures of what a method improves."""
    found = np.array([improvement(made(sources), sources) for sources in tested])
    half = 1.96 * found.std(ddof=1) / len(found) ** 0.5
    worse = (found < 0).mean()
    print(
        f"{name}: {found.mean():.1f} dB [{found.mean() - half:.1f}, {found.mean() + half:.1f}], "
        f"median {np.median(found):.1f}, worse than the mixture {worse:.0%}",
        flush=True,
    )


def main() -> None:
    """Measure, and print lines for the README."""
    import headstart as hs
    from headstart.downstream.audio.voices import voices
    from headstart.encoders.conv_tasnet import ConvTasNet
    from headstart.encoders.opening import open_encoder
    from headstart.objectives.separation_losses import consistent

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--objective", choices=("pit", "mixit"), default="pit")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=16)
    chosen = parser.parse_args()
    announce(f"Separation: {chosen.objective}, two voices a mixture")
    tested = mixtures("test", TEST, 2)
    report("mixture itself", lambda sources: np.stack([sources.sum(0)] * 2), tested)
    report("oracle ratio mask", ideal, tested)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "train").mkdir()
        if chosen.objective == "pit":
            parts = [samples for mine in clips("train").values() for _, samples in mine]
        else:
            parts = [sources.sum(0) for sources in mixtures("train", TRAIN, 1)]
        for number, samples in enumerate(parts):
            soundfile.write(place / "train" / f"{number:05}.flac", samples, RATE)
        started = time.process_time()
        run = hs.pretrain(
            str(place / "train"),
            out=str(place / "run"),
            objective=chosen.objective,
            budget=f"{chosen.steps}steps",
            batch_size=chosen.batch,
            start="none",
            tracker="none",
        )
        print(f"{chosen.steps} steps: {time.process_time() - started:.0f} core-seconds")
        encoder = open_encoder(str(run.encoder))
        assert isinstance(encoder, ConvTasNet)
        encoder.eval()
        parameters = sum(each.numel() for each in encoder.parameters())
        print(f"{parameters:,} parameters, {encoder.outputs} outputs")

        def given(sources: np.ndarray) -> dict[str, torch.Tensor]:
            mixture = torch.from_numpy(sources.sum(0))[None, None]
            return {"waveform": mixture, "lengths": torch.tensor([mixture.shape[2]])}

        def outputs(sources: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                mixture = given(sources)
                found = consistent(encoder.separate(mixture), mixture["waveform"][:, 0])
            return found[0].numpy()

        def assigned(sources: np.ndarray) -> np.ndarray:
            found = outputs(sources)
            ways = (np.array(way) for way in product((0, 1), repeat=len(found)))
            sums = (np.stack([found[way == 0].sum(0), found[way == 1].sum(0)]) for way in ways)
            return max(sums, key=lambda each: improvement(each, sources))

        def loudest(sources: np.ndarray) -> np.ndarray:
            found = outputs(sources)
            return found[np.argsort(-np.square(found).sum(1))[:2]]

        sums = chosen.objective == "mixit"
        report(
            "as `predict` writes them, without references",
            lambda sources: voices(encoder, given(sources), 2, sums),
            tested,
        )
        if sums:
            report("the two loudest outputs, without references", loudest, tested)
            report("the oracle assignment of outputs", assigned, tested)


if __name__ == "__main__":
    main()
