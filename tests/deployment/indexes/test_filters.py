"""Conditions on columns: what they mean, and what is none."""

from __future__ import annotations

import pytest

from headstart.deployment.indexes.filters import Filter
from headstart.errors import HeadstartError

COLUMNS: dict[str, list[object]] = {
    "stars": ["5", "1", None, "3"],
    "lang": ["en", "de", "en", None],
    "year made": [1999, 2004, 2010, 2015],
    "seen": [True, False, None, True],
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("stars >= 3", [0, 3]),
        ("stars>=3 and lang=en", [0]),
        ("not stars >= 3", [1, 2]),
        ("stars != 5", [1, 3]),
        ("lang in (de, fr) or stars = 3", [1, 3]),
        ("lang=en OR lang=de AND stars<1", [0, 2]),
        ("(lang=en or lang=de) and stars<2", [1]),
        ("'year made' < 2010", [0, 1]),
        ('lang = "en"', [0, 2]),
        ("lang > de", [0, 2]),
        ("seen = true", [0, 3]),
        ("stars = 5.0", [0]),
    ],
)
def test_a_condition_finds_its_rows(text: str, rows: list[int]) -> None:
    assert Filter.parse(text).rows(COLUMNS.get, 4).nonzero()[0].tolist() == rows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stars",
        "stars >=",
        "and",
        "(a=1",
        "a=1 b",
        "a='x",
        "a in 1",
        "a in ()",
        "= 1",
        "a == 1",
        "not " * 99 + "a=1",
        "(" * 999,
        "a=1 and",
        "a ! b",
        "a=1)",
    ],
)
def test_what_is_no_condition_is_one_sentence(text: str) -> None:
    with pytest.raises(HeadstartError, match="--where"):
        Filter.parse(text)


def test_a_column_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(HeadstartError, match="did you mean 'stars'"):
        Filter.parse("star > 1").check(["stars", "lang"])
