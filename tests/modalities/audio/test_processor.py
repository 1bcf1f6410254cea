"""Recordings are decoded once, cut into pieces, padded, and seen in random views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sounding import RATE, encoded, held, tone

from headstart.config import Budget
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities import Request
from headstart.modalities.audio import sound_file
from headstart.modalities.audio.corruptions import CORRUPTIONS
from headstart.modalities.audio.modality import AudioModality
from headstart.modalities.audio.options import AudioOptions
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.modalities.audio.sound_file import pieces
from headstart.modalities.audio.views import KINDS, Recipe, render
from headstart.seeding import generator


def clips(*seconds: float):
    return held(*[encoded(tone(n, each)) for n, each in enumerate(seconds)])


def batch(*seconds: float):
    return AudioProcessor(Reading(RATE), 40).collate(clips(*seconds), 40)


def test_rows_are_padded_and_the_same_as_alone() -> None:
    found = batch(0.3, 0.5)
    assert found["waveform"].shape == (2, 1, 4000)
    assert found["lengths"].tolist() == [2400, 4000]
    assert not found["waveform"][0, 0, 2400:].any()
    torch.testing.assert_close(found["waveform"][:1, :, :2400], batch(0.3)["waveform"])


def test_no_more_than_the_first_seconds_are_read() -> None:
    processor = AudioProcessor(Reading(RATE, seconds=1.0), 40)
    assert processor.collate(clips(2.0), 40)["lengths"].tolist() == [RATE]


def test_batches_hold_every_record_once_and_like_lengths_together() -> None:
    processor = AudioProcessor(Reading(RATE), 40)
    given = clips(0.2, 1.5, 0.3, 1.4, 0.25)
    found = list(processor.batches(given, 40, 4))
    assert sorted(np.concatenate([indices for indices, _ in found]).tolist()) == [0, 1, 2, 3, 4]
    assert found[0][0].tolist() == [1]
    assert all(held["waveform"].numel() <= 4 * 3200 or len(indices) == 1 for indices, held in found)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(100, [(0, 100)]), (1000, [(0, 1000)]), (1001, [(0, 1000), (1, 1000)]), (10, [])],
)
def test_short_recordings_are_one_piece(count: int, expected: list[tuple[int, int]]) -> None:
    assert pieces(count, 1000, 0.25, 50) == expected


def test_long_recordings_are_cut_with_overlap_and_nothing_is_lost() -> None:
    found = pieces(10_000, 1000, 0.25, 50)
    assert found[0] == (0, 1000)
    assert sum(found[-1]) == 10_000
    steps = np.diff([start for start, _ in found])
    assert steps.max() <= 750


def test_a_sound_file_holds_what_was_decoded_and_sets_bad_ones_aside(tmp_path: Path) -> None:
    modality, audit = AudioModality(), Audit()
    given = held(encoded(tone(1)), b"words", encoded(tone(2, 1.0)))
    processor = AudioProcessor(Reading(RATE), 50)
    modality.prepare(given, processor, tmp_path / "train", audit, learn=True)
    rows = processor.rows(tmp_path / "train", layout="documents", length=50, seed=0)
    assert len(rows) == 4  # the second lasts two rows and a bit
    first = rows.batch(np.array([0]), 0)
    np.testing.assert_allclose(first["waveform"][0, 0], tone(1) - tone(1).mean(), atol=2e-4)
    assert rows.batch(np.array([1, 0]), 0)["lengths"].tolist() == [4000, 3200]
    assert sum(audit.reasons.values()) == 1


def test_long_recordings_are_decoded_in_blocks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sound_file, "WHOLE", 0.5)
    processor = AudioProcessor(Reading(RATE), 50)
    AudioModality().prepare(clips(2.0), processor, tmp_path / "train", Audit(), learn=True)
    rows = processor.rows(tmp_path / "train", layout="documents", length=50, seed=0)
    np.testing.assert_allclose(
        rows.batch(np.array([0]), 0)["waveform"][0, 0], tone(0, 2.0)[:4000], atol=2e-3
    )


def test_nothing_that_can_be_decoded_is_one_sentence(tmp_path: Path) -> None:
    processor, modality = AudioProcessor(Reading(RATE), 50), AudioModality()
    with pytest.raises(HeadstartError, match="none of the 2 recordings can be decoded"):
        modality.prepare(held(b"a", b"b"), processor, tmp_path / "a", Audit(), learn=True)
    modality.prepare(held(b"a"), processor, tmp_path / "b", Audit(), learn=False)
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sound_file, "SHARE", 0.0)
    processor = AudioProcessor(Reading(RATE), 50)
    with pytest.raises(HeadstartError, match="has no room for the decoded recordings"):
        AudioModality().prepare(clips(0.4), processor, tmp_path / "a", Audit(), learn=True)


def test_a_processor_is_saved_and_opened(tmp_path: Path) -> None:
    reading = Reading(RATE, 2, True, 12.5)
    AudioProcessor(reading, 77).save(tmp_path)
    opened = AudioModality().load(tmp_path)
    assert (opened.reading, opened.length) == (reading, 77)


def test_rate_and_length_are_those_that_most_recordings_have() -> None:
    modality = AudioModality()
    given = clips(*[0.5] * 19, 5.0)
    request = Request((), None, None, Budget.parse("10steps"), given, lambda name: 200)
    found = modality.defaults(request)
    assert (found.objectives, found.encoder, found.length) == (("simclr",), "mel_conv", 73)
    assert modality.fit(given, None, None, 60).rate == RATE
    assert AudioModality(AudioOptions(rate=11025)).fit(given, None, None, 60).rate == 11025
    high = held(encoded(tone(0, rate=44100), 44100))
    assert modality.fit(high, None, None, 60).rate == 16000


@pytest.mark.parametrize("kind", ["auto", *KINDS])
def test_views_follow_from_the_generator_and_are_silent_behind_their_end(kind: str) -> None:
    processor, given = AudioProcessor(Reading(RATE), 40), batch(0.2, 0.5, 0.4)
    first, second = processor.views(given, generator(1), kind)
    again, _ = processor.views(given, generator(1), kind)
    torch.testing.assert_close(first["waveform"], again["waveform"], rtol=0, atol=0)
    for row, length in zip(first["waveform"][:, 0], first["lengths"], strict=True):
        assert torch.isfinite(row).all()
        assert not row[length:].any()
        assert row[:length].any()
    if kind != "identity":
        assert not torch.equal(first["waveform"][..., :800], second["waveform"][..., :800])


def test_a_view_does_not_depend_on_the_rows_beside_it() -> None:
    """But for mixup, which is of two rows by definition."""
    given = batch(0.5, 0.5)
    other = {**given, "waveform": given["waveform"].clone()}
    other["waveform"][1] *= 0.1
    one, two = (render(each, generator(3), KINDS["speech"], RATE) for each in (given, other))
    torch.testing.assert_close(one["waveform"][0], two["waveform"][0])


def test_each_step_of_a_view_does_what_it_says() -> None:
    given = batch(0.5, 0.5)
    power = given["waveform"].square().mean()

    def view(**steps):
        return render(given, generator(5), Recipe(**steps), RATE)

    same = view()
    torch.testing.assert_close(same["waveform"], given["waveform"])
    assert (view(shift=0.2)["lengths"] < given["lengths"]).all()
    assert not torch.equal(view(speed=0.2)["lengths"], given["lengths"])
    noisy = view(noise=(-20.0, -20.0))["waveform"] - given["waveform"]
    assert float(noisy.square().mean() / power) == pytest.approx(0.01, rel=0.1)
    silent = view(time_mask=0.5)["waveform"]
    assert ((silent == 0) & (given["waveform"] != 0)).any(2).all()
    echo = view(room=1.0)["waveform"] - given["waveform"]
    assert echo.square().mean() > 0.005 * power
    missing = torch.fft.rfft(view(frequency_mask=0.9)["waveform"]).abs()
    assert missing.square().mean() < torch.fft.rfft(given["waveform"]).abs().square().mean()
    mixed = view(mixup=0.5)["waveform"] - given["waveform"]
    assert float(torch.corrcoef(torch.stack([mixed[0, 0], given["waveform"][1, 0]]))[0, 1]) > 0.99


def test_unknown_views_and_pixels_are_refused() -> None:
    processor, given = AudioProcessor(Reading(RATE), 40), batch(0.3)
    with pytest.raises(HeadstartError, match=r"recordings have no views 'speach'.*speech"):
        processor.views(given, generator(0), "speach")
    with pytest.raises(HeadstartError, match="leave out local and side"):
        processor.views(given, generator(0), "auto", local=2)


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_corruptions_grow_with_their_severity(name: str) -> None:
    import io

    import soundfile

    modality = AudioModality()
    seen = modality.as_seen(clips(0.5), 40)[0]["audio"]

    def read(given):
        return soundfile.read(io.BytesIO(given["bytes"]), dtype="float32")[0]

    plain = read(seen)
    distances = []
    for severity in (1, 2, 3):
        found = read(CORRUPTIONS[name](seen, severity, np.random.default_rng(0)))
        if name == "cut":
            distances.append(len(plain) - len(found))
            continue
        spectra = [np.log(np.abs(np.fft.rfft(each)) + 1e-3) for each in (plain, found)]
        distances.append(float(np.abs(spectra[0] - spectra[1]).mean()))
    assert 0 < distances[0] < distances[1] < distances[2]


def test_recordings_are_shown_as_spectrograms_and_heard() -> None:
    shown, bad = AudioModality().preview(held(encoded(tone()), b"words"), 64)
    assert shown.image.startswith(b"RIFF")
    assert shown.heard.startswith("data:audio/mpeg;base64,")
    assert (bad.image, bad.sound) == (b"", b"")
    processor, given = AudioProcessor(Reading(RATE), 40), batch(0.2, 0.5)
    first, second = processor.views(given, generator(1), "auto")
    corrupted = {f"first/{key}": tensor for key, tensor in first.items()}
    corrupted |= {f"second/{key}": tensor for key, tensor in second.items()}
    sheet = processor.show(given, corrupted, {})
    assert list(sheet.rows) == ["original", "first", "second"]
    assert all(row.shape == (2, 3, 96, 96) for row in sheet.rows.values())


def test_moments_are_the_units_of_an_explanation() -> None:
    units = AudioProcessor(Reading(RATE), 40).units(clips(0.5)[0], 40)
    assert (units.noun, units.count) == ("moments", 16)
    rows = units.without([{0}, set()])
    assert float(rows["waveform"][0, 0, :250].std()) < 1e-6
    torch.testing.assert_close(rows["waveform"][1], units.batch["waveform"][0])
    assert units.contents([{1}])[0]["bytes"].startswith(b"RIFF")
    evidence = units.evidence(torch.randn(1, 4000), "a", signed=True)
    assert len(evidence.summary()["moments"]) == 16
    assert "<audio" in evidence.html()
    assert evidence.image().size == (288, 288)
