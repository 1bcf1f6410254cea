"""An index in a folder, in Qdrant and in PostgreSQL: the same verbs, the same answers.

Tests of PostgreSQL run where ``HEADSTART_PGVECTOR`` names a database with pgvector, such as
``postgresql://user@localhost/test``.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import headstart as hs
from headstart.config import ServeConfig
from headstart.deployment import stores
from headstart.deployment.indexes.filters import Filter
from headstart.deployment.stores import About, address_of, open_store
from headstart.errors import HeadstartError

ROWS: list[dict[str, Any]] = [
    {"nr": 1, "text": "apple fig", "stars": 5, "city": "Paris, France", "a.b [c]": "x"},
    {"nr": 2, "text": "saw axe", "stars": 4, "city": "Rome", "seen": True},
    {"nr": 3, "text": "fig plum", "stars": 1, "city": None, "seen": False},
    {"nr": 14, "text": "drill file", "stars": None, "city": "5"},
]
CONDITIONS = [
    "stars >= 4",
    "not stars >= 4",
    "stars != 5",
    "stars = 5.0",
    "city = 'Paris, France'",
    "city in (Rome, 5) or stars = 1",
    "(city = Rome or city = 5) and not stars < 9",
    "'a.b [c]' = x",
    "'a.b [c]' != x",
    "seen = true",
    "id = 2",
    "id > 3",
    "not (id in (1, 2) or stars = 1)",
    "stars > 9",
]


@pytest.fixture(params=["folder", "qdrant", "pgvector"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield where an index may be made."""
    if request.param == "folder":
        yield str(tmp_path / "made")
        return
    if request.param == "qdrant":
        pytest.importorskip("qdrant_client", reason="the extra `qdrant` brings qdrant-client")
        yield f"qdrant:{tmp_path / 'qdrant'}#rows"
        return
    pytest.importorskip("psycopg", reason="the extra `pgvector` brings psycopg")
    if "HEADSTART_PGVECTOR" not in os.environ:
        pytest.skip("HEADSTART_PGVECTOR names no database with pgvector")
    place = f"pgvector:{os.environ['HEADSTART_PGVECTOR']}#headstart_test"
    _dropped(place)
    yield place
    _dropped(place)


def _dropped(place: str) -> None:
    import psycopg

    address = address_of(place)
    assert address is not None
    with psycopg.connect(address.place, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {address.name}")


@pytest.fixture
def made(run: hs.Run, out: str, tmp_path: Path) -> str:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    done = run.index(file, out=out, id_column="nr")
    assert (done.records, done.added, str(done.folder)) == (4, 4, out)
    return out


def found(run: hs.Run, made: str, query: str = "apple fig", **options: Any) -> list[str]:
    return [row["id"] for row in run.search(query=query, index=made, **options)]


def test_a_record_finds_itself_with_its_columns(run: hs.Run, made: str) -> None:
    first, *others = run.search(query="apple fig", index=made, count=3)
    assert (first["id"], first["similarity"], first["preview"]) == ("1", 1.0, "apple fig")
    known = {name: value for name, value in first["record"].items() if value is not None}
    assert known == ROWS[0]
    assert [row["rank"] for row in others] == [2, 3]


def test_conditions_are_met_before_the_search_and_mean_the_same(run: hs.Run, made: str) -> None:
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in ROWS] for name in ROWS[0]}
    columns |= {"id": [str(row["nr"]) for row in ROWS], "seen": [row.get("seen") for row in ROWS]}
    for text in CONDITIONS:
        rows = Filter.parse(text).rows(columns.get, len(ROWS)).nonzero()[0]
        assert sorted(found(run, made, where=text)) == sorted(columns["id"][row] for row in rows)
    assert found(run, made, where="stars = 1", count=1) == ["3"]
    with pytest.raises(HeadstartError, match="did you mean 'stars'"):
        found(run, made, where="star > 9")


def test_records_are_added_replaced_and_deleted(run: hs.Run, made: str, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text('{"nr": 2, "text": "pear pear", "price": 3}\n{"nr": 9, "text": "fig fig"}\n')
    with pytest.raises(HeadstartError, match="already, such as 2; replace"):
        run.index(more, out=made, id_column="nr", add=True)
    done = run.index(more, out=made, id_column="nr", upsert=True)
    assert (done.records, done.added, done.replaced) == (5, 1, 1)
    assert found(run, made, "pear pear", count=1) == ["2"]
    assert found(run, made, where="price = 3") == ["2"]
    assert found(run, made, where="city = Rome") == []
    done = run.index(out=made, delete=["1", "none"])
    assert (done.records, done.deleted) == (4, 1)
    assert "1" not in found(run, made)
    with pytest.raises(HeadstartError, match="two of the records have the id '7'"):
        run.index(
            [{"nr": 7, "text": "a"}, {"nr": 7, "text": "b"}], out=made, id_column="nr", add=True
        )
    with pytest.raises(HeadstartError, match="is an index already; change it with add"):
        run.index(more, out=made)
    done = run.index(more, out=made, id_column="nr", overwrite=True)
    assert (done.records, sorted(found(run, made))) == (2, ["2", "9"])


def test_another_encoder_is_refused(run: hs.Run, made: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run.folder / "encoder", other)
    (other / "SHA256SUMS").unlink()
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor * 2 for name, tensor in weights.items()}, other / "model.safetensors")
    for work in (
        lambda: hs.search(other, query="apple fig", index=made),
        lambda: hs.index(other, [{"text": "apple"}], out=made, add=True),
    ):
        with pytest.raises(HeadstartError, match="was made with another encoder"):
            work()
    assert found(run, made, count=1) == ["1"]


