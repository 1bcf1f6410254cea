"""Generation: the same text with and without a cache, within the context and beyond it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2Model, LlamaConfig, LlamaModel

from headstart.config import PretrainConfig
from headstart.deployment.generate import _CachedReader, _Reader, generate
from headstart.encoders.ngrams import NgramEmbedding
from headstart.encoders.opening import save_encoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.errors import HeadstartError
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives.heads import TokenHead
from headstart.run import RunFolder

CONTEXT = 12


def make_processor(wrap: bool) -> TextProcessor:
    texts = ["abcdefghijklmnopqrstuvwxyz ."] * 2
    return TextProcessor(fit_tokenizer(texts, kind="char", vocab_size=64, wrap=wrap))


def make_model(kind: str, size: int):
    torch.manual_seed(0)
    if kind == "gpt2":
        model = GPT2Model(
            GPT2Config(vocab_size=size, n_positions=16, n_embd=16, n_layer=2, n_head=2)
        )
    else:
        model = LlamaModel(
            LlamaConfig(
                vocab_size=size,
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=64,
            )
        )
    with torch.no_grad():  # far from uniform, so that the likeliest token is clear
        for parameter in model.parameters():
            parameter.mul_(6 if parameter.ndim == 2 else 1)
    return model


@pytest.fixture
def make_run(tmp_path) -> Callable[..., RunFolder]:
    def make(
        kind: str = "llama", *, wrap: bool = True, objective: str = "clm", orders: tuple = ()
    ) -> RunFolder:
        processor = make_processor(wrap)
        encoder = TransformerEncoder(make_model(kind, processor.vocabulary.size + 3))
        if orders:
            encoder.ngrams = NgramEmbedding(orders, 16, buckets=50)
            for table in encoder.ngrams.tables:
                torch.nn.init.normal_(table.weight)
        options = PretrainConfig(sources=["x"], out=str(tmp_path / kind), objective=objective)
        run = RunFolder.create(tmp_path / kind, "pretrain", options)
        save_encoder(encoder, processor, run.encoder, {"modality": "text", "length": CONTEXT})
        head = TokenHead(encoder.token_embedding, transform=False)
        torch.nn.init.normal_(head.decoder.bias, std=3.0)
        run.head.mkdir()
        head.save(run.head, objective)
        return run

    return make


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_greedy_text_is_the_same_with_and_without_a_cache(make_run, kind):
    run = make_run(kind)
    options = {"tokens": 5 * CONTEXT, "temperature": 0}
    cached = generate(run, "abc ", **options)
    assert cached == generate(run, "abc ", **options, cache=False)
    assert cached.startswith("abc ")
    assert len(set(cached)) > 3


def test_n_grams_reach_back_over_what_the_cache_holds(make_run):
    encoder = TransformerEncoder.load(make_run(orders=(2, 4)).encoder).eval()
    cached, anew = _CachedReader(encoder), _Reader(encoder)
    window = [6, 7]
    with torch.no_grad():
        for token in (9, 6, 8, 8, 5, 7):
            window.append(token)
            torch.testing.assert_close(cached.last(window), anew.last(window))


def test_the_first_token_is_the_likeliest_of_the_tied_head(make_run):
    run = make_run(wrap=False)
    processor = make_processor(wrap=False)
    encoder = TransformerEncoder.load(run.encoder).eval()
    from safetensors.torch import load_file

    bias = load_file(run.head / "head.safetensors")["decoder.bias"]
    ids = processor.encode_ids(["hello"])
    batch = {"input_ids": torch.tensor(ids), "mask": torch.ones(1, 5, dtype=torch.bool)}
    with torch.no_grad():
        logits = encoder(batch).tokens[0, -1] @ encoder.token_embedding.weight.T + bias
    logits = logits[: processor.vocabulary.size]
    logits[list(processor.vocabulary.special_ids)] = -math.inf
    wanted = processor.tokenizer.decode([int(logits.argmax())])
    assert generate(run, "hello", tokens=1, temperature=0) == "hello" + wanted


def test_greedy_text_is_that_of_transformers_on_the_same_folder(make_run):
    run, processor = make_run(), make_processor(wrap=True)
    model = AutoModelForCausalLM.from_pretrained(run.encoder)
    from safetensors.torch import load_file

    layer = torch.nn.Linear(16, model.config.vocab_size)
    layer.weight = model.get_input_embeddings().weight
    with torch.no_grad():
        layer.bias.copy_(load_file(run.head / "head.safetensors")["decoder.bias"])
    model.lm_head = layer
    ids = processor.encode_ids(["ab"])[0][:-1]
    end = processor.tokenizer.sep_token_id
    special = [token for token in processor.vocabulary.special_ids if token != end]
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        max_new_tokens=CONTEXT - len(ids),
        do_sample=False,
        suppress_tokens=[*special, *range(processor.vocabulary.size, model.config.vocab_size)],
        eos_token_id=end,
        pad_token_id=0,
    )
    theirs = processor.tokenizer.decode(out[0], skip_special_tokens=True)
    assert generate(run, "ab", tokens=CONTEXT - len(ids), temperature=0) == theirs


def test_text_beyond_the_context_goes_on_from_its_later_half(make_run):
    run = make_run(wrap=False)
    options = {"temperature": 0, "cache": False}
    filled = generate(run, "abcdefg", tokens=CONTEXT - 7, **options)
    assert len(filled) == CONTEXT
    longer = generate(run, "abcdefg", tokens=CONTEXT - 7 + 4, **options)
    assert longer == filled + generate(run, filled[-CONTEXT // 2 :], tokens=4, **options)[6:]


def test_a_seed_gives_one_text_and_another_seed_another(make_run):
    run = make_run(wrap=False)
    texts = [generate(run, "a", tokens=30, temperature=5.0, seed=seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_the_most_likely_of_one_is_greedy(make_run):
    run = make_run(wrap=False)
    greedy = generate(run, "abc", tokens=20, temperature=0)
    assert generate(run, "abc", tokens=20, temperature=2.0, top_k=1) == greedy
    assert generate(run, "abc", tokens=20, temperature=2.0) != greedy


def test_only_text_is_written_however_hot(make_run):
    text = generate(make_run(wrap=False), "a", tokens=200, temperature=1e4)
    assert len(text) == 201
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz .")


def test_the_end_token_ends_the_text(make_run):
    run = make_run()
    from safetensors.torch import load_file, save_file

    bias = load_file(run.head / "head.safetensors")["decoder.bias"]
    bias[make_processor(wrap=True).tokenizer.sep_token_id] = 1e6
    save_file({"decoder.bias": bias}, run.head / "head.safetensors")
    assert generate(run, "abc", tokens=20) == "abc"


def test_a_prompt_as_long_as_the_context_is_taken_and_a_longer_one_refused(make_run):
    run = make_run(wrap=False)
    assert len(generate(run, "abcdefghijkl", tokens=3)) == 15
    with pytest.raises(HeadstartError, match="13 tokens long, but the run's context is 12"):
        generate(run, "abcdefghijklm", tokens=3)


def test_an_empty_prompt_begins_a_text_where_the_tokenizer_can(make_run):
    assert len(generate(make_run("gpt2"), "", tokens=3, temperature=1.0)) <= 3
    with pytest.raises(HeadstartError, match="has no token to begin a text with; give a --prompt"):
        generate(make_run("llama", wrap=False), "")


def test_a_run_that_was_not_trained_to_write_is_refused(make_run):
    run = make_run(objective="mlm")
    with pytest.raises(HeadstartError, match=r"cannot write text: .* --objective clm"):
        generate(run, "abc")


@pytest.mark.parametrize("temperature", [1e-320, 1e-5])
def test_next_to_no_temperature_is_none(make_run, temperature):
    run = make_run("gpt")
    greedy = generate(run, "abc ", tokens=5, temperature=0)
    assert generate(run, "abc ", tokens=5, temperature=temperature) == greedy
