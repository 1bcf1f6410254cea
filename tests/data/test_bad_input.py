"""Bad input is set aside with its reason, or refused in one plain sentence."""

from __future__ import annotations

import json
import sys
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import OPTIONS, quarantined, refusal, texts, write

from headstart.data import lines
from headstart.data.audit import Audit
from headstart.data.sources import read

# -- what is named ---------------------------------------------------------------------------


def test_a_source_that_does_not_exist_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "reviews.txt", "x")
    message = refusal(tmp_path / "reveiws.txt")
    assert "reveiws.txt" in message
    assert "did you mean" in message
    assert "reviews.txt" in message
    assert "folder" in refusal(tmp_path / "no" / "a.txt")
    assert "no file matches" in refusal(tmp_path / "*.jsonl")
    assert "download" in refusal("https://example.org/a.txt")


def test_an_unknown_kind_is_refused_when_named_and_set_aside_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "photo.jpg", "x")
    message = refusal(tmp_path / "photo.jpg")
    assert "photo.jpg" in message
    assert ".parquet" in message
    write(tmp_path / "a.txt", "fine")
    audit = Audit()
    assert texts(tmp_path, audit=audit) == ["fine"]
    assert "kind" in quarantined(audit)[f"{tmp_path.name}/photo.jpg"]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a.csv", "a.tsv"])
def test_an_empty_file_is_refused_alone_and_set_aside_among_others(
    tmp_path: Path, name: str
) -> None:
    write(tmp_path / name, "")
    assert "empty" in refusal(tmp_path / name)
    assert name in refusal(tmp_path / name)
    write(tmp_path / "good.txt", "fine")
    audit = Audit()
    assert texts(tmp_path / name, tmp_path / "good.txt", audit=audit) == ["fine"]
    assert quarantined(audit) == {name: "it is empty"}


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no file" in refusal(tmp_path / "empty")


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_a_missing_column_is_refused_with_the_columns_listed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    row = {"review": "a fine film", "stars": "5"}
    if kind == "parquet":
        pq.write_table(pa.table({name: [value] for name, value in row.items()}), path)
    elif kind == "csv":
        write(path, "review,stars\na fine film,5\n")
    else:
        write(path, json.dumps([row] if kind == "json" else row))
    message = refusal(path, columns={"text": "reveiw"})
    assert "'reveiw'" in message
    assert "did you mean 'review'" in message
    assert "'stars'" in message
    assert "--column text=reveiw" in message
    assert "--column label=sentiment" in refusal(path, columns={"label": "sentiment"})
    assert texts(path) == ["a fine film"]


def test_a_label_column_cannot_be_asked_of_plain_text(tmp_path: Path) -> None:
    assert "a.txt" in refusal(write(tmp_path / "a.txt", "x"), columns={"label": "label"})


def test_an_unclear_column_of_texts_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sentence1,sentence2\none thing,another one\n")
    message = refusal(path)
    assert "'sentence1', 'sentence2'" in message
    assert "--column text=COLUMN" in message
    assert texts(path, columns={"text": "sentence2"}) == ["another one"]


