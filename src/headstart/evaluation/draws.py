"""Stratified draws of labels, the same for every candidate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.config import EvaluateConfig
from headstart.errors import HeadstartError
from headstart.seeding import derive


def label_counts(
    wanted: Sequence[str], available: int, classes: int, *, at_most: bool = False
) -> tuple[dict[int, str], list[str]]:
    """Parse numbers of labels; return ``{count: name}`` in rising order, and notes on dropped ones.

    Args:
        wanted: counts such as ``"100"``, shares such as ``"5%"``, or ``"all"``.
        available: number of labeled records.
        classes: number of classes; each draw contains every class at least once.
        at_most: whether a larger number than are available stands for all.

    Raises:
        HeadstartError: an invalid entry, or no number that can be drawn.

    Example::

        counts, notes = label_counts(["100", "5%", "all"], available=5000, classes=10)
    """
    counts: dict[int, str] = {}
    dropped: list[str] = []
    for text in wanted:
        count, name = _count(text, available)
        if at_most and count > available:
            count, name = available, "all"
        if count > available:
            dropped.append(f"{count:,} labels cannot be drawn from {available:,}.")
        elif count < classes:
            dropped.append(f"{count:,} labels are too few for {classes:,} different ones.")
        else:
            counts[count] = "all" if count == available else counts.get(count, name)
    if not counts:
        raise HeadstartError(
            f"option 'labels': none of {', '.join(wanted)} can be drawn from {available:,} labeled "
            f"records of {classes:,} classes; ask for {classes:,} to {available:,}, or all."
        )
    return dict(sorted(counts.items())), dropped


def counts_of(
    config: EvaluateConfig, available: int, fewest: int
) -> tuple[dict[int, str], list[str]]:
    """Parse numbers of labels where there are no classes; see :func:`label_counts`.

    Raises:
        HeadstartError: no requested number is within ``fewest`` to ``available``.
    """
    counts, dropped = label_counts(config.labels, available, 1, at_most=config.quick)
    few = [count for count in counts if count < fewest]
    if len(few) == len(counts):
        raise HeadstartError(
            f"option 'labels': none of {', '.join(config.labels)} can be learned from; there are "
            f"{available:,} labeled records, so ask for {fewest} or more, or for all."
        )
    dropped += [f"{count:,} label(s) are too few to learn from." for count in few]
    return {count: name for count, name in counts.items() if count not in few}, dropped


def draw_seeds(config: EvaluateConfig, counts: dict[int, str]) -> dict[int, list[int]]:
    """Return the seeds of the draws at each number of labels; all labels are drawn once."""
    return {
        count: [
            derive(config.seed, "draw", count, number)
            for number in range(1 if name == "all" else config.seeds)
        ]
        for count, name in counts.items()
    }


def draw(classes: np.ndarray, count: int, *seed: int | str) -> np.ndarray:
    """Return ``count`` sorted indices (n,) int64 of a stratified random draw.

    Args:
        classes: (N,) class of each record, 0..K-1.
        count: records to draw, K to N; every class gets at least one, the rest by its share.
        seed: numbers and names that the draw depends on.
    """
    rng = np.random.Generator(np.random.PCG64(derive("labels", *seed)))
    taken = allocate(np.bincount(classes), count)
    drawn = [
        rng.permutation(np.flatnonzero(classes == number))[:take]
        for number, take in enumerate(taken)
    ]
    return np.sort(np.concatenate(drawn))


def allocate(sizes: np.ndarray, count: int) -> np.ndarray:
    """Divide ``count`` among classes of ``sizes`` (K,) by largest remainder, each at least 1."""
    quota = sizes * (count / sizes.sum())
    taken = np.maximum(1, np.floor(quota + 1e-9).astype(np.int64))
    while (more := count - taken.sum()) != 0:
        wanting = np.where(taken > 1, quota - taken, np.inf) if more < 0 else quota - taken
        taken[wanting.argmin() if more < 0 else wanting.argmax()] += np.sign(more)
    return taken


def _count(text: str, available: int) -> tuple[int, str]:
    if text == "all":
        return available, text
    if text.endswith("%"):
        return round(float(text[:-1]) * available / 100), text
    return int(text), text
