"""Retrieval: exact, whatever the block size, and kept in the run."""

from __future__ import annotations

import json
import os
import shutil
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, load_from_disk
from PIL import Image
from safetensors.torch import load_file, save_file

import headstart as hs
from headstart.config import SourceOptions
from headstart.deployment import search as searching
from headstart.deployment.indexes import exact
from headstart.deployment.search import Index, index_folder, is_current
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest_of_records
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.options import TextOptions
from headstart.run import RunFolder
from headstart.stored import seal


def index(count: int = 50, width: int = 4) -> Index:
    vectors = np.random.Generator(np.random.PCG64(0)).normal(size=(count, width))
    return Index([f"r{index}" for index in range(count)], vectors.astype(np.float32))


def test_the_nearest_are_those_of_a_loop_over_all_cosines(monkeypatch) -> None:
    monkeypatch.setattr(exact, "CHUNK", 7)
    made = index()
    queries = np.random.Generator(np.random.PCG64(1)).normal(size=(3, 4)).astype(np.float32)
    indices, cosines = made.nearest(queries, 5)
    for query, found, near in zip(queries, indices, cosines, strict=True):
        by_hand = [
            float(query @ v / np.linalg.norm(query) / np.linalg.norm(v)) for v in made.vectors
        ]
        assert found.tolist() == sorted(range(50), key=lambda index: -by_hand[index])[:5]
        np.testing.assert_allclose(near, sorted(by_hand, reverse=True)[:5], rtol=1e-5)


def test_ties_keep_their_order_and_a_zero_vector_is_near_nothing() -> None:
    vectors = np.array([[0, 0], [1, 1], [2, 2], [1, 0]], dtype=np.float32)
    indices, cosines = Index(list("abcd"), vectors).nearest(np.array([[1.0, 1.0]]), 9)
    assert indices.tolist() == [[1, 2, 3, 0]]
    assert cosines[0, -1] == 0


def test_vectors_of_another_encoder_are_refused() -> None:
    with pytest.raises(HeadstartError, match="of 4 numbers and this encoder gives 3"):
        index().nearest(np.ones((1, 3)), 1)


@pytest.mark.parametrize("name", ["gone.npy", "gone.parquet", "broken.npy", "broken.parquet"])
def test_what_is_no_index_is_refused(name: str, tmp_path: Path) -> None:
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"no vectors")
        (tmp_path / "broken.ids.txt").write_text("a\n")
    with pytest.raises(HeadstartError, match="headstart embed"):
        Index.open(tmp_path / name)


@pytest.mark.parametrize(
    "vectors",
    [
        np.array([["a", "b"]]),
        np.ones((1, 4), dtype=complex),
        np.zeros((1, 2, 2)),
        np.zeros(1, dtype=[("a", float)]),
        None,
    ],
    ids=["texts", "complex", "three axes", "records", "empty"],
)
def test_an_array_of_something_else_is_no_index(vectors: Any, tmp_path: Path) -> None:
    (tmp_path / "v.ids.txt").write_text("a\n")
    (tmp_path / "v.npy").write_bytes(b"")
    if vectors is not None:
        np.save(tmp_path / "v.npy", vectors)
    with pytest.raises(HeadstartError, match="headstart embed"):
        Index.open(tmp_path / "v.npy")


@pytest.mark.parametrize("vectors", [["x"], [["x"]], [], [[1.0], [1.0, 2.0]]])
def test_a_table_of_something_else_is_no_index(vectors: list[Any], tmp_path: Path) -> None:
    table = pa.table({"id": ["a"] * len(vectors), "vector": vectors})
    pq.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(HeadstartError, match="headstart embed"):
        Index.open(tmp_path / "v.parquet")


