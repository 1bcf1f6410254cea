"""Noise from a folder: what is decoded, how it is mixed in, and folders that hold none."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from sounding import RATE, encoded, tone, write

import headstart as hs
from headstart.encoders.opening import note_of
from headstart.errors import HeadstartError
from headstart.modalities.audio.modality import AudioModality
from headstart.modalities.audio.noises import Noises, noise_files, write_noises
from headstart.modalities.audio.options import AudioOptions
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.seeding import generator


def kept(folder: Path, out: Path, rate: int = RATE, levels: tuple[float, float] = (6, 6)) -> Noises:
    write_noises(str(folder), out, Reading(rate))
    return Noises.load(out, rate, levels)


@pytest.fixture
def noises(tmp_path: Path) -> Noises:
    """A short one, a long one at another rate, and one in a folder of its own."""
    write(tmp_path / "noise" / "a.wav", 1)
    (tmp_path / "noise" / "b.flac").write_bytes(encoded(tone(2, 3.0, 16000), 16000, format="FLAC"))
    write(tmp_path / "noise" / "street" / "c.wav", 3)
    (tmp_path / "noise" / "notes.txt").write_text("where it was recorded")
    return kept(tmp_path / "noise", tmp_path / "kept")


def batch(*lengths: int) -> dict[str, torch.Tensor]:
    waveform = torch.zeros(len(lengths), 1, max(lengths))
    for seed, (row, length) in enumerate(zip(waveform, lengths, strict=True)):
        row[0, :length] = torch.from_numpy(tone(seed + 10, length / RATE))
    return {"waveform": waveform, "lengths": torch.tensor(lengths)}


def test_files_of_any_rate_and_length_are_decoded_at_one_rate(noises: Noises) -> None:
    assert noises.counts.tolist() == [3200, 24000, 3200]
    first = noises.samples[:3200].float() / 32767
    expected = tone(1) - tone(1).mean()
    np.testing.assert_allclose(first, expected, atol=1e-4)


def test_the_noise_is_as_far_below_as_was_drawn(noises: Noises) -> None:
    given = batch(8000, 4000, 8000)
    processor = AudioProcessor(Reading(RATE), 100, noises)
    seen = processor.one_view(given, generator(0), "noise")
    assert torch.equal(seen["lengths"], given["lengths"])
    added = (seen["waveform"] - given["waveform"])[:, 0]
    assert not added[1, 4000:].any()
    for row, length in enumerate((8000, 4000, 8000)):
        levels = [x[..., :length].square().mean() for x in (given["waveform"][row, 0], added[row])]
        assert 10 * float(torch.log10(levels[0] / levels[1])) == pytest.approx(6, abs=1)
    # It is what the files hold, and no white noise: a short file begins anew.
    piece = noises.draw(40, 8000, generator(1))
    short = [row for row in piece if torch.allclose(row[:3200], row[3200:6400])]
    assert 10 < len(short) < 40


def test_views_follow_from_the_seed_and_differ(noises: Noises) -> None:
    processor = AudioProcessor(Reading(RATE), 100, noises)
    first = processor.views(batch(8000, 6000), generator(3), "speech")
    again = processor.views(batch(8000, 6000), generator(3), "speech")
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one["waveform"], other["waveform"])
    one, other = (processor.one_view(batch(8000), generator(n), "noise") for n in (1, 2))
    assert not torch.equal(one["waveform"], other["waveform"])
    without = AudioProcessor(Reading(RATE), 100)
    assert torch.equal(
        without.one_view(batch(8000), generator(3), "weak")["waveform"],
        processor.one_view(batch(8000), generator(3), "weak")["waveform"],
    )


def test_what_cannot_be_decoded_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path / "noise" / "good.wav", 1)
    (tmp_path / "noise" / "bad.wav").write_text("no sound")
    (tmp_path / "noise" / "silent.wav").write_bytes(encoded(np.zeros(4000, dtype=np.float32)))
    (sentence,) = write_noises(str(tmp_path / "noise"), tmp_path / "kept", Reading(RATE))
    assert "2 of 3 recordings are left out, such as" in sentence
    assert "bad.wav: it is no recording" in sentence


@pytest.mark.parametrize("what", ["missing", "file", "empty", "texts", "damaged", "silent"])
def test_a_folder_without_noise_is_refused_in_a_sentence(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "noise"
    if what == "file":
        folder.write_text("no folder")
    elif what != "missing":
        folder.mkdir()
    if what == "texts":
        (folder / "a.txt").write_text("words")
    if what == "damaged":
        (folder / "a.wav").write_text("words")
    if what == "silent":
        (folder / "a.wav").write_bytes(encoded(np.zeros(4000, dtype=np.float32)))
    said = {
        "missing": "is not there; name a folder",
        "file": "is a file; name a folder",
        "damaged": r"none of the 1 recording\(s\).*no recording of a known kind.*another folder",
        "silent": r"none of the 1 recording\(s\).*it is silent.*another folder",
    }
    with pytest.raises(HeadstartError, match=said.get(what, "holds no recording")):
        write_noises(str(folder), tmp_path / "kept", Reading(RATE))
    assert not (tmp_path / "kept").exists()
    if what not in ("damaged", "silent"):
        with pytest.raises(HeadstartError, match=r"audio\.noise"):
            AudioModality(AudioOptions(noise=str(folder))).check_files()


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "noise").mkdir()

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(HeadstartError, match=r"noise cannot be read \(Permission denied\)"):
        noise_files(str(tmp_path / "noise"))


def test_levels_are_checked() -> None:
    assert AudioOptions(snr=[-5, 10]).snr == (-5, 10)
    for wrong in ((10, 0), (0, 100)):
        with pytest.raises(ValueError, match="the lower one first"):
            AudioOptions(snr=wrong)


def test_a_run_mixes_it_in_shows_it_and_does_not_keep_it(tmp_path: Path) -> None:
    for seed in range(12):
        write(tmp_path / "clips" / f"{seed}.wav", seed)
    write(tmp_path / "noise" / "hum.wav", 77)
    options = {"audio": {"noise": str(tmp_path / "noise"), "snr": [0, 5]}}
    how = {"encoder_options": {"widths": [8, 8]}, "batch_size": 4, "start": "none", "seed": 1}
    runs = {}
    for name, given in (("noisy", options), ("white", {})):
        runs[name] = hs.pretrain(
            str(tmp_path / "clips"),
            out=str(tmp_path / name),
            budget="2steps",
            objective="simclr",
            objective_options={"simclr": {"views": "noise"}},
            modality_options=given,
            tracker="none",
            **how,
        )
    pictures = [(tmp_path / name / "pretext.png").read_bytes() for name in runs]
    assert pictures[0] != pictures[1]
    left = [path.name for path in (tmp_path / "noisy").rglob("*")]
    assert "noises" not in left
    assert "samples.npy" not in left


def test_a_run_goes_on_without_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "noise" / "hum.wav", 77)
    modality = AudioModality(AudioOptions(noise=str(tmp_path / "noise")))
    prepared = tmp_path / "prepared"
    write_noises(modality.options.noise, prepared / "noises", Reading(RATE))
    (prepared / "processor").mkdir()
    AudioProcessor(Reading(RATE), 100).save(prepared / "processor")
    (tmp_path / "noise" / "hum.wav").unlink()
    found = modality.load(prepared / "processor").noises
    assert found is not None
    assert len(found.counts) == 1
    np.save(prepared / "noises" / "counts.npy", np.array([5]))
    with pytest.raises(HeadstartError, match="cannot be opened"):
        modality.load(prepared / "processor")


def test_long_noise_is_cut_at_a_minute(tmp_path: Path) -> None:
    samples = np.tile(tone(1, 1.0, 4000), 70)
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise" / "long.wav", samples, 4000)
    assert kept(tmp_path / "noise", tmp_path / "kept", 4000).counts.tolist() == [240_000]


def test_an_encoder_is_gone_on_with_without_the_noise_of_its_training(tmp_path: Path) -> None:
    options = AudioOptions(rate=RATE, noise=str(tmp_path / "gone"), snr=(5, 6))
    note = note_of(AudioModality(options), 50)
    assert note["modality_options"] == {"audio": {"rate": RATE}}
