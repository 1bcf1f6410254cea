"""Items as parts of histories: found by id or title, embedded, and what is said where none is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.downstream.interactions.similar import _asked
from headstart.errors import HeadstartError
from headstart.modalities.interactions.ids import likely
from headstart.modalities.interactions.item_table import Item, ItemTable
from headstart.modalities.interactions.processor import ItemProcessor


def test_items_like_one_are_found_without_itself(run: Path) -> None:
    rows = hs.search(str(run), query="i5", count=3)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert {row["query"] for row in rows} == {"i5"}
    assert "i5" not in {row["id"] for row in rows}
    with pytest.raises(HeadstartError, match=r"no item of the run is called 'i55'; did you mean"):
        hs.search(str(run), query="i55")


def test_a_history_finds_users_as_before(run: Path, bought: Path) -> None:
    assert hs.search(str(run), query="i5,i6", count=1)[0]["id"].startswith("u")
    assert hs.search(str(run), str(bought), query="i5", count=1)[0]["id"].startswith("u")


def test_items_are_embedded_with_their_names(run: Path, tmp_path: Path) -> None:
    vectors = hs.embed(str(run), parts=True)
    assert isinstance(vectors, np.ndarray)
    assert vectors.shape == (30, 32)
    out = tmp_path / "items.npy"
    hs.embed(str(run), parts=True, out=str(out))
    assert np.array_equal(np.load(out), vectors)
    names = (tmp_path / "items.ids.txt").read_text().split()
    assert sorted(names) == sorted(f"i{number}" for number in range(30))
    near = hs.search(str(run), query="i5,i6", index=str(out), count=1)
    assert near[0]["id"] in names
    with pytest.raises(HeadstartError, match="without inputs"):
        hs.embed(str(run), str(out), parts=True)
    with pytest.raises(HeadstartError, match="name what to embed"):
        hs.embed(str(run))


def test_titles_name_items() -> None:
    table = ItemTable([Item("1", "Toy Story"), Item("2", "Alien"), Item("3", "Alien")])
    processor = ItemProcessor(["2", "1", "3"], table=table)
    assert _asked(processor, "toy story") == [1]
    assert _asked(processor, "Alien") == [0, 2]
    assert _asked(processor, "1.0") == [1]
    assert _asked(processor, "1,2") is None
    with pytest.raises(HeadstartError, match="did you mean 'Toy Story'"):
        _asked(processor, "toy")
    with pytest.raises(HeadstartError, match="give its id or title"):
        _asked(processor, "nothing like it at all")


def test_names_that_may_be_meant_are_found_among_very_many() -> None:
    names = [f"user{number}" for number in range(50_000)]
    assert "user4242" in likely("usr4242", names)
    assert len(likely("x", names)) == 50


def test_verbs_that_cannot_serve_name_the_one_that_does(run: Path, bought: Path) -> None:
    with pytest.raises(HeadstartError, match="recommend"):
        hs.predict(str(run), str(bought))
    with pytest.raises(HeadstartError, match="recommend"):
        hs.explain(str(run), str(bought))
    with pytest.raises(HeadstartError, match="recommend"):
        hs.generate(str(run))


def test_units_are_the_items_that_are_read() -> None:
    processor = ItemProcessor(["a", "b", "c"], table=ItemTable([Item("a", "A title")]))
    units = processor.units({"items": ["c", "a", "x", "b"], "times": None}, 3)
    assert units.count == 3
    assert units.notes == ["Only the latest 3 of 4 items were read."]
    assert units.batch["input_ids"].tolist() == [[3, 2, 4]]
    assert units.blank["input_ids"].tolist() == [[1, 1, 1]]
    fewer = units.without([{0}, {0, 1, 2}])
    assert fewer["input_ids"].tolist() == [[2, 4], [2, 0]]
    assert fewer["mask"].tolist() == [[True, True], [True, False]]
    evidence = units.evidence(units.batch["input_ids"][0].float(), "yes", signed=True)
    assert list(evidence.weights) == [3, 2, 4]
    assert [evidence.text[word.start : word.end] for word in evidence.words] == [
        "A title",
        "x",
        "b",
    ]


def test_times_go_with_the_items_of_a_history() -> None:
    processor = ItemProcessor(["a", "b", "c"], timed=True)
    units = processor.units({"items": ["a", "b", "c"], "times": [0.0, 1e6, 1e6 + 1]}, 3)
    whole, fewer = units.without([set(), {1}])["gaps"].tolist()
    assert whole[1] == fewer[1], "the pause before c is now as long as that before b was"
    assert whole[2] != fewer[1]