def test_a_vector_that_is_not_finite_is_near_nothing() -> None:
    vectors = np.array([[np.inf, 0], [1, 1]], dtype=np.float32)
    assert Index(["a", "b"], vectors).nearest(np.ones((1, 2)), 2)[0].tolist() == [[1, 0]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    folder = tmp_path_factory.mktemp("search")
    words = [
        "apple",
        "pear",
        "plum",
        "fig",
        "saw",
        "axe",
        "drill",
        "file",
        "sun",
        "rain",
        "wind",
        "snow",
    ]
    lines = [" ".join(pair) for pair in combinations(words, 2)]  # their order is not seen
    (folder / "lines.txt").write_text("\n".join(lines))
    return hs.pretrain(
        str(folder / "lines.txt"),
        out=str(folder / "run"),
        budget="30steps",
        tracker="none",
        encoder_options={"width": 16},
    )


def test_a_text_finds_itself_among_the_texts_of_the_pre_training(run: hs.Run) -> None:
    rows = run.search(query="apple fig", count=3)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert rows[0]["id"] == "lines.txt:3"
    assert rows[0]["preview"] == "apple fig"
    assert "record" not in rows[0]  # lines have no columns
    assert rows[0]["similarity"] == pytest.approx(1, abs=1e-4)
    kept = list((run.folder / "index").iterdir())
    again = run.search(query="apple fig", count=3)
    assert again == rows
    assert list((run.folder / "index").iterdir()) == kept


@pytest.mark.parametrize("name", ["v.npy", "v.parquet"])
def test_an_index_of_embed_and_a_file_of_queries(run: hs.Run, name: str, tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text("apple pear\napple saw\n")
    source = str(run.folder.parent / "lines.txt")
    made = run.embed(source, out=str(tmp_path / name))
    rows = run.search(query=str(tmp_path / "queries.txt"), index=str(made), count=1)
    assert [row["id"] for row in rows] == ["lines.txt:1", "lines.txt:4"]
    assert [row["query"] for row in rows] == ["queries.txt:1", "queries.txt:2"]
    assert [row["preview"] for row in rows] == ["apple pear", "apple saw"]


def test_the_folder_of_an_index_follows_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "digest_of_encoder", lambda encoder, *_: encoder)

    def folder(
        source: Path | str, encoder: str = "encoder", own: Any = None, **options: Any
    ) -> Path:
        modality = TextModality(TextOptions(**own or {}))
        opened: Any = SimpleNamespace(encoder=encoder, processor=None, length=8, modality=modality)
        return index_folder(opened, tmp_path, [str(source)], SourceOptions(**options))

    source = tmp_path / "data" / "deep" / "a.txt"
    source.parent.mkdir(parents=True)
    source.write_text("one")
    for name in (source, tmp_path / "data", tmp_path / "data" / "*" / "*.txt"):
        source.write_text("one")
        before = folder(name)
        assert folder(name) == before
        assert folder(name, "other") != before
        assert folder(name, columns={"text": "title"}) != before
        assert folder(name, document="file") != before
        assert folder(name, quiet=True) == before
        assert folder(name, own={"tokenizer": {"kind": "char"}}) != before
        source.write_text("another")
        assert folder(name) != before
        changed, times = folder(name), source.stat()
        os.utime(source, (1, 1))
        assert folder(name) != changed
        again = folder(name)
        source.write_text("an other")
        os.utime(source, (1, 1))
        assert source.stat().st_mtime_ns != times.st_mtime_ns
        assert folder(name) != again  # same size and time


def test_an_index_follows_the_files_that_its_records_name(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    value = {"bytes": None, "path": str(tmp_path / "a.png")}
    opened: Any = SimpleNamespace(modality=ImageModality())
    folder = tmp_path / "index"
    Dataset.from_dict({"id": ["a"], "image": [value]}).save_to_disk(str(folder / "records"))
    assert not is_current(folder, opened)
    np.save(folder / "vectors.npy", np.ones((1, 2), np.float32))
    (folder / "vectors.ids.txt").write_text("a\n")
    records = load_from_disk(str(folder / "records"))
    (folder / "state.txt").write_text(digest_of_records(records, IMAGE))
    seal(folder)
    assert is_current(folder, opened)
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    assert not is_current(folder, opened)
    (folder / "vectors.npy").write_bytes(b"cut")
    assert not is_current(folder, opened)


def test_rows_without_a_vector_are_near_nothing() -> None:
    vectors = np.array([[np.nan, np.nan], [1, 0]], dtype=np.float32)
    rows = searching.search(Index(["a", "b"], vectors), ["q"], np.array([[1.0, 0.0]]), 5)
    assert [(row["id"], row["rank"]) for row in rows] == [("b", 1)]


def test_sources_are_searched_whose_names_are_not_utf8(run: hs.Run, tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"t\xe9")
    source.mkdir()
    (source / os.fsdecode(b"u\xe9.txt")).write_text("apple fig\nsaw axe")
    assert run.search(str(source), query="apple fig", count=1)[0]["preview"] == "apple fig"


def test_another_column_is_another_index(run: hs.Run, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("title,body\napple fig,saw axe\nsaw axe,apple fig\n")
    for column, found in (("title", ":2"), ("body", ":3")):
        rows = run.search(str(table), query="apple fig", count=1, columns={"text": column})
        assert rows[0]["id"] == f"table.csv{found}"
        assert set(rows[0]["record"]) == {"title", "body"}


def test_an_index_that_embed_wrote_may_have_rows_without_a_vector(
    run: hs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("text,nr\n ,1\napple fig,2\n,3\n")
    for name in ("v.npy", "v.parquet"):
        made = run.embed(str(table), out=str(tmp_path / name))
        assert "2 of 3 rows have no vector (2: it is blank): table.csv:2" in capsys.readouterr().err
        rows = run.search(query="apple fig", index=str(made), count=9)
        assert [row["id"] for row in rows] == ["table.csv:3"]
    vectors = np.load(tmp_path / "v.npy")
    assert np.isnan(vectors).all(1).tolist() == [True, False, True]
    assert (tmp_path / "v.ids.txt").read_text().split() == [f"table.csv:{n}" for n in (2, 3, 4)]
    table_of = pq.read_table(tmp_path / "v.parquet")
    assert table_of["reason"].to_pylist() == ["it is blank", None, "it is blank"]
    assert table_of["vector"].null_count == 2


def test_a_query_may_be_longer_than_the_name_of_a_file(run: hs.Run) -> None:
    for query in ("apple fig " * 60, f"{'apple' * 60}/fig", "果" * 200):
        assert len(run.search(query=query, count=2)) == 2


def test_a_run_on_a_read_only_disk_is_searched(
    run: hs.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = shutil.copytree(run.folder, tmp_path / "run")
    shutil.rmtree(copy / "index", ignore_errors=True)
    before = sorted(copy.rglob("*"))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != copy and access(path, mode))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert hs.search(str(copy), query="apple fig", count=1)[0]["preview"] == "apple fig"
    assert sorted(copy.rglob("*")) == before
    (kept,) = (tmp_path / "cache" / "headstart").glob("run-*/index/*")
    assert f"into {kept}" in capsys.readouterr().err
    hs.search(str(copy), query="apple fig", count=1)
    assert "embedding" not in capsys.readouterr().err


def test_the_sources_of_the_pre_training_are_read_as_they_were(run: hs.Run, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("title,body\napple fig,saw axe\npear plum,sun rain\n")
    copy = RunFolder(shutil.copytree(run.folder, tmp_path / "run"))
    options = {**copy.config()["options"], "sources": [str(table)], "columns": {"text": "title"}}
    copy.write_config({**copy.config(), "options": options})
    rows = hs.Run(copy.folder).search(query="apple fig", count=1)
    assert rows[0]["preview"] == "apple fig"


def test_of_each_source_the_newest_index_is_kept_and_their_sizes_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = "a" * 24, "b" * 24
    mine = tmp_path / "mine"

    def build(name: str) -> set[str]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "vectors.npy").write_bytes(b"x" * 100)
        searching._evict(tmp_path / name)
        return {path.name for path in tmp_path.iterdir()}

    mine.mkdir()
    assert build(a) == {"mine", a}
    assert build(f"{a}-{a}") == {"mine", f"{a}-{a}"}
    assert build(f"{b}-{a}") == {"mine", f"{a}-{a}", f"{b}-{a}"}
    assert build(f"{b}-{b}") == {"mine", f"{a}-{a}", f"{b}-{b}"}
    os.utime(tmp_path / f"{a}-{a}", (1, 1))
    monkeypatch.setattr(searching, "MOST", 250)
    assert build(f"{'c' * 24}-{a}") == {"mine", f"{b}-{b}", f"{'c' * 24}-{a}"}
    monkeypatch.setattr(searching, "MOST", 1)
    assert build(f"{'d' * 24}-{a}") == {"mine", f"{'d' * 24}-{a}"}


def test_records_of_written_vectors_are_shown_while_their_source_is_as_it_was(
    run: hs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("nr,text\n1,apple fig\n2,\n3,saw axe\n")
    for name in ("v.npy", "v.parquet"):
        run.embed(table, out=tmp_path / name, overwrite=True)
        (row,) = run.search(query="axe saw", index=tmp_path / name, count=1)
        assert (row["id"], row["preview"]) == ("table.csv:4", "saw axe")
        assert row["record"] == {"nr": "3", "text": "saw axe"}
    assert "not shown" not in capsys.readouterr().err
    table.write_text("nr,text\n1,apple fig\n2,\n3,axe saw\n")
    (row,) = run.search(query="axe saw", index=tmp_path / "v.npy", count=1)
    assert row.keys() == {"query", "rank", "id", "similarity"}
    assert "table.csv has changed since it was embedded" in capsys.readouterr().err
    (row,) = run.search(table, query="axe saw", index=tmp_path / "v.npy", count=1)
    assert row["record"]["text"] == "axe saw"
    (tmp_path / "v.npy.sources.json").unlink()
    run.search(query="axe saw", index=tmp_path / "v.npy", count=1)
    assert "there is no" in capsys.readouterr().err


def test_a_source_that_changes_while_it_is_embedded_has_changed(
    run: hs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, read = tmp_path / "table.csv", OpenedEncoder.read
    table.write_text("text\napple fig\nsaw axe\n")

    def changed(*arguments: Any, **options: Any) -> Any:
        records = read(*arguments, **options)
        table.write_text("text\nsaw axe\napple fig\n")
        return records

    with monkeypatch.context() as patch:
        patch.setattr(OpenedEncoder, "read", changed)
        run.embed(table, out=tmp_path / "v.npy")
    (row,) = run.search(query="axe saw", index=tmp_path / "v.npy", count=1)
    assert row.keys() == {"query", "rank", "id", "similarity"}
    assert "table.csv has changed since it was embedded" in capsys.readouterr().err


def test_a_carriage_return_in_an_id_is_no_end_of_it(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(2, dtype=np.float32))
    (tmp_path / "v.ids.txt").write_text("a\rb.txt:1\nc.txt:1\n", newline="\n")
    assert Index.open(tmp_path / "v.npy").ids == ["a\rb.txt:1", "c.txt:1"]


def test_written_vectors_of_another_encoder_are_refused_whatever_their_width(
    run: hs.Run, tmp_path: Path
) -> None:
    made = run.embed(run.folder.parent / "lines.txt", out=tmp_path / "v.npy")
    other = tmp_path / "other"
    shutil.copytree(run.folder / "encoder", other)
    (other / "SHA256SUMS").unlink()
    settings = other / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "version": "99.0"}))
    (row,) = hs.search(other, query="apple fig", index=made, count=1)
    assert row["id"] == "lines.txt:3"
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor * 2 for name, tensor in weights.items()}, other / "model.safetensors")
    with pytest.raises(HeadstartError, match="made with another encoder"):
        hs.search(other, query="axe saw", index=made)


@pytest.mark.parametrize("note", [{"options": {"no": 1}}, {"options": 5}, {"sources": [5]}])
def test_a_damaged_note_beside_vectors_is_told_and_they_are_searched(
    run: hs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], note: dict[str, Any]
) -> None:
    made = run.embed(run.folder.parent / "lines.txt", out=tmp_path / "v.npy")
    file = tmp_path / "v.npy.sources.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **note}))
    (row,) = run.search(query="apple fig", index=made, count=1)
    assert row["id"] == "lines.txt:3"
    assert "v.npy.sources.json" in capsys.readouterr().err
