"""From the scores of frames to symbols: greedy, by prefix beam search, and when each is heard.

Scores are natural logarithms of the probabilities of classes (T,K), class 0 being the blank (Graves
et al. 2006, "Connectionist temporal classification").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

BLANK = 0
#: Stands for the end of a text where a language model is asked for its next symbol.
END = -1
#: Symbols less likely than this in a frame begin no prefix there (natural logarithm).
LEAST = -9.0

#: From the classes so far and the next one (or :data:`END`) to its logarithmic probability.
Score = Callable[[tuple[int, ...], int], float]


def greedy(logs: np.ndarray) -> list[int]:
    """Return the classes of the likeliest path (T,K): repetitions merged, then blanks dropped."""
    path = logs.argmax(1)
    new = np.ones(len(path), dtype=bool)
    new[1:] = path[1:] != path[:-1]
    return [int(each) for each in path[new & (path != BLANK)]]


def prefix_beam(
    logs: np.ndarray,
    beams: int,
    score: Score | None = None,
    *,
    weight: float = 0.0,
    bonus: float = 0.0,
    least: float = LEAST,
) -> list[tuple[tuple[int, ...], float]]:
    """Return the best sequences of classes and their scores, the best first.

    The score of a sequence is the logarithm of the sum over all its paths that were kept, plus
    ``weight`` times that of a language model, plus ``bonus`` for each symbol (Hannun et al. 2014,
    https://arxiv.org/abs/1408.2873, algorithm 1). With enough beams it is exact.

    Args:
        logs: (T,K).
        beams: prefixes that are kept from frame to frame.
        score: the language model; None for none.
        least: symbols below this in a frame extend no prefix.
    """
    # Of each prefix: its paths that end in a blank, and in its last symbol.
    kept: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    prior: dict[tuple[int, ...], float] = {(): 0.0}
    for frame in logs:
        values: list[float] = frame.tolist()
        likely = [k for k, value in enumerate(values) if k != BLANK and value >= least]
        found: dict[tuple[int, ...], tuple[float, float]] = {}
        for prefix, (blank, symbol) in kept.items():
            total = _add(blank, symbol)
            last = prefix[-1] if prefix else BLANK
            before = found.get(prefix, _NEVER)
            stays = symbol + values[last] if prefix else -math.inf
            found[prefix] = _add(before[0], total + values[BLANK]), _add(before[1], stays)
            for each in likely:
                longer = (*prefix, each)
                # The same symbol again is a new one only after a blank.
                gain = (blank if each == last else total) + values[each]
                before = found.get(longer, _NEVER)
                found[longer] = before[0], _add(before[1], gain)
                if longer not in prior:
                    known = weight * score(prefix, each) if score else 0.0
                    prior[longer] = prior[prefix] + known + bonus
        possible = (prefix for prefix, ends in found.items() if max(ends) > -math.inf)
        ranked = sorted(possible, key=lambda p: -(_add(*found[p]) + prior[p]))[:beams]
        kept = {prefix: found[prefix] for prefix in ranked}
        prior = {prefix: prior[prefix] for prefix in ranked}
    ends = {p: weight * score(p, END) if score else 0.0 for p in kept}
    totals = [(p, _add(*kept[p]) + prior[p] + ends[p]) for p in kept]
    return sorted(totals, key=lambda each: -each[1])


_NEVER = (-math.inf, -math.inf)


def _add(one: float, other: float) -> float:
    """Return the logarithm of the sum of two probabilities given by their logarithms."""
    high, low = (one, other) if one >= other else (other, one)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def align(logs: np.ndarray, classes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first frame of each class, and the one after its last, on the best path.

    Args:
        logs: (T,K), with frames enough for the classes and the blanks between equal ones.
        classes: without blanks.
    """
    if not classes:
        return []
    states = np.full(2 * len(classes) + 1, BLANK)
    states[1::2] = classes
    scores = logs[:, states]
    # A blank may be left out between two symbols that differ.
    skips = np.zeros(len(states), dtype=bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    total = np.full(len(states), -np.inf)
    total[:2] = scores[0, :2]
    back = np.zeros((len(logs), len(states)), dtype=np.int8)
    for at in range(1, len(logs)):
        ways = np.full((3, len(states)), -np.inf)
        ways[0], ways[1, 1:], ways[2, 2:] = total, total[:-1], total[:-2]
        ways[2, ~skips] = -np.inf
        back[at] = ways.argmax(0)
        total = ways.max(0) + scores[at]
    state = len(states) - 1 if total[-1] >= total[-2] else len(states) - 2
    frames = np.empty(len(logs), dtype=np.int64)
    for at in range(len(logs) - 1, -1, -1):
        frames[at] = state
        state -= int(back[at, state])
    spans = []
    for number in range(len(classes)):
        mine = np.flatnonzero(frames == 2 * number + 1)
        spans.append((int(mine[0]), int(mine[-1]) + 1))
    return spans
