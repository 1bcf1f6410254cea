"""Sentences: where they begin in English, Chinese and others, and in which token."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from headstart.data.audit import Audit
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.sentences import sentence_flags, sentence_starts, split_sentences
from headstart.modalities.text.tokenizers import fit_tokenizer

ENGLISH = [
    "Mr. Smith came. He sat down!",
    "I read J. K. Rowling. Was it good? It was 3.5 of 5 (no. 2 in May).",
    '"Stop!" he cried. They left... and the U.S. Army came. So it was.',
]
CHINESE = ["酒店很好。早餐一般！“真的吗？”他问。", "他说：“你好！”，然后走了。她没有走。"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (ENGLISH[0], ["Mr. Smith came.", "He sat down!"]),
        (
            ENGLISH[1],
            ["I read J. K. Rowling.", "Was it good?", "It was 3.5 of 5 (no. 2 in May)."],
        ),
        (
            ENGLISH[2],
            ['"Stop!" he cried.', "They left... and the U.S. Army came.", "So it was."],
        ),
        ("It was I. You know.", ["It was I.", "You know."]),
        ("great movie! would see again? yes. ok", ["great movie!", "would see again?", "yes. ok"]),
        ("one.<br /><br />two", ["one.<br /><br />", "two"]),
        ("A title\n\nthe text\ngoes on", ["A title", "the text\ngoes on"]),
        (CHINESE[0], ["酒店很好。", "早餐一般！", "“真的吗？”", "他问。"]),
        (CHINESE[1], ["他说：“你好！”，然后走了。", "她没有走。"]),
        ("价格是3.5元。很好!不错", ["价格是3.5元。", "很好!", "不错"]),
        ("यह घर है। डॉ. राम आए।", ["यह घर है।", "डॉ. राम आए।"]),
        ("هل تسمع؟ نعم.", ["هل تسمع؟", "نعم."]),
        ("នេះជាផ្ទះ។ល្អ", ["នេះជាផ្ទះ។", "ល្អ"]),
        ("พ.ศ. 2560 กทม.และเมืองอื่น", ["พ.ศ. 2560 กทม.และเมืองอื่น"]),
        ("  one sentence", ["one sentence"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_a_text_is_parted_where_a_reader_would(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "word", "char", "superword"])
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_one_token_is_flagged_for_each_sentence_and_the_one_that_closes_the_text(kind, texts):
    processor = TextProcessor(fit_tokenizer(texts * 10, kind=kind, vocab_size=500))
    for text, encoding in zip(texts, processor.encode(texts), strict=True):
        flags = sentence_flags(text, encoding.offsets)
        assert flags[-1]
        assert not flags[0]
        assert encoding.ids[-1] == processor.tokenizer.sep_token_id
        starts = [encoding.offsets[index] for index in np.flatnonzero(flags[:-1])]
        if kind == "superword":  # a phrase may hold the end of one and the beginning of the next
            assert len(starts) <= len(sentence_starts(text))
            continue
        assert len(starts) == len(sentence_starts(text))
        for (begin, end), index in zip(starts, sentence_starts(text), strict=True):
            assert begin <= index < end


def test_sentences_are_stored_only_where_an_objective_asks_for_them(tmp_path):
    processor = TextProcessor(fit_tokenizer(ENGLISH * 10, kind="wordpiece", vocab_size=200))
    records = Dataset.from_dict({"text": ENGLISH})
    for name, needs in (("with", {"sentences"}), ("without", {"order"})):
        processor.configure(frozenset(needs))
        TextModality().prepare(records, processor, tmp_path / name, Audit(), learn=False)
        for layout in ("documents", "packed"):
            rows = processor.rows(tmp_path / name, layout=layout, length=20, seed=0)
            batch = rows.batch(np.arange(len(rows)), 0)
            assert ("sentence_starts" in batch) == (name == "with")


def test_a_whole_row_ends_with_a_flag_and_a_row_that_was_cut_does_not(tmp_path):
    processor = TextProcessor(fit_tokenizer(ENGLISH * 10, kind="word", vocab_size=200))
    processor.configure(frozenset({"sentences"}))
    records = Dataset.from_dict({"text": ["One two. Three four five six seven eight nine."]})
    TextModality().prepare(records, processor, tmp_path / "t", Audit(), learn=False)
    whole = processor.rows(tmp_path / "t", layout="documents", length=32, seed=0)
    starts = whole.batch(np.array([0]), 0)["sentence_starts"][0]
    # [CLS] One two . Three ... . [SEP]
    assert starts.nonzero().flatten().tolist() == [1, 4, len(starts) - 1]
    short = processor.rows(tmp_path / "t", layout="documents", length=6, seed=0)
    ends = [bool(short.batch(np.array([0]), e)["sentence_starts"][0, -1]) for e in range(30)]
    assert 0 < sum(ends) < 15
