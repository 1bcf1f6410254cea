"""Shingles: what a text is made of, whatever its case, punctuation and neighbours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from headstart.modalities.text.shingles import jaccard, shingles


def sets(*texts: str) -> list[set[int]]:
    hashes, offsets = shingles(texts)
    assert len(offsets) == len(texts) + 1
    assert offsets[-1] == len(hashes)
    return [set(hashes[a:b].tolist()) for a, b in pairwise(offsets)]


def naive(text: str) -> set[str]:
    """Return the shingles themselves, of letters and single spaces."""
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    flat = " " + " ".join(words)
    found = set()
    for start, first in enumerate(flat):
        width = 3 if "\u3400" <= first <= "\u9fff" else 5
        if start == 0 or start + width <= len(flat):
            found.add(flat[start : start + width])
    return found if words else set()


@pytest.mark.parametrize(
    "text",
    [
        "hello world",
        "a",
        "酒店的房间很干净",
        "酒",
        "mixed 酒店 text",
        "tab\tand\nnewline, too",
        "12 x",
    ],
)
def test_there_are_as_many_as_a_slow_way_finds(text: str) -> None:
    assert len(sets(text)[0]) == len(naive(text))


def test_two_texts_share_as_much_as_in_a_slow_way() -> None:
    one, other = "the quick brown fox jumps over it", "the quick red fox jumped over it"
    (a, b), (c, d) = sets(one, other), (naive(one), naive(other))
    assert len(a & b) / len(a | b) == len(c & d) / len(c | d)
    hashes, offsets = shingles([one, other])
    both = jaccard(hashes[: offsets[1]], hashes[offsets[1] :])
    assert both == pytest.approx(len(c & d) / len(c | d))


def test_case_punctuation_and_layout_make_no_difference() -> None:
    one, *others = sets("Hello, World!", "...hello\n world", "HELLO - WORLD!!", "hello world")
    assert all(other == one for other in others)
    assert sets("ﬁne")[0] == sets("fine")[0]


def test_neighbours_in_a_batch_make_no_difference() -> None:
    texts = ["one text", "", "!?", "x", "酒店的房间", "another text that is longer"]
    together = sets(*texts)
    assert together == [sets(text)[0] for text in texts]
    assert together[1] == together[2] == set()


def test_no_texts_have_no_shingles() -> None:
    hashes, offsets = shingles([])
    assert len(hashes) == 0
    assert np.array_equal(offsets, [0])
