"""What sources hold is guessed from names and column types, in folders, tables and archives."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawing import draw
from drawing import image_bytes as image
from visits import VISITS

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities import MODALITIES, guess
from headstart.modalities.guess import guess_content, telling_kinds
from headstart.modalities.opening import modality_of
from headstart.modalities.text.content import TEXT

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def parquet(path: Path, kind: pa.DataType, value: object) -> str:
    pq.write_table(pa.table({"x": pa.array([value], kind), "label": ["a"]}), path)
    return str(path)


@pytest.mark.parametrize(
    ("kind", "value", "content"),
    [
        (pa.string(), "a text", "text"),
        (pa.int64(), 1, "text"),
        (pa.binary(), b"\x89PNG", "image"),
        (pa.binary(), b"a text", "text"),
        (pa.large_binary(), b"\xff\xd8", "image"),
        (STRUCT, {"bytes": b"bytes", "path": None}, "image"),
        (pa.struct([("inner", STRUCT)]), {"inner": {"bytes": b"", "path": ""}}, "image"),
        (pa.struct([("words", pa.string())]), {"words": "a"}, "text"),
    ],
)
def test_columns_of_bytes_in_parquet_are_pictures(
    tmp_path: Path, kind: pa.DataType, value: object, content: str
) -> None:
    assert guess_content([parquet(tmp_path / "x.parquet", kind, value)]) == content


def test_a_broken_parquet_file_is_left_to_reading(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 but no more")
    assert guess_content([str(tmp_path / "x.parquet")]) == "text"


def zipped(path: Path, *names: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return str(path)


def tarred(path: Path, *names: str) -> str:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    return str(path)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_archives_are_told_by_their_members(tmp_path: Path, name: str) -> None:
    make = zipped if name.endswith("zip") else tarred
    assert guess_content([make(tmp_path / name, "a/1.JPG", "a/1.json", "b/2.png")]) == "image"
    assert guess_content([make(tmp_path / f"t{name}", "1.txt", "2.txt", "cover.png")]) == "text"


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_broken_archives_are_left_to_reading(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8bno archive at all")
    assert guess_content([str(tmp_path / name)]) == "text"


def test_most_of_what_lies_in_folders_and_globs_counts(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / "photos" / f"{number}.png", number)
    (tmp_path / "photos" / "README.txt").write_text("about")
    (tmp_path / "notes.txt").write_text("one\ntwo")
    assert guess_content([str(tmp_path)]) == "image"
    assert guess_content([str(tmp_path / "*.txt")]) == "text"
    assert guess_content([str(tmp_path / "photos" / "*.png"), str(tmp_path / "notes.txt")]) == (
        "image"
    )
    assert guess_content([str(tmp_path / "nowhere")]) == "text"


def test_saved_data_sets_are_told_by_their_features(tmp_path: Path) -> None:
    from datasets import Dataset, Features, Image

    rows = {"image": [{"bytes": image(), "path": None}]}
    Dataset.from_dict(rows, features=Features({"image": Image()})).save_to_disk(tmp_path / "p")
    Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "t")
    assert guess_content([str(tmp_path / "p")]) == "image"
    assert guess_content([str(tmp_path / "t")]) == "text"


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a third kind of data, which knows its tables by their columns."""
    kinds = {name: MODALITIES[name] for name in MODALITIES if name in ("text", "image")}
    monkeypatch.setattr(guess, "MODALITIES", {**kinds, "visits": SimpleNamespace(content=VISITS)})


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "csv.gz", "parquet"])
def test_a_kind_of_data_can_claim_a_table_by_its_columns(tmp_path: Path, kind: str) -> None:
    mine, other = tmp_path / f"mine.{kind}", tmp_path / f"other.{kind}"
    for path, names in ((mine, ("user", "item", "time")), (other, ("text", "label", "time"))):
        if kind == "parquet":
            pq.write_table(pa.table({name: ["a"] for name in names}), path)
            continue
        comma = "\t" if kind == "tsv" else ","
        text = "\n".join([comma.join(names), comma.join("abc")])
        if kind == "jsonl":
            text = json.dumps(dict.fromkeys(names, "a"))
        with (gzip.open if kind.endswith("gz") else open)(path, "wt") as file:
            file.write(text)
    assert guess_content([str(mine)]) == "visits"
    assert guess_content([str(other)]) == "text"


