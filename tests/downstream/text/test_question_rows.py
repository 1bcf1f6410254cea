"""Long contexts become windows that overlap and know where their answer stands."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from datasets import Dataset

from headstart.downstream.text.question_rows import IGNORED, Layout, QuestionRows
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer

CONTEXT = "Robin lives in York, and Ada in the old town of Bath."


def rows_of(kind, length=24, **options):
    texts = [CONTEXT, "Where is Robin? 王小明在北京"] * 20
    processor = TextProcessor(fit_tokenizer(texts, kind=kind, vocab_size=300))
    context = "x " * 30 + CONTEXT
    records = Dataset.from_dict(
        {
            "text": [context],
            "question": ["Where is Robin?"],
            "starts": [[context.index("York")]],
            "ends": [[context.index("York") + 4]],
        }
    )
    return QuestionRows(processor, records, length, **options), processor, context


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "char", "word"])
def test_windows_hold_the_whole_context_and_point_at_the_answer(kind):
    rows, _, context = rows_of(kind, 40)
    batch = rows.batch(np.arange(len(rows)), 0)
    seen, found = set(), []
    for at in range(len(rows)):
        inside = batch["context"][at]
        spans = list(zip(batch["char_starts"][at], batch["char_ends"][at], strict=True))
        for start, end in [spans[position] for position in inside.nonzero()[:, 0]]:
            seen.update(range(int(start), int(end)))
        first, last = batch["labels"][at].tolist()
        if first:
            found.append(context[spans[first][0] : spans[last][1]].strip())
            assert inside[first]
            assert inside[last]
    assert {position for position, sign in enumerate(context) if not sign.isspace()} <= seen
    assert found
    assert all(answer == "York" for answer in found) or kind in ("bpe", "unigram")
    assert all("York" in answer for answer in found)


def test_neighbouring_windows_share_as_many_tokens_as_the_stride_says():
    rows, _, _ = rows_of("char", 40, stride=7)
    batch = rows.batch(np.arange(len(rows)), 0)
    ends = [batch["char_ends"][at][batch["context"][at]].tolist() for at in range(len(rows))]
    assert len(rows) > 3
    assert all(before[-7:] == after[:7] for before, after in pairwise(ends))


def test_a_row_is_as_transformers_makes_it_of_a_pair():
    texts = [CONTEXT, "Where is Robin?"] * 20
    processor = TextProcessor(fit_tokenizer(texts, kind="wordpiece", vocab_size=300))
    records = Dataset.from_dict({"text": [CONTEXT], "question": ["Where is Robin?"]})
    batch = QuestionRows(processor, records, 64, learns=False).batch(np.array([0]), 0)
    theirs = processor.tokenizer("Where is Robin?", CONTEXT, return_token_type_ids=True)
    assert batch["input_ids"][0].tolist() == theirs["input_ids"]
    assert batch["token_types"][0].tolist() == theirs["token_type_ids"]
    assert Layout(processor).specials == 3


def test_a_window_without_the_answer_points_at_position_0():
    rows, _, _ = rows_of("char", 40)
    labels = rows.batch(np.arange(len(rows)), 0)["labels"]
    assert labels[0].tolist() == [0, 0]
    assert (labels[:, 0] > 0).any()


def test_an_answer_that_the_tokenizer_leaves_out_is_not_learned_from():
    rows, _, _ = rows_of("char", 40)
    rows._answers = [None]
    assert (rows.batch(np.arange(len(rows)), 0)["labels"] == IGNORED).all()


def test_a_long_question_is_cut_and_leaves_half_of_the_row():
    texts = [CONTEXT] * 20
    processor = TextProcessor(fit_tokenizer(texts, kind="char", vocab_size=300))
    records = Dataset.from_dict({"text": [CONTEXT], "question": ["Robin " * 50]})
    batch = QuestionRows(processor, records, 35, learns=False).batch(np.array([0]), 0)
    assert batch["context"].sum() == 16
