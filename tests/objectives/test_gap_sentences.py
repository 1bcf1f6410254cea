"""Gap sentences: which are masked, ROUGE by hand, and the loss of Transformers."""

from __future__ import annotations

from collections import Counter

import language
import lesson
import pytest
import torch
from frozen import cloze
from rewritten import Writing, on_neighbours, row_of, spoken, theirs, tiny_t5
from test_sentences import DOCUMENTS
from test_sentences import make_batch as make_documents
from tokens import CLS, MASK, SEP

from headstart.objectives.gap_sentences import GapSentences, numbered, rouge
from headstart.objectives.rewriting import Body
from headstart.seeding import generator

#: Of five sentences the second and the fourth share most with the rest.
DOCUMENT = [
    [10, 11, 12],
    [10, 11, 20, 21],
    [13, 14, 15, 16],
    [20, 21, 10, 17],
    [18, 19, 22],
]


def make(select: str = "principal", ratio: float = 0.3) -> GapSentences:
    options = GapSentences.Options(select=select, gap_ratio=ratio)
    return GapSentences(tiny_t5(), Writing, options).eval()


def by_hand(sentence: list[int], rest: list[int]) -> float:
    """Return ROUGE-1 F as defined: clipped matches, precision and recall."""
    matches = sum((Counter(sentence) & Counter(rest)).values())
    if not matches:
        return 0.0
    precision, recall = matches / len(sentence), matches / len(rest)
    return 2 * precision * recall / (precision + recall)


def test_rouge_is_that_of_the_definition():
    draws = torch.randint(5, 14, (40, 30), generator=generator(0))
    size = torch.randint(2, 31, (40,), generator=generator(1))
    starts = torch.rand(40, 30, generator=generator(2)) < 0.2
    text = Body(draws, size)
    number = numbered(text, starts)
    scores = rouge(text, number)
    for row in range(40):
        ids, which = draws[row, : size[row]].tolist(), number[row, : size[row]].tolist()
        assert which[0] == 0
        for index, sentence in enumerate(which):
            own = [t for t, n in zip(ids, which, strict=True) if n == sentence]
            rest = [t for t, n in zip(ids, which, strict=True) if n != sentence]
            expected = by_hand(own, rest) if rest else 0.0
            assert scores[row, index].item() == pytest.approx(expected, abs=1e-6)


def test_the_principal_sentences_are_masked_whole_and_written_in_their_order():
    batch = make_documents(*[DOCUMENT] * 3, width=22)
    corrupted = make(ratio=0.4).corrupt(batch, generator(0))
    for row in range(3):
        masked = [*DOCUMENT[0], MASK, *DOCUMENT[2], MASK, *DOCUMENT[4]]
        assert row_of(corrupted, row) == [CLS, *masked, SEP]
        assert row_of(corrupted, row, "written/") == [*DOCUMENT[1], *DOCUMENT[3], SEP]


@pytest.mark.parametrize(("ratio", "count"), [(0.3, 2), (0.15, 1), (0.01, 1), (0.99, 4)])
def test_the_ratio_of_five_sentences_is_masked_and_one_always_stays(ratio, count):
    batch = make_documents(*[DOCUMENT] * 200, width=22)
    corrupted = lesson.pure(make("random", ratio), batch)
    gone = Counter()
    for row in range(200):
        read = row_of(corrupted, row)
        assert read.count(MASK) == count
        for index, sentence in enumerate(DOCUMENT):
            runs = [read[i : i + len(sentence)] for i in range(len(read))]
            gone[index] += sentence not in runs
    assert min(gone.values()) > 10  # at random all have their turn
    assert sum(gone.values()) == 200 * count


def test_a_text_of_one_sentence_has_nothing_to_write_but_its_end():
    batch = make_documents([list(range(10, 20))], [[10], [11, 12]], width=13)
    corrupted = make().corrupt(batch, generator(0))
    assert row_of(corrupted, 0) == row_of(batch, 0)
    assert row_of(corrupted, 0, "written/") == [SEP]
    assert len(row_of(corrupted, 1, "written/")) in (2, 3)


def test_loss_and_gradients_equal_those_of_transformers_row_by_row():
    objective = make()
    batch = make_documents(*DOCUMENTS, DOCUMENT, width=22)
    batch["input_ids"] = batch["input_ids"].clamp(max=63)
    batch = objective.corrupt(batch, generator(3))
    lesson.same_gradients(objective(batch)["loss"], theirs(objective.encoder, batch), objective)


def test_every_parameter_moves():
    assert language.without_gradient(language.build({"gap_sentences": 1.0}, "t5")) == []


def test_on_unseen_articles_it_learns_to_write_and_from_what_it_reads():
    objective = language.build({"gap_sentences": 1.0}, "t5")
    before = spoken(objective)
    language.teach(objective, 150, rate=5e-3)
    after, unread = spoken(objective), spoken(objective, unread=True)
    print(f"gap sentences: {before:.3f} untrained, {after:.3f}; of another text {unread:.3f}")
    assert after < before - 1.0
    assert after < unread - 0.01


def test_on_unseen_articles_its_features_tell_more_of_hidden_tokens():
    assert language.learns(on_neighbours("gap_sentences"), 150, rate=1e-2, measure=cloze) > 0.05
