"""Scores of written texts: those of the field's own packages, with intervals that cover them."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from headstart.evaluation.written import formatted, written_scores

TRUTH = [
    "a man is riding a brown horse along the beach",
    "two children play football in the park",
    "the woman in the red coat reads a book",
    "a dog jumps over a small fence",
]
WRITTEN = [
    "a man rides a brown horse on the beach",
    "two children are playing in the park",
    "a woman in a red coat is reading",
    "a dog jumps over a small fence",
]


def test_scores_are_those_of_sacrebleu_and_rouge_score():
    scores = written_scores(WRITTEN, TRUTH)
    assert scores["bleu"].mean == pytest.approx(BLEU().corpus_score(WRITTEN, [TRUTH]).score)
    assert scores["chrf"].mean == pytest.approx(CHRF().corpus_score(WRITTEN, [TRUTH]).score)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    for name in ("rouge1", "rouge2", "rougeL"):
        each = [scorer.score(t, w)[name].fmeasure for t, w in zip(TRUTH, WRITTEN, strict=True)]
        assert scores[name].mean == pytest.approx(100 * np.mean(each))


def test_an_interval_lies_around_the_score_and_shrinks_with_more_texts():
    few, many = written_scores(WRITTEN, TRUTH), written_scores(WRITTEN * 25, TRUTH * 25)
    for name, value in few.items():
        assert value.low < value.mean < value.high
        assert many[name].mean == pytest.approx(value.mean, abs=1e-6)
        assert many[name].high - many[name].low < (value.high - value.low) / 3
    same = written_scores(TRUTH, TRUTH)
    assert all(v.low == v.mean == v.high == pytest.approx(100) for v in same.values())
    assert formatted({"bleu": few["bleu"]}).startswith(f"bleu {few['bleu'].mean:.1f} [")


def test_letters_beyond_english_and_chinese_characters_count():
    german = written_scores(["für die Straße"], ["für eine Straße"])
    assert german["rouge1"].mean == pytest.approx(100 * 2 / 3)
    chinese = written_scores(["我爱北京天安门"], ["我爱北京"])
    # By hand: 4 of 7 characters are right, and all 4 of the truth are there.
    assert chinese["rouge1"].mean == pytest.approx(100 * 2 * 4 / 11)
    assert chinese["bleu"].mean > 0


def test_texts_of_other_scripts_differ_by_their_marks():
    hindi = written_scores(["राजा की किताब"] * 3, ["राजू का कोताबी"] * 3)
    assert all(value.mean < 50 for value in hindi.values())
    assert hindi["rouge1"].mean == 0
    vietnamese = "Tiếng Việt rất hay và dễ học"
    decomposed = unicodedata.normalize("NFD", vietnamese)
    for same in (written_scores([decomposed], [vietnamese]), written_scores(["방"], ["방"])):
        assert same["rouge1"].mean == same["chrf"].mean == pytest.approx(100)


@pytest.mark.parametrize(
    ("written", "truth"),
    [
        ("ฉันไปตลาดกับแม่เมื่อวานนี้", "ฉันไปตลาดกับเพื่อนเมื่อวานนี้"),
        ("ខ្ញុំទៅផ្សារជាមួយម្តាយម្សិលមិញ", "ខ្ញុំទៅផ្សារជាមួយមិត្តម្សិលមិញ"),
        ("きのうははとおかいものにいきました", "きのうはともだちとおかいものにいきました"),
    ],
    ids=["thai", "khmer", "japanese"],
)
def test_bleu_of_scripts_without_spaces_is_by_characters(written, truth):
    scores = written_scores([written], [truth])
    wanted = BLEU(tokenize="char").corpus_score([written], [[truth]]).score
    assert scores["bleu"].mean == pytest.approx(wanted)
    assert wanted > 40


def test_bleu_of_chinese_is_sacrebleus():
    written, truth = "我爱北京的天安门和GPU", "我爱北京天安门和GPU"
    wanted = BLEU(tokenize="zh").corpus_score([written], [[truth]]).score
    assert written_scores([written], [truth])["bleu"].mean == pytest.approx(wanted)
