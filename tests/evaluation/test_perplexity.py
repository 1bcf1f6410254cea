"""Perplexity by hand: each token is predicted once, by the run and by the alternatives."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from datasets import Dataset

import headstart as hs
from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.evaluation import windows
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.perplexity import (
    ModelScore,
    Perplexity,
    check_objective,
    perplexity,
)
from headstart.evaluation.windows import windows_of
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.objectives.heads import TokenHead

LETTERS = "abcdefgh ü"
SIZE = {"layers": 1, "width": 16, "heads": 2}


def words(wrap=True):
    return TextProcessor(fit_tokenizer([LETTERS] * 2, kind="char", vocab_size=40, wrap=wrap))


def made(processor, kind="gpt", seed=0):
    encoder = create_encoder(kind, SIZE, processor, length=16, seed=seed).eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(4 if parameter.ndim == 2 else 1)
    head = TokenHead(encoder.token_embedding, transform=False)
    torch.nn.init.normal_(head.decoder.bias)
    return encoder, head.eval()


def texts(*values):
    return Dataset.from_list([{"id": str(n), "text": text} for n, text in enumerate(values)])


@pytest.mark.parametrize("kind", ["gpt", "modernbert"])
def test_perplexity_is_that_of_each_token_after_those_before_it(kind):
    processor = words()
    encoder, head = made(processor, kind)
    records = texts("abc", "hü ga", "d")
    total, count = 0.0, 0
    for text in records["text"]:
        ids = processor.encode_ids([text])[0]
        for index in range(1, len(ids)):
            read = torch.tensor([ids[:index]])
            with torch.no_grad():
                vector = encoder({"input_ids": read, "mask": torch.ones_like(read).bool()})
                logits = head(vector.tokens[0, -1])
            total -= logits.log_softmax(0)[ids[index]].item()
            count += 1
    found = perplexity(encoder, head, processor, "clm", records, None, context=16)
    ours = found.foreseen[0]
    assert found.tokens == count == 4 + 6 + 2
    assert ours.perplexity.mean == pytest.approx(math.exp(total / count), rel=1e-4)
    assert ours.bits_a_byte.mean == pytest.approx(total / math.log(2) / (3 + 6 + 1), rel=1e-4)


def test_of_many_tokens_some_windows_are_drawn_and_the_rest_is_told(monkeypatch):
    processor = words()
    encoder, head = made(processor)
    records = texts(*(LETTERS[number % 5 :] * 5 for number in range(60)))
    whole = perplexity(encoder, head, processor, "clm", records, None, context=16)
    monkeypatch.setattr(windows, "MOST_TESTED", whole.tokens // 3)
    some = perplexity(encoder, head, processor, "clm", records, None, context=16)
    assert not whole.notes
    assert 0.8 * whole.tokens // 3 < some.tokens < 1.2 * whole.tokens // 3
    assert "drawn at random" in some.notes[0]
    low, high = some.foreseen[0].perplexity.low, some.foreseen[0].perplexity.high
    assert low < whole.foreseen[0].perplexity.mean < high


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("wrap", [False, True])
def test_windows_predict_each_token_of_a_long_text_once_with_half_a_window_of_context(wrap, halves):
    processor = words(wrap)
    text = "abcü efgh" * 7
    ids = processor.encode_ids([text])[0]
    parts = list(windows_of(processor, [text], 16, halves=halves))
    predicted = np.concatenate([window.ids[window.seen :] for window in parts])
    first = parts[0].seen
    assert predicted.tolist() == ids[first:]
    assert all(window.seen == 8 and len(window.ids) <= 16 for window in parts[1:])
    wanted = text if first == 1 and wrap else text[first - wrap :]
    assert sum(window.written for window in parts) == len(wanted.encode())


def test_a_prefix_is_read_in_both_directions_and_what_follows_is_predicted_causally():
    processor = words()
    encoder, head = made(processor, "modernbert")
    ids = processor.encode_ids(["abcdefg"])[0]
    half = len(ids) // 2
    total = 0.0
    for index in range(half, len(ids)):
        read = torch.tensor([ids[:index]])
        seen = torch.ones(1, index, index, dtype=torch.bool).tril()
        seen[:, :, :half] = True
        batch = {"input_ids": read, "mask": torch.ones_like(read).bool()}
        with torch.no_grad():
            vector = encoder.contextualize(encoder.embed(batch), seen)[0, -1]
            total -= head(vector).log_softmax(0)[ids[index]].item()
    found = perplexity(encoder, head, processor, "prefix", texts("abcdefg"), None, context=16)
    wanted = math.exp(total / (len(ids) - half))
    assert found.foreseen[0].perplexity.mean == pytest.approx(wanted, rel=1e-3)


def test_the_verdict_names_the_best_alternative_and_the_interval_holds_the_figure():
    processor = words()
    encoder, head = made(processor)
    random = np.random.default_rng(0)
    # The n-gram model has read texts of one kind, which an untrained network cannot predict.
    kind = ["abcd efgh " * int(n) for n in random.integers(1, 4, size=60)]
    found = perplexity(
        encoder, head, processor, "clm", texts(*kind[:30]), texts(*kind[30:]), context=16
    )
    assert found.verdict.startswith("No: a simpler model predicts these texts better (perplexity")
    assert found.verdict.endswith("-grams).")
    assert found.ngrams.tokens == sum(len(text) + 2 for text in kind[30:])
    assert f"fitted on all {found.ngrams.tokens:,} tokens" in str(found)
    assert found.gain.high < 0
    for one in found.foreseen:
        assert one.perplexity.low < one.perplexity.mean < one.perplexity.high
    assert found.summary()["verdict"] == str(found).splitlines()[0]
    few = perplexity(encoder, head, processor, "clm", texts(*kind[:3]), None, context=16)
    assert "fewer than 20 texts" in few.notes[0]


def test_without_texts_of_the_pretraining_there_is_no_yes():
    score = ModelScore("x", Estimate(2, 1, 3), Estimate(2, 1, 3))
    found = Perplexity([score, score], 30, 100, gain=Estimate(0.5, 0.4, 0.6))
    assert found.sign == 0
    assert found.verdict.startswith("Unknown: there are no n-grams of the pre-training")


@pytest.mark.parametrize("wrap", [False, True])
def test_the_surprises_of_a_text_are_its_pieces_with_their_bits(wrap):
    processor = words(wrap)
    encoder, head = made(processor)
    text = "hü ga"
    found = perplexity(encoder, head, processor, "clm", texts(text), None, context=16)
    (surprises,) = found.surprises
    assert surprises.before + "".join(piece for piece, _ in surprises.pieces) == text
    assert [piece for piece, _ in surprises.pieces] == list(text)[not wrap :]
    assert surprises.before == ("" if wrap else "h")
    # The end token is predicted, too, and is no piece of the text.
    bits = found.tokens * math.log2(found.foreseen[0].perplexity.mean)
    total = sum(bits for _, bits in surprises.pieces)
    assert total < bits if wrap else total == pytest.approx(bits, rel=1e-5)


def test_samples_go_on_from_the_tested_texts_and_other_objectives_are_refused():
    processor = words()
    encoder, head = made(processor)
    records = texts("abc def gh", "a b c d e f g h")
    found = perplexity(
        encoder, head, processor, "clm", records, None, context=16, write=lambda p: p + "!"
    )
    assert [sample["prompt"] for sample in found.samples] == ["abc", "a b c d"]
    assert all(sample["written"] == "!" for sample in found.samples)
    for objective in ("bart", "mlm", None):
        with pytest.raises(HeadstartError, match="perplexity is of runs of clm and prefix"):
            check_objective(objective)
    bare = words(wrap=False)
    with pytest.raises(HeadstartError, match="too short to predict"):
        perplexity(*made(bare), bare, "clm", texts("a"), None, context=16)


def pretrained(folder, objective):
    source = folder / "texts.txt"
    source.write_text("\n".join(f"abcd efgh {n} ab ef {n % 7} h g f e" for n in range(200)))
    return hs.pretrain(
        str(source),
        out=str(folder / objective),
        objective=objective,
        budget="3steps",
        batch_size=8,
        length=32,
        tracker="none",
        encoder_options=SIZE,
    )


def test_a_run_that_writes_is_measured_by_the_verb_and_others_before_anything_is_read(tmp_path):
    tested = tmp_path / "tested.csv"
    tested.write_text("text,label\n" + "".join(f"abcd {n} efgh,x\n" for n in range(30)))
    run = pretrained(tmp_path, "clm")
    found = run.evaluate(str(tested), task="perplexity")
    assert found.texts == 30
    assert len(found.foreseen) == 3
    assert [len(sample["written"]) > 0 for sample in found.samples] == [True] * 3
    page = (run.folder / "perplexity.html").read_text()
    assert "--task perplexity" in page
    assert list(found.about) == ["run", "texts", "date", "versions"]
    for value in found.about.values():
        assert value in page
        assert value in str(found)
    assert json.loads((run.folder / "perplexity.json").read_text())["verdict"] == found.verdict
    masked = pretrained(tmp_path, "mlm")
    with pytest.raises(HeadstartError, match="perplexity is of runs of clm and prefix"):
        masked.evaluate("nowhere.csv", task="perplexity")
