"""Generation from a prefix: who sees whom, the first token by hand, and beyond the context."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file, save_file

from headstart.config import PretrainConfig
from headstart.deployment.generate import generate, open_token_head
from headstart.encoders.opening import create_encoder, open_encoder, save_encoder
from headstart.errors import HeadstartError
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives.heads import TokenHead
from headstart.run import RunFolder

CONTEXT = 14


def make_processor() -> TextProcessor:
    texts = ["abcdefghijklmnopqrstuvwxyz ."] * 2
    return TextProcessor(fit_tokenizer(texts, kind="char", vocab_size=64))


@pytest.fixture
def make_run(tmp_path) -> Callable[..., RunFolder]:
    def make(objective: str, kind: str = "bert") -> RunFolder:
        processor = make_processor()
        size = {"layers": 2, "width": 16, "heads": 2}
        encoder = create_encoder(kind, size, processor, length=32, seed=0)
        with torch.no_grad():  # far from uniform, so that the likeliest token is clear
            for parameter in encoder.parameters():
                parameter.mul_(6 if parameter.ndim == 2 else 1)
        options = PretrainConfig(sources=["x"], out=str(tmp_path / objective), objective=objective)
        run = RunFolder.create(tmp_path / objective, "pretrain", options)
        save_encoder(encoder, processor, run.encoder, {"modality": "text", "length": CONTEXT})
        torch.manual_seed(0)
        head = TokenHead(encoder.token_embedding, transform=objective != "prefix")
        torch.nn.init.normal_(head.decoder.bias, std=2.0)
        run.head.mkdir()
        head.save(run.head, objective)
        return run

    return make


def by_hand(run: RunFolder, prompt: str, written: str) -> str:
    """Return the likeliest next letter: the prompt sees itself, what is written its left too."""
    processor = make_processor()
    encoder = open_encoder(run.encoder).eval()
    head = open_token_head(run, encoder)
    tokenizer = processor.tokenizer
    first = [tokenizer.cls_token_id, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    second = tokenizer(written, add_special_tokens=False)["input_ids"] if written else []
    batch = {}
    if run.folder.name == "unilm":
        first, second = [*first, tokenizer.sep_token_id], [*second, tokenizer.mask_token_id]
        batch["token_types"] = torch.tensor([[0] * len(first) + [1] * len(second)])
    ids = torch.tensor([first + second])
    count = ids.shape[1]
    seen = torch.tensor([[[j < len(first) or j <= i for j in range(count)] for i in range(count)]])
    batch |= {"input_ids": ids, "mask": torch.ones_like(ids).bool()}
    with torch.no_grad():
        scores = head(encoder.contextualize(encoder.embed(batch), seen))[0, -1]
    scores = scores[: len(tokenizer)]
    special = [t for t in processor.vocabulary.special_ids if t != tokenizer.sep_token_id]
    scores[special] = -torch.inf
    best = int(scores.argmax())
    return "" if best == tokenizer.sep_token_id else tokenizer.decode([best])


@pytest.mark.parametrize("objective", ["prefix", "unilm"])
@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_each_letter_is_the_likeliest_after_the_prompt_and_what_was_written(
    make_run, objective, kind
):
    run, prompt, text = make_run(objective, kind), "hello", ""
    for _ in range(4):
        text += by_hand(run, prompt, text)
    assert generate(run, prompt, tokens=4, temperature=0) == prompt + text


@pytest.mark.parametrize("objective", ["prefix", "unilm"])
def test_text_goes_on_beyond_the_context_and_stops_at_the_limit(make_run, objective):
    run = make_run(objective)
    text = generate(run, "abc", tokens=50, temperature=2.0, seed=3)
    assert text.startswith("abc")
    assert len(text) <= 53
    assert text == generate(run, "abc", tokens=50, temperature=2.0, seed=3)
    lengths = {len(generate(run, "abc", tokens=50, temperature=9.0, seed=s)) for s in range(6)}
    assert max(lengths) > CONTEXT


def test_a_prompt_must_leave_room_for_what_closes_it(make_run):
    run = make_run("unilm")
    assert generate(run, "abcdefghijk", tokens=2).startswith("abcdefghijk")
    with pytest.raises(HeadstartError, match="13 tokens long, but the run's context is 14 with"):
        generate(run, "abcdefghijkl", tokens=2)
    run = make_run("prefix")
    with pytest.raises(HeadstartError, match="15 tokens long, but the run's context is 14"):
        generate(run, "abcdefghijklmn", tokens=2)


def test_a_run_without_such_a_head_is_refused_with_the_objectives_that_write(make_run):
    with pytest.raises(HeadstartError, match="--objective clm, prefix, unilm"):
        generate(make_run("mlm"), "abc")


def test_a_head_with_a_missing_tensor_is_refused(make_run):
    run = make_run("unilm")
    file = run.head / "head.safetensors"
    state = load_file(file)
    del state["decoder.bias"]
    save_file(state, file)
    with pytest.raises(HeadstartError, match="cannot be opened"):
        open_token_head(run, open_encoder(run.encoder))
