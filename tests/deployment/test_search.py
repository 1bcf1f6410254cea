"""Retrieval: exact, whatever the block size, and kept in the run."""

from __future__ import annotations

import os
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart.config import SourceOptions
from headstart.deployment import search as searching
from headstart.deployment.search import Index, index_folder
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT
from headstart.run import RunFolder


def index(count: int = 50, width: int = 4) -> Index:
    vectors = np.random.Generator(np.random.PCG64(0)).normal(size=(count, width))
    return Index([f"r{index}" for index in range(count)], vectors.astype(np.float32))


def test_the_nearest_are_those_of_a_loop_over_all_cosines(monkeypatch) -> None:
    monkeypatch.setattr(searching, "CHUNK", 7)
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
    assert not any("preview" in row for row in rows)


def test_the_folder_of_an_index_follows_its_sources(tmp_path: Path) -> None:
    def folder(source: Path | str, encoder: str = "encoder", **options: Any) -> Path:
        return index_folder(tmp_path, encoder, [str(source)], SourceOptions(**options), TEXT)

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
        source.write_text("another")
        assert folder(name) != before
        changed = folder(name)
        os.utime(source, (1, 1))
        assert folder(name) != changed


def test_another_column_is_another_index(run: hs.Run, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("title,body\napple fig,saw axe\nsaw axe,apple fig\n")
    for column, found in (("title", ":2"), ("body", ":3")):
        rows = run.search(str(table), query="apple fig", count=1, columns={"text": column})
        assert rows[0]["id"] == f"table.csv{found}"


def test_the_sources_of_the_pre_training_are_read_as_they_were(run: hs.Run, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("title,body\napple fig,saw axe\npear plum,sun rain\n")
    copy = RunFolder(shutil.copytree(run.folder, tmp_path / "run"))
    options = {**copy.config()["options"], "sources": [str(table)], "columns": {"text": "title"}}
    copy.write_config({**copy.config(), "options": options})
    rows = hs.Run(copy.folder).search(query="apple fig", count=1)
    assert rows[0]["preview"] == "apple fig"
