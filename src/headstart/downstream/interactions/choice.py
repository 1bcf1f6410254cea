"""What ranks beside a network, as it is kept in ``ranking.json``, and fitted again to recommend."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headstart.modalities.interactions.rankers.blend import Blend
from headstart.modalities.interactions.rankers.tuning import KINDS

if TYPE_CHECKING:
    from headstart.modalities.interactions.rankers import Ranker
    from headstart.modalities.interactions.sequences import Sequences


def described(blend: Blend, weight: float = 1.0) -> Iterator[dict[str, Any]]:
    """Yield the name, the settings and the weight of each ranker; a blend may hold another."""
    for ranker, own in zip(blend.rankers, blend.weights, strict=True):
        if isinstance(ranker, Blend):
            yield {"parts": list(described(ranker)), "weight": weight * own}
        else:
            settings = dict(ranker.settings)
            yield {"name": ranker.name, "settings": settings, "weight": weight * own}


def restored(
    parts: Sequence[Mapping[str, Any]],
    network: Ranker,
    known: Sequences,
    say: Callable[[str], None],
) -> Blend:
    """Return the blend of a description, its simple alternatives fitted on ``known``.

    Raises:
        KeyError, TypeError, ValueError: the description is damaged.
    """
    if not parts:
        raise ValueError("it names no ranker")
    unknown = {str(part.get("name")) for part in parts if "parts" not in part}
    unknown -= {network.name, *(each.name for each in KINDS)}
    if unknown:
        raise ValueError(f"no ranker is called {min(unknown)!r}")
    kinds = {each.name: each for each in KINDS}
    rankers: list[Ranker] = []
    for part in parts:
        if "parts" in part:
            rankers.append(restored(part["parts"], network, known, say))
        elif part["name"] == network.name:
            rankers.append(network)
        else:
            made = kinds[part["name"]](known, say)
            rankers.append(made.fit(replace(made.defaults, **part["settings"])))
    weights = tuple(float(part["weight"]) for part in parts)
    if not all(map(math.isfinite, weights)):
        raise ValueError("a weight is no number")
    return Blend(tuple(rankers), weights)
