"""Spans of masked frames: how many, of which recordings, and what pieces are too short for."""

from __future__ import annotations

import pytest
import torch
from spoken import PROCESSOR, network

from headstart.errors import HeadstartError
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.objectives.frame_masks import in_frames, masked_spans, short_recordings, span_of
from headstart.seeding import generator


def test_neither_padding_nor_a_single_frame_is_masked_and_some_are_seen() -> None:
    frames = torch.arange(1, 60).repeat(20)
    masked = masked_spans(frames, 60, 0.65, 10, generator(0))
    at = torch.arange(60)
    assert not (masked & (at >= frames[:, None])).any()
    count = masked.sum(1)
    assert (count[frames < 4] == 0).all()
    assert (count[frames >= 4] >= 2).all()
    assert (count <= (frames - 2).clamp(min=0)).all()


def test_spans_have_their_length_and_their_share() -> None:
    frames = torch.full((400,), 100)
    masked = masked_spans(frames, 100, 0.65, 10, generator(1))
    # 1 - (1 - 0.065)^10 of what lies far from the ends; wav2vec 2.0 says 49%.
    assert float(masked[:, 20:80].float().mean()) == pytest.approx(0.49, abs=0.02)
    edges = torch.nn.functional.pad(masked.int(), (1, 1)).diff(dim=1)
    runs = (edges == -1).nonzero()[:, 1] - (edges == 1).nonzero()[:, 1]
    assert int(runs.min()) == 10
    assert torch.equal(masked, masked_spans(frames, 100, 0.65, 10, generator(1)))


def test_the_pieces_must_be_long_enough_for_a_span() -> None:
    encoder = network()  # a frame of 20 ms
    assert span_of("hubert", None, encoder, PROCESSOR) == 6
    assert span_of("hubert", 12, encoder, PROCESSOR) == 12
    with pytest.raises(HeadstartError, match=r"hubert\.span=13 .* 25 frames of 20 ms; set 12"):
        span_of("hubert", 13, encoder, PROCESSOR)
    with pytest.raises(HeadstartError, match="3 frames of 20 ms, and 4 are needed"):
        span_of("hubert", None, encoder, AudioProcessor(Reading(8000), 6))


def test_recordings_that_are_too_short_are_told() -> None:
    lengths = torch.tensor([320, 480, 8000])
    told = short_recordings("hubert", network(), {"lengths": lengths})
    assert told is not None
    assert told.startswith("2 of 3 recordings")
    assert short_recordings("hubert", network(), {"lengths": lengths[2:]}) is None


def test_values_of_a_spectrogram_are_those_of_the_encoders_frames() -> None:
    encoder = network()
    values = torch.arange(2 * 7.0).view(2, 1, 7)
    found = in_frames(values, torch.tensor([7, 4]), encoder, torch.tensor([4, 2]))
    assert found[0, :, :, 0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 6]]
    assert found[1, :2, :, 0].tolist() == [[7, 8], [9, 10]]
