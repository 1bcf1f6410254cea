"""Answer spans: the best span of each row, and SQuAD's scores."""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.modalities.text.scripts import composed, pattern


def best_spans(
    starts: Tensor, ends: Tensor, allowed: Tensor, longest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best score, first and last position (B,) of a span in each row.

    A span's score is the sum of its start's and its end's, and it is no longer than ``longest``
    positions (Devlin et al. 2018, section 4.2). A row without an allowed position has -inf.

    Args:
        starts, ends: (B,T) scores of each position.
        allowed: (B,T) bool, True where a span may be; contiguous in each row.
    """
    low = torch.full_like(starts, -torch.inf)
    starts, ends = torch.where(allowed, starts, low), torch.where(allowed, ends, low)
    width = starts.shape[1]
    best, first = starts.new_full((len(starts),), -torch.inf), starts.new_zeros(len(starts)).long()
    last = first.clone()
    for more in range(min(longest, width)):
        scores, indices = (starts[:, : width - more] + ends[:, more:]).max(1)
        better = scores > best
        best = torch.where(better, scores, best)
        first = torch.where(better, indices, first)
        last = torch.where(better, indices + more, last)
    return best, first, last


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span of a text without the white space at its ends."""
    inside = text[start:end]
    first = start + len(inside) - len(inside.lstrip())
    return first, first + len(inside.strip())


def squad_scores(found: list[str], truths: list[list[str]]) -> dict[str, float]:
    """Return ``exact`` and ``f1``, 0..1, as SQuAD's official script, by torchmetrics.

    Each answer is compared with all correct ones, ignoring case, punctuation and articles, and the
    best score counts. A question without an answer has the empty one (Rajpurkar et al. 2018,
    https://arxiv.org/abs/1806.03822); with both kinds of questions, ``has_answer_f1`` and
    ``no_answer_exact`` are of either kind alone. Each letter of a script without spaces is a word,
    as in CMRC (Cui et al. 2019, https://arxiv.org/abs/1810.07366).
    """
    scores = _mean_scores(found, truths)
    unanswered = [index for index, right in enumerate(truths) if not right]
    if 0 < len(unanswered) < len(truths):
        answered = [index for index, right in enumerate(truths) if right]
        parts = [
            _mean_scores([found[n] for n in some], [truths[n] for n in some])
            for some in (answered, unanswered)
        ]
        scores |= {"has_answer_f1": parts[0]["f1"], "no_answer_exact": parts[1]["exact"]}
    return scores


def _mean_scores(found: list[str], truths: list[list[str]]) -> dict[str, float]:
    from torchmetrics.functional.text import squad

    answers = [
        {"prediction_text": _parted(text), "id": str(index)} for index, text in enumerate(found)
    ]
    right = [
        {"answers": {"text": [_parted(text) for text in texts] or [""]}, "id": str(index)}
        for index, texts in enumerate(truths)
    ]
    scores = squad(answers, right)  # type: ignore[arg-type]
    return {"exact": float(scores["exact_match"]) / 100, "f1": float(scores["f1"]) / 100}


def _parted(text: str) -> str:
    return pattern("(<letter>)").sub(r" \1 ", composed(text))
