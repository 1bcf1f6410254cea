"""Text files are read in the encoding that they have, and it is said which one was taken."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from pydantic import ValidationError
from reading import texts, write

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.data.encodings import detect

GERMAN = "Grüße aus München\nDas Hotel war großartig – 5 € für „alles“\nnichts weiter\n"
CHINESE = "今天的天气非常好，我们去公园\n这个酒店的服务很好\n"


@pytest.mark.parametrize(
    ("text", "encoding", "taken"),
    [
        (GERMAN, "cp1252", "cp1252"),
        (GERMAN, "utf-8", None),
        (GERMAN, "utf-8-sig", None),
        (GERMAN, "utf-16", None),
        (GERMAN, "utf-32", None),
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "utf-16", None),
        ("¿Qué tal, niño?\n¡Feliz año!\n", "latin-1", "cp1252"),
        ("Très belle journée\nÀ bientôt, chère amie\n", "latin-1", "cp1252"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_encoding_is_detected_and_said_where_it_is_a_guess(
    tmp_path: Path, text: str, encoding: str, taken: str | None, packed: bool
) -> None:
    data = text.encode(encoding)
    path = tmp_path / ("a.txt.gz" if packed else "a.txt")
    audit = Audit()
    write(path, gzip.compress(data) if packed else data)
    assert texts(path, audit=audit) == text.splitlines()
    assert not audit.quarantined
    assert audit.notes == (
        [f"{path.name}: not UTF-8, and read as {taken}; --encoding names another encoding"]
        if taken
        else []
    )


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_every_text_format_is_read_in_its_encoding(
    tmp_path: Path, kind: str, encoding: str
) -> None:
    rows = [{"text": line} for line in GERMAN.splitlines()]
    if kind in ("csv", "tsv"):
        data = "text\n" + GERMAN
    elif kind == "json":
        data = json.dumps(rows, ensure_ascii=False)
    else:
        data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path = write(tmp_path / f"a.{kind}", data.encode(encoding))
    assert texts(path) == GERMAN.splitlines()


def test_the_sample_is_taken_from_the_whole_file(tmp_path: Path) -> None:
    lines = ["plain ascii words for a long while"] * 60_000 + ["schöne Grüße"] * 2_000
    path = write(tmp_path / "late.txt", "\n".join(lines).encode("cp1252"))
    assert path.stat().st_size > 2**21
    assert texts(path)[-1] == "schöne Grüße"
    write(tmp_path / "late.txt.gz", gzip.compress(path.read_bytes(), 1))
    assert texts(tmp_path / "late.txt.gz")[-1] == "schöne Grüße"


def test_a_file_with_little_evidence_is_read_as_those_before_it(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", GERMAN.encode("cp1252"))
    write(tmp_path / "b.txt", "é\u0178z".encode("cp1252"))
    audit = Audit()
    assert texts(tmp_path, audit=audit)[-1] == "é\u0178z"
    assert audit.notes[0].startswith(f"{tmp_path.name}/a.txt and 1 more: not UTF-8")


def test_a_named_encoding_is_taken_at_its_word(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "Привет\nмир".encode("koi8-r"))
    audit = Audit()
    assert texts(path, encoding="koi8-r", audit=audit) == ["Привет", "мир"]
    assert not audit.notes
    path = write(tmp_path / "b.txt", b"one\ncaf\xe9 au lait\n")
    assert texts(path, encoding="utf-8") == ["one"]
    assert texts(path) == ["one", "café au lait"]


def test_an_unknown_encoding_is_refused() -> None:
    assert SourceOptions(encoding="latin-1").encoding == "latin-1"
    with pytest.raises(ValidationError, match="is no encoding; write for example"):
        SourceOptions(encoding="latin-99")
    with pytest.raises(ValidationError, match="is no encoding"):
        SourceOptions(encoding="base64")


def test_one_foreign_line_does_not_change_the_encoding_of_all() -> None:
    lines = ["zwölf".encode(), "grün".encode(), "caf\xe9".encode("latin-1")]
    assert detect(lines) == "utf-8"


@pytest.mark.parametrize(
    ("language", "encoding", "taken"),
    [
        ("de", "cp1252", "cp1252"),
        ("fr", "cp1252", "cp1252"),
        ("cs", "cp1250", None),
        ("cs", "iso8859-2", None),
        ("de", "cp850", None),
    ],
)
def test_real_sentences_are_told_apart(
    shared_data: Callable[[str], Path], language: str, encoding: str, taken: str | None
) -> None:
    path = shared_data("multi30k/train.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line)[language] for line in islice(file, 400)]
    assert detect([row.encode(encoding, "ignore") for row in rows]) == taken


def test_files_of_different_encodings_are_told_apart_in_words(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", GERMAN.encode())
    write(tmp_path / "b.txt", "plain words")
    audit = Audit()
    texts(tmp_path, audit=audit)
    assert audit.notes == []
    write(tmp_path / "c.txt", GERMAN.encode("cp1252"))
    texts(tmp_path, audit=audit)
    assert audit.notes[0].startswith(f"{tmp_path.name}/c.txt: not UTF-8, and read as cp1252")
    assert audit.notes[1].startswith(f"{tmp_path.name}/a.txt: UTF-8, in contrast to other files")
