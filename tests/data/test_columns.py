"""Columns are found where it is obvious, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from headstart.data.columns import LABEL, choose, guessed, label_text
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT


def found(columns: dict[str, list[Any]], **named: str) -> tuple[str, str | None]:
    chosen = choose("a.csv", columns, (*TEXT.fields, LABEL), named)
    return chosen["text"], chosen.get("label")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"text": ["x"], "label": [1]}, ("text", "label")),
        ({"id": ["7"], "Review": ["x"], "Class": ["a"]}, ("Review", "Class")),
        ({"content": ["x"], "text": ["y"]}, ("text", None)),
        ({"note": ["x"], "number": [3]}, ("note", None)),
        ({"note": ["x"], "category": ["a"]}, ("note", "category")),
        ({"title": ["short"], "story": ["a much longer story " * 5]}, ("story", None)),
        ({"text": ["x"], "label": [["a", "b"]]}, ("text", None)),
        ({"text": [3], "body": ["x"]}, ("body", None)),
        ({"text": ["x", 3, "y"], "label": ["a", [], 1], "body": ["z"]}, ("text", "label")),
    ],
)
def test_well_known_names_then_the_only_then_the_longest_column(
    columns: dict[str, list[Any]], expected: tuple[str, str | None]
) -> None:
    assert found(columns) == expected


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"text": ["x"], "label": [1], "other": ["y"]}, ""),
        ({"Text": ["x"]}, ""),
        (
            {"id": ["7"], "Review": ["x"], "Class": ["a"]},
            "column 'Review' is read as the text and 'Class' as the label",
        ),
        (
            {"nr": [1], "note": ["x"], "category": ["a"]},
            "column 'note' is read as the text and 'category' as the label; not read: 'nr' "
            "(name another with --column text=COLUMN)",
        ),
        ({"story": ["x"]}, "column 'story' is read as the text"),
    ],
)
def test_what_was_guessed_is_said_and_what_else_there_is(
    columns: dict[str, list[Any]], sentence: str
) -> None:
    fields = (*TEXT.fields, LABEL)
    assert guessed(columns, fields, {}, choose("a.csv", columns, fields, {})) == sentence
    named = choose("a.csv", columns, fields, {})
    assert guessed(columns, fields, named, named) == ""


def test_what_is_named_is_taken() -> None:
    columns = {"text": ["x"], "label": ["a"], "other": ["y"]}
    assert found(columns, text="label") == ("label", None)
    assert found(columns, label="text", text="other") == ("other", "text")
    assert found(columns, label="other") == ("text", "other")


@pytest.mark.parametrize(
    "columns", [{}, {"a": [1]}, {"a": ["x"], "b": ["y"]}, {"a": ["x" * 50], "b": ["y" * 30]}]
)
def test_what_is_unclear_is_asked_for(columns: dict[str, list[Any]]) -> None:
    with pytest.raises(HeadstartError, match="--column text=COLUMN"):
        found(columns)


def test_numbers_become_the_same_labels_in_every_format() -> None:
    assert {label_text(value) for value in (1, 1.0, "1", " 1\n", "1.0")} == {"1"}
    assert {label_text(value) for value in (True, "True", "TRUE", "true")} == {"true"}
    assert [label_text(value) for value in (False, 2.5, "2.50")] == ["false", "2.5", "2.50"]
    assert [label_text(value) for value in ("1.10", "01", "v1.0")] == ["1.10", "01", "v1.0"]
    assert [label_text(value) for value in (None, "", " ", float("nan"), [], {})] == [None] * 6
