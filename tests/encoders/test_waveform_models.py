"""Networks of recordings from Transformers: their own preprocessing, lengths, and folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from headstart.encoders.conformer import Conformer, ConformerOptions
from headstart.encoders.opening import create_encoder, open_encoder, open_processor, read_note
from headstart.encoders.recordings import FrameEncoder
from headstart.errors import HeadstartError
from headstart.modalities.audio.processor import AudioProcessor
from headstart.modalities.audio.reading import Reading
from headstart.seeding import generator

BLOCKS = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
WAVE = {
    **BLOCKS,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
WAVES = ("Wav2Vec2", "Hubert", "WavLM", "Data2VecAudio", "Wav2Vec2Conformer")


def batch(*lengths: int) -> dict[str, torch.Tensor]:
    waveform = torch.zeros(len(lengths), 1, max(lengths))
    for seed, (row, length) in enumerate(zip(waveform, lengths, strict=True)):
        row[0, :length] = torch.randn(length, generator=generator(seed)) * 0.1
    return {"waveform": waveform, "lengths": torch.tensor(lengths)}


def network(name: str) -> Any:
    """Return a small network of Transformers and its preprocessing."""
    torch.manual_seed(0)
    if name == "Whisper":
        config = transformers.WhisperConfig(
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            vocab_size=20,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
            begin_suppress_tokens=[1],
        )
        return transformers.WhisperModel(config).eval(), WhisperFeatureExtractor()
    if name == "AST":
        config = transformers.ASTConfig(**BLOCKS, max_length=128)
        return transformers.ASTModel(config).eval(), ASTFeatureExtractor(max_length=128)
    config = getattr(transformers, f"{name}Config")(**WAVE, conv_pos_kernel_size=3)
    return getattr(transformers, f"{name}Model")(config).eval(), Wav2Vec2FeatureExtractor()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Callable[[str], Path]:
    """Return a function that writes a small network into a folder, as its authors would."""

    def write(name: str) -> Path:
        made = tmp_path_factory.mktemp(name)
        model, extractor = network(name)
        model.save_pretrained(made)
        extractor.save_pretrained(made)
        return made

    return write


@pytest.mark.parametrize("name", WAVES)
def test_a_published_network_gives_its_own_vectors_and_padding_does_not_matter(name, folder):
    encoder = open_encoder(folder(name)).eval()
    assert isinstance(encoder, FrameEncoder)
    both, alone = batch(3000, 9000), batch(3000)
    with torch.no_grad():
        found, single = encoder(both), encoder(alone)
        model, extractor = network(name)
        entry = extractor(alone["waveform"][0, 0].numpy(), sampling_rate=16000, return_tensors="pt")
        own = model(entry.input_values).last_hidden_state
    torch.testing.assert_close(single.tokens, own, atol=1e-4, rtol=1e-4)
    assert found.mask.sum(1).tolist() == [9, 27] == encoder.frames(both["lengths"]).tolist()
    torch.testing.assert_close(found.tokens[:1, :9], single.tokens, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.pooled[:1], single.pooled, atol=1e-4, rtol=1e-3)
    assert found.pooled.shape == (2, encoder.width) == (2, 8 * 16)


@pytest.mark.parametrize("name", ["Whisper", "AST"])
def test_a_network_on_spectrograms_describes_a_recordings_own_frames(name, folder):
    encoder = open_encoder(folder(name)).eval()
    both, alone = batch(8000, 16000), batch(8000)
    with torch.no_grad():
        found, single = encoder(both), encoder(alone)
    torch.testing.assert_close(found.pooled[:1], single.pooled, atol=1e-4, rtol=1e-3)
    # Whisper: 50 vectors a second; AST: patches of 16 frames, a tenth of a second apart.
    assert found.mask.sum(1).tolist() == ([25, 50] if name == "Whisper" else [4, 9])
    model, extractor = network(name)
    entry = extractor([alone["waveform"][0, 0].numpy()], sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        if name == "Whisper":
            own = model.encoder(entry.input_features).last_hidden_state
        else:
            last = model(entry.input_values).last_hidden_state[:, 2:]
            own = last.view(1, 12, 12, 16).mean(1)
    torch.testing.assert_close(single.tokens, own, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["Wav2Vec2", "WavLM", "Whisper", "AST"])
def test_what_learns_gets_a_gradient_lies_in_a_layer_and_is_saved(name, folder, tmp_path):
    encoder = open_encoder(folder(name))
    given = batch(3000, 7000)
    encoder.train()(given).pooled.square().sum().backward()
    learns = {n: p for n, p in encoder.named_parameters() if p.requires_grad}
    assert [n for n, p in learns.items() if p.grad is None or not p.grad.any()] == []
    inside = {id(p) for layer in encoder.layers() for p in layer.parameters()}
    assert [n for n, p in learns.items() if id(p) not in inside] == []
    encoder.eval().save(tmp_path)
    again = open_encoder(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(again.pool(given), encoder.pool(given))
    assert type(transformers.AutoModel.from_pretrained(tmp_path)) is type(encoder.model)
    transformers.AutoFeatureExtractor.from_pretrained(tmp_path)
    assert encoder.untrained().width == encoder.width


def test_a_folder_of_others_says_its_rate_and_is_of_recordings(folder):
    pytest.importorskip("soundfile", reason="the extra `audio` is not installed")
    made = folder("Hubert")
    assert read_note(made)["modality"] == "audio"
    assert open_processor(made).rate == 16000
    assert read_note(folder("Whisper"))["modality"] == "audio"


def test_a_network_with_an_adapter_is_refused(tmp_path):
    config = transformers.Wav2Vec2Config(**WAVE, add_adapter=True)
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path)
    with pytest.raises(HeadstartError, match="without an adapter"):
        open_encoder(tmp_path)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_frame_from_scratch_lasts_20_ms_whatever_the_rate(rate):
    small = {"width": 16, "layers": 1, "heads": 2, "channels": 8}
    processor = AudioProcessor(Reading(rate), 50)
    encoder = create_encoder("wav2vec2", small, processor, length=50, seed=0).eval()
    assert encoder.rate == rate
    assert 0.014 < encoder.step / rate < 0.029
    both, alone = batch(rate // 4, rate // 2), batch(rate // 4)
    with torch.no_grad():
        torch.testing.assert_close(
            encoder.pool(both)[:1], encoder.pool(alone), atol=1e-4, rtol=1e-3
        )
        louder = {**alone, "waveform": alone["waveform"] * 5}
        torch.testing.assert_close(encoder.pool(louder), encoder.pool(alone), atol=1e-3, rtol=1e-2)
        # The shortest recording that is read.
        assert encoder(batch(rate // 25)).mask.sum() >= 1


def test_a_record_in_a_batch_of_a_conformer_is_as_if_alone(tmp_path):
    torch.manual_seed(0)
    encoder = Conformer(ConformerOptions(width=16, layers=2, heads=2), 8000).eval()
    both, alone = batch(3070, 5170), batch(3070)
    with torch.no_grad():
        found, single = encoder(both), encoder(alone)
        count = single.tokens.shape[1]
        torch.testing.assert_close(found.tokens[:1, :count], single.tokens, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.pooled[:1], single.pooled, atol=1e-5, rtol=1e-4)
        encoder.save(tmp_path)
        torch.testing.assert_close(open_encoder(tmp_path).eval().pool(both), found.pooled)
    assert found.mask.sum(1).tolist() == encoder.frames(both["lengths"]).tolist() == [19, 32]
    encoder.pool(both).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())
    with pytest.raises(HeadstartError, match="must be odd"):
        create_encoder("conformer", {"kernel": 4}, None, length=100, seed=0)
    (tmp_path / "config.json").write_text('{"network": "conformer"}')
    with pytest.raises(HeadstartError, match="cannot be read"):
        Conformer.load(tmp_path)
