"""Near duplicates: planted ones are found, others are not, and order and batches do not matter."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from reading import OPTIONS

from headstart.data.audit import Audit
from headstart.data.overlap import leaked, overlap
from headstart.data.sources import read
from headstart.modalities.text import near as near_texts
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.near import matches, repeats
from headstart.modalities.text.shingles import jaccard, shingles

pytest.importorskip("rensa")
WORDS = [f"{a}{b}{c}" for a in "bcdfgst" for b in ("ar", "el", "in", "om") for c in "nkty"]


def text(seed: int, words: int = 60) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def edited(original: str, seed: int, edits: int = 2) -> str:
    """Replace some words, and shout."""
    words = original.split()
    for index in random.Random(seed).sample(range(len(words)), edits):
        words[index] = "other"
    return ", ".join(words).upper()


def held(texts: list[str], prefix: str = "") -> Dataset:
    ids = [f"{prefix}{n}" for n in range(len(texts))]
    return Dataset.from_dict({"id": ids, "text": texts})


def test_edited_copies_are_near_and_exact_ones_are_told_apart() -> None:
    texts = [text(n) for n in range(50)]
    texts += [edited(texts[3], 1), texts[7], texts[7].upper(), edited(texts[9], 2), text(9, 30)]
    exact, pairs = repeats(held(texts))
    assert exact.nonzero()[0].tolist() == [51, 52]
    assert pairs == [(50, 3), (53, 9)]


def test_just_the_pairs_of_enough_similarity_are_found() -> None:
    """The hashes only propose; pairs a little below the mark are proposed, too."""
    texts = [t for n in range(40) for t in (text(n), edited(text(n), n, edits=4 + n % 5))]
    truth = []
    for at in range(0, len(texts), 2):
        hashes, offsets = shingles(texts[at : at + 2])
        if jaccard(hashes[: offsets[1]], hashes[offsets[1] :]) >= near_texts.SIMILAR:
            truth.append((at + 1, at))
    assert 5 < len(truth) < 35
    assert repeats(held(texts))[1] == truth


def test_near_duplicates_of_one_text_count_once_each() -> None:
    words = text(1).split()
    copies = [" ".join([*words[:at], "other", *words[at + 1 :]]) for at in range(0, 60, 10)]
    texts = [text(1), *copies, text(2)]
    assert [pair[0] for pair in repeats(held(texts))[1]] == [1, 2, 3, 4, 5, 6]


def test_texts_without_letters_resemble_nothing() -> None:
    assert repeats(held(["?", "!", "...", "?"]))[1] == []
    assert repeats(held([]))[1] == []
    assert list(matches(held([]), held(["a"]), [])) == []
    assert list(matches(held(["a"]), held([]), [])) == []


def test_matches_across_two_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    background = [text(n) for n in range(30)]
    tested = [text(100), edited(text(4), 1), text(6), text(101), edited(text(4), 2, 1)]
    wanted = [(4, 1, False), (4, 4, False), (6, 2, True)]
    assert sorted(matches(held(background), held(tested), [])) == wanted
    monkeypatch.setattr(near_texts, "_TEXTS", 3)
    assert sorted(matches(held(background), held(tested), [])) == wanted


def test_a_tested_text_near_to_a_copy_of_another_is_found_too() -> None:
    """It may not hide behind the exact match of the same background text."""
    tested = held([text(1), edited(text(1), 1)])
    assert sorted(matches(held([text(1)]), tested, [])) == [(0, 0, True), (0, 1, False)]


def test_chinese_edits_are_near() -> None:
    original = "酒店的房间很干净，服务也很好，早餐一般，但是位置不错，交通方便，下次还会再来的。"
    copy = original.replace("很干净", "真干净").replace("，", "。")
    assert repeats(held([original, "今天天气很好，我们去公园散步了。", copy]))[1] == [(2, 0)]


def test_overlap_counts_every_tested_text_and_names_both_sides() -> None:
    background = held([text(1), text(2), text(1), text(3)], "b")
    tested = held([text(9), text(1), text(1), edited(text(2), 1)], "t")
    found = overlap(background, tested, TEXT)
    assert (found.tested, found.exact, found.near) == (4, 2, 1)
    assert found.indices.tolist() == [0, 1, 2]
    assert found.examples == [("t1", "b0"), ("t2", "b0"), ("t3", "b1")]
    assert found.summary()["examples"][0] == ["t1", "b0"]
    (sentence,) = found.sentences()
    assert sentence.startswith(
        "2 of 4 test texts also occur in the pre-training data and 1 more is nearly like one there"
    )
    assert overlap(background, held([text(8)]), TEXT).sentences() == []


def test_leaks_are_told_in_one_clause() -> None:
    tested = held([text(9), text(1), text(2), text(8)], "t")
    one, other = (overlap(held([text(n)]), tested, TEXT) for n in (1, 99))
    assert leaked({"here": one, "there": one}) == [
        "25.0% of the test texts occur here and 25.0% there, exactly or nearly"
    ]
    assert leaked({"here": other, "there": one}) == [
        "25.0% of the test texts occur there, exactly or nearly"
    ]
    assert leaked({"here": other}) == []


def test_without_the_library_exact_ones_are_found_and_a_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(near_texts, "available", lambda: False)
    background, tested = held([text(1), text(2)]), held([text(1), edited(text(2), 1)])
    found = overlap(background, tested, TEXT)
    assert (found.exact, found.near) == (1, 0)
    assert found.notes == [near_texts.MISSING]
    assert "headstart[audit]" in found.sentences()[-1]


def test_planted_copies_among_real_texts_are_found(shared_data: Callable[[str], Path]) -> None:
    source: Any = str(shared_data("phrasebank"))
    records = read([source], **OPTIONS, audit=Audit())
    texts = [t for t in records["text"][:] if len(t) > 80][:1500]
    generator = random.Random(0)
    planted = []
    for original in texts[:100]:
        index = generator.randrange(len(original) - 1)
        planted.append(original[:index] + "z" + original[index + 1 :])
    before = repeats(held(texts))[1]
    after = repeats(held(texts + planted))[1]
    assert len({pair[0] for pair in after if pair[0] >= len(texts)}) >= 99
    assert [pair for pair in after if pair[0] < len(texts)] == before


def test_of_very_many_texts_the_first_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_texts, "MOST", 2 * near_texts.EACH + 100)
    found = Dataset.from_dict({"text": ["a short text", "another text", "a short text!"]})
    notes: list[str] = []
    assert len(near_texts.near_pairs(found, notes)) == 0
    assert "the first 2 of 3 texts" in notes[0]
