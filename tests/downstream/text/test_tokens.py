"""Words get tags: aligned to tokens, decoded into entities, scored as seqeval scores them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from datasets import Dataset

from headstart.config import FinetuneConfig, PredictConfig
from headstart.data.audit import Audit
from headstart.downstream.finetune import finetune
from headstart.downstream.predict import predict, reader
from headstart.downstream.text.tag_numbers import BEYOND
from headstart.downstream.text.tagged import joined, read_tagged, read_words
from headstart.downstream.text.tokens import TokenClassification, scores
from headstart.downstream.text.word_rows import IGNORED, WordRows, WordTokenizer
from headstart.encoders.light import LightEncoder
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.run import RunFolder

pytest.importorskip("seqeval")
NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}
TEXTS = ["Robin Hood met 王小明 in the old forest of 北京.", "a plain text, twice as long"] * 30


def write(path, rows):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return str(path)


def read(path, **columns):
    audit = Audit()
    options = FinetuneConfig(run="r", train=str(path), out="o", columns=columns)
    return read_tagged(str(path), options, TextModality(), audit), audit


def words_of(records, index=0):
    row = records[index]
    return [row["text"][a:b] for a, b in zip(row["starts"], row["ends"], strict=True)]


def test_tokens_are_joined_with_spaces_between_words_and_none_between_chinese_characters():
    text, starts, ends = joined(["Robin", "met", "小", "明", ",", "ok"])
    assert text == "Robin met小明, ok"
    assert [text[a:b] for a, b in zip(starts, ends, strict=True)] == [
        *("Robin", "met", "小", "明", ",", "ok")
    ]


def test_spans_become_tags_of_words_and_of_chinese_characters(tmp_path):
    rows = [
        {
            "text": "Robin Hood met 王小明.",
            "spans": [{"start": 0, "end": 10, "label": "PER"}, [15, 18, "PER"]],
        }
    ]
    records, _ = read(write(tmp_path / "a.jsonl", rows))
    assert words_of(records) == ["Robin", "Hood", "met", "王", "小", "明", "."]
    assert records[0]["tags"] == ["B-PER", "I-PER", "O", "B-PER", "I-PER", "I-PER", "O"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा, e\u0301te\u0301_1!", ["हिन्दी", "भाषा", ",", "e\u0301te\u0301_1", "!"]),
        ("น้ำดื่ม ok", ["น้", "ำ", "ดื่", "ม", "ok"]),
        ("호텔 방이", ["호텔", "방이"]),
    ],
    ids=["hindi", "thai", "korean"],
)
def test_words_that_get_tags_keep_their_marks(text, words, tmp_path):
    records, _ = read(write(tmp_path / "a.jsonl", [{"text": text, "spans": []}]))
    assert words_of(records) == words


def test_bad_records_are_set_aside_by_name_with_the_reason(tmp_path):
    good = {"tokens": ["a", "b"], "tags": ["O", "B-X"]}
    rows = [good, {**good, "tags": ["O"]}, {**good, "tags": None}, {"tokens": [], "tags": []}]
    records, audit = read(write(tmp_path / "a.jsonl", rows))
    assert len(records) == 1
    found = {row["where"]: row["reason"] for row in audit.summary()["records"]}
    assert found["a.jsonl:2"] == "its tokens and its tags differ in number"
    assert found["a.jsonl:3"] == "it has no list of tags as texts"
    assert found["a.jsonl:4"] == "it has no list of words as texts"


@pytest.mark.parametrize("spans", [[[0, 99, "X"]], [[3, 2, "X"]], [[0, 2, 5]], ["x"], [{}]])
def test_a_span_outside_the_text_sets_its_record_aside(tmp_path, spans):
    rows = [{"text": "fine here", "spans": []}, {"text": "short", "spans": spans}]
    records, audit = read(write(tmp_path / "a.jsonl", rows))
    assert len(records) == 1
    assert audit.quarantined == 1


def test_tags_of_other_schemes_are_read_as_iob2_and_predictions_are_judged_alike(tmp_path):
    rows = [{"tokens": ["Ada", "in", "York"], "tags": ["I-PER", "O", "I-LOC"]}]
    path = write(tmp_path / "a.jsonl", rows)
    records, audit = read(path)
    assert records[0]["tags"] == ["B-PER", "O", "B-LOC"]
    assert audit.notes[-1] == f"{path}: the tags are of the scheme IO and were read as IOB2."
    options = PredictConfig(run="r", inputs=[path])
    assert read_words([path], options, TextModality(), Audit())["tags"] == records["tags"]


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


def shifted(text, *covered):
    """Return a record whose spans count UTF-16 units, as those of a browser."""
    spans = []
    for part in covered:
        start = utf16(text[: text.index(part)])
        spans.append({"start": start, "end": start + utf16(part), "label": "X", "text": part})
    return {"text": text, "spans": spans}


def test_spans_are_checked_against_the_text_beside_them(tmp_path):
    party = "\U0001f389\U0001f600"
    rows = [shifted(f"{party} Ada met Bob {n}, Ada met Bob", "Ada", "Bob") for n in range(3)]
    rows.append({**rows[0], "spans": [{**rows[0]["spans"][0], "text": None}]})
    rows.append({**rows[0], "spans": [{**rows[0]["spans"][0], "text": "Eve"}]})
    records, audit = read(write(tmp_path / "a.jsonl", rows))
    for index in range(3):
        tags = [tag != "O" for tag in records[index]["tags"]]
        assert np.array(words_of(records, index))[tags].tolist() == ["Ada", "Bob"]
    assert [t for t in records[3]["tags"] if t != "O"] == ["B-X"]
    assert "count UTF-16 units; 7 were converted" in audit.notes[-1]
    assert audit.reasons == {"the text beside one of its spans does not stand at its place": 1}


def test_spans_that_cut_words_are_counted(tmp_path):
    records, audit = read(
        write(tmp_path / "a.jsonl", [{"text": "Ada met Bob", "spans": [[1, 3, "X"], [8, 11, "X"]]}])
    )
    assert records[0]["tags"] == ["B-X", "O", "B-X"]
    assert "1 span begin or end inside a word" in audit.notes[-1]


DOCCANO = {"id": 3, "start_offset": 0, "end_offset": 3, "label": "PER"}
STUDIO = {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}
PRODIGY = {"start": 0, "end": 3, "token_start": 0, "token_end": 0, "label": "PER"}


@pytest.mark.parametrize(
    "row",
    [
        {"entities": [DOCCANO], "relations": []},
        {"label": [STUDIO], "annotator": 1},
        {"spans": [PRODIGY], "tokens": [{"text": "Ada", "id": 0}], "answer": "accept"},
        {"entities": [PRODIGY, PRODIGY]},
    ],
    ids=["doccano", "label studio", "prodigy", "twice"],
)
def test_spans_of_labelling_tools_are_read(row, tmp_path):
    rows = [{"text": "Ada met Bob", **row}, {"text": "Bob", **row, "answer": "reject"}]
    records, audit = read(write(tmp_path / "a.jsonl", rows if "answer" in row else rows[:1]))
    assert records["tags"] == [["B-PER", "O", "O"]]
    assert audit.quarantined == ("answer" in row)


def test_columns_that_cannot_be_found_are_asked_for(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"x": "y", "z": "w"}])
    with pytest.raises(HeadstartError, match="--column text=COLUMN and --column label=COLUMN"):
        read(path)
    with pytest.raises(HeadstartError, match="no column 'tagz'"):
        read(path, label="tagz")


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "char", "word"])
def test_every_word_has_tokens_of_its_own_and_labels_stand_at_the_first(kind):
    processor = TextProcessor(fit_tokenizer(TEXTS, kind=kind, vocab_size=400))
    text, starts, ends = joined(["Robin", "met", "王", "小", "明", "forest"])
    records = Dataset.from_list(
        [{"text": text, "starts": starts, "ends": ends, "tags": list("OOBIIO")}]
    )
    words = WordTokenizer(processor).words(text, starts, ends)
    batch = WordRows(processor, records, 64, ["O", "B", "I"]).batch(np.array([0]), 0)
    ids = [i for one, _ in words for i in one]
    around = processor.encode([""])[0].ids
    assert batch["input_ids"][0].tolist() == [around[0], *ids, around[-1]]
    assert batch["labels"][batch["word_starts"]].tolist() == [0, 0, 1, 2, 2, 0]
    assert (batch["labels"][~batch["word_starts"]] == IGNORED).all()
    decoded = processor.tokenizer.backend_tokenizer.decode(ids)
    assert decoded.replace(" ", "") == text.replace(" ", "")
    if kind in ("bpe", "unigram"):  # spaces are tokens here, and none may come in between
        assert decoded.strip() == text
    assert all(processor.tokenizer.decode(one).strip() for one, _ in words)


def test_long_texts_are_cut_into_windows_that_lose_no_word():
    processor = TextProcessor(fit_tokenizer(TEXTS, kind="char", vocab_size=400))
    text, starts, ends = joined(["forest"] * 7)
    tags = [str(n) for n in range(7)]
    records = Dataset.from_list([{"text": text, "starts": starts, "ends": ends, "tags": tags}])
    rows = WordRows(processor, records, 16, tags)
    batch = rows.batch(np.arange(len(rows)), 0)
    assert len(rows) == 4
    assert batch["input_ids"].shape[1] <= 16
    assert batch["labels"][batch["word_starts"]].tolist() == list(range(7))
    assert batch["record"].tolist() == [0] * 4


def test_decoding_never_begins_a_chunk_inside():
    labels = ["O", "B-A", "I-A", "B-B", "I-B"]
    head = TokenClassification(4, labels)
    logs = np.log(np.array([[0.1, 0.3, 0.4, 0.1, 0.1], [0.1, 0.1, 0.3, 0.1, 0.4]]))
    assert [labels[index] for index in head.decode(logs)] == ["B-A", "I-A"]
    random = np.random.default_rng(0)
    for _ in range(20):
        logs = np.log(random.dirichlet(np.ones(5), 4))
        best = max(
            (p for p in np.ndindex(5, 5, 5, 5) if sound([labels[x] for x in p])),
            key=lambda p: sum(logs[at, x] for at, x in enumerate(p)),
        )
        assert tuple(head.decode(logs)) == best


def sound(tags):
    return all(
        tag[0] != "I" or before[2:] == tag[2:]
        for before, tag in zip(["O", *tags], tags, strict=False)
    )


def test_an_entity_counts_only_where_both_ends_and_the_label_are_right():
    truth = [["B-A", "I-A", "O", "B-B"], ["O", "B-A"]]
    found = [["B-A", "O", "O", "B-B"], ["B-A", "B-A"]]
    assert scores(truth, found) == pytest.approx({"f1": 4 / 7, "precision": 0.5, "recall": 2 / 3})


def tagged(count, seed=0):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        words = list(random.choice(["the", "old", "a", "and", "some"], 6))
        tags = ["O"] * 6
        at = int(random.integers(4))
        words[at : at + 2] = [random.choice(["robin", "wren"]), random.choice(["hammer", "saw"])]
        tags[at : at + 2] = ["B-NAME", "I-NAME"]
        text, starts, ends = joined(words)
        rows.append(
            {"id": f"s:{number}", "text": text, "starts": starts, "ends": ends, "tags": tags}
        )
    return Dataset.from_list(rows)


@pytest.mark.parametrize("name", ["light", "transformer"])
def test_names_are_learned_and_told_with_their_places(name, request, processor, tmp_path):
    encoder = request.getfixturevalue(name)
    options = FinetuneConfig(
        run="r",
        train="t",
        out=str(tmp_path / "o"),
        task="tokens",
        budget="40steps",
        tracker="none",
        precision="fp32",
        optimizer={"learning_rate": 1e-2},
    )
    run = RunFolder.create(tmp_path / "o", "finetune", options)
    finetune(encoder, processor, tagged(60), None, options, run, note=NOTE)
    assert run.resolved["scores"]["f1"] > 0.9
    others = tagged(10, seed=1)
    rows = list(predict(run, others.remove_columns("tags"), batch_size=3))
    assert [row["id"] for row in rows] == list(others["id"])
    assert scores(list(others["tags"]), [row["tags"] for row in rows])["f1"] > 0.9
    for row, record in zip(rows, others, strict=True):
        for entity in row["entities"]:
            assert record["text"][entity["start"] : entity["end"]] == entity["text"]
    assert {e["label"] for row in rows for e in row["entities"]} == {"NAME"}
    path = tmp_path / "new.txt"
    path.write_text("some old robin hammer and the wren saw.\n", "utf-8")
    options = PredictConfig(run=str(run.folder), inputs=[str(path)])
    records = reader(run, options.inputs, options)(TextModality(), Audit())
    (row,) = predict(run, records)
    assert [entity["text"] for entity in row["entities"]] == ["robin hammer", "wren saw"]


def test_a_record_predicted_over_several_windows_is_one_row(light, processor):
    head = TokenClassification(16, ["O", "B-A"], window=2).eval()
    head.linear.bias.data[1] = 1.0
    records = tagged(3).remove_columns("tags")
    batch = head.collate(processor, records, 5)
    assert len(batch["mask"]) == 6
    with torch.no_grad():
        rows = head.predictions(head.features(light.eval(), batch), batch)
    assert [row["tags"] for row in rows] == [["B-A"] * 6] * 3


def test_records_to_predict_on_may_be_lists_of_tokens(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"tokens": ["小", "明"]}, {"tokens": 3}])
    audit = Audit()
    options = PredictConfig(run="r", inputs=[path])
    records = read_words([path], options, TextModality(), audit)
    assert words_of(records) == ["小", "明"]
    assert audit.quarantined == 1


def test_a_line_that_is_no_json_is_set_aside_with_its_place(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": ["a", "b"], "tags": ["O", "B-X"]}\nbroken\n', "utf-8")
    records, audit = read(path)
    assert len(records) == 1
    assert audit.summary()["records"] == [{"where": "a.jsonl:2", "reason": "it is not valid JSON"}]


def test_predictions_of_tagged_records_are_judged_as_a_whole_and_by_label(tmp_path):
    rows = [
        {"tokens": ["Ada", "in", "York"], "tags": ["B-PER", "O", "B-LOC"]},
        {"tokens": ["Ada"], "tags": ["B-PER"]},
        {"tokens": ["no", "tags"]},
    ]
    path = write(tmp_path / "a.jsonl", rows)
    records = read_words([path], PredictConfig(run="r", inputs=[path]), TextModality(), Audit())
    head = TokenClassification(4, ["O", "B-LOC", "B-PER"])
    for record in records:
        tags = ["B-PER", *["O"] * (len(record["starts"]) - 1)]
        head.describe({"tags": tags, "sure": [1.0] * len(tags)}, record)
    assert head.notes() == [
        "On 2 labeled records: f1 0.800, precision 1.000, recall 0.667.",
        "F1 of each label (and how many there are): LOC (1) 0.000, PER (2) 1.000.",
    ]
    assert head.notes() == []


def test_spans_of_a_text_to_predict_on_are_kept_for_judging(tmp_path):
    rows = [{"text": "Ada here", "spans": [[0, 3, "PER"]]}, {"text": "no spans"}]
    path = write(tmp_path / "a.jsonl", rows)
    records = read_words([path], PredictConfig(run="r", inputs=[path]), TextModality(), Audit())
    assert records["tags"] == [["B-PER", "O"], None]


def test_an_encoder_without_tokens_is_refused(processor):
    class Pooled(LightEncoder):
        provides = frozenset()

    with pytest.raises(HeadstartError, match=r"tokens needs tokens.*encoders that can: light, mod"):
        TokenClassification.check_encoder(Pooled(torch.ones(4), 4), processor)


def test_chinese_names_of_the_shared_data_are_read(shared_data):
    path = shared_data("ner_zh") / "weibo_dev.jsonl.gz"
    records, audit = read(path)
    assert len(records) == 270
    assert audit.quarantined == 0
    assert "B-PER.NAM" in {tag for tags in records["tags"] for tag in tags}


@pytest.mark.parametrize("beside", ["labels.txt", "dataset_info.json"])
def test_tags_that_are_numbers_are_named_by_a_file_beside_them(tmp_path, beside):
    names = ["O", "B-PER", "I-PER"]
    rows = [{"tokens": ["Robin", "Hood", "met"], "ner_tags": [1, 2, 0]}]
    source = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(HeadstartError, match=r"tags are numbers without names; put a labels\.txt"):
        read(source)
    rows.append({"tokens": ["Robin"], "ner_tags": [3]})
    write(tmp_path / "a.jsonl", rows)
    label = {"names": names, "_type": "ClassLabel"}
    features = {"tokens": {"dtype": "string"}, "ner_tags": {"feature": label, "_type": "List"}}
    text = "\n".join(names) if beside == "labels.txt" else json.dumps({"features": features})
    (tmp_path / beside).write_text(text)
    records, audit = read(source)
    assert records["tags"][:] == [["B-PER", "I-PER", "O"]]
    assert [*audit.reasons] == [BEYOND]
