"""The speaker encoder of a package: written as a folder that opens, and described by its layers."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.encoders import published
from headstart.encoders.opening import open_encoder, open_processor, read_note
from headstart.encoders.published import VARIABLE, Found
from headstart.encoders.speaker_lstm import CELLS, SpeakerLSTM, mel, write_speaker_lstm
from headstart.errors import HeadstartError
from headstart.seeding import generator


def batch(*lengths: int) -> dict[str, torch.Tensor]:
    waveform = torch.zeros(len(lengths), 1, max(lengths))
    for seed, (row, length) in enumerate(zip(waveform, lengths, strict=True)):
        row[0, :length] = torch.randn(length, generator=generator(seed)) * 0.1
    return {"waveform": waveform, "lengths": torch.tensor(lengths)}


@pytest.fixture(scope="module")
def encoder() -> SpeakerLSTM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SpeakerLSTM().eval()


@pytest.fixture
def package(encoder, tmp_path: Path) -> Path:
    """A folder as that of the package, with other weights."""
    state = {"linear.weight": torch.zeros(256, 256), "similarity_bias": torch.zeros(1)}
    whole = torch.nn.LSTM(40, 256, 3)
    state |= {f"lstm.{name}": value for name, value in whole.state_dict().items()}
    for layer, part in enumerate(encoder.lstm):
        for name, value in part.state_dict().items():
            state[f"lstm.{name[:-1]}{layer}"] = value
    folder = tmp_path / "package"
    folder.mkdir()
    torch.save({"step": 1, "model_state": state}, folder / "pretrained.pt")
    return folder


def test_layers_are_averaged_on_time_and_set_side_by_side(encoder) -> None:
    given = batch(16000)
    found = encoder(given)
    x, frames = mel(given["waveform"][:, 0], given["lengths"])
    layers = []
    for part in encoder.lstm:
        x, _ = part(x)
        layers.append(x)
    both = torch.cat(layers[1:], 2)[0]
    torch.testing.assert_close(found.tokens[0], both)
    edges = np.linspace(0, int(frames), CELLS + 1)
    for cell, (low, high) in enumerate(pairwise(edges)):
        at = np.arange(int(frames))
        share = np.clip(np.minimum(at + 1, high) - np.maximum(at, low), 0, 1)
        mean = (both.detach().numpy() * share[:, None]).sum(0) / share.sum()
        own = found.pooled.view(512, CELLS)[:, cell].detach().numpy()
        np.testing.assert_allclose(own, mean, atol=1e-5)
    assert found.pooled.shape == (1, encoder.width)


def test_a_record_in_a_batch_is_as_if_alone(encoder) -> None:
    both, alone = batch(3000, 9100), batch(3000)
    torch.testing.assert_close(encoder.pool(both)[:1], encoder.pool(alone), atol=1e-5, rtol=1e-4)
    found = encoder(both)
    assert found.mask.sum(1).tolist() == [19, 57]


def test_quiet_recordings_are_made_louder_and_loud_ones_stay() -> None:
    given = batch(8000)
    waveform, lengths = given["waveform"][:, 0], given["lengths"]
    quiet, usual = (mel(waveform * share, lengths)[0] for share in (0.01, 0.1))
    torch.testing.assert_close(quiet, usual, rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(mel(waveform * 3, lengths)[0], mel(waveform, lengths)[0] * 9)


def test_a_tone_is_in_its_band() -> None:
    """Slaney's scale has a band each 66.7 Hz x 1.25 below 1 kHz."""
    at = torch.arange(16000) / 16000
    found, _ = mel(torch.sin(2 * torch.pi * 500 * at)[None], torch.tensor([16000]))
    highest = 15 + 27 * np.log(8) / np.log(6.4)
    centres = np.linspace(0, highest, 42)[1:-1] * 200 / 3
    assert int(found[0, 50].argmax()) == np.abs(centres - 500).argmin()


def test_it_is_saved_and_opened_and_damage_is_said(encoder, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    opened, given = open_encoder(tmp_path).eval(), batch(4000, 2000)
    torch.testing.assert_close(opened.pool(given), encoder.pool(given))
    assert read_note(tmp_path)["modality"] == "audio"
    assert encoder.untrained().width == encoder.width == len(encoder.pool(given)[0])
    (tmp_path / "config.json").write_text('{"network": "speaker_lstm", "layers": [9], "cells": 8}')
    with pytest.raises(HeadstartError, match=r"layers \[9\] on 8 cells"):
        SpeakerLSTM.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(HeadstartError, match="cannot be read"):
        SpeakerLSTM.load(tmp_path)


def test_every_weight_gets_a_gradient(encoder) -> None:
    encoder.pool(batch(3000, 4000)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())
    encoder.zero_grad()


def test_the_package_is_written_without_running_its_code(encoder, package, tmp_path) -> None:
    folder = tmp_path / "written"
    folder.mkdir()
    write_speaker_lstm(package, folder)
    given = batch(4000)
    torch.testing.assert_close(SpeakerLSTM.load(folder).pool(given), encoder.pool(given))
    (package / "pretrained.pt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(HeadstartError, match="cannot be read"):
        write_speaker_lstm(package, folder)
    (package / "pretrained.pt").unlink()
    with pytest.raises(HeadstartError, match="reinstall"):
        write_speaker_lstm(package, folder)


def test_the_package_is_found_reads_at_its_own_rate_and_knows_voices(tmp_path, monkeypatch) -> None:
    pytest.importorskip("soundfile", reason="the extra `audio` is not installed")
    if published._package("resemblyzer") is None:
        pytest.skip("the package is not installed")
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(published, "_hub", lambda: iter(()))
    found = Found.here().named("resemblyzer")
    assert found is not None
    assert (found.modality, found.licence, found.for_vectors) == ("audio", "apache-2.0", True)
    processor = open_processor(found.folder)
    assert (processor.content.name, processor.rate) == ("audio", 16000)
    assert found.width == open_encoder(found.folder).width


class _Opened:
    """Makes a folder when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.made),)


def test_weights_that_would_run_code_are_refused(package, tmp_path) -> None:
    made, out = tmp_path / "made", tmp_path / "out"
    out.mkdir()
    torch.save({"model_state": _Opened(made)}, package / "pretrained.pt")
    with pytest.raises(HeadstartError, match=r"pretrained\.pt cannot be read"):
        write_speaker_lstm(package, out)
    assert not made.exists()
    assert list(out.iterdir()) == []
