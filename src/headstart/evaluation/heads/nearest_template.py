"""The class of the nearest labeled record, by distances that were measured beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headstart.data.vectors import Matrix


@dataclass(frozen=True)
class Templates:
    """Labeled records to which distances are known.

    Attributes:
        columns: (n,) their columns in a row of distances.
        classes: (n,) their classes.
        validation: accuracy where each is predicted from the others; NaN for a single one.
    """

    columns: np.ndarray
    classes: np.ndarray
    validation: float

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the class (m,) of the nearest template of each row of distances (m,N)."""
        distances = np.asarray(test)[:, self.columns]
        found: np.ndarray = self.classes[distances.argmin(1)]
        return found


class NearestTemplate:
    """The class of the nearest labeled record.

    A row of its features are the distances of a record to all N training records, in their order;
    that to itself is the smallest one.

    Args:
        features: (N,N) of all training records; nothing is learned from them.
    """

    most_classes: ClassVar[int | None] = None

    def __init__(self, features: Matrix) -> None:
        pass

    def fit(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Templates:
        """Keep the records of ``train`` (n,N), of ``classes`` (n,)."""
        rows = np.asarray(train)
        columns = rows.argmin(1)
        among = rows[:, columns].astype(np.float64)
        apart = np.arange(len(rows)) if groups is None else groups
        among[apart[:, None] == apart] = np.inf
        if not np.isfinite(among).any():
            return Templates(columns, classes, np.nan)
        right = classes[among.argmin(1)] == classes
        return Templates(columns, classes, float(right.mean()))
