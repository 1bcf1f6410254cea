"""The encoder's features together with those of a simple alternative.

What words or edges tell already need not be learned again, so that two kinds of features often do
better than each. The verdict takes them where cross-validation inside the training labels does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.data.vectors import Matrix
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
    blocks = [_scaled(each.train, each.test) for each in (encoder, simple)]
    train = np.hstack([block[0] for block in blocks])
    tested = [block[1] for block in blocks if block[1] is not None]
    return replace(
        encoder,
        name=f"{encoder.name} + {simple.name}",
        joined_with=simple.name,
        heads=("logistic regression", "label propagation"),
        train=train,
        test=np.hstack(tested) if len(tested) == len(blocks) else None,
        cost=encoder.cost + simple.cost,
        repeats=f"{encoder.repeats} + {simple.name}" if encoder.repeats else "",
    )


def _scaled(train: Matrix, test: Matrix | None) -> tuple[np.ndarray, np.ndarray | None]:
    middle = train.mean(0)
    size = np.sqrt(((train - middle) ** 2).sum(1).mean()) or 1.0
    parts = [
        None if part is None else ((part - middle) / size).astype(np.float32)
        for part in (train, test)
    ]
    assert parts[0] is not None
    return parts[0], parts[1]
