"""Recordings that a network writes: the same with and without a cache, and as files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import torch

import headstart as hs
from headstart.downstream.audio.bits import HISTOGRAMS, histogram_nats, network_nats
from headstart.downstream.audio.composing import compose, drawn
from headstart.encoders.opening import open_encoder
from headstart.encoders.wavenet import WaveNet
from headstart.errors import HeadstartError
from headstart.modalities.mu_law import SILENCE, encode
from headstart.objectives.opening import open_token_head
from headstart.run import RunFolder

RATE = 8000
SMALL = {"channels": 4, "width": 8, "kernel": 2, "layers": 3, "stacks": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    for number in range(12):
        at = np.arange(1600) / RATE
        samples = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 900) * at) + rng.normal(0, 0.01, 1600)
        soundfile.write(folder / f"{number}.wav", samples, RATE)
    return hs.pretrain(
        str(folder),
        out=str(folder / "run"),
        objective="clm",
        start="none",
        budget="3steps",
        batch_size=4,
        encoder_options=SMALL,
        tracker="none",
        quiet=True,
    )


@pytest.fixture(scope="module")
def opened(run):
    encoder = open_encoder(run.folder).eval()
    assert isinstance(encoder, WaveNet)
    head = open_token_head(RunFolder.open(run.folder), encoder)
    with torch.no_grad():
        head.decoder.weight *= 8  # scores that differ
    return encoder, head


@pytest.mark.parametrize("how", [{"temperature": 0.0}, {}, {"temperature": 0.7, "top_k": 5}])
def test_with_and_without_a_cache_the_samples_are_the_same(opened, how) -> None:
    encoder, head = opened
    draws = np.random.default_rng(1).random((3, 3 * encoder.reach))
    found = compose(encoder, head, draws.shape[1], draws, **how)
    again = compose(encoder, head, draws.shape[1], draws, **how, cache=False)
    assert np.array_equal(found, again)
    assert len(np.unique(found)) > 1


def test_a_draw_picks_by_the_shares() -> None:
    scores = np.log(np.array([[0.2, 0.5, 0.3]]))
    draws = np.array([0.0, 0.19, 0.21, 0.69, 0.71, 1.0])[:, None]
    rows = np.repeat(scores, 6, axis=0)
    assert drawn(rows, draws, 1.0, 0).tolist() == [0, 0, 1, 1, 2, 2]
    assert drawn(rows, draws, 0.0, 0).tolist() == [1] * 6
    assert set(drawn(rows, draws, 1.0, 2).tolist()) == {1, 2}
    assert drawn(rows, draws, 1e-3, 0).tolist() == [1] * 6


def test_generate_writes_one_file_or_a_folder_and_the_first_are_the_same(run, tmp_path) -> None:
    short = {"seconds": 0.02, "seed": 3}
    file = run.generate(count=2, out=str(tmp_path / "two.wav"), **short)
    both, rate = soundfile.read(file)
    assert (rate, len(both)) == (RATE, 160 + 2000 + 160)
    folder = run.generate(count=3, out=str(tmp_path / "three"), **short)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["00001.wav", "00002.wav", "00003.wav"]
    first, _ = soundfile.read(folder / "00001.wav")
    assert np.array_equal(first, both[:160])
    assert not both[160:2160].any()
    assert run.generate(count=1, **short) == run.folder / "samples.wav"
    other, _ = soundfile.read(run.generate(count=1, seconds=0.02, seed=4, overwrite=True))
    assert not np.array_equal(first, other)


def test_what_cannot_be_written_is_refused_in_one_sentence(run, tmp_path) -> None:
    with pytest.raises(HeadstartError, match=r"recordings can be written to \.wav"):
        run.generate(out=str(tmp_path / "x.mp3"))
    with pytest.raises(HeadstartError, match="leave out prompt="):
        run.generate("hello", out=str(tmp_path / "x.wav"))
    assert not list(tmp_path.iterdir())


def test_bits_of_a_long_recording_are_those_of_the_whole(opened, monkeypatch) -> None:
    encoder, head = opened
    codes = np.random.default_rng(2).integers(0, 256, 200)
    (whole,) = network_nats(encoder, head, [codes])
    monkeypatch.setattr("headstart.downstream.audio.bits._SPAN", 37)
    (parts,) = network_nats(encoder, head, [codes])
    assert whole.shape == (199,)
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)


def test_histograms_are_counts_of_what_follows() -> None:
    fitted = [np.tile([SILENCE, 3, 200, 3], 500)]
    by_order = [
        histogram_nats(fitted, [np.array([SILENCE, 3, 200])], order)[0] for order in (1, 2, 3)
    ]
    np.testing.assert_allclose(by_order[0], -np.log([0.5, 0.25]), atol=0.05)
    np.testing.assert_allclose(by_order[1], -np.log([1.0, 0.5]), atol=0.05)
    assert by_order[2][1] == pytest.approx(0, abs=0.05)  # the first has one sample before it


def test_evaluate_reports_bits_a_sample_beside_histograms(run, tmp_path) -> None:
    tested = tmp_path / "tested"
    tested.mkdir()
    rng = np.random.default_rng(5)
    sounds = [0.3 * np.sin(np.arange(900) * rng.uniform(0.1, 0.7)) for _ in range(3)]
    for number, samples in enumerate(sounds):
        soundfile.write(tested / f"{number}.wav", samples, RATE)
    (tested / "broken.wav").write_text("no sound")
    out = tmp_path / "bits.html"
    found = run.evaluate(task="bits_a_sample", train=str(tested), out=str(out))
    assert [each.name for each in found.scores][2:] == list(HISTOGRAMS)
    assert (found.recordings, found.samples) == (3, 3 * 899)
    encoder = open_encoder(run.folder).eval()
    head = open_token_head(RunFolder.open(run.folder), encoder)
    read = [soundfile.read(tested / f"{n}.wav", dtype="float32")[0] for n in range(3)]
    codes = [encode(torch.from_numpy(each - each.mean())).numpy() for each in read]
    expected = np.concatenate(network_nats(encoder, head, codes)).mean() / np.log(2)
    assert found.scores[0].bits.mean == pytest.approx(expected, rel=1e-4)
    page = out.read_text(encoding="utf-8")
    assert "full scale" in page
    assert HISTOGRAMS[1] in page
    assert json.loads(out.with_suffix(".json").read_text())["task"] == "bits_a_sample"
