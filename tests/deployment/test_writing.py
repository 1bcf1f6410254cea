"""Filling holes: the tokens that are generated, limits, refusals, and no loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from headstart.config import PretrainConfig
from headstart.deployment.generate import generate
from headstart.deployment.writing import Sampling, _fillings, _with_holes, write
from headstart.encoders.opening import create_encoder, open_encoder, save_encoder
from headstart.errors import HeadstartError
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives.rewriting import save_head_description
from headstart.run import RunFolder

CONTEXT = 14


def make_processor() -> TextProcessor:
    texts = ["abcdefghijklmnopqrstuvwxyz ."] * 2
    return TextProcessor(fit_tokenizer(texts, kind="char", vocab_size=64, sentinels=5))


@pytest.fixture
def make_run(tmp_path) -> Callable[..., RunFolder]:
    def make(objective: str) -> RunFolder:
        processor = make_processor()
        size = {"layers": 2, "width": 16, "heads": 2}
        encoder = create_encoder("t5", size, processor, length=32, seed=0)
        with torch.no_grad():  # far from uniform, so that the likeliest token is clear
            for parameter in encoder.parameters():
                parameter.mul_(4 if parameter.ndim == 2 else 1)
        options = PretrainConfig(sources=["x"], out=str(tmp_path / objective), objective=objective)
        run = RunFolder.create(tmp_path / objective, "pretrain", options)
        save_encoder(encoder, processor, run.encoder, {"modality": "text", "length": CONTEXT})
        run.head.mkdir()
        save_head_description(run.head, objective)
        return run

    return make


def likeliest(run: RunFolder, read: list[int], opening: list[int], count: int) -> list[int]:
    """Write greedily with the encoder's own two halves, read anew for each token."""
    processor, encoder = make_processor(), open_encoder(run.encoder).eval()
    ids = torch.tensor([read])
    mask = torch.ones_like(ids).bool()
    special = set(processor.vocabulary.special_ids) - {processor.tokenizer.sep_token_id}
    if run.folder.name == "span_corruption":
        special -= set(processor.vocabulary.sentinel_ids)
    written = list(opening)
    with torch.no_grad():
        memory = encoder({"input_ids": ids, "mask": mask}).tokens
        while len(written) < len(opening) + count:
            target = torch.tensor([[*written, 0]])
            scores = encoder.score(encoder.write(memory, mask, target))[0, -1]
            scores[[*special, *range(processor.vocabulary.size, len(scores))]] = -torch.inf
            runs = [written[i : i + 3] for i in range(len(written) - 2)]
            for run_ in runs:
                if run_[:2] == written[-2:]:
                    scores[run_[2]] = -torch.inf
            token = int(scores.argmax())
            if token == processor.tokenizer.sep_token_id:
                break
            written.append(token)
    return written


@pytest.mark.parametrize("objective", ["span_corruption", "bart", "gap_sentences"])
def test_each_token_is_the_likeliest_after_what_was_read_and_written(make_run, objective):
    run, processor = make_run(objective), make_processor()
    tokenizer = processor.tokenizer
    hole = (
        processor.vocabulary.sentinel_ids[0]
        if objective == "span_corruption"
        else tokenizer.mask_token_id
    )
    letters = tokenizer("hello", add_special_tokens=False)["input_ids"]
    read = [tokenizer.cls_token_id, *letters, hole, tokenizer.sep_token_id]
    opening = {"span_corruption": [hole], "bart": [tokenizer.cls_token_id]}.get(objective, [])
    written = likeliest(run, read, opening, 6)
    if objective == "span_corruption":
        expected = "hello " + _fillings(processor, written, 1)[0]
    else:
        expected = tokenizer.decode(written, skip_special_tokens=True).strip()
        expected = f"hello {expected}" if objective == "gap_sentences" else expected
    assert generate(run, "hello", tokens=6, temperature=0) == expected.strip()


@pytest.mark.parametrize("objective", ["span_corruption", "bart", "gap_sentences"])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_what_is_written_stops_at_the_limit_and_never_says_three_tokens_twice(
    make_run, objective, temperature
):
    run, processor = make_run(objective), make_processor()
    encoder = open_encoder(run.encoder)
    # A network that only ever wants to go on.
    encoder.model.lm_head.weight.data[processor.tokenizer.sep_token_id] = 0.0
    for tokens in (1, 7, 60):
        sampling = Sampling(tokens, temperature, 0, seed=1)
        text = write(encoder, processor, "abc", objective, CONTEXT, sampling)
        assert text == write(encoder, processor, "abc", objective, CONTEXT, sampling)
        assert len(text) <= len("abc ") + tokens
    continuation = text.removeprefix("abc ")
    threes = [continuation[i : i + 3] for i in range(len(continuation) - 2)]
    if objective != "span_corruption":  # whose spans follow one another
        assert len(set(threes)) == len(threes)


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(make_run):
    run = make_run("span_corruption")
    assert generate(run, "abcdefghijk", tokens=2).startswith("abcdefghijk")
    with pytest.raises(HeadstartError, match=r"15 tokens long .* context is 14"):
        generate(run, "abcdefghijkl", tokens=2)
    with pytest.raises(HeadstartError, match="6 holes, but the run knows 5"):
        generate(run, "[MASK]" * 6, tokens=2)


def test_learned_positions_are_never_overrun(make_run):
    from transformers import BartConfig, BartForConditionalGeneration

    from headstart.encoders.seq2seq import Seq2SeqEncoder

    torch.manual_seed(0)
    processor = make_processor()
    model = BartForConditionalGeneration(
        BartConfig(
            vocab_size=processor.vocabulary.size,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=10,
            pad_token_id=0,
            eos_token_id=4,
            decoder_start_token_id=4,
            forced_eos_token_id=None,
        )
    )
    sampling = Sampling(500, 1.0, 0, seed=0)
    assert len(write(Seq2SeqEncoder(model), processor, "abc", "bart", 10, sampling)) <= 10


def test_holes_are_numbered_and_each_is_filled_with_its_own_span():
    processor = make_processor()
    ids = processor.tokenizer("abcd", add_special_tokens=False)["input_ids"]
    one, two, three = processor.vocabulary.sentinel_ids[:3]
    read = _with_holes(processor, ["a", "b", "c"], spans=True)
    assert [token for token in read if token in processor.vocabulary.sentinel_ids] == [one, two]
    written = [one, ids[0], two, ids[1], ids[2], three, ids[3], one, ids[3]]
    assert _fillings(processor, written, 2) == ["a", "bc"]
    assert _fillings(processor, [two, ids[1]], 2) == ["", "b"]


def test_a_prompt_with_holes_keeps_its_words_around_what_is_filled_in(make_run):
    run = make_run("span_corruption")
    text = generate(run, "AB [MASK] CD <extra_id_7>!", tokens=8, temperature=0)
    assert text.startswith("AB ")
    assert " CD " in text
    assert text.endswith("!")
