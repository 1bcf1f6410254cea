"""Retrieval: exact, whatever the block size, and kept in the run."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.deployment import search as searching
from headstart.deployment.search import Index, index_folder
from headstart.errors import HeadstartError


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
    source = tmp_path / "a.txt"
    source.write_text("one")
    before = index_folder(tmp_path, "encoder", [str(source)])
    assert index_folder(tmp_path, "encoder", [str(source)]) == before
    assert index_folder(tmp_path, "other", [str(source)]) != before
    source.write_text("two")
    assert index_folder(tmp_path, "encoder", [str(source)]) != before
