"""Nearest-neighbour search by cosine similarity."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.discovery import files_of
from headstart.data.vectors import unit_length
from headstart.deployment.embed import embed, ids_of
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest
from headstart.files import whole_folder

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import SourceOptions
    from headstart.data.content import Content
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Modality

#: Vectors that are compared at once.
CHUNK = 65_536
#: Side in pixels of preview images, of which only the text is used.
_SIDE = 8
#: Names inside the folder of an index.
VECTORS, RECORDS = "vectors.npy", "records"


class Index:
    """Vectors with exact search: every vector is compared, a block at a time.

    Args:
        ids: N names of records.
        vectors: (N,D) float32, not necessarily normalised; memory-mapped ones stay on disk.
        texts: from indices (n,) to the previews of those records, where they are known.

    Example::

        index = Index.open(Path("vectors.npy"))
        indices, cosines = index.nearest(queries, 10)
    """

    def __init__(
        self,
        ids: list[str],
        vectors: np.ndarray,
        texts: Callable[[np.ndarray], list[str]] | None = None,
    ) -> None:
        self.ids, self.vectors, self.texts = ids, vectors, texts

    @classmethod
    def open(cls, path: Path) -> Index:
        """Open what ``headstart embed`` wrote, ``.npy`` (memory-mapped) or ``.parquet``.

        Raises:
            HeadstartError: the file does not exist, or holds no vectors with ids.
        """
        try:
            if path.suffix.lower() == ".npy":
                names = ids_of(path).read_text(encoding="utf-8")
                vectors = np.load(path, mmap_mode="r", allow_pickle=False)
                ids = [name.replace("\\n", "\n") for name in names.split("\n")[:-1]]
            else:
                import pyarrow.parquet as pq

                table = pq.read_table(path, columns=["id", "vector"])
                ids = table["id"].to_pylist()
                flat = table["vector"].combine_chunks()
                vectors = np.asarray(flat.flatten()).reshape(len(ids), -1)
        except FileNotFoundError as error:
            raise HeadstartError(
                f"there is no index {error.filename or path}; write one with `headstart embed`."
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise HeadstartError(
                f"{path} is no index ({str(error).splitlines()[0]}); write one with `headstart "
                "embed RUN INPUT... --out vectors.npy`."
            ) from None
        if vectors.ndim != 2 or len(vectors) != len(ids):
            raise HeadstartError(
                f"{path} holds {len(vectors)} vectors and {len(ids)} ids; write it again with "
                "`headstart embed`."
            )
        return cls(ids, vectors)

    @classmethod
    def of_records(cls, folder: Path, modality: Modality) -> Index:
        """Open an index with its records, as :func:`build` writes it."""
        from datasets import load_from_disk

        found, records = cls.open(folder / VECTORS), load_from_disk(str(folder / RECORDS))

        def texts(indices: np.ndarray) -> list[str]:
            return [preview.text for preview in modality.preview(records.select(indices), _SIDE)]

        return cls(found.ids, found.vectors, texts)

    def show(self, indices: np.ndarray) -> dict[int, str]:
        """Return the previews of records by their indices; {} where those are only their ids."""
        if self.texts is None:
            return {}
        indices = np.unique(indices)
        texts = dict(zip(indices.tolist(), self.texts(indices), strict=True))
        return texts if any(self.ids[index] != text for index, text in texts.items()) else {}

    def nearest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices (Q,k) of the nearest vectors and their cosines (Q,k), best first.

        Ties keep the order of the index; k is ``count``, or N if that is smaller.

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
        count = min(count, len(self.ids))
        queries = unit_length(queries)
        indices = np.empty((len(queries), 0), dtype=np.int64)
        cosines = np.empty((len(queries), 0), dtype=np.float32)
        for start in range(0, len(self.ids), CHUNK):
            block = unit_length(np.asarray(self.vectors[start : start + CHUNK]))
            found = np.arange(start, start + len(block))
            indices = np.hstack([indices, np.broadcast_to(found, (len(queries), len(block)))])
            cosines = np.hstack([cosines, queries @ block.T])
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
            indices = np.take_along_axis(indices, best, 1)
            cosines = np.take_along_axis(cosines, best, 1)
        return indices, cosines


def index_folder(
    run: Path, encoder: str, sources: Sequence[str], options: SourceOptions, content: Content
) -> Path:
    """Return the folder in ``run`` of the index of ``sources``, which depends on their state.

    Args:
        encoder: its digest, as :func:`headstart.evaluation.cache.digest_of_encoder` gives it.
        options: those that the sources are read with.
        content: what the records are.
    """
    parts = [encoder, str(sorted(options.columns.items())), options.document]
    for source in sources:
        parts.append(os.path.abspath(source))
        for file in files_of(source, content):
            status = os.stat(file)
            parts.append(f"{os.path.abspath(file)}:{status.st_size}:{status.st_mtime_ns}")
    return run / "index" / digest("index", *parts)


def build(opened: OpenedEncoder, records: Dataset, folder: Path) -> None:
    """Write an index of ``records`` and the records themselves into ``folder``."""
    with whole_folder(folder) as unfinished:
        vectors = unfinished / VECTORS
        embed(opened.encoder, opened.processor, records, vectors, length=opened.length)
        records.save_to_disk(str(unfinished / RECORDS))


def search(
    index: Index, queries: Sequence[str], vectors: np.ndarray, count: int
) -> list[dict[str, Any]]:
    """Return a row for each of the ``count`` nearest records of each query, best first.

    Args:
        queries: ids of the Q queries.
        vectors: (Q,D), those of the queries.

    Returns:
        Rows with ``query``, ``rank`` (from 1), ``id`` and ``similarity`` (the cosine), and with the
        ``preview`` of the record, where it is known and more than the id.
    """
    indices, cosines = index.nearest(vectors, count)
    texts = index.show(indices.ravel())
    return [
        {
            "query": name,
            "rank": rank,
            "id": index.ids[row],
            "similarity": round(float(cosine), 4),
            **({"preview": texts[row]} if texts else {}),
        }
        for name, *found in zip(queries, indices, cosines, strict=True)
        for rank, (row, cosine) in enumerate(zip(*found, strict=True), start=1)
    ]
