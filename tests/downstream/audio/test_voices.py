"""Separated voices as files, chosen without references."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import soundfile
import torch

import headstart as hs
from headstart.downstream.audio.voices import merged, rescaled, voices
from headstart.encoders.conv_tasnet import ConvTasNet, ConvTasNetOptions
from headstart.errors import HeadstartError
from headstart.files import DiskFull

RATE = 8000
SMALL = {"filters": 16, "kernel": 16, "bottleneck": 8, "hidden": 16, "layers": 2, "repeats": 1}


def tone(pitch: float, size: int = 4000, loud: float = 0.2) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * pitch * np.arange(size) / RATE)).astype(np.float32)


def test_signals_alike_are_added_up() -> None:
    low, high = tone(300), tone(2000)
    parts = np.stack([0.7 * low, 0.9 * high, 0.3 * low, 0.1 * high])
    found = merged(parts, 2)
    assert np.allclose(found, [low, high], atol=1e-6)
    assert np.allclose(merged(parts, 1)[0], parts.sum(0), atol=1e-6)
    assert np.array_equal(merged(parts, 4), parts)


def test_signals_of_any_scale_become_as_loud_as_in_the_mixture() -> None:
    low, high = tone(300), tone(2000, loud=0.05)
    found = rescaled(np.stack([1000 * low, 0.01 * high]), low + high)
    assert np.allclose(found, [low, high], atol=1e-4)
    silent = rescaled(np.stack([low, np.zeros_like(low)]), low)
    assert np.allclose(silent, [low, np.zeros_like(low)], atol=1e-5)


@pytest.mark.parametrize("sums", [True, False])
def test_voices_are_as_many_as_asked_for_and_the_loudest_first(sums: bool) -> None:
    torch.manual_seed(0)
    encoder = ConvTasNet(ConvTasNetOptions(outputs=4, **SMALL), RATE).eval()
    samples = torch.from_numpy(tone(300) + tone(2000))[None, None]
    mixture = {"waveform": samples, "lengths": torch.tensor([samples.shape[2]])}
    found = voices(encoder, mixture, 2, sums)
    assert found.shape == (2, 4000)
    assert np.square(found[0]).sum() >= np.square(found[1]).sum()
    if sums:
        assert np.allclose(found.sum(0), samples[0, 0], atol=1e-4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixtures")
    rng = np.random.default_rng(0)
    for number in range(12):
        pitches = rng.uniform(200, 3000, 2)
        soundfile.write(folder / f"{number}.wav", tone(pitches[0]) + tone(pitches[1]), RATE)
    return hs.pretrain(
        str(folder),
        out=str(folder / "run"),
        objective="mixit",
        start="none",
        budget="2steps",
        batch_size=4,
        encoder_options=SMALL,
        tracker="none",
        quiet=True,
    )


def test_predict_writes_a_file_for_each_voice(run, tmp_path) -> None:
    mixture = tone(400) + tone(2500)
    soundfile.write(tmp_path / "mixture.wav", mixture, RATE)
    rows = hs.predict(str(run.folder), str(tmp_path / "mixture.wav"), out=str(tmp_path / "voices"))
    files = sorted((tmp_path / "voices").iterdir())
    assert [file.name for file in files] == ["mixture_voice1.wav", "mixture_voice2.wav"]
    assert [voice["file"] for voice in rows[0]["voices"]] == [str(file) for file in files]
    found = [soundfile.read(file, dtype="float32") for file in files]
    assert {rate for _, rate in found} == {RATE}
    assert np.allclose(sum(samples for samples, _ in found), mixture, atol=1e-3)


def test_what_cannot_be_written_is_refused_in_one_sentence(run, tmp_path) -> None:
    soundfile.write(tmp_path / "mixture.wav", tone(400), RATE)
    given = (str(run.folder), str(tmp_path / "mixture.wav"))
    with pytest.raises(HeadstartError, match="name a new folder"):
        hs.predict(*given)
    with pytest.raises(HeadstartError, match="name a new folder"):
        hs.predict(*given, out=str(tmp_path / "x.jsonl"))
    with pytest.raises(HeadstartError, match="gives 4 signals"):
        hs.predict(*given, out=str(tmp_path / "voices"), voices=7)
    assert not (tmp_path / "voices").exists()


def test_a_full_disk_leaves_no_voices_and_is_said(run, tmp_path, monkeypatch) -> None:
    soundfile.write(tmp_path / "mixture.wav", tone(400), RATE)
    before, after = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr("headstart.downstream.audio.voices.voices", _limited)
    try:
        with pytest.raises(DiskFull, match="the disk is full"):
            hs.predict(str(run.folder), str(tmp_path / "mixture.wav"), out=str(tmp_path / "voices"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, after))
    assert [path.name for path in tmp_path.iterdir()] == ["mixture.wav"]


def _limited(*given) -> np.ndarray:
    """Return voices that are longer than a file may be from here on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return np.stack([tone(300), tone(900)])
