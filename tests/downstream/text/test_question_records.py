"""Questions, contexts and answers are read in every known form; bad ones are set aside."""

from __future__ import annotations

import json

import pytest

from headstart.config import FinetuneConfig, PredictConfig
from headstart.data.audit import Audit
from headstart.downstream.text.question_records import read_answered, read_questions
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality

CONTEXT = "Robin lives in York, and Ada in the old town of Bath."


def config(**options):
    return FinetuneConfig(run="r", train="t", out="o", task="questions", **options)


def read(path, **columns):
    audit = Audit()
    return read_answered(str(path), config(columns=columns), TextModality(), audit), audit


def write(path, content):
    lines = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
    path.write_text(lines, "utf-8")
    return path


def squad(*questions):
    return {"data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]}


def answers_of(record):
    pairs = zip(record["starts"], record["ends"], strict=True)
    return [record["text"][start:end] for start, end in pairs]


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
    assert (audit.kept, audit.quarantined) == (2, 0)


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
    with pytest.raises(HeadstartError, match="--column text=COLUMN and --column question=COLUMN"):
        read(path)
    records, _ = read(path, text="story", question="ask", answer="reply")
    assert answers_of(records[0]) == ["York"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"answers": [{"text": "in", "answer_start": 14}]}, "does not stand at its place"),
        ({"answers": [{"text": "Leeds", "answer_start": 15}]}, "does not stand at its place"),
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
    [quarantined] = audit.summary()["records"]
    assert quarantined["where"] == "a.jsonl:2"
    assert reason in quarantined["reason"]


def test_answers_are_found_whatever_their_offsets_count(tmp_path):
    context = "\U0001f389\U0001f600 " + CONTEXT + " Ada lives in Leeds."

    def row(answer, place):
        start = len(context[:place].encode("utf-16-le")) // 2
        answers = [{"text": answer, "answer_start": start}]
        return {"context": context, "question": "Where?", "answers": answers}

    places = [context.index("in York"), context.index("in the old"), context.rindex("in Leeds")]
    records, audit = read(write(tmp_path / "a.jsonl", [row("in", place) for place in places]))
    assert [record["starts"] for record in records] == [[place] for place in places]
    assert audit.quarantined == 0
    assert any("UTF-16 units; 3 were converted" in note for note in audit.notes)


def test_an_answer_to_what_cannot_be_answered_sets_its_record_aside(tmp_path):
    rows = [
        {"context": CONTEXT, "question": "?", "answers": answers, "is_impossible": impossible}
        for answers, impossible in ((["York"], False), ([], True), (["York"], True))
    ]
    records, audit = read(write(tmp_path / "a.jsonl", rows))
    assert [answers_of(record) for record in records] == [["York"], []]
    assert audit.reasons == {"it has an answer, and is marked as impossible to answer": 1}


def test_an_answer_beside_its_place_is_moved_where_it_stands_once(tmp_path):
    answers = [{"text": "York", "answer_start": 14}]
    row = {"context": CONTEXT, "question": "Where?", "answers": answers}
    records, audit = read(write(tmp_path / "a.jsonl", [row]))
    assert answers_of(records[0]) == ["York"]
    assert any("1 answer not at the given place" in note for note in audit.notes)


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
