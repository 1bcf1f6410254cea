"""Features side by side: an encoder's with simple ones, and the parts of a run that joins encoders.

What words or edges tell already need not be learned again, so that two kinds of features often do
better than each. The verdict takes them where cross-validation inside the training labels does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.encoders.joined import OWN, WEIGHTS, Origin
from headstart.evaluation.outcomes import Candidate
from headstart.pages.markup import listed


def joined(encoder: Candidate, *others: Candidate, weights: Sequence[float] = ()) -> Candidate:
    """Return a candidate with the features of all, side by side.

    Each block is centred and scaled so that its training rows have a root mean squared length of
    1, or of its weight: none outweighs another by its unit. (Where a head prefers every dimension
    standardised, the wider block weighs more.)

    Args:
        encoder: dense features (N,D) and (M,D).
        others: dense features (N,E) and (M,E) of the same records.
        weights: of all blocks, 1 by default.

    Example::

        both = joined(pretrained, lsa)  # (N,D+E)
    """
    every = (encoder, *others)
    scaled = [
        _scaled(each, weight)
        for each, weight in zip(every, weights or [1.0] * len(every), strict=True)
    ]
    train, test, names = (
        None if any(part is None for part in parts) else np.hstack(parts)
        for parts in zip(*scaled, strict=True)
    )
    beside = " + ".join(other.name for other in others)
    return replace(
        encoder,
        name=f"{encoder.name} + {beside}",
        joined_with=listed([other.name for other in others]),
        heads=("logistic regression", "auto"),
        blocks=tuple(
            (side.name, part[0].shape[1]) for side, part in zip(every, scaled, strict=True)
        ),
        names=names,
        train=train,
        test=test,
        cost=sum((other.cost for other in others), encoder.cost),
        repeats=f"{encoder.repeats} + {beside}" if encoder.repeats else "",
    )


def beside_each_other(
    parts: Mapping[str, Candidate], origins: Mapping[str, Origin]
) -> list[Candidate]:
    """Return what a run that joins encoders can take its features from, all parts first.

    It is the pre-trained part alone or with simple features, what stands beside it alone, and all
    of them; where nothing can be cross-validated all of them are taken.

    Args:
        parts: the features of each part by name, the pre-trained one first.
        origins: of the parts.
    """
    others = [name for name in parts if name != OWN]
    simple = [name for name in others if origins[name] == "simple"]
    published = [name for name in others if name not in simple]
    taken = [(OWN, *others), (OWN,), (OWN, *simple), tuple(published), tuple(others)]
    found = []
    for names in dict.fromkeys(filter(None, taken)):
        first, *rest = (parts[name] for name in names)
        if OWN not in names:
            first = replace(first, name=f"the run's {first.name}")
        made = joined(first, *rest, weights=weights_of(names, origins)) if rest else first
        found.append(replace(made, kind="pretrained", joined_with="", parts=names))
    # What a head that chooses can do with some of the parts, it tries with all of them. By itself
    # the pre-trained part has the heads of what it is compared with: untrained, and its start.
    return [
        each if each.parts in ((OWN, *others), (OWN,)) else replace(each, heads=each.heads[:1])
        for each in found
    ]


def weights_beside(published: bool) -> list[float]:
    """Return the weights of an encoder, published or not, and of simple features beside it."""
    return [1.0, WEIGHTS["simple"] if published else 1.0]


def weights_of(names: Sequence[str], origins: Mapping[str, Origin]) -> list[float]:
    """Return the weights of parts side by side; without a published one all weigh the same."""
    kinds = [origins[name] for name in names]
    return [WEIGHTS[kind] if "published" in kinds else 1.0 for kind in kinds]


def _scaled(candidate: Candidate, weight: float) -> list[Any]:
    """Return the training and test features and those of the class names; None where none are."""
    assert candidate.train is not None
    middle = candidate.train.mean(0)
    size = np.sqrt(((candidate.train - middle) ** 2).sum(1).mean()) or 1.0
    return [
        None if part is None else (weight * (part - middle) / size).astype(np.float32)
        for part in (candidate.train, candidate.test, candidate.names)
    ]
