from __future__ import annotations

import pytest
import torch

from headstart.batch import IGNORE, Batch
from headstart.modalities.text.scripts import have_spaces
from headstart.modalities.tokens.preview import PIECES, sequences_in

WORDS = ["[PAD]", "[MASK]", "the", "river", "rose", "cup"]


def spelled(words):
    return lambda tokens: "".join(words[token] for token in tokens)


def rows_of(batch: Batch, corrupted: Batch) -> list[list[dict]]:
    return sequences_in(batch, corrupted, spelled(WORDS), 1, have_spaces=have_spaces)


def batch_of(*rows: list[int]) -> Batch:
    ids = torch.tensor(rows)
    return {"input_ids": ids, "mask": ids != 0}


def test_hidden_and_replaced_words_are_marked_and_answered() -> None:
    batch = batch_of([2, 3, 4, 2, 3, 4, 0])
    targets = torch.tensor([[IGNORE, 3, 4, IGNORE, IGNORE, 4, IGNORE]])
    corrupted = {**batch, "input_ids": torch.tensor([[2, 1, 5, 2, 3, 4, 0]]), "targets": targets}
    ((original, read),) = rows_of(batch, corrupted)
    assert [piece[0] for piece in original["pieces"]] == ["the", "river", "rose"] * 2
    assert read["name"] == "the network reads"
    assert read["pieces"] == [
        ["the", "", ""],
        ["[MASK]", "hidden", "river"],
        ["cup", "changed", "rose"],
        ["the", "", ""],
        ["river", "", ""],
        ["rose", "", "rose"],
    ]


def test_views_are_shown_one_by_one_without_a_comparison() -> None:
    batch = batch_of([2, 3, 4, 5])
    corrupted = {
        "first/input_ids": torch.tensor([[4, 5]]),
        "first/mask": torch.tensor([[True, True]]),
        "second/input_ids": torch.tensor([[5, 4, 3, 2]]),
        "second/mask": torch.tensor([[True, True, False, False]]),
    }
    ((_, first, second),) = rows_of(batch, corrupted)
    assert (first["name"], second["name"]) == ("first view", "second view")
    assert first["pieces"] == [["rose", "", ""], ["cup", "", ""]]
    assert second["pieces"] == [["cup", "", ""], ["rose", "", ""]]


def test_long_texts_are_cut() -> None:
    batch = batch_of([2] * (PIECES + 9))
    ((original, read),) = rows_of(batch, dict(batch))
    assert len(original["pieces"]) == len(read["pieces"]) == PIECES


@pytest.mark.parametrize(
    ("words", "spaced"),
    [
        (["a", "[MASK]", "red", "dog"], False),
        (["a", "[MASK]", " red", " dog"], True),
        (["房间", "[MASK]", "很", "大"], True),  # no piece has a space, and none needs one
    ],
)
def test_pieces_are_spaced_where_a_text_has_its_spaces(words: list[str], spaced: bool) -> None:
    batch = batch_of([1, 3, 4])
    batch["input_ids"] = torch.tensor([[0, 2, 3]])
    read = {**batch, "input_ids": torch.tensor([[1, 2, 3]])}
    ((original, seen),) = sequences_in(batch, read, spelled(words), 1, have_spaces=have_spaces)
    assert original["spaced"] is spaced
    assert seen["spaced"] is spaced


def test_unknown_words_are_marked_unless_they_are_hidden() -> None:
    batch = batch_of([2, 3, 5])
    read = {**batch, "input_ids": torch.tensor([[2, 1, 5]])}
    ((original, seen),) = sequences_in(batch, read, spelled(WORDS), 1, unknown=5)
    assert [piece[1] for piece in original["pieces"]] == ["", "", "unknown"]
    assert [piece[1] for piece in seen["pieces"]] == ["", "hidden", "unknown"]
