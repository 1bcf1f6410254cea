"""Popularity: the same items for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.modalities.interactions.rankers import Say
from headstart.modalities.interactions.rankers.linear import (
    LinearRanker,
    scaled_popularity,
    unmoved,
)
from headstart.modalities.interactions.sequences import Sequences


@dataclass(frozen=True)
class Settings:
    """There is nothing to tune."""


class Popularity:
    """Items by their number of events."""

    name: ClassVar[str] = "popularity"
    defaults: ClassVar[Settings] = Settings()
    costly: ClassVar[frozenset[str]] = frozenset()
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def __init__(self, train: Sequences, say: Say = print) -> None:
        self._prior = scaled_popularity(train.counts())

    def fit(self, settings: Settings) -> LinearRanker:
        """Return the ranker."""
        return unmoved(self.name, self._prior, {})


@dataclass(frozen=True)
class RecentSettings:
    """What is tuned.

    Attributes:
        half_life: a share of the whole time.
        decay: where there are no times.
    """

    half_life: float = 0.1
    decay: float = 0.8


class RecentPopularity:
    """Items by their number of events, the last ones first.

    Where times are known an event counts half as much after ``half_life``, a share of the time from
    the first event to the last one. Where only the order is known an event counts ``decay`` as much
    as the next one of its user.
    """

    name: ClassVar[str] = "recent popularity"
    defaults: ClassVar[RecentSettings] = RecentSettings()
    costly: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, train: Sequences, say: Say = print) -> None:
        self._train = train

    @property
    def grid(self) -> Mapping[str, Sequence[Any]]:
        """The values of the one setting that the records have a use for."""
        if self._train.times is None:
            return {"decay": (0.0, 0.4, 0.6, 0.8, 0.9)}
        return {"half_life": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)}

    def fit(self, settings: RecentSettings) -> LinearRanker:
        """Return the ranker of these settings."""
        train = self._train
        if train.times is None:
            weights = np.power(float(settings.decay), train.from_end)
        else:
            times = train.times.astype(np.float64)
            last = times.max(initial=-np.inf)
            whole = max(float(last - times.min(initial=np.inf)), 1e-9) if len(times) else 1.0
            weights = np.exp2(-(last - times) / whole / settings.half_life)
        counts = np.bincount(train.items, weights, minlength=train.count)
        chosen = {name: value for name, value in asdict(settings).items() if name in self.grid}
        return unmoved(self.name, scaled_popularity(counts), chosen)
