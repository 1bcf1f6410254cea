"""Questions get the span of their context that answers them, or none."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForQuestionAnswering, BertConfig, BertModel

from headstart.config import FinetuneConfig, PredictConfig
from headstart.data.audit import Audit
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import predict, reader
from headstart.downstream.text.question_rows import QuestionRows
from headstart.downstream.text.questions import Questions
from headstart.downstream.text.span_scores import SpanScores
from headstart.encoders.opening import open_encoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.run import RunFolder

NOTE = {"modality": "text", "length": 32, "encoder": "tiny"}
CONTEXT = "Robin lives in York, and Ada in the old town of Bath."


def config(**options):
    return FinetuneConfig(run="r", train="t", out="o", task="questions", **options)


def write(path, content):
    lines = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
    path.write_text(lines, "utf-8")
    return path


KINDS = {
    "fruit": ["apple", "pear", "plum", "grape"],
    "tool": ["hammer", "saw", "drill", "wrench"],
    "bird": ["robin", "wren", "finch", "heron"],
}
FILLER = ["the", "a", "of", "and", "with", "some", "old", "new", "big", "small"]


def things(count, seed=0):
    """Contexts with things of two kinds out of three; only the question says which."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        kinds = [str(kind) for kind in random.permutation(list(KINDS))]
        words = [str(word) for word in random.choice(FILLER, random.integers(3, 8))]
        there = {kind: str(random.choice(KINDS[kind])) for kind in kinds[:2]}
        for thing in there.values():
            words.insert(int(random.integers(len(words) + 1)), thing)
        text, kind = " ".join(words), kinds[int(random.integers(3))]
        start = f" {text} ".find(f" {there.get(kind, '?')} ")
        known = kind in there
        rows.append(
            {
                "id": f"s:{number}",
                "text": text,
                "question": f"which {kind} ?",
                "starts": [start] if known else [],
                "ends": [start + len(there[kind])] if known else [],
            }
        )
    return Dataset.from_list(rows)


@pytest.fixture(scope="module")
def words():
    texts = [*things(200)["text"], *things(200)["question"]]
    return TextProcessor(fit_tokenizer(texts, kind="word", vocab_size=100, lowercase=True))


def bert(processor, **options):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, **options}
    plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    network = BertConfig(
        vocab_size=processor.vocabulary.size,
        num_attention_heads=2,
        max_position_embeddings=64,
        **sizes,
        **plain,
    )
    return TransformerEncoder(BertModel(network, add_pooling_layer=False))


def tune(folder, encoder, processor, records, **options):
    plan = FinetuneConfig(
        run="r",
        train="t",
        out=str(folder),
        task="questions",
        tracker="none",
        precision="fp32",
        **options,
    )
    run = RunFolder.create(plan.out, "finetune", plan)
    return finetune(encoder, processor, records, None, plan, run, note=NOTE)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, words):
    options = {
        "budget": "200steps",
        "batch_size": 64,
        "optimizer": {"learning_rate": 4e-3},
    }
    folder = tmp_path_factory.mktemp("questions") / "run"
    return tune(folder, bert(words), words, things(600), **options)


def test_it_learns_which_of_two_things_is_asked_for_and_when_neither_is(tuned):
    scores = tuned.resolved["scores"]
    assert scores["exact"] > 0.8  # whatever the question, below 0.4; never an answer: 0.33
    assert scores["no_answer_exact"] > 0.8
    assert scores["f1"] >= scores["exact"]


def test_predictions_have_the_answer_its_place_and_its_probability(tuned, tmp_path):
    text = "the old pear and a big robin"
    rows = [
        {"context": text, "question": "which bird ?", "answers": "robin"},
        {"context": text, "question": "which tool ?", "answers": []},
    ]
    path = write(tmp_path / "new.jsonl", rows)
    options = PredictConfig(run=str(tuned.folder), inputs=[str(path)])
    records = reader(tuned, [str(path)], options)(TextModality(), Audit())
    messages = []
    first, second = predict(tuned, records, say=messages.append)
    assert messages == [
        "On 2 labeled records: exact 1.000, f1 1.000, has_answer_f1 1.000, no_answer_exact 1.000."
    ]
    assert (first["answer"], first["start"], first["end"]) == ("robin", 23, 28)
    assert 0.3 < first["score"] <= 1
    assert first["question"] == "which bird ?"
    assert (second["answer"], second["start"], second["end"]) == ("", None, None)
    assert list(first) == ["id", "question", "answer", "start", "end", "score"]


def test_long_contexts_are_answered_from_the_window_that_knows(tuned):
    text = "the old pear and a big robin"
    long = " and ".join(["some small plum of the new drill"] * 6 + [text])
    records = Dataset.from_dict({"id": ["a"], "text": [long], "question": ["which bird ?"]})
    [row] = predict(tuned, records)
    assert row["answer"] == "robin"
    assert long[row["start"] : row["end"]] == "robin"


def test_transformers_opens_what_was_saved_and_says_the_same(tuned, words):
    model = AutoModelForQuestionAnswering.from_pretrained(tuned.encoder)
    records = things(5, seed=9)
    rows = QuestionRows(words, records, 32)
    batch = rows.batch(np.arange(len(rows)), 0)
    head = Questions.load(tuned.head)
    encoder = open_encoder(tuned.encoder)
    encoder.eval()
    with torch.no_grad():
        ours = head.scores(head.features(encoder, batch))
        theirs = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["mask"].long(),
            token_type_ids=batch["token_types"],
        )
    assert torch.allclose(ours[0], theirs.start_logits, atol=1e-4)
    assert torch.allclose(ours[1], theirs.end_logits, atol=1e-4)


def test_the_head_of_modernbert_is_the_one_of_transformers(transformer, words, tmp_path):
    scores = SpanScores.on(transformer)
    assert {name.split(".")[1] for name in scores.state_dict()} == {"head", "classifier"}
    scores.publish(transformer, tmp_path)
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    ids = torch.tensor([[5, 6, 7]])
    transformer.eval(), scores.eval()
    with torch.no_grad():
        batch = {"input_ids": ids, "mask": torch.ones_like(ids).bool()}
        starts, _ = scores(transformer(batch).tokens)
        theirs = model(input_ids=ids, attention_mask=torch.ones_like(ids)).start_logits
    assert torch.allclose(starts, theirs, atol=1e-4)


def test_a_context_has_questions_on_one_side_only():
    records = things(40)
    twice = Dataset.from_list([*records, *({**row, "id": row["id"] + "b"} for row in records)])
    kept, held = Questions(
        SpanScores(4), declines=True, stride=None, question_length=64, longest=5
    ).hold_out(twice, 0.3, 0)
    assert len(kept) + len(held) == 80
    assert len(held) > 0
    assert not set(kept["text"]) & set(held["text"])


def test_an_encoder_without_context_is_refused(light, processor):
    with pytest.raises(HeadstartError, match=r"needs order, .*encoders that can: modernbert, bert"):
        Questions.check_encoder(light, processor)


def test_records_without_any_answer_are_refused(transformer):
    records = things(3).map(lambda row: {**row, "starts": [], "ends": []})
    with pytest.raises(HeadstartError, match="none has one"):
        Questions.build(transformer, records, config())
