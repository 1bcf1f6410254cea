"""Nearest-neighbour search by cosine similarity."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from headstart.config import SourceOptions
from headstart.data.discovery import files_of
from headstart.data.ledger import Ledger
from headstart.data.store import saved
from headstart.deployment.embed import embed, ids_of
from headstart.deployment.indexes.exact import UnitVectors
from headstart.errors import HeadstartError, first_line
from headstart.evaluation.cache import (
    digest,
    digest_of_encoder,
    digest_of_modality,
    digest_of_records,
    state_of,
)
from headstart.files import delete, whole_folder
from headstart.outputs import store_of
from headstart.run import RunFolder
from headstart.stored import is_whole, seal

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Modality

#: Most bytes of all indexes of a run, but for the newest; the oldest are deleted.
MOST = 4 * 10**9
#: Names of folders of indexes; those of earlier versions have one digest.
_NAME = re.compile(r"[0-9a-f]{24}(-[0-9a-f]{24})?")
#: Side in pixels of preview images, of which only the text is used.
_SIDE = 8
#: Names inside the folder of an index.
VECTORS, RECORDS, ROWS, STATE = "vectors.npy", "records", "rows", "state.txt"


class Searchable(Protocol):
    """What can be searched in: named vectors, with what is known of their records."""

    @property
    def ids(self) -> Sequence[str]:
        """Names of the records."""
        ...

    @property
    def show(self) -> Callable[[np.ndarray], list[dict[str, Any]]]:
        """From indices (n,) to what else is known of those records."""
        ...

    def nearest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices (Q,k) of the nearest vectors and their cosines (Q,k), best first.

        A cosine of minus infinity stands for nothing found.
        """
        ...


