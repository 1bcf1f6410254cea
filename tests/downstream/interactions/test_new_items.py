"""Titles in lists, and items that no event has: whom they are recommended to."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.downstream.interactions.cold import map_features
from headstart.downstream.interactions.item_features import features_of, words_in
from headstart.errors import HeadstartError
from headstart.modalities.interactions.item_table import Item

ITEMS, USERS = 60, 240
KINDS = ("garden", "music")


def rows(found: object) -> list[dict[str, object]]:
    return found.to_dict()["recommendations"]  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with events of people of two tastes, and tables of the items and of new ones."""
    folder = tmp_path_factory.mktemp("tastes")
    rng = np.random.default_rng(0)
    with open(folder / "events.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "timestamp"])
        for user in range(USERS):
            for time in range(8):
                item = 2 * int(rng.integers(ITEMS // 2)) + user % 2
                writer.writerow([f"u{user}", item, time])
    with open(folder / "items.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item_id", "title", "category"])
        for item in range(ITEMS):
            writer.writerow([f"{item}.0", f"Thing, {item}", KINDS[item % 2]])
        writer.writerow(["shelf", "Shelf warmer", "music"])
    (folder / "new.csv").write_text(
        "item_id,title,category\nn0,A spade,garden\nn1,A flute,music\n3,Thing,music\n"
    )
    return folder


@pytest.fixture(scope="module")
def run(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has moved away from the table that it was given."""
    out = tmp_path_factory.mktemp("runs") / "tastes"
    table = shop / "moved.csv"
    shutil.copy(shop / "items.csv", table)
    with chdir(shop):
        hs.pretrain(
            str(shop / "events.csv"),
            out=str(out),
            budget="120steps",
            tracker="none",
            batch_size=16,
            encoder_options={"width": 32, "layers": 1, "heads": 2},
            modality_options={"interactions": {"item_table": table.name}},
        )
    table.unlink()
    return out


def test_titles_are_shown_beside_ids(run: Path) -> None:
    found = hs.recommend(str(run), history=["Thing, 4", "6"], count=2, reasons=True)
    first = rows(found)[0]
    assert first["title"] == f"Thing, {first['item']}"
    assert set(first["reason_titles"]) <= {"Thing, 4", "Thing, 6"}  # type: ignore[arg-type]
    assert f"{first['item']} Thing, {first['item']}" in str(found)
    assert "new" not in first


def test_a_run_records_where_its_table_lay(run: Path, shop: Path) -> None:
    import yaml

    recorded = yaml.safe_load((run / "config.yaml").read_text())["options"]
    table = recorded["modality_options"]["interactions"]["item_table"]
    assert table == str(shop / "moved.csv")


def test_a_run_says_in_its_audit_what_the_table_knows(run: Path) -> None:
    audit = json.loads((run / "audit.json").read_text())
    assert audit["facts"]["items with a title"] == "60 (100.0%)"
    assert any("1 row is of an item without an event" in note for note in audit["notes"])


def test_new_items_go_to_those_whom_such_items_suit(run: Path, shop: Path) -> None:
    new = str(shop / "new.csv")
    for history, best in (("2,4,8", "n0"), ("3,5,9", "n1")):
        listed = rows(hs.recommend(str(run), history=history, new_items=new, among="new"))
        assert listed[0]["item"] == best
        assert {row["item"] for row in listed} == {"n0", "n1"}
        assert all(row["new"] for row in listed)
    found = hs.recommend(str(run), history="2,4,8", new_items=new, count=100)
    every = [row["item"] for row in rows(found)]
    assert len(every) == ITEMS - 3 + 2
    middle = (ITEMS // 2) - 3
    assert every.index("n0") <= middle < every.index("n1"), "neither drowned nor on top"
    assert "1 item has events already" in str(found)
    assert "2 new items are ranked" in str(found)
    assert every.index("n0") > 0
    known = rows(hs.recommend(str(run), history="2,4,8", count=5))
    beside = rows(hs.recommend(str(run), history="2,4,8", new_items=new, among="known", count=5))
    assert [row["item"] for row in known] == [row["item"] for row in beside]
    assert np.allclose([row["score"] for row in known], [row["score"] for row in beside], atol=1e-4)


def test_items_of_the_table_without_events_are_recommended_when_asked_for(run: Path) -> None:
    listed = rows(hs.recommend(str(run), history="3,5", all_items=True, among="new"))
    assert [row["title"] for row in listed] == ["Shelf warmer"]
    seen = rows(hs.recommend(str(run), history="3,shelf", all_items=True, count=100))
    assert "shelf" not in {row["item"] for row in seen}


def test_a_run_goes_on_with_its_table_and_its_size(run: Path, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "on"
    events = str(shop / "events.csv")
    hs.pretrain(events, out=str(out), encoder=str(run), budget="2steps", tracker="none")
    assert rows(hs.recommend(str(out), history="4", count=1))[0]["title"].startswith("Thing")  # type: ignore[attr-defined]


def test_where_nothing_can_be_learned_it_is_said(run: Path, shop: Path, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="no new items to rank"):
        hs.recommend(str(run), history="3", among="new")
    few = tmp_path / "few.csv"
    few.write_text("item_id,title\n3,Three\n")
    with pytest.raises(HeadstartError, match="have events in the run already"):
        hs.recommend(str(run), history="3", new_items=str(few))
    bare = _bare(run, tmp_path)
    with pytest.raises(HeadstartError, match="something is said of 1 item"):
        hs.recommend(str(bare), history="3", new_items=str(shop / "new.csv"))
    with pytest.raises(HeadstartError, match=r"no table of items.*leave out all_items"):
        hs.recommend(str(bare), history="3", all_items=True)
    both = tmp_path / "both.csv"  # a catalogue with old and new items serves as well
    both.write_text((shop / "items.csv").read_text() + "n1,A flute,music\n")
    listed = rows(hs.recommend(str(bare), history="3", new_items=str(both), among="new"))
    assert {row["item"] for row in listed} == {"shelf", "n1"}


def test_words_of_scripts_without_spaces_are_pairs() -> None:
    assert words_in("Ab 1995 天气预报") == ["ab", "1995", "天气", "气预", "预报"]


def test_features_of_what_is_said() -> None:
    items = [Item(str(n), "", "", ("a",) if n % 2 else ("b", "c")) for n in range(30)]
    found = features_of(items, np.ones(30, bool))
    assert found.shape == (30, 3)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    with pytest.raises(HeadstartError, match="nothing is said"):
        features_of([Item("1"), Item("2")], np.ones(2, bool))


def test_the_map_is_a_ridge_regression_whose_penalty_fits() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 5))
    truth = rng.normal(size=(5, 3))
    new = rng.normal(size=(7, 5))
    clear = map_features(features, features @ truth + 4, np.full(200, 50), new)
    assert np.allclose(clear, new @ truth + 4, atol=0.2)
    noise = rng.normal(size=(200, 3))
    nothing = map_features(features, noise, np.full(200, 50), new)
    assert np.abs(nothing - noise.mean(0)).max() < 0.3, "what cannot be learned is the mean"


def test_an_encoder_of_texts_reads_what_is_said(run: Path, shop: Path, tmp_path: Path) -> None:
    new = str(shop / "new.csv")
    with pytest.raises(HeadstartError, match="of items there are texts and pictures"):
        hs.recommend(str(run), history="2", new_items=new, items_encoder=[str(run)])
    texts = [
        f"a {word} in the {kind}" for word in ("spade", "flute", "rose") for kind in KINDS
    ] * 20
    hs.pretrain(
        texts, out=str(tmp_path / "words"), encoder="light", budget="5steps", tracker="none"
    )
    found = hs.recommend(
        str(run), history="2", new_items=new, items_encoder=[str(tmp_path / "words")], among="new"
    )
    assert rows(found)[0]["item"] == "n0"
    assert f"ranked by titles, categories and what {tmp_path / 'words'} reads" in str(found)


def test_new_items_are_ranked_by_their_pictures(run: Path, tmp_path: Path) -> None:
    """Colours are what tells the two tastes apart; one file is broken, and one is outside."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "catalogue"
    folder.mkdir()
    colours = {0: (200, 40, 40), 1: (40, 40, 200)}
    lines = ["item_id,picture"]
    for item in [*map(str, range(ITEMS)), "red", "blue"]:
        kind = int(item) % 2 if item.isdigit() else ["red", "blue"].index(item)
        noise = rng.integers(-30, 30, (16, 16, 3))
        pixels = np.clip(np.array(colours[kind]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{item}.png")
        lines.append(f"{item},{item}.png")
    (folder / "7.png").write_bytes(b"no picture")
    table = folder / "catalogue.csv"
    table.write_text("\n".join([*lines, "far,../catalogue.csv"]) + "\n")
    with pytest.raises(HeadstartError, match="or pictures and what reads them"):
        hs.recommend(str(_bare(run, tmp_path)), history="2", new_items=str(table))
    network = tmp_path / "network"
    hs.pretrain(
        str(folder), out=str(network), budget="4steps", modality="image", start="none",
        tracker="none",
    )  # fmt: skip
    for history, best in (("2,4,8", "red"), ("3,5,9", "blue")):
        found = hs.recommend(
            str(run),
            history=history,
            new_items=str(table),
            items_encoder=[str(network)],
            among="new",
        )
        assert rows(found)[0]["item"] == best
        assert "1 of 62 pictures of items cannot be read" in str(found)
    plain = tmp_path / "plain.csv"
    plain.write_text("item_id,title\nn0,A spade\n")
    with pytest.raises(HeadstartError, match="reads pictures, and no item has one"):
        hs.recommend(str(run), history="2", new_items=str(plain), items_encoder=[str(network)])


def test_of_new_items_is_said_what_was_not_read(run: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("item_id,title,image\nn0,A spade,gone.png\nn0,Again,\nbare,,\n,None,\n")
    found = hs.recommend(str(run), history="2", new_items=str(table), among="new")
    assert [row["item"] for row in rows(found)] == ["n0"]
    said = str(found)
    assert "1 new item, 'bare', is left out, as nothing is known" in said
    assert "1 row repeats the id" in said
    assert "1 picture, 'gone.png', is not inside its folder" in said
    assert "ranked by titles" in said
    table.write_text("item_id,title\nbare,\n")
    with pytest.raises(HeadstartError, match="nothing is known of any new item"):
        hs.recommend(str(run), history="2", new_items=str(table))
    with pytest.raises(HeadstartError, match="reads new items, and none are asked for"):
        hs.recommend(str(run), history="2", items_encoder=[str(run)])


def test_new_items_are_ranked_by_their_prices(run: Path, tmp_path: Path) -> None:
    bare, table = _bare(run, tmp_path), tmp_path / "prices.csv"
    known = [f"{item},{(5 if item % 2 else 50) + item / 10:.2f} EUR" for item in range(ITEMS)]
    table.write_text("\n".join(["item_id,price", *known, "cheap,6", "dear,51"]) + "\n")
    for history, best in (("2,4,8", "dear"), ("3,5,9", "cheap")):
        listed = rows(hs.recommend(str(bare), history=history, new_items=str(table), among="new"))
        assert listed[0]["item"] == best


def _bare(run: Path, folder: Path) -> Path:
    """Return a copy of the run that knows nothing of its items."""
    bare = folder / "bare"
    shutil.copytree(run, bare)
    for file in ("item_table.parquet", "SHA256SUMS"):
        (bare / "encoder" / file).unlink()
    return bare


def test_columns_of_new_items_are_named(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("nr,heading,kind\nn0,A spade,garden\nn1,A flute,music\n")
    with pytest.raises(HeadstartError, match=r"no column of items.*columns.*item"):
        hs.recommend(str(run), history="2", new_items=str(path))
    named = {"item": "nr", "title": "heading", "category": "kind"}
    found = hs.recommend(str(run), history="2", new_items=str(path), among="new", columns=named)
    assert [row["title"] for row in rows(found)] == ["A spade", "A flute"]
    with pytest.raises(HeadstartError, match="'colour' is nothing that is read here"):
        hs.recommend(str(run), history="2", columns={"colour": "kind"})
