"""Simple rankers of items, one kind a file: the alternatives to a network.

Each kind computes once what its settings share, and is fitted with many settings::

    kind = markov.MarkovMix(train)  # counts transitions
    ranker = kind.fit(markov.Settings(recency=0.6))
    ranker.scores([np.array([3, 1, 4])])  # (1,I), the higher the likelier next

:mod:`headstart.modalities.interactions.rankers.tuning` chooses the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from headstart.modalities.interactions.sequences import Sequences

#: Takes a message for the user.
Say = Callable[[str], None]


class Ranker(Protocol):
    """What orders the items of the catalogue by what comes next.

    Attributes:
        name: for tables and charts.
        settings: what it was fitted with.
    """

    @property
    def name(self) -> str:
        """For tables and charts."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was fitted with."""
        ...

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (B,I) float32 of all items after each of B histories.

        Args:
            histories: the items of each user in the order of time, the last one last; one may be
                empty. Items are seen or not: no score is removed.
        """
        ...


class Kind(Protocol):
    """One kind of ranker, with all that its settings share.

    Attributes:
        name: of its rankers.
        costly: the settings whose change takes as long as the first fit; others take little.
    """

    name: ClassVar[str]
    costly: ClassVar[frozenset[str]]

    def __init__(self, train: Sequences, say: Say) -> None: ...

    @property
    def defaults(self) -> Any:
        """Good settings: an instance of the frozen dataclass of this kind."""
        ...

    @property
    def grid(self) -> Mapping[str, Sequence[Any]]:
        """The values of each setting that are tried, one setting after the other in this order."""
        ...

    def fit(self, settings: Any) -> Ranker:
        """Return the ranker of these settings, an instance of the dataclass of ``defaults``."""
        ...