@pytest.mark.usefixtures("visits")
def test_tables_of_a_folder_are_taken_to_be_alike(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text("user,item\na,b\n")
    (tmp_path / "notes.txt").write_text("one\ntwo")
    assert guess_content([str(tmp_path)]) == "visits"


def test_a_draw_is_refused_in_a_sentence_that_says_how_to_settle_it(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", 1)
    (tmp_path / "1.txt").write_text("a caption")  # of the picture, so no text by itself
    assert guess_content([str(tmp_path)]) == "image"
    (tmp_path / "notes.txt").write_text("a text")
    with pytest.raises(HeadstartError, match="--modality text or --modality image"):
        guess_content([str(tmp_path)])


def test_two_kinds_that_claim_one_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {name: MODALITIES[name] for name in MODALITIES if name in ("text", "image")}
    for name in ("visits", "orders"):
        kinds[name] = SimpleNamespace(content=replace(VISITS, name=name))
    monkeypatch.setattr(guess, "MODALITIES", kinds)
    (tmp_path / "a.csv").write_text("user,item\na,b\n")
    with pytest.raises(HeadstartError, match="--modality visits or --modality orders"):
        guess_content([str(tmp_path / "a.csv")])


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a kind of data that has no rule of its own for what it recognises."""

    def fits(value: object) -> bool:
        return isinstance(value, list) or str(value).replace(" ", "").isdigit()

    numbers = replace(VISITS.fields[0], name="series", names=("Series", "readings"), fits=fits)
    title = replace(VISITS.fields[0], name="title", names=("title",), required=False)
    content = replace(
        VISITS,
        name="series",
        fields=(numbers, title),
        recognises=None,
        files=frozenset({".wave"}),
        archives=frozenset({".zip", ".tar"}),
    )
    kinds = {name: MODALITIES[name] for name in MODALITIES if name in ("text", "image")}
    monkeypatch.setattr(guess, "MODALITIES", {**kinds, "series": SimpleNamespace(content=content)})


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "saved"])
@pytest.mark.parametrize(
    ("columns", "content"),
    [
        ({"SERIES": "1 2 3", "label": "a"}, "series"),
        ({"readings": "1 2 3"}, "series"),
        ({"text": "an episode", "series": "Star Trek"}, "text"),
        ({"text": "1 2 3", "label": "a"}, "text"),
    ],
)
def test_a_table_is_claimed_by_columns_whose_names_and_values_fit(
    tmp_path: Path, kind: str, columns: dict[str, str], content: str
) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        path.write_text("\n".join([",".join(columns), ",".join(columns.values())]))
    elif kind == "jsonl":
        path.write_text(json.dumps(columns))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist([columns]), path)
    else:
        from datasets import Dataset

        Dataset.from_list([columns]).save_to_disk(path)
    assert guess_content([str(path)]) == content


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_the_first_table_of_an_archive_is_looked_into(tmp_path: Path, name: str) -> None:
    for number, (columns, content) in enumerate(
        (("readings,label\n1 2 3,a", "series"), ("text,series\none,Star Trek", "text"))
    ):
        path = tmp_path / f"{number}{name}"
        if name.endswith("zip"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("in/about.md", "nothing")
                archive.writestr("in/table.csv", columns)
        else:
            with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
                for inner, data in (("in/about.md", "nothing"), ("in/table.csv", columns)):
                    member = tarfile.TarInfo(inner)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data.encode()))
        assert guess_content([str(path)]) == content


@pytest.mark.usefixtures("series")
def test_files_that_are_one_record_each_are_claimed_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.wave").write_bytes(b"x")
    assert guess_content([str(tmp_path)]) == "series"


def test_a_suffix_that_text_does_not_call_a_table_is_peeked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SimpleNamespace(content=replace(TEXT, tables=TEXT.tables - {".jsonl"}))
    kinds = {"text": text, "visits": SimpleNamespace(content=VISITS)}
    monkeypatch.setattr(guess, "MODALITIES", kinds)
    (tmp_path / "a.jsonl").write_text('{"user": "a", "item": "b"}')
    assert guess_content([str(tmp_path / "a.jsonl")]) == "visits"


def table_of_pictures(folder: Path, header: str, row: str) -> str:
    (folder / "photos").mkdir()
    for number in range(6):
        (folder / "photos" / f"{number}.png").write_bytes(image())
    rows = [row.replace("#", str(number)) for number in range(6)]
    path = folder / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


@pytest.mark.parametrize("name", ["image", "file_name", "my_pictures"])
def test_a_table_of_names_of_pictures_is_one_of_pictures(tmp_path: Path, name: str) -> None:
    path = table_of_pictures(tmp_path, f"{name},label", "photos/#.png,a")
    assert guess_content([path]) == "image"
    config = SimpleNamespace(modality="auto", sources=[path], columns={}, encoding=None)
    assert modality_of(config) == "image"  # type: ignore[arg-type]


def test_a_table_of_pictures_and_texts_is_of_pairs_unless_one_column_is_named(
    tmp_path: Path,
) -> None:
    path = table_of_pictures(tmp_path, "image,text", "photos/#.png,a sentence about picture #")
    assert guess_content([path]) == "pairs"
    config = SimpleNamespace(modality="auto", sources=[path], columns={}, encoding=None)
    for column, kind in (("image", "image"), ("text", "text")):
        config.columns = {column: column}
        assert modality_of(config) == kind  # type: ignore[arg-type]
    config.columns = {"image": "image", "captions": "text"}
    assert modality_of(config) == "pairs"  # type: ignore[arg-type]


def test_names_of_pictures_are_no_texts(tmp_path: Path) -> None:
    path = table_of_pictures(tmp_path, "image,label", "photos/#.png,a")
    modality = MODALITIES["text"]()
    with pytest.raises(HeadstartError, match=r"which column of table\.csv holds the text"):
        modality.read([path], SourceOptions(), Audit())


def test_sources_of_another_kind_are_called_so(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("body,intent\nwhere is my card,lost\nhello,greeting\n")
    (tmp_path / "pictures").mkdir()
    draw(tmp_path / "pictures" / "a.png")
    cases = (
        (
            "texts.csv",
            "image",
            "holds texts, and this run reads pictures; name pictures, or a run of",
        ),
        ("pictures", "text", "holds pictures, and this run reads texts; name texts, or a run of"),
    )
    for name, kind, message in cases:
        modality, source = MODALITIES[kind](), str(tmp_path / name)
        with (
            pytest.raises(HeadstartError, match=message),
            telling_kinds([source], modality.content, "this run"),
        ):
            modality.read([source], SourceOptions(), Audit())
    with (
        pytest.raises(HeadstartError, match="no file or folder"),
        telling_kinds([str(tmp_path / "gone")], TEXT, "this run"),
    ):
        MODALITIES["text"]().read([str(tmp_path / "gone")], SourceOptions(), Audit())


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_a_pipe_beside_good_records_is_not_waited_for(tmp_path: Path, ending: str) -> None:
    os.mkfifo(tmp_path / f"odd{ending}")
    (tmp_path / "good.txt").write_text("a text\nanother one\n")
    assert guess_content([str(tmp_path)]) == "text"
