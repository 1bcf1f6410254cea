"""What an audit of interactions says: programs, repeats, ties, and test users that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import headstart as hs

HEAD = "user_id,item_id,timestamp"
NOW = 1_700_000_000


def write(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return str(path)


def people() -> list[str]:
    """Return 40 users with five events each, an hour apart, and one with a single event."""
    rows = [
        f"u{u},i{(3 * u + n) % 30},{NOW + 7 * u + 3600 * n}" for u in range(40) for n in range(5)
    ]
    return [*rows, f"once,i1,{NOW}"]


def audited(*sources: str, **options: Any) -> tuple[dict[str, Any], str]:
    found = hs.audit(*sources, **options).to_dict()
    return found, "\n".join(found["notes"])


def test_users_of_absurd_rates_and_numbers_are_named(tmp_path: Path) -> None:
    bot = [f"bot,i{n % 30},{NOW + n}" for n in range(60)]
    shared = [f"shared,i{n % 30},{NOW + 4000 * n}" for n in range(600)]
    _, notes = audited(write(tmp_path / "a.csv", [*people(), *bot, *shared]))
    assert "bot: more than 40 events within a minute" in notes
    assert "shared: more than 500 events" in notes
    _, notes = audited(write(tmp_path / "b.csv", people()))
    assert "program" not in notes


def test_numbers_that_are_no_dates_have_no_minute(tmp_path: Path) -> None:
    _, notes = audited(write(tmp_path / "a.csv", [f"a,i{n % 30},{n}" for n in range(90)]))
    assert "within a minute" not in notes


def test_lone_events_copies_ties_and_repeats_are_counted(tmp_path: Path) -> None:
    rows = people()
    ties = [f"tied,i{n},{NOW}" for n in range(20)]
    back = [f"back,i{n % 2},{NOW + n}" for n in range(80)]
    found, notes = audited(write(tmp_path / "a.csv", [*rows, *rows[:30], *ties, *back]))
    assert found["facts"]["users with one event"] == "1 (2.3%)"
    assert "30 of 331 events repeat an item and are left out" in notes
    assert "of the events have the time of another one" in notes
    assert found["facts"]["events of an item that the user had before"].startswith("78 ")
    assert "interactions.seen=keep" in notes


def test_test_users_that_the_pretraining_knows_are_found(tmp_path: Path) -> None:
    rows = people()
    later = [f"u{u},new{n},{NOW + 10**6 + n}" for u in range(3) for n in range(4)]
    half = [f"u7,i{(21 + n) % 30},{NOW + n}" for n in range(2)]
    tested = write(
        tmp_path / "test.csv", [*rows[50:55], *later, *half, f"x,i1,{NOW}", f"x,i2,{NOW}"]
    )
    found, notes = audited(write(tmp_path / "a.csv", rows), against=[tested])
    assert found["overlap"]["exact"] == 1  # u10 as it is
    assert found["overlap"]["near"] == 1  # u7, of which both tested items are known
    assert "3 of 6 test users are users of the pre-training as well" in notes
