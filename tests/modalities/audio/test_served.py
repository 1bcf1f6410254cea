"""Recordings arrive in requests as the bytes of a file."""

from __future__ import annotations

import base64

import pytest

pytest.importorskip("fastapi", reason="fastapi (extra `serve`) is not installed")

import numpy as np
from sounding import RATE, encoded, tone

from headstart.deployment.serving.values import Values
from headstart.modalities.audio.modality import AudioModality
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading


def test_a_recording_can_be_sent_and_one_that_cannot_be_read_is_named() -> None:
    processor = AudioProcessor(Reading(RATE), 40)
    values = Values(AudioModality(), processor)
    sound = encoded(tone(1))
    typed = base64.b64encode(sound).decode()
    sent = [sound, typed, f"data:audio/wav;base64,{typed}", b"words"]
    found, bad = values.readable(values.records(values.taken(sent, "input")))
    assert list(found["id"]) == ["0", "1", "2"]
    assert list(bad) == [3]
    batch = processor.collate(found, 40)["waveform"]
    np.testing.assert_array_equal(batch[0], batch[2])
    assert batch.shape == (3, 1, len(tone(1)))
