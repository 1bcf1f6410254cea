"""What a network was trained on, in short, so that nothing of it is tested.

A run keeps the digest of what training saw of each user, and goes on to keep those of the runs
that it began from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.store import stream
from headstart.errors import HeadstartError
from headstart.files import whole_file

if TYPE_CHECKING:
    from datasets import Dataset

#: The file in the folder of a processor.
STORED = "trained.npy"
_ROW = np.dtype([("training", "<u4"), ("user", "<u8"), ("length", "<u4"), ("items", "<u8")])


class Trained:
    """Digests of the sequences of each training, the earliest one first.

    Attributes:
        rows: (R,) with the number of the ``training``, digests of the ``user``'s name and of the
            first ``length`` items, of which training saw no more.
    """

    def __init__(self, rows: np.ndarray | None = None) -> None:
        self.rows = np.empty(0, _ROW) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def then(self, records: Dataset) -> Trained:
        """Return these and a training on the records."""
        number = int(self.rows["training"].max()) + 1 if self else 0
        found = [
            (number, digest([user]), len(items), digest(items)) for user, items in _each(records)
        ]
        return Trained(np.concatenate([self.rows, np.array(found, _ROW)]))

    @property
    def earlier(self) -> Trained:
        """All trainings but the last one."""
        return Trained(self.rows[self.rows["training"] < self.rows["training"].max(initial=0)])

    @property
    def last(self) -> Trained:
        """The last training alone."""
        return Trained(self.rows[self.rows["training"] == self.rows["training"].max(initial=0)])

    def beyond(self, records: Dataset, *, exact: bool = False) -> tuple[int, str]:
        """Return how many users had something in a training that records lack, and one's name.

        Args:
            records: what training may see of the users; items after these are held out.
            exact: whether all users must be there with the same items; otherwise training may have
                seen less of a user, and others.
        """
        rows = self.rows
        known = {digest([user]): (user, items) for user, items in _each(records)}
        wrong, example = 0, ""
        for user, length, items in zip(
            rows["user"].tolist(), rows["length"].tolist(), rows["items"].tolist(), strict=True
        ):
            name, own = known.get(user, ("", []))
            if not name and not exact:
                continue
            as_many = length == len(own) if exact else length <= len(own)
            if not as_many or digest(own[:length]) != items:
                wrong += 1
                example = example or name
        return wrong, example

    def save(self, folder: Path) -> None:
        """Write :data:`STORED` into a folder."""
        if self:
            with whole_file(folder / STORED) as partial, open(partial, "wb") as file:
                np.save(file, self.rows)

    @classmethod
    def load(cls, folder: Path) -> Trained:
        """Return what :meth:`save` wrote; runs of earlier versions have nothing.

        Raises:
            HeadstartError: the file is damaged.
        """
        path = folder / STORED
        if not path.is_file():
            return cls()
        rows = np.load(path)
        if rows.dtype != _ROW or rows.ndim != 1:
            raise HeadstartError(f"{path} is damaged; copy the folder again.")
        return cls(rows)


def digest(names: Sequence[str]) -> int:
    """Return 64 bits of a sequence of names."""
    key = hashlib.blake2b("\0".join(names).encode(errors="surrogatepass"), digest_size=8)
    return int.from_bytes(key.digest(), "little")


def _each(records: Dataset) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the items of each record."""
    return zip(stream(records, "id"), stream(records, "items"), strict=True)  # type: ignore[arg-type]
