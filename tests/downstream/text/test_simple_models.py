"""Taggers, answers and copies without a network, on texts whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from headstart.downstream.text.seq2seq import Seq2Seq, nearest_texts
from headstart.downstream.text.simple_taggers import (
    Dictionary,
    LinearTagger,
    _best_path,
    _shape,
    within,
)
from headstart.downstream.text.sliding_window import answer, answers_of, sliding_window
from headstart.downstream.text.tokens import TokenClassification


def parted(text: str) -> list[str]:
    return text.split()


def test_the_dictionary_takes_the_longest_name_and_leaves_out_what_is_mostly_none() -> None:
    words = [parted(t) for t in ("in New York City", "in New York", "may May may", "May Ann")]
    tags = [parted(t) for t in ("O B-LOC I-LOC I-LOC", "O B-LOC I-LOC", "O B-PER O", "B-PER I-PER")]
    found = Dictionary(words, tags, chunked=True)
    assert found.tag(parted("to New York City and New York")) == parted(
        "O B-LOC I-LOC I-LOC O B-LOC I-LOC"
    )
    assert found.tag(parted("May Ann may")) == parted("B-PER I-PER O")
    rare = Dictionary([["may"], ["may"], ["may"]], [["B-PER"], ["O"], ["O"]], chunked=True)
    assert rare.tag(["may"]) == ["O"]


def test_two_names_side_by_side_stay_two() -> None:
    found = Dictionary([["王", "明", "李"]], [["B-PER", "I-PER", "B-PER"]], chunked=True)
    assert found.tag(["李", "王", "明"]) == ["B-PER", "B-PER", "I-PER"]


def test_without_chunks_each_word_has_its_most_frequent_tag() -> None:
    words, tags = [["a", "run", "run"], ["run"]], [["DET", "NOUN", "VERB"], ["VERB"]]
    found = Dictionary(words, tags, chunked=False)
    assert found.tag(["a", "run", "unknown"]) == ["DET", "VERB", "VERB"]


def test_the_best_path_is_the_best_of_all() -> None:
    random = np.random.default_rng(0)
    scores, steps = random.normal(size=(5, 3)), 2 * random.normal(size=(3, 3))

    def value(path: tuple[int, ...]) -> float:
        return scores[range(5), path].sum() + steps[path[:-1], path[1:]].sum()

    best = max(np.ndindex(*[3] * 5), key=value)
    assert tuple(_best_path(scores, steps)) == best


def test_the_linear_tagger_learns_from_shape_neighbours_and_the_tag_before() -> None:
    random = np.random.default_rng(0)
    names = ["".join(random.choice(list("abcdefgh"), 5)).title() for _ in range(300)]
    words, tags = [], []
    for first, last in zip(names[::2], names[1::2], strict=True):
        title = str(random.choice(["mr", "mrs"]))
        words.append(["then", title, first, last, "left"])
        tags.append(["O", "O", "B-PER", "I-PER", "O"])
    found = LinearTagger(words[:100], tags[:100])
    right = [found.tag(text) == row for text, row in zip(words[100:], tags[100:], strict=True)]
    assert np.mean(right) > 0.9  # none of these names was seen
    assert found.tag([]) == []


def test_of_many_words_only_the_first_texts_are_fitted_to() -> None:
    assert within([["a"] * 3, ["b"] * 3, ["c"]], most=6) == 2
    assert within([["a"] * 9], most=6) == 1


def test_a_tagging_task_is_compared_with_both() -> None:
    row = {"id": "1", "text": "Ann left York", "starts": [0, 4, 9], "ends": [3, 8, 13]}
    records = Dataset.from_list([{**row, "tags": ["B-PER", "O", "B-LOC"]}] * 4)
    found = dict(TokenClassification(4, ["O", "B-LOC", "B-PER"]).alternatives(records, records))
    assert set(found) == {"dictionary", "CRF-like features"}
    assert [scores["f1"] for scores in found.values()] == [1.0, 1.0]


def test_the_answer_is_what_the_words_of_the_question_surround() -> None:
    context = "Tom was born in 1950. The bridge was opened by Mary Smith after the war. It rains."
    assert answer(context, "Who opened the bridge after the war?", 3) == "by Mary Smith"
    assert answer("too short", "what?", 5) == "too short"


@pytest.mark.parametrize("starts", [[4], []])
def test_the_length_of_answers_is_chosen_on_training_questions(starts) -> None:
    row = {"id": "1", "text": "the cat sat down", "question": "the what sat?"}
    row |= {"starts": starts, "ends": [start + 3 for start in starts]}
    records = Dataset.from_list([row] * 3)
    wanted = "cat" if starts else ""
    assert sliding_window(records, records) == [wanted] * 3
    assert answers_of(records)[0] == (["cat"] if starts else [])


def test_the_nearest_source_gives_its_target() -> None:
    pytest.importorskip("sacrebleu", reason="sacrebleu (extra `tasks`) is not installed")
    train = Dataset.from_dict(
        {"id": ["1", "2"], "text": ["a dog runs", "two men sing"], "label": ["ein Hund", "Männer"]}
    )
    val = Dataset.from_dict({"id": ["3"], "text": ["the men are singing"], "label": ["Männer"]})
    assert nearest_texts(train["text"], val["text"]) == [1]
    ((name, scores),) = Seq2Seq().alternatives(train, val)
    assert name == "nearest training pair"
    assert scores["chrf"] == pytest.approx(100.0)


def test_the_shape_of_a_word_has_no_marks() -> None:
    assert _shape("हिन्दी") == "x"
    assert _shape("E\u0301cole-3") == "Xx-d"
