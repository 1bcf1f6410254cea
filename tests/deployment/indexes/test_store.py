"""An index after any changes holds what a plain dictionary would, and survives every kill."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from headstart.deployment.indexes import store as storing
from headstart.deployment.indexes.segments import table_of
from headstart.deployment.indexes.state import CURRENT, Vectors
from headstart.deployment.indexes.store import Store, changing
from headstart.errors import HeadstartError

OWN = Vectors("a" * 24, 8, 2)


def embed(records: Dataset, out: Path) -> None:
    np.save(out, np.array([[len(text), 1] for text in records["text"]], dtype=np.float32))


def put(folder: Path, texts: dict[str, str], own: Vectors = OWN, *, replaces: bool = True) -> None:
    records = Dataset.from_dict({"id": [f"f:{name}" for name in texts], "text": [*texts.values()]})
    with changing(folder, "text") as change:
        change.add(records, table_of([*texts], [None] * len(texts)), own, embed, replaces=replaces)
        change.commit()
        if change.merged():
            change.commit()


def remove(folder: Path, names: list[str]) -> None:
    with changing(folder, "text") as change:
        change.delete(names)
        change.commit()


def held(folder: Path) -> dict[str, str]:
    """Return the valid records of an index, after comparing each with its vector."""
    store = Store.open(folder)
    found = {}
    for number, segment in store.segments.items():
        rows = np.flatnonzero(store.alive[number])
        vectors = store.vectors(store.state.of(OWN.weights, OWN.length) or OWN, number)
        for row in rows.tolist():
            text = segment.records[row]["text"]
            found[segment.ids[row].as_py()] = text
            wanted = np.array([len(text), 1]) / np.hypot(len(text), 1)
            np.testing.assert_allclose(vectors[row], wanted, rtol=1e-6)
    return found


def test_random_changes_leave_what_a_dictionary_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MANY", 3)
    draw, wanted = random.Random(0), dict[str, str]()
    for turn in range(12):
        names = draw.sample("abcdefghijkl", 4)
        if turn % 4 == 3:
            remove(tmp_path, names)
            wanted = {name: text for name, text in wanted.items() if name not in names}
        else:
            texts = {name: "x" * draw.randrange(1, 9) for name in names}
            put(tmp_path, texts)
            wanted |= texts
        assert held(tmp_path) == wanted
        assert len(Store.open(tmp_path).segments) <= 4


@pytest.mark.parametrize("kind", ["upsert", "delete", "merge", "first"])
def test_killed_at_every_change_of_a_file_the_index_is_the_old_or_the_new(
    kind: str, tmp_path: Path, dying: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"a": "one", "b": "three"} if kind != "first" else {}
    folder, change, seen = tmp_path / "index", 0, set()
    works = {
        "upsert": (lambda: put(folder, {"b": "seven", "c": "x"}), {**old, "b": "seven", "c": "x"}),
        "delete": (lambda: remove(folder, ["a"]), {"b": "three"}),
        "merge": (lambda: put(folder, {"c": "x"}), {**old, "c": "x"}),
        "first": (lambda: put(folder, {"c": "x"}), {"c": "x"}),
    }
    work, new = works[kind]
    if kind == "merge":
        monkeypatch.setattr(storing, "MANY", 0)
    if old:
        put(folder, old)
    died = True
    while died:
        change += 1
        died = dying(folder, change, work)
        found = held(folder) if (folder / CURRENT).exists() else {}
        assert found in (old, new)
        seen.add(found == new)
        if found == new and died:  # begin the next one with the old
            with changing(folder, "text") as again:
                again.empty()
                again.commit()
            if old:
                put(folder, old)
    assert change > 5
    assert seen == {False, True}
    assert held(folder) == new
    assert not list(folder.rglob("*.partial"))
    named = set(Store.open(folder).parts())
    assert set((folder / storing.SEGMENTS).iterdir()) <= named


@pytest.mark.parametrize("place", [f"{__name__}.embed", "os.fsync"])
def test_a_full_disk_leaves_the_index_as_it_was(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"a": "one"})

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place, full)
        with pytest.raises(HeadstartError, match="disk is full"):
            put(tmp_path, {"b": "two"})
    assert held(tmp_path) == {"a": "one"}
    put(tmp_path, {"b": "two"})
    assert held(tmp_path) == {"a": "one", "b": "two"}


def test_two_changes_at_once_are_refused_in_a_sentence(tmp_path: Path) -> None:
    put(tmp_path, {"a": "one"})
    with (
        changing(tmp_path, "text"),
        pytest.raises(HeadstartError, match="another process changes the index"),
    ):
        put(tmp_path, {"b": "two"})
    assert held(tmp_path) == {"a": "one"}


def test_ids_that_are_there_already_or_twice_are_refused(tmp_path: Path) -> None:
    put(tmp_path, {"a": "one"})
    with pytest.raises(HeadstartError, match="1 of the ids are in the index already, such as a"):
        put(tmp_path, {"b": "two", "a": "x"}, replaces=False)
    records = Dataset.from_dict({"id": ["1", "2"], "text": ["x", "y"]})
    with (
        changing(tmp_path, "text") as change,
        pytest.raises(HeadstartError, match="two of the records have the id 'c'"),
    ):
        change.add(records, table_of(["c", "c"], [None, None]), OWN, embed, replaces=True)
    assert held(tmp_path) == {"a": "one"}


def test_another_encoder_may_have_vectors_of_the_same_records(tmp_path: Path) -> None:
    put(tmp_path, {"a": "one"})
    put(tmp_path, {"b": "two"})
    other = Vectors("b" * 24, 8, 2)
    with changing(tmp_path, "text") as change:
        change.complete(other, embed)
        change.commit()
    state = Store.open(tmp_path).state
    assert [each.weights[0] for each in state.vectors] == ["a", "b"]
    put(tmp_path, {"c": "three"})
    store = Store.open(tmp_path)
    behind = store.state.of(other.weights, 8)
    assert behind is not None
    assert len(store.missing(behind)) == 1


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / CURRENT).write_text("{"),
        lambda folder: (folder / CURRENT).write_text('{"version": 1}'),
        lambda folder: (folder / CURRENT).write_text(
            (folder / CURRENT).read_text().replace("a" * 24, "../../x")
        ),
        lambda folder: next(folder.glob("vectors/*/*.npy")).write_bytes(b"cut"),
        lambda folder: next(folder.glob("segments/*/columns.arrow")).unlink(),
        lambda folder: next(folder.glob("segments/*/records/*.arrow")).write_bytes(b""),
    ],
    ids=["half a state", "a state of nothing", "outside", "vectors", "columns", "records"],
)
def test_a_damaged_index_is_one_sentence(harm: Any, tmp_path: Path) -> None:
    put(tmp_path, {"a": "one"})
    harm(tmp_path)
    with pytest.raises(HeadstartError, match=str(tmp_path)):
        held(tmp_path)
