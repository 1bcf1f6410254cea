"""Every recording that a user may have is decoded, or set aside with a reason."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounding import RATE, encoded, tone, value

from headstart.modalities.audio import decode as decoding
from headstart.modalities.audio.decode import BadAudio, about, blocks, decode, trimmed


def reason(data: bytes, **how) -> str:
    with pytest.raises(BadAudio) as found:
        decode(value(data), RATE, **how)
    return str(found.value)


def near(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two recordings, over what both have."""
    count = min(len(one), len(other))
    return float(np.corrcoef(one[:count], other[:count])[0, 1])


@pytest.mark.parametrize(
    ("how", "least"),
    [
        ({"format": "WAV"}, 0.9999),
        ({"format": "WAV", "subtype": "PCM_U8"}, 0.99),
        ({"format": "WAV", "subtype": "PCM_24"}, 0.9999),
        ({"format": "WAV", "subtype": "FLOAT"}, 0.9999),
        ({"format": "WAV", "subtype": "ULAW"}, 0.99),
        ({"format": "FLAC"}, 0.9999),
        ({"format": "AIFF"}, 0.9999),
        ({"format": "AU"}, 0.9999),
        ({"format": "OGG"}, 0.95),
        ({"format": "MP3"}, 0.95),
    ],
)
def test_common_formats_hold_the_same_recording(how, least) -> None:
    samples = tone()
    found = decode(value(encoded(samples, **how)), RATE)
    assert found.dtype == np.float32
    assert abs(len(found) - len(samples)) <= 0.1 * len(samples)
    assert near(samples, found) > least


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 7919])
def test_any_rate_becomes_the_one_that_is_asked_for(rate: int) -> None:
    at = np.arange(rate // 2) / rate
    found = decode(value(encoded(0.5 * np.sin(2 * np.pi * 440 * at), rate)), RATE)
    assert len(found) == pytest.approx(RATE / 2, abs=4)
    peak = np.abs(np.fft.rfft(found)).argmax() * RATE / len(found)
    assert peak == pytest.approx(440, abs=3)


def test_what_is_above_half_of_the_rate_is_not_folded_down() -> None:
    at = np.arange(16000) / 16000
    high = decode(value(encoded(0.5 * np.sin(2 * np.pi * 6000 * at), 16000)), RATE)
    assert np.abs(high[200:-200]).max() < 0.01


def test_channels_are_mixed_or_one_is_chosen_and_a_dead_one_is_left_out() -> None:
    left, right = tone(1), tone(2)
    both = encoded(np.stack([left, right], 1))
    assert near(decode(value(both), RATE), left + right) > 0.999
    assert near(decode(value(both), RATE, channel=2), right) > 0.999
    dead = encoded(np.stack([left, np.zeros_like(left)], 1))
    found = decode(value(dead), RATE)
    assert near(found, left) > 0.999
    assert np.abs(found).max() == pytest.approx(np.abs(left).max(), rel=0.02)
    assert "asks for number 3" in reason(both, channel=3)


def test_an_offset_is_removed_and_floats_beyond_one_are_scaled() -> None:
    found = decode(value(encoded(tone() + 0.4)), RATE)
    assert abs(float(found.mean())) < 1e-4
    loud = decode(value(encoded(8 * tone(), subtype="FLOAT")), RATE)
    assert np.abs(loud).max() <= 1
    assert near(loud, tone()) > 0.9999


def test_clipped_recordings_are_decoded() -> None:
    found = decode(value(encoded((20 * tone()).clip(-1, 1))), RATE)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(bad: float) -> None:
    samples = tone()
    samples[100] = bad
    assert reason(encoded(samples, subtype="FLOAT")) == decoding.NOT_FINITE


def test_no_samples_or_too_few_are_refused() -> None:
    assert reason(encoded(tone()[:0])) == decoding.NO_SAMPLES
    assert reason(encoded(tone()[:50])) == decoding.TOO_SHORT


def test_a_rate_of_zero_is_refused() -> None:
    data = bytearray(encoded(tone()))
    data[24:28] = struct.pack("<I", 0)
    assert reason(bytes(data)) in (decoding.NO_RATE.format(rate=0), decoding.DAMAGED)
    data[24:28] = struct.pack("<I", 3)
    assert "3 samples a second" in reason(bytes(data))


def test_a_header_with_a_wrong_length_gives_what_is_there() -> None:
    data = bytearray(encoded(tone()))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 2**31 - 1)
    assert near(decode(value(bytes(data)), RATE), tone()) > 0.999


def test_a_text_that_is_called_wav_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.wav"
    path.write_text("these are words\n" * 20)
    with pytest.raises(BadAudio, match="no recording of a known kind"):
        decode({"bytes": None, "path": str(path)}, RATE)
    assert reason(b"these are words") == decoding.NOT_AUDIO


def test_empty_missing_and_cut_files_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    for path, told in ((empty, "empty"), (tmp_path / "gone.wav", "gone")):
        with pytest.raises(BadAudio, match=told):
            decode({"bytes": None, "path": str(path)}, RATE)
    whole = encoded(tone(seconds=2), format="FLAC")
    assert reason(whole[: len(whole) // 50]) in (
        *(decoding.DAMAGED, decoding.CUT_SHORT, decoding.NOT_AUDIO, decoding.TOO_SHORT),
    )


def test_no_more_is_decoded_than_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = decoding._read

    def counting(file, start, count):
        read.append(count)
        return original(file, start, count)

    monkeypatch.setattr(decoding, "_read", counting)
    found = decode(value(encoded(np.tile(tone(), 50))), RATE, seconds=1.0)
    assert len(found) == RATE
    assert sum(read) < 1.2 * RATE


@pytest.mark.parametrize("rate", [RATE, 11025])
def test_long_recordings_come_in_blocks_without_seams(
    rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = value(encoded(tone(seconds=3.3, rate=rate), rate, subtype="FLOAT"))
    whole = np.concatenate(list(blocks(data, RATE)))
    monkeypatch.setattr(decoding, "BLOCK", 0.5)
    parts = list(blocks(data, RATE))
    assert len(parts) >= 6
    together = np.concatenate(parts)
    assert abs(len(together) - len(whole)) <= len(parts)
    count = min(len(whole), len(together))
    np.testing.assert_allclose(together[:count], whole[:count], atol=2e-3)


def test_ten_hours_are_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", RATE, 1, format="FLAC") as file:
        quiet = np.zeros(60 * RATE, np.int16)
        quiet[::1000] = 1000
        for _ in range(600):
            file.write(quiet)
    data = {"bytes": None, "path": str(path)}
    assert about(data).seconds == 36_000
    first = next(blocks(data, RATE))
    assert len(first) == 60 * RATE
    assert len(decode(data, RATE, seconds=2.0)) == 2 * RATE


def test_silence_at_the_ends_is_trimmed() -> None:
    samples = tone()
    padded = np.concatenate([np.zeros(3000, np.float32), samples, np.zeros(2000, np.float32)])
    assert abs(len(trimmed(padded, RATE)) - len(samples)) <= 0.02 * RATE
    silent = np.zeros(3000, np.float32)
    assert len(trimmed(silent, RATE)) == 3000