# -- encodings -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_lines_that_are_not_utf8_are_set_aside_alone(tmp_path: Path, kind: str) -> None:
    rows = [b"one", b"caf\xe9", "zwölf".encode()]
    data = {
        "txt": b"head\n" + b"\n".join(rows),
        "csv": b"text\n" + b"\n".join(rows),
        "jsonl": b'{"text": "head"}\n' + b"\n".join(b'{"text": "%s"}' % row for row in rows),
    }[kind]
    audit = Audit()
    path = write(tmp_path / f"a.{kind}", data)
    assert texts(path, audit=audit)[-2:] == ["one", "zwölf"]
    assert quarantined(audit) == {f"a.{kind}:3": lines.NOT_UTF8}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Привет, как дела?\nФильм был очень интересный\n", "cp1251"),
        ("今日はとても天気が良かった\n映画は面白かったです\n", "shift_jis"),
        ("今日はとても天気が良かった\n映画は面白かったです\n", "euc-jp"),
        ("오늘은 날씨가 정말 좋아서\n음식을 먹었습니다\n", "euc-kr"),
        ("今天的天氣非常好\n這部電影的故事很有意思\n", "big5"),
        ("Zażółć gęślą jaźń\nto było świetne\n", "cp1250"),
        ("Příliš žluťoučký kůň\nbyl to dobrý film a děkuji\n", "cp1250"),
        ("Güneşli bir gün\nşimdi değil\n", "cp1254"),
        ("中文评论\n很好的酒店\n不错\n", "utf-16-le"),
    ],
)
@pytest.mark.parametrize("document", ["line", "file"])
def test_a_file_in_an_uncertain_encoding_is_set_aside_whole_until_it_is_named(
    tmp_path: Path, text: str, encoding: str, document: str
) -> None:
    other = write(tmp_path / "other.txt", text.encode(encoding))
    message = refusal(other, document=document)
    assert "other.txt" in message
    assert "--encoding" in message
    named = texts(other, document=document, encoding=encoding)
    assert named == [text] if document == "file" else text.splitlines()
    write(tmp_path / "good.txt", "fine")
    audit = Audit()
    assert texts(tmp_path, document=document, audit=audit) == ["fine"]
    assert list(quarantined(audit)) == [f"{tmp_path.name}/other.txt"]


def test_binary_data_are_set_aside_whole(tmp_path: Path) -> None:
    assert "binary" in refusal(write(tmp_path / "b.txt", bytes(range(256)) * 50))


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_records_with_nul_bytes_are_set_aside(tmp_path: Path, kind: str) -> None:
    nul = r"b\u0000c" if kind == "jsonl" else "b\0c"
    rows = ["good", nul, "also good"]
    if kind == "jsonl":
        rows = [f'{{"text": "{row}"}}' for row in rows]
    data = "\n".join(["text", *rows] if kind == "csv" else rows)
    audit = Audit()
    assert texts(write(tmp_path / f"a.{kind}", data), audit=audit) == ["good", "also good"]
    assert list(audit.reasons) == ["it holds NUL bytes; remove them"]


def test_a_lone_surrogate_in_json_is_set_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "\\ud83d"}\n{"text": "\\ud83d\\ude00"}\n')
    assert texts(path) == ["😀"]


# -- records ---------------------------------------------------------------------------------


def test_bad_json_lines_are_set_aside_with_their_number(tmp_path: Path) -> None:
    deep = "[" * 100_000
    rows = ['{"text": "a"}', '{"text": "b"', "", '"c"', '{"text": 3}', '{"title": "d"}', deep]
    audit = Audit()
    path = write(tmp_path / "a.jsonl", "\n".join([*rows, '{"text": "z"}']))
    assert texts(path, audit=audit) == ["a", "z"]
    assert quarantined(audit) == {
        "a.jsonl:2": "it is not valid JSON",
        "a.jsonl:4": "it is not a JSON object with a field for each column",
        "a.jsonl:5": "its text is not a string",
        "a.jsonl:6": "it has no text",
        "a.jsonl:7": "it is not valid JSON",
    }


def test_bad_rows_of_a_csv_are_set_aside_with_their_number(tmp_path: Path) -> None:
    data = 'text,label\none,x\ntwo\n"bad"quote,x\n\n"three",y\nfour,x,extra\n'
    audit = Audit()
    assert texts(write(tmp_path / "a.csv", data), audit=audit) == ["one", "three"]
    assert list(quarantined(audit)) == ["a.csv:4", "a.csv:3", "a.csv:7"]


def test_a_quote_that_never_closes_does_not_swallow_the_file_unnoticed(tmp_path: Path) -> None:
    data = 'text,label\none,x\n"two,x\n' + "three,x\n" * 100
    assert "never closed" in refusal(write(tmp_path / "a.csv", data))


def test_a_json_array_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps([{"text": "x"}] * 9)[:-4])
    assert "cut short" in refusal(path)