def test_a_server_searches_in_it(run: hs.Run, made: str) -> None:
    pytest.importorskip("fastapi", reason="fastapi (extra `serve`) is not installed")
    from headstart.deployment.serving.models import Models
    from headstart.deployment.serving.work import Question

    config = ServeConfig(runs=[str(run.folder)], index=made)
    models = Models(config, print)
    models.exchange(models.reopened())  # as SIGHUP does, while the first ones are open
    (served,) = models.all.values()
    rows = served.lane("search").compute([Question("saw axe", 1), Question("fig plum", 2)])
    assert [row["id"] for each in rows for row in each][:2] == ["2", "3"]


def test_inputs_beside_an_index_are_refused(run: hs.Run, made: str, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="has its own records; leave out the inputs"):
        run.search(tmp_path / "rows.jsonl", query="apple fig", index=made)


def test_what_is_not_there_is_one_sentence(run: hs.Run, out: str) -> None:
    with pytest.raises(HeadstartError, match=r"holds no index|there is no index"):
        run.search(query="apple", index=out)
    with pytest.raises(HeadstartError, match="there is no index"):
        run.index(out=out, delete=["1"])


def test_a_folder_of_other_things_is_no_store_and_a_search_makes_none(
    run: hs.Run, tmp_path: Path
) -> None:
    pytest.importorskip("qdrant_client", reason="qdrant-client (extra `qdrant`) is not installed")
    with pytest.raises(HeadstartError, match="there is no index"):
        run.search(query="apple", index=f"qdrant:{tmp_path / 'new'}")
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(HeadstartError, match="holds other files and no collections of Qdrant"):
        run.index([{"text": "plum"}], out=f"qdrant:{tmp_path}")
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("out", ["qdrant"], indirect=True)
def test_a_change_that_was_cut_off_is_noticed_and_repeated(run: hs.Run, made: str) -> None:
    address = address_of(made)
    assert address is not None
    store = open_store(address, make=False)
    about = store.about()
    assert about is not None
    store.describe(About(**{**about.plain(), "columns": about.columns, "whole": False}))
    with pytest.raises(HeadstartError, match=r"was cut off; wait, or repeat it with upsert"):
        found(run, made)
    with pytest.raises(HeadstartError, match="cut off, or goes on; repeat it with upsert"):
        run.index([{"text": "plum"}], out=made, add=True)
    assert run.index([{"text": "plum"}], out=made, upsert=True).records == 5
    assert found(run, made, count=1) == ["1"]


@pytest.mark.parametrize("out", ["qdrant"], indirect=True)
def test_a_collection_of_others_is_never_replaced(run: hs.Run, made: str) -> None:
    address = address_of(made)
    assert address is not None
    store: Any = open_store(address, make=False)
    store._client.create_collection("theirs", vectors_config={})
    for options in ({}, {"overwrite": True}, {"upsert": True}):
        with pytest.raises(HeadstartError, match="is not headstart's; choose another name"):
            run.index([{"text": "plum"}], out=made.replace("#rows", "#theirs"), **options)
    assert store._client.collection_exists("theirs")


@pytest.mark.parametrize("out", ["qdrant"], indirect=True)
def test_the_order_of_text_is_refused_where_a_store_has_none(run: hs.Run, made: str) -> None:
    with pytest.raises(HeadstartError, match="by the order of text, which Qdrant cannot"):
        found(run, made, where="city > Paris")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("pgvector:postgresql://me:secret@host/db", "can be read by others"),
        ("pgvector:host=h password=secret", "can be read by others"),
        ("qdrant:https://h?api_key=secret", "can be read by others"),
        ("qdrant:", "needs a place"),
        ("qdrant:there#a b", "needs a place"),
    ],
)
def test_an_address_that_cannot_be_is_one_sentence(place: str, sentence: str) -> None:
    with pytest.raises(HeadstartError, match=sentence) as error:
        address_of(place)
    assert "secret" not in str(error.value)


