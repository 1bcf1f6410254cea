"""The encoder's features together with those of a simple alternative.

What words or edges tell already need not be learned again, so that two kinds of features often do
better than each. The verdict takes them where cross-validation inside the training labels does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from headstart.evaluation.outcomes import Candidate


def joined(encoder: Candidate, simple: Candidate) -> Candidate:
    """Return a candidate with the features of both, side by side.

    Each block is centred and scaled so that its training rows have a mean squared length of 1:
    neither outweighs the other by its unit. (Where a head prefers every dimension standardised,
    the wider block weighs more.)

    Args:
        encoder: dense features (N,D) and (M,D).
        simple: dense features (N,E) and (M,E) of the same records.

    Example::

        both = joined(pretrained, lsa)  # (N,D+E)
    """
    sides = (encoder, simple)
    scaled = [_scaled(each) for each in sides]
    train, test, names = (
        None if any(part is None for part in parts) else np.hstack(parts)
        for parts in zip(*scaled, strict=True)
    )
    return replace(
        encoder,
        name=f"{encoder.name} + {simple.name}",
        joined_with=simple.name,
        heads=("logistic regression", "auto"),
        blocks=tuple(
            (side.name, part[0].shape[1]) for side, part in zip(sides, scaled, strict=True)
        ),
        names=names,
        train=train,
        test=test,
        cost=encoder.cost + simple.cost,
        repeats=f"{encoder.repeats} + {simple.name}" if encoder.repeats else "",
    )


def _scaled(candidate: Candidate) -> list[Any]:
    """Return the training and test features and those of the class names; None where none are."""
    assert candidate.train is not None
    middle = candidate.train.mean(0)
    size = np.sqrt(((candidate.train - middle) ** 2).sum(1).mean()) or 1.0
    return [
        None if part is None else ((part - middle) / size).astype(np.float32)
        for part in (candidate.train, candidate.test, candidate.names)
    ]
