"""Published networks of recordings: beside a new encoder, and trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from sounding import encoded, tone
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    AutoModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperFeatureExtractor,
)

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


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny networks of three architectures, each in a folder of Transformers."""
    torch.manual_seed(0)
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    wave = Wav2Vec2Config(
        hidden_size=16, conv_dim=(8, 8), conv_kernel=(10, 8), conv_stride=(5, 4),
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, **small,
    )  # fmt: skip
    ast = ASTConfig(hidden_size=16, max_length=64, num_mel_bins=32, **small)
    whisper = WhisperConfig(
        vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_mel_bins=16,
        max_source_positions=50, max_target_positions=10, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    extractors = (
        Wav2Vec2FeatureExtractor(),
        ASTFeatureExtractor(num_mel_bins=32, max_length=64),
        WhisperFeatureExtractor(feature_size=16, chunk_length=1),
    )
    folder = tmp_path_factory.mktemp("published")
    for config, extractor in zip((wave, ast, whisper), extractors, strict=True):
        AutoModel.from_config(config).save_pretrained(folder / config.model_type)
        extractor.save_pretrained(folder / config.model_type)
    return folder


WAVE, AST, WHISPER = "wav2vec2", "audio-spectrogram-transformer", "whisper"


@pytest.mark.parametrize(
    ("network", "file", "change", "sentence"),
    [
        (WAVE, "config", {"conv_stride": [0, 4]}, "are none of a network on samples"),
        (WAVE, "config", {"conv_stride": [-5, 4]}, "are none of a network on samples"),
        (WAVE, "config", {"conv_stride": [10**9, 4]}, "are none of a network on samples"),
        (WAVE, "config", {"num_hidden_layers": 10**6}, "asks for 1,000,000 num_hidden_layers"),
        (WAVE, "preprocessor_config", {"sampling_rate": "a"}, "nothing in .* says how many samp"),
        (
            WHISPER,
            "preprocessor_config",
            {"sampling_rate": 8000},
            "16 x 50 .* reads 16 x 100",
        ),
        (WHISPER, "preprocessor_config", {"chunk_length": 30}, "16 x 3000 .* reads 16 x 100"),
        (WHISPER, "preprocessor_config", {"chunk_length": 10**6}, "has chunk_length 1000000, and"),
        (WHISPER, "preprocessor_config", {"feature_size": 0}, "has feature_size 0, and 1 to 1,024"),
        (WHISPER, "preprocessor_config", {"n_fft": 10**9}, "has n_fft 1000000000, and 1 to"),
        (WHISPER, "preprocessor_config", {"hop_length": -1}, "has hop_length -1, and 1 to"),
        (AST, "preprocessor_config", {"num_mel_bins": 128}, "64 x 128 .* reads 64 x 32"),
        (AST, "preprocessor_config", {"max_length": 10**9}, "has max_length 1000000000, and"),
        (AST, "preprocessor_config", {"mean": "a"}, "the preprocessing in .* cannot be used"),
        (AST, "preprocessor_config", {"feature_extractor_type": "CLIPImageProcessor"}, "be used"),
    ],
)
def test_settings_that_do_not_fit_a_published_network_are_one_sentence(
    network: str, file: str, change: dict, sentence: str, values, published: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(published / network, tmp_path / "changed")
    settings = folder / f"{file}.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | change))
    with pytest.raises(HeadstartError, match=sentence):
        hs.embed(folder, values[:2], quiet=True)


@pytest.mark.parametrize("network", [WAVE, AST, WHISPER])
def test_a_published_network_gives_vectors_and_names_the_file_that_it_lacks(
    network: str, values, published: Path, tmp_path: Path
) -> None:
    assert hs.embed(published / network, values[:2], quiet=True).shape == (2, 128)
    folder = shutil.copytree(published / network, tmp_path / "lacking")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(HeadstartError, match=r"with its preprocessor_config\.json"):
        hs.embed(folder, values[:2], quiet=True)
