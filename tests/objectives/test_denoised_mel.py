"""Denoised spectrograms: what is mixed in, what the loss counts, and that it is learned."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("soundfile", reason="the extra `audio` is not installed")

import numpy as np
from lesson import teach
from spoken import PROCESSOR, RATE, batch, network, words

from headstart.errors import HeadstartError
from headstart.modalities.audio.noises import Noises
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.objectives.building import check_objectives
from headstart.objectives.denoised_mel import DenoisedMel, DenoisedMelOptions
from headstart.seeding import generator

WORDS = words(48, 0)[0]


def objective(processor: AudioProcessor = PROCESSOR, **options) -> DenoisedMel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DenoisedMel(network().eval(), processor, DenoisedMelOptions(**options))


def test_noise_is_as_loud_as_was_asked_and_follows_from_the_seed() -> None:
    found = objective(least=3, most=3)
    given = batch(WORDS, np.arange(6))
    noisy = found.corrupt(given, generator(0))
    assert torch.equal(noisy["clean"], given["waveform"])
    assert torch.equal(noisy["lengths"], given["lengths"])
    added = noisy["waveform"] - given["waveform"]
    for row, length in enumerate(given["lengths"].tolist()):
        assert not added[row, 0, length:].any()
        powers = [x[row, 0, :length].square().mean() for x in (given["waveform"], added)]
        assert 10 * float(torch.log10(powers[0] / powers[1])) == pytest.approx(3, abs=0.5)
    assert torch.equal(found.corrupt(given, generator(0))["waveform"], noisy["waveform"])


def test_noise_of_a_folder_takes_the_place_of_white_noise_at_the_same_levels() -> None:
    hum = (torch.sin(torch.arange(4000) / 9) * 20000).to(torch.int16)
    noises = Noises(hum, torch.tensor([4000]), (50.0, 50.0))
    found = objective(AudioProcessor(Reading(RATE), 50, noises), least=0, most=0)
    given = batch(WORDS, np.arange(3))
    added = (found.corrupt(given, generator(0))["waveform"] - given["waveform"])[0, 0]
    length = int(given["lengths"][0])
    spectrum = torch.fft.rfft(added[:length]).abs()
    assert float(spectrum.topk(3).values.square().sum() / spectrum.square().sum()) > 0.7
    level = given["waveform"][0].square().sum() / added.square().sum()
    assert float(level) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("autocast", [False, True])
def test_the_loss_is_the_error_on_real_frames(autocast: bool) -> None:
    found = objective()
    given = found.corrupt(batch(WORDS, np.array([0, 1, 2])), generator(1))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        scalars = found(given)
    mel, frames = found.encoder.mel(given)
    clean, _ = found.encoder.mel({"waveform": given["clean"], "lengths": given["lengths"]})
    drawn = found.head(found.encoder.map_of(mel, frames)[0].transpose(1, 2)).detach()
    bands, total, copied, wanted = clean.shape[1], 0.0, 0.0, []
    for row, count in enumerate(frames.tolist()):
        for frame in range(count):
            values = drawn[row, frame // 2].view(2, bands)[frame % 2]
            total += float((values - clean[row, :, frame]).square().sum())
            copied += float((mel[row, :, frame] - clean[row, :, frame]).square().sum())
            wanted += clean[row, :, frame].tolist()
    scale = len(wanted) * float(np.var(wanted))
    assert float(scalars["loss"].detach()) == pytest.approx(
        total / scale, rel=0.02 if autocast else 1e-3
    )
    assert float(scalars["unchanged"]) == pytest.approx(copied / scale, rel=1e-3)


def test_a_recording_counts_as_if_it_were_alone() -> None:
    found = objective()
    long = found.corrupt(batch(WORDS, np.argsort([-len(each) for each in WORDS])[:1]), generator(1))
    padded = {
        "waveform": torch.nn.functional.pad(long["waveform"], (0, 4000)),
        "clean": torch.nn.functional.pad(long["clean"], (0, 4000)),
        "lengths": long["lengths"],
    }
    torch.testing.assert_close(found(padded)["loss"], found(long)["loss"], rtol=1e-4, atol=1e-5)


def test_noise_is_taken_out() -> None:
    found = objective(least=-10, most=-5)
    order = [np.random.default_rng(step).permutation(48)[:24] for step in range(40)]
    history = teach(found, lambda step: batch(WORDS, order[step]), 40, 3e-3, lambda step: 1.0)
    print(history["loss"][-1], history["unchanged"][-1])
    assert np.mean(history["loss"][-5:]) < 0.9 * np.mean(history["unchanged"][-5:])
    assert np.mean(history["loss"][-5:]) < 0.75


def test_levels_the_wrong_way_round_are_one_sentence() -> None:
    with pytest.raises(HeadstartError, match="least must not be above most"):
        check_objectives(["denoised_mel"], {"denoised_mel": {"least": 9, "most": 1}})