def test_a_server_that_is_not_there_is_one_sentence(run: hs.Run) -> None:
    pytest.importorskip("qdrant_client", reason="the extra `qdrant` brings qdrant-client")
    with pytest.raises(HeadstartError, match="check the address, and that the server runs"):
        run.search(query="apple", index="qdrant:http://127.0.0.1:9#rows")
    pytest.importorskip("psycopg", reason="the extra `pgvector` brings psycopg")
    with pytest.raises(HeadstartError, match="PostgreSQL refuses the table 'rows'"):
        run.search(query="apple", index="pgvector:postgresql://127.0.0.1:9/none#rows")


@pytest.fixture
def qdrant(run: hs.Run, tmp_path: Path) -> Path:
    """A folder of Qdrant with an index that no process has open."""
    pytest.importorskip("qdrant_client", reason="the extra `qdrant` brings qdrant-client")
    folder = tmp_path / "qdrant"
    run.index([{"text": "apple fig"}, {"text": "saw axe"}], out=f"qdrant:{folder}#rows")
    return folder


def points(folder: Path) -> Path:
    return folder / "collection" / "rows" / "storage.sqlite"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "meta.json").write_text('{"collections": {"rows"'),
        lambda folder: (folder / "meta.json").write_text("[]"),
        lambda folder: (folder / "meta.json").write_text('{"collections": {"rows": 5}}'),
        lambda folder: points(folder).unlink(),
        lambda folder: points(folder).write_bytes(b""),
        lambda folder: points(folder).write_bytes(b"no database" * 99),
        lambda folder: points(folder).write_bytes(points(folder).read_bytes()[:5000]),
    ],
)
def test_a_damaged_folder_of_qdrant_is_said_to_be_damaged(
    run: hs.Run, qdrant: Path, damage: Callable[[Path], None]
) -> None:
    damage(qdrant)
    for work in (
        lambda: run.search(query="apple", index=f"qdrant:{qdrant}#rows"),
        lambda: run.index([{"text": "plum"}], out=f"qdrant:{qdrant}#rows", overwrite=True),
    ):
        with pytest.raises(HeadstartError, match=r"restore (it|the folder) from a copy, or") as bad:
            work()
        assert str(qdrant) in str(bad.value)
        assert "server" not in str(bad.value)


class Hostile:
    """Writes a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_folder_of_qdrant_runs_no_code_of_others(
    run: hs.Run, qdrant: Path, tmp_path: Path, protocol: int
) -> None:
    hostile = pickle.dumps(Hostile(tmp_path / "struck"), protocol=protocol)
    with closing(sqlite3.connect(points(qdrant))) as opened, opened:
        opened.execute("UPDATE points SET point = ?", [hostile])
    for work in (
        lambda: run.search(query="apple", index=f"qdrant:{qdrant}#rows"),
        lambda: run.index([{"text": "plum"}], out=f"qdrant:{qdrant}#rows", overwrite=True),
    ):
        with pytest.raises(HeadstartError, match="which might run code; use a folder that you"):
            work()
    assert not (tmp_path / "struck").exists()


def test_a_point_of_qdrant_is_no_way_to_other_classes() -> None:
    folder = pytest.importorskip("headstart.deployment.stores.qdrant_folder")
    module = b"\x8c\x20qdrant_client.http.models.models\x94"
    name = b"\x8c\x0bPointStruct\x94"
    assert folder._is_plain(b"\x80\x04" + module + name + b"\x93.")
    for hostile in (
        module + b"\x8c\x0fPointStruct.mro\x94\x93",
        module + name + b"0\x8c\x06system\x94\x93",  # the name is popped, and another pushed
        name + module + b"\x93",
        b"cos\nsystem\n",
    ):
        assert not folder._is_plain(b"\x80\x04" + hostile + b".")
    assert not folder._is_plain("text")


def test_no_folder_of_qdrant_is_made_in_what_is_finished(run: hs.Run) -> None:
    pytest.importorskip("qdrant_client", reason="the extra `qdrant` brings qdrant-client")
    inside = run.folder / "encoder" / "qdrant"
    with pytest.raises(HeadstartError, match="is a part of the run"):
        run.index([{"text": "plum"}], out=f"qdrant:{inside}")
    assert not inside.exists()


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "find_spec", lambda name: None)
    address = address_of("qdrant:there")
    assert address is not None
    with pytest.raises(HeadstartError, match=r"pip install 'headstart\[qdrant\]'"):
        open_store(address, make=False)


def test_a_key_comes_from_a_variable_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    qdrant = pytest.importorskip("headstart.deployment.stores.qdrant")
    assert sys.modules["qdrant_client"]
    monkeypatch.delenv(qdrant.KEY, raising=False)
    assert qdrant._key() is None
    monkeypatch.setenv(qdrant.KEY, "one")
    assert qdrant._key() == "one"
    (tmp_path / "key").write_text("two\n")
    monkeypatch.setenv(qdrant.KEY_FILE, str(tmp_path / "key"))
    assert qdrant._key() == "two"
