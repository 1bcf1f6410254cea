"""Encoder-decoders: what is saved opens in Transformers and here, with the same weights."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    BlenderbotConfig,
    BlenderbotForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MT5Config,
    MT5ForConditionalGeneration,
    MvpConfig,
    MvpForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from headstart.encoders.opening import create_encoder, open_encoder, save_encoder
from headstart.encoders.seq2seq import Seq2SeqEncoder
from headstart.errors import HeadstartError
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer

SENTENCES = ["the quick brown fox jumps over the lazy dog", "pack my box with jugs"] * 4
SIZE = {"layers": 2, "width": 16, "heads": 2, "decoder_layers": 1}
T5_SIZE = {"vocab_size": 60, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
BART_SIZE = {
    "vocab_size": 60,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 40,
}
START = {"pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
MODELS = {
    "t5": lambda: T5ForConditionalGeneration(T5Config(**T5_SIZE, decoder_start_token_id=0)),
    "t5 1.1": lambda: T5ForConditionalGeneration(
        T5Config(**T5_SIZE, decoder_start_token_id=0, tie_word_embeddings=False)
    ),
    "mt5": lambda: MT5ForConditionalGeneration(MT5Config(**T5_SIZE, decoder_start_token_id=0)),
    "bart": lambda: BartForConditionalGeneration(BartConfig(**BART_SIZE, **START)),
    "marian": lambda: MarianMTModel(
        MarianConfig(**BART_SIZE, **START, scale_embedding=True, decoder_vocab_size=60)
    ),
}


def processor() -> TextProcessor:
    return TextProcessor(
        fit_tokenizer(SENTENCES, kind="wordpiece", vocab_size=90, lowercase=True, sentinels=10)
    )


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_a_saved_network_opens_in_transformers_and_here_with_equal_weights(tmp_path):
    words = processor()
    encoder = create_encoder("t5", SIZE, words, length=32, seed=0).eval()
    assert isinstance(encoder, Seq2SeqEncoder)
    save_encoder(encoder, words, tmp_path, {"modality": "text", "length": 32})
    theirs = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    opened = open_encoder(tmp_path)
    assert isinstance(opened, Seq2SeqEncoder)
    assert same_weights(encoder.model, theirs)
    assert same_weights(encoder.model, opened.model)
    batch = words.collate_texts(SENTENCES[:2], 32)
    assert torch.equal(opened.eval().pool(batch), encoder.pool(batch))
    # The tokenizer beside it knows the sentinels: the first is the last of the vocabulary.
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("<extra_id_0>", add_special_tokens=False)["input_ids"] == [len(tokenizer) - 1]
    assert TextProcessor(tokenizer).vocabulary == words.vocabulary
    assert theirs.generate(**tokenizer("the fox", return_tensors="pt"), max_new_tokens=3).shape[0]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_read_and_written_is_what_transformers_reads_and_writes(name, tmp_path):
    torch.manual_seed(0)
    MODELS[name]().eval().save_pretrained(tmp_path)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    if hasattr(model, "final_logits_bias"):
        torch.nn.init.normal_(model.final_logits_bias)
        model.save_pretrained(tmp_path)
    encoder = open_encoder(tmp_path).eval()
    ids = torch.randint(3, 60, (3, 9))
    mask = torch.arange(9) < torch.tensor([[9], [5], [7]])
    written = torch.randint(3, 60, (3, 6))
    features = encoder({"input_ids": ids, "mask": mask})
    ours = encoder.score(encoder.write(features.tokens, mask, written))
    for row in range(3):
        length = int(mask[row].sum())
        theirs = model(input_ids=ids[row : row + 1, :length], labels=written[row : row + 1])
        torch.testing.assert_close(ours[row], theirs.logits[0], rtol=1e-3, atol=1e-4)
        read = theirs.encoder_last_hidden_state[0]
        torch.testing.assert_close(features.tokens[row, :length], read, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(features.pooled[row], read.mean(0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["t5", "bart", "marian"])
def test_documents_that_share_a_row_are_read_as_if_each_were_alone(name):
    torch.manual_seed(0)
    encoder = Seq2SeqEncoder(MODELS[name]().eval())
    ids = torch.randint(3, 60, (1, 11))
    packed = {
        "input_ids": ids,
        "mask": torch.ones_like(ids).bool(),
        "segments": torch.tensor([[1] * 4 + [2] * 7]),
        "positions": torch.tensor([[*range(4), *range(7)]]),
    }
    tokens = encoder(packed).tokens[0]
    for part in (slice(0, 4), slice(4, 11)):
        alone = {"input_ids": ids[:, part], "mask": torch.ones_like(ids[:, part]).bool()}
        torch.testing.assert_close(tokens[part], encoder(alone).tokens[0], rtol=1e-3, atol=1e-4)


def test_an_untrained_network_has_the_same_shape_and_other_weights():
    encoder = create_encoder("t5", SIZE, processor(), length=32, seed=0)
    fresh = encoder.untrained()
    assert [p.shape for p in fresh.parameters()] == [p.shape for p in encoder.parameters()]
    assert not torch.equal(fresh.token_embedding.weight, encoder.token_embedding.weight)
    assert len(encoder.layers()) == 3
    assert "dropout" not in encoder.provides
    dropping = create_encoder("t5", {**SIZE, "dropout": 0.1}, processor(), length=32, seed=0)
    assert "dropout" in dropping.provides


def test_a_network_that_cannot_be_reproduced_is_refused(tmp_path):
    """MVP's prompts, which it has whatever the text, lie in no packed row."""
    config = MvpConfig(
        vocab_size=40, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        encoder_attention_heads=2, decoder_attention_heads=2, decoder_ffn_dim=16,
        max_position_embeddings=32,
    )  # fmt: skip
    torch.manual_seed(0)
    model = MvpForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.25)
    model.save_pretrained(tmp_path)
    with pytest.raises(HeadstartError, match=r"network 'mvp' .* cannot be an encoder"):
        open_encoder(tmp_path)


def test_kinds_are_not_looked_up_in_a_list(tmp_path):
    config = BlenderbotConfig(
        vocab_size=40, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        encoder_attention_heads=2, decoder_attention_heads=2, decoder_ffn_dim=16,
        max_position_embeddings=32,
    )  # fmt: skip
    BlenderbotForConditionalGeneration(config).save_pretrained(tmp_path)
    encoder = open_encoder(tmp_path).eval()
    assert encoder.limit == 32
    ids = torch.randint(3, 40, (1, 5))
    alone = encoder({"input_ids": ids, "mask": ids > 0}).pooled
    left = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], 1)
    torch.testing.assert_close(encoder({"input_ids": left, "mask": left > 0}).pooled, alone)
    with pytest.raises(HeadstartError, match="has 32 positions"):
        encoder({"input_ids": ids.repeat(1, 7), "mask": ids.repeat(1, 7) > 0})
