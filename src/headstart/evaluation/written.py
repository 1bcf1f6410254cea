"""Scores of generated texts against references: BLEU, chrF and ROUGE, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.errors import HeadstartError
from headstart.evaluation.metrics import Estimate
from headstart.modalities.text.scripts import (
    WORD,
    composed,
    folded,
    is_chinese,
    is_unspaced,
    pattern,
)

RESAMPLES = 500
ROUGE = ("rouge1", "rouge2", "rougeL")
_SEED = 12345


class Words:
    """The tokenizer for ROUGE: lower-case words, or characters in scripts without spaces.

    On English it equals the tokenizer of ``rouge-score`` without stemming, which drops all letters
    but a to z.
    """

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text, in order."""
        return pattern(WORD).findall(folded(text))


def written_scores(written: Sequence[str], references: Sequence[str]) -> dict[str, Estimate]:
    """Return ``bleu``, ``chrf``, ``rouge1``, ``rouge2`` and ``rougeL``, 0..100.

    BLEU (Papineni et al. 2002) and chrF (Popovic 2015) are corpus scores of ``sacrebleu`` with its
    defaults, BLEU by characters in scripts without spaces; ROUGE (Lin 2004) is the mean F1 of the
    texts by ``rouge-score``, without stemming. The intervals come from 500 bootstrap resamples of
    the texts (Koehn 2004).

    Args:
        written: N texts.
        references: N texts, one each.

    Raises:
        HeadstartError: sacrebleu or rouge-score is not installed.

    Example::

        scores = written_scores(["a cat sat"], ["the cat sat"])
        print(scores["rougeL"].mean)
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError:
        raise HeadstartError(
            "scores of written texts need sacrebleu and rouge-score: install the extra with "
            "`pip install 'headstart[tasks]'`."
        ) from None
    written, references = list(map(composed, written)), list(map(composed, references))
    # The tokenizer of sacrebleu for Chinese does not split kana, Thai and the like.
    unspaced = "zh" if is_chinese(references[:200]) else "char"
    tokenize = unspaced if is_unspaced(references[:200]) else "13a"
    random = np.random.default_rng(_SEED)
    draws = random.integers(len(written), size=(RESAMPLES, len(written)))
    found = {
        "bleu": _of_corpus(BLEU(tokenize=tokenize), written, references, draws),
        "chrf": _of_corpus(CHRF(), written, references, draws),
    }
    scorer = RougeScorer(list(ROUGE), use_stemmer=False, tokenizer=Words())
    each = [scorer.score(truth, text) for truth, text in zip(references, written, strict=True)]
    for name in ROUGE:
        values = np.array([scores[name].fmeasure for scores in each])
        found[name] = _interval(100 * float(values.mean()), 100 * values[draws].mean(1))
    return found


def formatted(scores: dict[str, Estimate]) -> str:
    """Format scores as one line: shares of 1 with three decimals, points of 100 with one."""
    return ", ".join(
        f"{name} {value.mean:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
        for name, value in scores.items()
        for digits in [3 if value.high <= 1 else 1]
    )


def _of_corpus(
    metric: Any, written: Sequence[str], references: Sequence[str], draws: np.ndarray
) -> Estimate:
    """Return a corpus score whose statistics add up over texts, so that resampling is cheap."""
    counts = np.array(metric._extract_corpus_statistics(list(written), [list(references)]))
    sums = counts[draws].sum(1)
    resampled = [metric._compute_score_from_stats(list(row)).score for row in sums]
    score = metric.corpus_score(list(written), [list(references)]).score
    return _interval(score, np.array(resampled))


def _interval(mean: float, resampled: np.ndarray) -> Estimate:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(float(mean), float(low), float(high))
