from __future__ import annotations

import pytest

from headstart.modalities.tokens import batching
from headstart.modalities.tokens.batching import by_length

TEXTS = ["ab", "a" * 50, "c", "abc", "b" * 49, "zz", "d"]


def read(texts: list[str]) -> list[list[int]]:
    return [[ord(letter) for letter in text] for text in texts]


def shapes(most: int) -> list[tuple[int, int]]:
    return [(len(rows), len(rows[0])) for _, rows in by_length(TEXTS, read, most)]


def test_each_value_comes_once_beside_those_of_like_length() -> None:
    found = [(indices.tolist(), rows) for indices, rows in by_length(TEXTS, read, 50)]
    assert [indices for indices, _ in found] == [[1], [4], [3, 0, 5, 2, 6]]
    for indices, rows in found:
        assert rows == read([TEXTS[index] for index in indices])


def test_a_batch_holds_no_more_ids_than_it_may_unless_one_value_does() -> None:
    assert shapes(150) == [(3, 50), (4, 2)]
    assert shapes(1) == [(1, len(text)) for text in sorted(TEXTS, key=len, reverse=True)]
    assert list(by_length([], read, 10)) == []
    assert len(next(by_length(["", ""], read, 10))[1]) == 2


def test_values_are_sorted_within_a_window_and_memory_stays_flat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "WINDOW", 3)
    assert shapes(50) == [(1, 50), (2, 2), (1, 49), (2, 3), (1, 1)]
