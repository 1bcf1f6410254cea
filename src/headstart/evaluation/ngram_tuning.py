"""The order and the discounts of an n-gram model, chosen on held-out training tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.ngram_counts import Corpus, Grams, Matches, counted
from headstart.evaluation.ngram_model import Discounts, closed_form

#: The highest order that is tried, and the nats per token that an order must gain to be taken.
_HIGHEST, _WORTH = 8, 0.01
#: Order where there are too few tokens to choose it.
_PLAIN = 3
#: Maximum number of tokens that are held out.
_HELD = 200_000
#: Number of held-out tokens from which on the order is chosen, and the discounts are tuned.
_CHOSEN, _TUNED = 200, 10_000
#: Long documents are held out in stretches of this many tokens.
_STRETCH = 1000
_STEPS = 60


@dataclass(frozen=True)
class Choice:
    """The settings of an n-gram model.

    Attributes:
        order: n.
        discounts: of each order from 1; None for those of the closed form.
        held_out: number of tokens it was chosen on.
        perplexities: on them, of order 1, 2, ... up to the last that was tried.
    """

    order: int
    discounts: list[Discounts] | None
    held_out: int
    perplexities: list[float]


def chosen(documents: Sequence[np.ndarray], size: int) -> Choice:
    """Choose the order, up to 8, and tune the discounts for the perplexity of held-out tokens.

    From order 3 on, orders are added while each saves at least 0.01 nats per token. Discounts are
    tuned on the same tokens, which beats the closed form slightly (Chen & Goodman
    1998), if there are at least 10,000.

    Args:
        documents: training documents of token ids.
        size: number of entries in the vocabulary.
    """
    train, held = _split(documents)
    tokens = int((held.places > 0).sum())
    if tokens < _CHOSEN:
        return Choice(_PLAIN, None, 0, [])
    lower: list[_Evidence] = []
    tuned: list[Discounts] = []
    best: list[Discounts] = []
    losses: list[float] = []
    lowest = math.inf
    grams: Grams | None = None
    matches = Matches.unigrams(held)
    for longer, continuations in counted(train, size):
        if grams is not None:
            lower.append(_evidence(grams, continuations, matches, held, size))
            tuned = [*tuned[:-1], closed_form(continuations)]
            matches = matches.extended(held, longer.keys, size)
        grams = longer
        levels = [*lower, _evidence(grams, grams.counts, matches, held, size)]
        start = [*tuned, closed_form(grams.counts)]
        tuned, loss = _tuned(levels, start, size, steps=_STEPS if tokens >= _TUNED else 0)
        losses.append(loss)
        if loss < lowest - _WORTH:
            lowest, best = loss, tuned
        elif len(losses) > _PLAIN:
            break
        if len(losses) == _HIGHEST:
            break
    return Choice(
        len(best),
        best if tokens >= _TUNED else None,
        tokens,
        [math.exp(loss) for loss in losses],
    )


def _split(documents: Sequence[np.ndarray]) -> tuple[Corpus, Corpus]:
    """Return training and held-out stretches of documents, both evenly spaced."""
    stretches = [
        ids[start : start + _STRETCH] for ids in documents for start in range(0, len(ids), _STRETCH)
    ]
    total = sum(map(len, stretches))
    every = max(10, math.ceil(total / _HELD))
    held = stretches[every // 2 :: every]
    train = [ids for number, ids in enumerate(stretches) if number % every != every // 2]
    return Corpus.of(train), Corpus.of(held)


@dataclass(frozen=True)
class _Evidence:
    """What the counts of one order say of H held-out tokens, whatever the discounts.

    Attributes:
        known: (H,) whether the context has counts.
        share: (H,) the count of the n-gram in that of its context.
        group: (3,H) one over the count of the context where that of the n-gram is 1, 2, or more.
        kinds: (3,H) the number of n-grams of such counts in that of the context.
    """

    known: np.ndarray
    share: np.ndarray
    group: np.ndarray
    kinds: np.ndarray


def _evidence(
    grams: Grams, counts: np.ndarray, matches: Matches, held: Corpus, size: int
) -> _Evidence:
    owners, capped = grams.owners(size), np.minimum(counts, 3)
    predicted = held.places > 0
    contexts, found = matches.contexts[predicted], matches.grams[predicted]
    totals = np.bincount(owners, weights=counts, minlength=grams.contexts)
    known = (contexts >= 0) & (totals[contexts] > 0)
    unit = np.where(known, 1 / np.maximum(totals[contexts], 1), 0)
    group, kinds = np.empty((3, len(unit))), np.empty((3, len(unit)))
    for number in (1, 2, 3):
        alike = np.bincount(owners[capped == number], minlength=grams.contexts)
        kinds[number - 1] = alike[contexts] * unit
        group[number - 1] = unit * ((found >= 0) & (capped[found] == number))
    share = np.where(found >= 0, counts[found], 0) * unit
    return _Evidence(known, share, group, kinds)


def _tuned(
    levels: Sequence[_Evidence], start: Sequence[Discounts], size: int, *, steps: int
) -> tuple[list[Discounts], float]:
    """Return the discounts that minimise the nats per held-out token, and these nats."""
    from scipy.optimize import minimize

    first = np.array(start).ravel()
    if not steps:
        return list(start), _loss(first, levels, size)[0]
    # No discount takes a whole count, or nothing: unseen tokens keep a probability.
    limits = [(0.05 * number, 0.99 * number) for _ in start for number in (1, 2, 3)]
    found = minimize(
        _loss,
        first,
        (levels, size),
        method="L-BFGS-B",
        jac=True,
        bounds=limits,
        options={"maxiter": steps},
    )
    one, two, more = found.x.reshape(-1, 3).T.tolist()
    return list(zip(one, two, more, strict=True)), float(found.fun)


def _loss(
    discounts: np.ndarray, levels: Sequence[_Evidence], size: int
) -> tuple[float, np.ndarray]:
    """Return the mean nats of the held-out tokens, and its gradient by the discounts."""
    steps = discounts.reshape(-1, 3)
    probability = np.full(len(levels[0].share), 1 / size)
    lower, spares = [], []
    for level, step in zip(levels, steps, strict=True):
        lower.append(probability)
        spares.append(np.where(level.known, step @ level.kinds, 1))
        probability = level.share - step @ level.group + spares[-1] * probability
    gradient = np.empty_like(steps)
    upstream = -1 / probability / len(probability)
    for number in reversed(range(len(levels))):
        level = levels[number]
        gradient[number] = level.kinds @ (upstream * lower[number]) - level.group @ upstream
        upstream = upstream * spares[number]
    return float(-np.log(probability).mean()), gradient.ravel()
