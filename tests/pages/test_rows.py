"""Rows on a terminal are a table that a person can read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from headstart.answers import _prose
from headstart.pages import rows
from headstart.pages.rows import rows_table

ROW: dict[str, Any] = {
    "id": "a.csv:2",
    "label": "yes",
    "score": 0.87654321,
    "scores": {"no": 0.12345679, "yes": 0.87654321},
    "record": {"text": "a fine\nfilm", "id": 7},
}


def test_numbers_are_short_and_the_input_stands_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    blank = {"id": "a.csv:3", "label": None, "score": None, "reason": "it is blank"}
    text = rows_table([ROW, blank])
    for shown in ("a.csv:2", "yes", "0.877", "a fine film", "input:id", "it is blank"):
        assert shown in text
    assert "0.8765" not in text
    assert "scores" not in text
    monkeypatch.setattr(rows, "MOST", 1)
    assert rows_table([ROW, ROW, ROW]).endswith("2 more rows; --out FILE.csv writes all.")


def test_what_was_typed_or_stands_there_already_has_no_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    long = "interest rates " * 9
    near = {"query": "rates", "id": "a:1", "preview": long, "record": {"text": long, "by": "me"}}
    text = rows_table([near, {**near, "id": "a:2"}])
    assert [name for name in ("query", "id", "preview", "text", "by") if name in text] == [
        "id",
        "preview",
        "by",
    ]
    assert "query" in rows_table([near, {**near, "query": "other"}])


def test_elsewhere_rows_are_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _prose([{"label": "a", "score": 0.123456}]) == '{"label": "a", "score": 0.123456}'
    monkeypatch.setattr("sys.__stdout__", SimpleNamespace(isatty=lambda: True, encoding="utf-8"))
    monkeypatch.setenv("COLUMNS", "80")
    assert "0.1234" not in _prose([{"label": "a", "score": 0.123456}])
    monkeypatch.setenv("COLUMNS", "12")  # a table would be empty
    assert _prose([{"label": "a"}]) == '{"label": "a"}'
