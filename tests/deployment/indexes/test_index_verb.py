"""`headstart index` and the search in what it made, on a real run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import headstart as hs
from headstart.deployment.indexes import approximate
from headstart.deployment.indexes.state import CURRENT
from headstart.errors import HeadstartError

ROWS = [
    {"nr": 1, "text": "apple fig", "stars": 5, "city": "Paris, France"},
    {"nr": 2, "text": "saw axe", "stars": 4, "city": "Rome"},
    {"nr": 3, "text": "fig plum", "stars": 1, "city": None},
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


@pytest.fixture
def made(run: hs.Run, rows: Path, tmp_path: Path) -> Path:
    done = run.index(rows, out=tmp_path / "made", id_column="nr")
    assert done.to_dict() == {
        "out": str(tmp_path / "made"),
        "records": 3,
        "added": 3,
        "replaced": 0,
        "deleted": 0,
        "search": "exact",
        "recall": None,
    }
    assert str(done).endswith("holds 3 records (3 added), searched exactly")
    return tmp_path / "made"


def found(run: hs.Run, made: Path, query: str = "apple fig", **options: Any) -> list[str]:
    return [row["id"] for row in run.search(query=query, index=made, **options)]


def test_a_record_finds_itself_with_its_columns(run: hs.Run, made: Path) -> None:
    (first, *others) = run.search(query="apple fig", index=made)
    assert (first["id"], first["similarity"], first["preview"]) == ("1", 1.0, "apple fig")
    assert first["record"] == ROWS[0]
    assert {row["id"] for row in others} == {"2", "3"}


def test_a_filter_comes_before_the_search(run: hs.Run, made: Path) -> None:
    assert found(run, made, where="stars >= 4 and not city = Rome", count=1) == ["1"]
    assert found(run, made, where="city = 'Paris, France'") == ["1"]
    assert found(run, made, where="stars = 1", count=1) == ["3"]
    assert found(run, made, where="id = 2") == ["2"]
    assert found(run, made, where="stars > 9") == []
    with pytest.raises(HeadstartError, match="did you mean 'stars'"):
        found(run, made, where="star > 9")


def test_records_are_added_replaced_and_deleted(run: hs.Run, made: Path, tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text('{"nr": 2, "text": "drill file", "stars": "many"}\n')
    with pytest.raises(HeadstartError, match="already, such as 2; replace"):
        run.index(tmp_path / "more.jsonl", out=made, id_column="nr", add=True)
    done = run.index(tmp_path / "more.jsonl", out=made, id_column="nr", upsert=True)
    assert (done.records, done.added, done.replaced) == (3, 0, 1)
    assert found(run, made, "drill file", count=1) == ["2"]
    assert found(run, made, "saw axe", count=9).count("2") == 1
    assert found(run, made, where="stars = many") == ["2"]
    assert run.index(out=made, delete=["1", "none"]).records == 2
    assert sorted(found(run, made)) == ["2", "3"]
    done = run.index([{"text": "apple fig"}], out=made, add=True)
    assert done.records == 3


def test_an_index_of_another_encoder_is_refused(run: hs.Run, made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run.folder / "encoder", other)
    (other / "SHA256SUMS").unlink()
    assert hs.search(other, query="apple fig", index=made, count=1)[0]["id"] == "1"
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor * 2 for name, tensor in weights.items()}, other / "model.safetensors")
    for work in (
        lambda: hs.search(other, query="apple fig", index=made),
        lambda: hs.index(other, [{"text": "apple"}], out=made, add=True),
    ):
        with pytest.raises(HeadstartError, match="was made with another encoder"):
            work()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "is an index already; change it with add"),
        ({"add": True, "upsert": True}, "exclude each other"),
        ({"delete": ["1"]}, "leave out one of both"),
        ({"upsert": True, "id_column": "number"}, "choose one of: city, nr"),
        ({"upsert": True, "id_column": "city"}, "rows.jsonl:3 has no value in the column 'city'"),
    ],
)
def test_a_change_that_cannot_be_is_one_sentence(
    run: hs.Run, made: Path, rows: Path, options: dict[str, Any], sentence: str
) -> None:
    before = (made / CURRENT).read_text()
    with pytest.raises(HeadstartError, match=sentence):
        run.index(rows, out=made, **options)
    assert (made / CURRENT).read_text() == before


def test_what_is_no_index_is_never_written_to(run: hs.Run, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for options in ({}, {"overwrite": True}, {"add": True}):
        with pytest.raises(HeadstartError, match="is no index; choose another"):
            run.index(rows, out=tmp_path / "mine", **options)
    with pytest.raises(HeadstartError, match="is no index"):
        run.index(rows, out=run.folder / "encoder", overwrite=True)
    with pytest.raises(HeadstartError, match="there is no index"):
        run.index(out=tmp_path / "none", delete=["1"])
    with pytest.raises(HeadstartError, match="holds no index"):
        run.search(query="apple", index=tmp_path / "mine")
    with pytest.raises(HeadstartError, match="name what to index"):
        run.index(out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_filters_need_an_index_with_columns(run: hs.Run, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="selects records of an index"):
        run.search(rows, query="apple fig", where="stars = 5")
    vectors = run.embed(rows, out=tmp_path / "v.npy")
    with pytest.raises(HeadstartError, match="has no columns for where"):
        run.search(query="apple fig", index=vectors, where="stars = 5")


def test_inputs_beside_an_index_are_refused(run: hs.Run, made: Path, rows: Path) -> None:
    with pytest.raises(HeadstartError, match="has its own records; leave out the inputs"):
        run.search(rows, query="apple fig", index=made)


def test_an_index_is_replaced_as_a_whole(run: hs.Run, made: Path) -> None:
    assert run.index([{"text": "saw axe", "a": 1}], out=made, overwrite=True).records == 1
    (row,) = run.search(query="apple fig", index=made)
    assert row["record"]["a"] == 1


def test_pictures_are_indexed_with_their_names(tmp_path: Path) -> None:
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    (tmp_path / "pictures").mkdir()
    for name, colour in colours.items():
        for side in (16, 20, 24):
            Image.new("RGB", (side, side), colour).save(tmp_path / "pictures" / f"{name}{side}.png")
    run = hs.pretrain(
        tmp_path / "pictures",
        out=tmp_path / "run",
        budget="1steps",
        tracker="none",
        encoder="conv",
        length=16,
    )
    done = run.index(tmp_path / "pictures", out=tmp_path / "made")
    assert done.records == 9
    rows = run.search(query=tmp_path / "pictures" / "red16.png", index=tmp_path / "made", count=3)
    assert all("red" in row["id"] for row in rows)


def test_an_approximate_index_says_its_recall_and_a_bad_one_is_refused(
    run: hs.Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss", reason="the extra `search` brings faiss")
    words = ["apple", "pear", "plum", "fig", "saw", "axe", "drill", "file"]
    texts = [f"{a} {b} {c}" for a in words for b in words for c in words]
    exact = run.index(texts, out=tmp_path / "exact")
    done = run.index(texts, out=tmp_path / "near", approximate="on")
    assert exact.recall is None
    assert done.recall is not None
    assert done.recall >= approximate.LEAST
    assert "of the true nearest 10 are found" in str(done)
    answers = [found(run, tmp_path / name, count=10) for name in ("exact", "near")]
    assert len({*answers[0]} & {*answers[1]}) >= 9
    (tmp_path / "one.txt").write_text("apple\n")
    more = run.index(tmp_path / "one.txt", out=tmp_path / "near", add=True, approximate="on")
    assert (more.records, more.recall) == (513, done.recall)
    assert found(run, tmp_path / "near", "apple", count=1) == ["one.txt:1"]
    monkeypatch.setattr(approximate, "LEAST", 1.1)
    with pytest.raises(HeadstartError, match="fewer than 110%"):
        run.index(texts, out=tmp_path / "bad", approximate="on")
    assert not (tmp_path / "bad" / "lists").exists() or not any((tmp_path / "bad/lists").iterdir())


def test_a_million_without_faiss_is_searched_exactly(
    run: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(approximate, "FROM", 2)
    monkeypatch.setattr(approximate, "has_faiss", lambda: False)
    assert run.index(["apple", "fig", "saw"], out=tmp_path / "made").recall is None
    assert "faiss is not installed" in capsys.readouterr().err
    assert np.load(next((tmp_path / "made").glob("vectors/*/*.npy"))).shape == (3, 16)
