"""A column that is taken at once equals the same column taken value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.data.unit import Unit
from headstart.modalities.interactions.content import ROWS
from headstart.modalities.interactions.modality import InteractionsModality

UNIT = cast(Unit, None)
COLUMNS: list[list[Any]] = [
    [7, 8, 7, -3],
    ["7", "7.0", " a ", "é", "e\u0301", "TRUE", "007", "-1", "١٢"],
    ["12", "7", "12"],
    [7.0, 7, "7", 1.5, -0.0, 0],
    [1.0, None, 2.5],
    ["a", None, "nan"],
    ["a", ""],
    [float("nan"), 1.0],
    [True, 1],
    [["a"], "b"],
    [10**400, 1],
    ["2024-05-31", "1"],
    ["1_0", " 3 ", "1e3"],
    ["inf", "1"],
    [None, None],
]


@pytest.mark.parametrize("field", [one for one in ROWS if one.take_all], ids=lambda one: one.name)
@pytest.mark.parametrize("values", COLUMNS, ids=repr)
def test_values_at_once_are_those_taken_one_by_one(field: Any, values: list[Any]) -> None:
    found = field.take_all(values)
    singly = [field.take(value, UNIT) for value in values]
    if found is not None:
        assert [(value, None) for value in found] == singly
        assert list(map(type, found)) == [type(value) for value, _ in singly]


def test_most_columns_are_taken_at_once() -> None:
    by_name = {one.name: one for one in ROWS}
    for name, values in (("user", [1, 2]), ("item", ["a", "b"]), ("time", ["1", 2.5])):
        take_all = by_name[name].take_all
        assert take_all is not None
        assert take_all(values) is not None


@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_quoted_rows_among_plain_ones_are_read_as_they_are(tmp_path: Path, where: str) -> None:
    plain = [f"u{n % 50},i{n % 70},{n}" for n in range(120_000)]
    place = {"start": 10, "middle": 61_234, "end": 119_990}[where]
    odd = ['"u,1","i ""2""",5', "", '"u\n1",i3,6', "u2,i4", 'u3,"i\n\n5",7', 'u4,i"6,8']
    rows = [*plain[:place], *odd, *plain[place:]]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    audit = Audit()
    records = InteractionsModality().read([str(path)], SourceOptions(), audit)
    found = dict(zip(records["id"], records["items"], strict=True))
    assert found["u,1"] == ['i "2"']
    assert found["u\n1"] == ["i3"]
    assert "i\n\n5" in found["u3"]
    assert 'i"6' in found["u4"]
    assert sum(map(len, found.values())) == 120_004
    line = place + 6
    assert [row["where"] for row in audit.summary()["records"]] == [f"events.csv:{line}"]