def test_a_broken_json_array_is_given_up_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.data.json_records.LONGEST", 1000)
    path = write(tmp_path / "a.json", '[{"text": "x" "y"}' + " " * 30_000_000 + "]")
    tracemalloc.start()
    assert "cut short" in refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_huge_line_is_set_aside_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with open(path, "wb") as file:
        file.write(b"before\n")
        block = b"x" * 2**20
        for _ in range(100):
            file.write(block)
        file.write(b"\nafter\n")
    texts(write(tmp_path / "warm.txt", "up"))
    audit = Audit()
    tracemalloc.start()
    found = read([str(path)], audit=audit, **OPTIONS)
    assert found["id"][:] == ["a.txt:1", "a.txt:3"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert quarantined(audit) == {"a.txt:2": lines.TOO_LONG}
    assert peak < 60_000_000


@pytest.mark.parametrize("kind", ["txt", "jsonl", "json", "csv", "tsv", "parquet"])
def test_every_format_caps_the_length_of_a_record(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lines", "lines", "delimited", "json_records"):
        monkeypatch.setattr(f"headstart.data.{module}.LONGEST", 1000)
    rows = ["short", "x" * 1001, "end"]
    path = tmp_path / f"a.{kind}"
    objects = [{"text": row} for row in rows]
    if kind == "parquet":
        pq.write_table(pa.table({"text": rows}), path)
    elif kind in ("json", "jsonl"):
        write(path, json.dumps(objects) if kind == "json" else "\n".join(map(json.dumps, objects)))
    else:
        write(path, "\n".join(rows if kind == "txt" else ["text", *rows]))
    audit = Audit()
    assert texts(path, audit=audit) == ["short", "end"]
    assert audit.reasons == {lines.TOO_LONG: 1}


def test_a_document_that_is_too_long_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST", 1000)
    write(tmp_path / "a.txt", "x" * 1001)
    write(tmp_path / "b.txt", "fine")
    audit = Audit()
    assert texts(tmp_path, document="file", audit=audit) == ["fine"]
    assert list(quarantined(audit).values()) == [lines.TOO_LONG]


def test_the_audit_names_some_and_counts_all(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "good"}\n' + "bad\n" * 5000)
    audit = Audit(examples=10)
    assert texts(path, audit=audit) == ["good"]
    assert audit.quarantined == 5000
    assert len(audit.summary()["records"]) == 10


def test_a_full_disk_is_one_plain_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.data.store import RecordWriter

    def full(self: RecordWriter) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RecordWriter, "_flush", full)
    message = refusal(write(tmp_path / "a.txt", "x"), cache=tmp_path / "cache")
    assert "disk is full" in message
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "data", "columns"),
    [
        ("nested.json", '{"model": {"layers": 4}, "seed": 1}', {}),
        ("book.xlsx", "x", {}),
        ("notes.txt", "a line", {"label": "stars"}),
        ("other.csv", "text,rating\nfine,2\n", {"label": "stars"}),
    ],
)
def test_a_file_in_a_folder_that_cannot_serve_is_set_aside_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: str, columns: dict[str, str]
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    folder = tmp_path / "d"
    folder.mkdir()
    odd = write(folder / name, data)
    alone = refusal(folder, columns=columns)
    assert refusal(odd, columns=columns).replace(name, f"d/{name}") == alone
    write(folder / "z.csv", "text,stars\na fine film,5\n")
    audit = Audit()
    assert texts(folder, audit=audit, columns=columns) == ["a fine film"]
    assert quarantined(audit) == {f"d/{name}": alone.rstrip(".")}
    assert name in audit.sentences()[0]
    assert refusal(odd, folder / "z.csv", columns=columns) in (alone, alone.replace("d/", ""))


def test_an_only_file_that_is_empty_is_named_once(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "labeled.csv", ""))
    assert message.count("labeled.csv") == 1
    assert message.endswith("labeled.csv: it is empty.")
