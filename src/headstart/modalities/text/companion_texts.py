"""Further texts of a record: one with the same meaning, and one without.

They are columns of the records, token files beside the main one, and tensors named ``pair/...``
and ``negative/...`` in a batch of documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.batch import Batch, Rows, part
from headstart.data.pairs import NEGATIVE, PAIR
from headstart.errors import HeadstartError

COMPANIONS = (PAIR, NEGATIVE)


class CompanionRows:
    """Documents with the companion texts of each.

    Args:
        rows: the documents.
        others: by name, rows of as many texts.
    """

    def __init__(self, rows: Rows, others: Mapping[str, Rows]) -> None:
        self.rows, self.others = rows, others

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the rows at ``indices`` (n,), with their companion texts as ``NAME/...``."""
        batch = self.rows.batch(indices, epoch)
        for name, rows in self.others.items():
            found = rows.batch(indices, epoch)
            batch |= {f"{name}/{key}": tensor for key, tensor in found.items()}
        return batch


def stored(folder: Path) -> list[str]:
    """Return the names of the companions that are stored in ``folder``."""
    return [name for name in COMPANIONS if (folder / name).is_dir()]


def pair_of(batch: Batch) -> tuple[Batch, Batch]:
    """Return the text and its pair as two views.

    Raises:
        HeadstartError: the records have no pairs.
    """
    second = part(batch, PAIR)
    if not second:
        raise HeadstartError(
            "views of the kind 'pairs' need a second text of each record: name its column with "
            "--column pair=COLUMN, or two translators with --back-translation."
        )
    own = {key: tensor for key, tensor in batch.items() if "/" not in key}
    return own, second
