"""Published networks of recordings: beside a new encoder, and trained on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from sounding import encoded, tone
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

import headstart as hs
from headstart.encoders.audio_folders import cells_of, preprocessor_of
from headstart.encoders.opening import OpenedEncoder
from headstart.encoders.speaker_lstm import SpeakerLSTM
from headstart.errors import HeadstartError
from headstart.modalities.audio.reading import stated_rate


@pytest.fixture(scope="module")
def values() -> list[dict[str, bytes]]:
    """Recordings at 8,000 samples a second."""
    return [{"audio": encoded(tone(seed))} for seed in range(24)]


def test_a_start_stands_beside_and_reads_at_its_own_rate(values, tmp_path: Path) -> None:
    torch.manual_seed(0)
    SpeakerLSTM((1,), 2).save(tmp_path / "voices")
    run = hs.pretrain(
        values,
        out=str(tmp_path / "run"),
        budget="2steps",
        tracker="none",
        start=str(tmp_path / "voices"),
        encoder_options={"widths": (8, 8)},
    )
    opened = OpenedEncoder(run.encoder)
    names = ["pre-trained", "voices", "MFCC-on-time-cells"]
    assert list(opened.encoder.joined) == names
    rates = [opened.processor.parts[name].processor.reading.rate for name in names]
    assert rates == [8000, 16000, 8000]
    vectors = hs.embed(str(tmp_path / "run"), values)
    assert vectors.shape == (24, opened.encoder.width) == (24, 8 * 8 + 2 * 256 + 104)


def test_a_network_of_transformers_is_trained_on_at_its_rate(values, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    folder = tmp_path / "small"
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    run = hs.pretrain(
        values,
        out=str(tmp_path / "run"),
        budget="2steps",
        tracker="none",
        encoder=str(folder),
        objective="hubert",
        objective_options={"hubert": {"clusters": 4}},
        safeguards="off",
    )
    opened = OpenedEncoder(run.encoder)
    assert opened.processor.reading.rate == 16000
    before = Wav2Vec2Model.from_pretrained(folder).state_dict()
    after = opened.encoder.model.state_dict()
    assert not all(torch.equal(before[name], after[name]) for name in before)


def test_pieces_that_are_too_short_for_a_mask_are_refused_before_training(values, tmp_path) -> None:
    with pytest.raises(HeadstartError, match=r"hubert\.span=40 would mask over half of a piece"):
        hs.pretrain(
            values,
            out=str(tmp_path / "run"),
            budget="2steps",
            tracker="none",
            objective="hubert",
            objective_options={"hubert": {"span": 40}},
        )


@pytest.mark.parametrize("rate", [0, -8000, 8000.5, 10**12, True])
def test_a_folder_with_an_impossible_rate_is_refused(rate, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": rate}))
    with pytest.raises(HeadstartError, match="samples a second, and whole numbers"):
        stated_rate(tmp_path)


def test_damaged_settings_of_a_network_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(HeadstartError, match=r"the preprocessing in .* cannot be read"):
        preprocessor_of(tmp_path)
    for ours in ({"cells": 0}, {"cells": 10**9}, {"cells": "x"}, 7):
        with pytest.raises(HeadstartError, match="cells, and 1 to 64 are possible"):
            cells_of(SimpleNamespace(headstart=ours), tmp_path)
