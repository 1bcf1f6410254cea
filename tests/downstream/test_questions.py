"""Questions get the span of their context that answers them, or none; scored as SQuAD scores."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForQuestionAnswering, BertConfig, BertModel

from headstart.config import FinetuneConfig, PredictConfig
from headstart.data.audit import Audit
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import predict, reader
from headstart.downstream.question_records import read_answered, read_questions
from headstart.downstream.question_rows import IGNORED, Layout, QuestionRows
from headstart.downstream.questions import Questions
from headstart.downstream.span_scores import SpanScores
from headstart.downstream.spans import best_spans, squad_scores, trimmed
from headstart.encoders.opening import open_encoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.errors import HeadstartError
from headstart.modalities.text import TextModality, TextProcessor
from headstart.modalities.tokenizers import fit_tokenizer
from headstart.run import Run

NOTE = {"modality": "text", "length": 32, "encoder": "tiny"}
CONTEXT = "Robin lives in York, and Ada in the old town of Bath."


def config(**options):
    return FinetuneConfig(run="r", train="t", out="o", task="questions", **options)


def read(path, **columns):
    audit = Audit()
    return read_answered(str(path), config(**columns), TextModality(), audit), audit


def write(path, content):
    lines = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
    path.write_text(lines, "utf-8")
    return path


def squad(*questions):
    return {"data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]}


def answers_of(record):
    pairs = zip(record["starts"], record["ends"], strict=True)
    return [record["text"][start:end] for start, end in pairs]


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
def test_squads_own_form_is_read_on_one_line_or_many(tmp_path, indent):
    whole = squad(
        {
            "id": "q1",
            "question": "Where is Robin?",
            "answers": [
                {"text": "York", "answer_start": 15},
                {"text": "in York", "answer_start": 12},
            ],
        },
        {"id": "q2", "question": "Who is in Paris?", "answers": [], "is_impossible": True},
    )
    records, audit = read(write(tmp_path / "dev.json", json.dumps(whole, indent=indent)))
    assert records["id"] == ["dev.json:q1", "dev.json:q2"]
    assert answers_of(records[0]) == ["York", "in York"]
    assert answers_of(records[1]) == []
    assert (audit.kept, audit.aside) == (2, 0)


@pytest.mark.parametrize(
    "answer",
    [
        {"answers": {"text": ["York"], "answer_start": [15]}},
        {"answers": [{"text": "York", "answer_start": 15}]},
        {"answer": "York", "answer_start": 15},
        {"answer": "York", "answer_start": "15"},
        {"answer": "York"},
    ],
)
def test_flat_columns_are_read_in_every_known_form(tmp_path, answer):
    row = {"context": CONTEXT, "question": "Where is Robin?", **answer}
    records, _ = read(write(tmp_path / "a.jsonl", [row]))
    assert (records[0]["starts"], records[0]["ends"]) == ([15], [19])
    assert records["id"] == ["a.jsonl:1"]


def test_columns_of_other_names_are_given_and_csv_is_read(tmp_path):
    text = 'story,ask,reply\n"Robin lives in York.",Where is Robin?,York\n'
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(HeadstartError, match="--text-column and --pair-column"):
        read(path)
    records, _ = read(path, text_column="story", pair_column="ask", label_column="reply")
    assert answers_of(records[0]) == ["York"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"answers": [{"text": "York", "answer_start": 14}]}, "does not stand at its place"),
        ({"answers": [{"text": "York", "answer_start": -38}]}, "no texts with a place"),
        ({"answers": [{"text": 5, "answer_start": 1}]}, "no texts with a place"),
        ({"answers": 5}, "no texts with a place"),
        ({"answers": {"text": ["York"], "answer_start": []}}, "no texts with a place"),
        ({"answer": "Leeds"}, "is not in its context"),
        ({"answer": "in"}, "does not say at which place"),
        ({"answers": None}, "has no answers"),
        ({"question": " ", "answers": []}, "has no question"),
        ({"context": None, "answers": []}, "has no context"),
    ],
)
def test_a_record_that_does_not_fit_is_set_aside_with_its_reason(tmp_path, answer, reason):
    good = {"context": CONTEXT, "question": "Where?", "answers": [], "answer": "York"}
    bad = {"context": CONTEXT, "question": "Where?", **answer}
    if "answer" in bad:
        good.pop("answers")
    records, audit = read(write(tmp_path / "a.jsonl", [good, bad]))
    assert records["id"] == ["a.jsonl:1"]
    [aside] = audit.summary()["records"]
    assert aside["where"] == "a.jsonl:2"
    assert reason in aside["reason"]


def test_a_line_that_is_no_json_is_set_aside_too(tmp_path):
    good = {"context": CONTEXT, "question": "Where?", "answers": []}
    records, audit = read(write(tmp_path / "a.jsonl", json.dumps(good) + "\nbroken\n"))
    assert len(records) == 1
    assert audit.summary()["records"] == [{"where": "a.jsonl:2", "reason": "it is not valid JSON"}]


def test_questions_without_answers_are_read_for_prediction(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"context": CONTEXT, "question": "Where?"}])
    options = PredictConfig(run="r", inputs=[str(path)])
    records = read_questions([str(path)], options, TextModality(), Audit())
    assert records[0] == {
        **{"id": "a.jsonl:1", "text": CONTEXT, "question": "Where?"},
        **{"starts": None, "ends": None},
    }


# -- rows ------------------------------------------------------------------------------------------


def rows_of(kind, length=24, **options):
    texts = [CONTEXT, "Where is Robin? 王小明在北京"] * 20
    processor = TextProcessor(fit_tokenizer(texts, kind=kind, vocab_size=300))
    context = "x " * 30 + CONTEXT
    records = Dataset.from_dict(
        {
            "text": [context],
            "question": ["Where is Robin?"],
            "starts": [[context.index("York")]],
            "ends": [[context.index("York") + 4]],
        }
    )
    return QuestionRows(processor, records, length, **options), processor, context


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "char", "word"])
def test_windows_hold_the_whole_context_and_point_at_the_answer(kind):
    rows, _, context = rows_of(kind, 40)
    batch = rows.batch(np.arange(len(rows)), 0)
    seen, found = set(), []
    for at in range(len(rows)):
        inside = batch["context"][at]
        spans = list(zip(batch["char_starts"][at], batch["char_ends"][at], strict=True))
        for start, end in [spans[place] for place in inside.nonzero()[:, 0]]:
            seen.update(range(int(start), int(end)))
        first, last = batch["labels"][at].tolist()
        if first:
            found.append(context[spans[first][0] : spans[last][1]].strip())
            assert inside[first]
            assert inside[last]
    assert {place for place, sign in enumerate(context) if not sign.isspace()} <= seen
    assert found
    assert all(answer == "York" for answer in found) or kind in ("bpe", "unigram")
    assert all("York" in answer for answer in found)


def test_neighbouring_windows_share_as_many_tokens_as_the_stride_says():
    rows, _, _ = rows_of("char", 40, stride=7)
    batch = rows.batch(np.arange(len(rows)), 0)
    ends = [batch["char_ends"][at][batch["context"][at]].tolist() for at in range(len(rows))]
    assert len(rows) > 3
    assert all(before[-7:] == after[:7] for before, after in pairwise(ends))


def test_a_row_is_as_transformers_makes_it_of_a_pair():
    texts = [CONTEXT, "Where is Robin?"] * 20
    processor = TextProcessor(fit_tokenizer(texts, kind="wordpiece", vocab_size=300))
    records = Dataset.from_dict({"text": [CONTEXT], "question": ["Where is Robin?"]})
    batch = QuestionRows(processor, records, 64, learns=False).batch(np.array([0]), 0)
    theirs = processor.tokenizer("Where is Robin?", CONTEXT, return_token_type_ids=True)
    assert batch["input_ids"][0].tolist() == theirs["input_ids"]
    assert batch["token_types"][0].tolist() == theirs["token_type_ids"]
    assert Layout(processor).specials == 3


def test_a_window_without_the_answer_points_at_position_0():
    rows, _, _ = rows_of("char", 40)
    labels = rows.batch(np.arange(len(rows)), 0)["labels"]
    assert labels[0].tolist() == [0, 0]
    assert (labels[:, 0] > 0).any()


def test_an_answer_that_the_tokenizer_leaves_out_is_not_learned_from():
    rows, _, _ = rows_of("char", 40)
    rows._answers = [None]
    assert (rows.batch(np.arange(len(rows)), 0)["labels"] == IGNORED).all()


def test_a_long_question_is_cut_and_leaves_half_of_the_row():
    texts = [CONTEXT] * 20
    processor = TextProcessor(fit_tokenizer(texts, kind="char", vocab_size=300))
    records = Dataset.from_dict({"text": [CONTEXT], "question": ["Robin " * 50]})
    batch = QuestionRows(processor, records, 35, learns=False).batch(np.array([0]), 0)
    assert batch["context"].sum() == 16


# -- decoding and scoring --------------------------------------------------------------------------


def test_the_best_span_is_the_best_of_all_sound_ones():
    generator = torch.Generator().manual_seed(0)
    starts, ends = torch.randn(2, 50, 12, generator=generator)
    allowed = torch.zeros(50, 12, dtype=torch.bool)
    allowed[:, 3:10] = True
    score, first, last = best_spans(starts, ends, allowed, 3)
    for row in range(50):
        every = {
            (a, b): float(starts[row, a] + ends[row, b])
            for a in range(3, 10)
            for b in range(a, min(10, a + 3))
        }
        assert (int(first[row]), int(last[row])) == max(every, key=every.get)
        assert float(score[row]) == pytest.approx(max(every.values()))


def test_a_row_without_a_context_has_no_span():
    nothing = torch.zeros(1, 4, dtype=torch.bool)
    assert best_spans(torch.zeros(1, 4), torch.zeros(1, 4), nothing, 3)[0].item() == -torch.inf


def test_white_space_is_cut_from_the_ends_of_an_answer():
    assert trimmed("in York , ok", 2, 8) == (3, 7)
    assert trimmed("in York", 2, 3) == (3, 3)


def test_scores_are_those_of_squads_script():
    # The official script: lower case, no punctuation, no articles, the best of several answers.
    assert squad_scores(["The York!"], [["york"]]) == {"exact": 1.0, "f1": 1.0}
    scores = squad_scores(["old town of Bath"], [["Leeds", "the old town"]])
    assert scores["exact"] == 0.0
    assert scores["f1"] == pytest.approx(2 * (2 / 4) * (2 / 2) / (2 / 4 + 1))


def test_questions_without_an_answer_are_right_only_when_nothing_is_said():
    scores = squad_scores(["York", "", "York", ""], [["York"], ["York"], [], []])
    assert scores["exact"] == 0.5
    assert scores["has_answer_f1"] == 0.5
    assert scores["no_answer_exact"] == 0.5


def test_chinese_characters_count_one_by_one():
    assert squad_scores(["王小"], [["王小明"]])["f1"] == pytest.approx(0.8)
    assert squad_scores(["王小"], [["王小明"]])["exact"] == 0.0


def head_of(declines=True, **options):
    options = {"stride": None, "question_length": 64, "longest": 5, **options}
    return Questions(SpanScores(4), declines=declines, **options).eval()


def windows(starts, ends, owners, head):
    """Answers for log-probabilities (n,T): position 0 is no answer, 1.. one character each."""
    count, width = starts.shape
    place = torch.arange(width).expand(count, width)
    batch = {
        "context": place > 0,
        "char_starts": place - 1,
        "char_ends": place.clone(),
        "record": torch.tensor(owners),
    }
    head.logs = lambda features, batch: (starts, ends)
    return head.predictions(None, batch)


def test_the_likeliest_span_of_all_windows_is_the_answer():
    starts = torch.tensor([[0.1, 0.2, 0.7], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]).log()
    ends = torch.tensor([[0.1, 0.2, 0.7], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]]).log()
    found = windows(starts, ends, [0, 0, 1], head_of())
    assert [(row["start"], row["end"]) for row in found] == [(0, 2), (1, 2)]
    assert found[0]["score"] == pytest.approx(0.64)


def test_no_answer_needs_every_window_to_say_so():
    sure, unsure = [0.98, 0.01, 0.01], [0.3, 0.5, 0.2]
    logs = torch.tensor([sure, unsure, sure, sure]).log()
    found = windows(logs, logs, [0, 0, 1, 1], head_of())
    assert (found[0]["start"], found[0]["end"]) == (0, 1)
    assert found[1] == {"start": None, "end": None, "score": pytest.approx(0.98**2, rel=1e-4)}


def test_a_head_that_never_saw_an_unanswerable_question_always_answers():
    logs = torch.tensor([[0.98, 0.01, 0.01]]).log()
    assert windows(logs, logs, [0], head_of(declines=False))[0]["start"] is not None


# -- the whole task --------------------------------------------------------------------------------

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
        text, asked = " ".join(words), kinds[int(random.integers(3))]
        start = f" {text} ".find(f" {there.get(asked, '?')} ")
        known = asked in there
        rows.append(
            {
                "id": f"s:{number}",
                "text": text,
                "question": f"which {asked} ?",
                "starts": [start] if known else [],
                "ends": [start + len(there[asked])] if known else [],
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
        vocab_size=len(processor.tokenizer),
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
    run = Run.create(plan.out, "finetune", plan, overwrite=False)
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
    said = []
    first, second = predict(tuned, records, say=said.append)
    assert said == [
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
    kept, held = head_of().hold_out(twice, 0.3, 0)
    assert len(kept) + len(held) == 80
    assert len(held) > 0
    assert not set(kept["text"]) & set(held["text"])


def test_an_encoder_without_context_is_refused(light):
    with pytest.raises(HeadstartError, match="needs an encoder that reads a question"):
        Questions.build(light, things(4), config())


def test_records_without_any_answer_are_refused(transformer):
    records = things(3).map(lambda row: {**row, "starts": [], "ends": []})
    with pytest.raises(HeadstartError, match="none has one"):
        Questions.build(transformer, records, config())