class Index:
    """Vectors with exact search, see :mod:`headstart.deployment.indexes.exact`.

    Args:
        ids: N names of records.
        vectors: (N,D) float32, not necessarily normalised; memory-mapped ones stay on disk. A row
            of NaN is near nothing.
        show: from indices (n,) to what else is known of those records, where there is something.

    Example::

        index = Index.open(Path("vectors.npy"))
        indices, cosines = index.nearest(queries, 10)
    """

    def __init__(
        self,
        ids: list[str],
        vectors: np.ndarray,
        show: Callable[[np.ndarray], list[dict[str, Any]]] | None = None,
    ) -> None:
        self.ids, self.vectors = ids, vectors
        self._units = UnitVectors(vectors)
        self.show = show or (lambda indices: [{} for _ in indices])

    @classmethod
    def open(cls, path: Path) -> Index:
        """Open what ``headstart embed`` wrote, ``.npy`` (memory-mapped) or ``.parquet``.

        Raises:
            HeadstartError: the file does not exist, or holds no vectors with ids.
        """
        try:
            if path.suffix.lower() == ".npy":
                with open(ids_of(path), encoding="utf-8", newline="\n") as file:
                    names = file.read()
                vectors = np.load(path, mmap_mode="r", allow_pickle=False)
                ids = [name.replace("\\n", "\n") for name in names.split("\n")[:-1]]
            else:
                import pyarrow.parquet as pq

                table = pq.read_table(path, columns=["id", "vector"]).drop_null()
                ids = table["id"].to_pylist()
                flat = table["vector"].combine_chunks()
                vectors = np.asarray(flat.flatten()).reshape(len(ids), -1)
        except FileNotFoundError as error:
            raise HeadstartError(
                f"there is no index {error.filename or path}; write one with `headstart embed`."
            ) from None
        except (OSError, ValueError, TypeError, LookupError, EOFError, AttributeError) as error:
            raise HeadstartError(
                f"{path} is no index ({first_line(error)}); write one with `headstart embed RUN "
                "INPUT... --out vectors.npy`."
            ) from None
        if vectors.dtype.kind not in "fiu" or not len(ids):
            raise HeadstartError(
                f"{path} holds no vectors; write it again with `headstart embed RUN INPUT... "
                "--out vectors.npy`."
            )
        if vectors.ndim != 2 or len(vectors) != len(ids):
            raise HeadstartError(
                f"{path} holds {len(vectors)} vectors and {len(ids)} ids; write it again with "
                "`headstart embed`."
            )
        return cls(ids, vectors)

    @classmethod
    def of_records(cls, folder: Path, modality: Modality) -> Index:
        """Open an index with its records, as :func:`build` writes it."""
        found, records = cls.open(folder / VECTORS), saved(folder / RECORDS)
        rows = saved(folder / ROWS) if (folder / ROWS).is_dir() else None

        def show(indices: np.ndarray) -> list[dict[str, Any]]:
            """Return the previews of records, where more than their ids, and their columns."""
            shown = described(records.select(indices), modality)
            columns = rows.select(indices)["columns"] if rows is not None else [None] * len(shown)
            for each, written in zip(shown, columns, strict=True):
                if written:
                    each["record"] = json.loads(written)
            return shown

        return cls(found.ids, found.vectors, show)

    def nearest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices (Q,k) of the nearest vectors and their cosines (Q,k), best first.

        Ties keep the order of the index; k is ``count``, or N if that is smaller. The cosine with
        a row that has no vector is minus infinity.

        Args:
            queries: (Q,D).

        Raises:
            HeadstartError: the vectors of the index have another width.
        """
        width = self.vectors.shape[1]
        if queries.shape[1] != width:
            raise HeadstartError(
                f"the index holds vectors of {width} numbers and this encoder gives "
                f"{queries.shape[1]}; build the index with the same run."
            )
        return self._units.nearest(queries, count)


def described(records: Dataset, modality: Modality) -> list[dict[str, Any]]:
    """Return ``{"preview": text}`` for each record; {} where their ids say as much."""
    texts = [preview.text for preview in modality.preview(records, _SIDE)]
    return [{"preview": text} if texts != list(records["id"]) else {} for text in texts]


def index_of(
    opened: OpenedEncoder,
    run: str,
    sources: Sequence[str],
    options: SourceOptions,
    say: Callable[[str], None],
) -> Index:
    """Return the index of ``sources``; it is built where there is none of their present state."""
    folder = index_folder(opened, store_of(run), sources, options)
    if not is_current(folder, opened):
        ledger = Ledger()
        records = opened.read(list(sources), options, say, ledger=ledger)
        say(f"embedding {len(records):,} records into {folder}")
        build(opened, records, folder, ledger)
        if missing := ledger.sentence("vector"):
            say(missing)
    return Index.of_records(folder, opened.modality)


def index_folder(
    opened: OpenedEncoder,
    store: Path,
    sources: Sequence[str],
    options: SourceOptions,
    note: str = "",
) -> Path:
    """Return the folder in ``store`` of the index of ``sources``, which depends on their state.

    Its name begins alike whatever the state: of each source :func:`build` keeps the newest index.

    It depends on the encoder, the kind of data with its options, all options that the sources are
    read with, and every file of the sources: its path, size and times.

    Args:
        options: only those of :class:`SourceOptions` count.
        note: what else the index depends on.
    """
    # Options of the output, such as quiet, are left out of what is dumped.
    read = options.model_dump(include=set(SourceOptions.model_fields))
    encoder = digest_of_encoder(opened.encoder, opened.processor, opened.length)
    parts = [encoder, digest_of_modality(opened.modality), repr(sorted(read.items())), note]
    parts += map(os.path.abspath, sources)
    files = [
        f"{os.path.abspath(file)}:{state_of(os.stat(file))}"
        for source in sources
        for file in files_of(source, opened.modality.content)
    ]
    return RunFolder(store).indexes / f"{digest('index', *parts)}-{digest('files', *files)}"


def build(
    opened: OpenedEncoder, records: Dataset, folder: Path, ledger: Ledger | None = None
) -> None:
    """Write an index of ``records``, with these and the rows of their sources, into ``folder``."""
    with whole_folder(folder) as unfinished:
        vectors = unfinished / VECTORS
        embed(opened.encoder, opened.processor, records, vectors, length=opened.length)
        with without_progress_bars():
            records.save_to_disk(str(unfinished / RECORDS))
            if ledger is not None and ledger.kept is not None:
                rows = ledger.rows.select(np.flatnonzero(ledger.kept))
                rows.save_to_disk(str(unfinished / ROWS))
        state = digest_of_records(records, opened.modality.content)
        (unfinished / STATE).write_text(state, encoding="utf-8")
        seal(unfinished)
    _evict(folder)


def _evict(folder: Path) -> None:
    """Delete the earlier indexes of the same sources, and the oldest beyond :data:`MOST` bytes."""
    if not _NAME.fullmatch(folder.name):
        return
    others = [path for path in folder.parent.iterdir() if _NAME.fullmatch(path.name)]
    others = sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    total = _size(folder)
    for path in others:
        if path == folder:
            continue
        total += _size(path)
        if total > MOST or path.name.partition("-")[0] == folder.name.partition("-")[0]:
            total -= _size(path)
            delete(path)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def is_current(folder: Path, opened: OpenedEncoder) -> bool:
    """Return whether an index is whole, and the files that its records name are as they were.

    A table may name pictures, which are no files of the sources.
    """
    if not is_whole(folder):  # none yet, or a damaged one
        return False
    records = saved(folder / RECORDS)
    state = (folder / STATE).read_text(encoding="utf-8")
    return state == digest_of_records(records, opened.modality.content)


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Hide the progress bars of `datasets`, which a thousand records are written with, too."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            enable_progress_bars()


def search(
    index: Searchable, queries: Sequence[str], vectors: np.ndarray, count: int
) -> list[dict[str, Any]]:
    """Return a row for each of the ``count`` nearest records of each query, best first.

    Args:
        queries: ids of the Q queries.
        vectors: (Q,D), those of the queries.

    Returns:
        Rows with ``query``, ``rank`` (from 1), ``id`` and ``similarity`` (the cosine); and, where
        they are known, with the ``preview`` of the record and the columns of its source, as
        ``record``.
    """
    indices, cosines = index.nearest(vectors, count)
    distinct = np.unique(indices[np.isfinite(cosines)])
    shown = index.show(distinct) if len(distinct) else []
    known = dict(zip(distinct.tolist(), shown, strict=True))
    return [
        {
            "query": name,
            "rank": rank,
            "id": index.ids[row],
            "similarity": round(float(cosine), 4),
            **known[row],
        }
        for name, *found in zip(queries, indices, cosines, strict=True)
        for rank, (row, cosine) in enumerate(zip(*found, strict=True), start=1)
        if row in known
    ]
