"""Folders of sentence-transformers, run by that library with its own pooling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.store import stream
from headstart.encoders.formats import is_static
from headstart.encoders.sentence_folders import MODULES
from headstart.errors import refused
from headstart.modalities.text.content import TEXT

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.data.content import Content


@dataclass(frozen=True)
class ForeignEncoder:
    """An encoder that its own library runs: records in, vectors out.

    Attributes:
        content: the kind of records it reads.
        stamps: identify its weights; they change whenever its vectors may.
        vectors: maps records and a progress callback to vectors (N,D) float32.
    """

    content: Content
    stamps: tuple[str, ...]
    vectors: Callable[[Dataset, Progress | None], np.ndarray]


def open_sentence_transformer(folder: str | Path) -> ForeignEncoder | None:
    """Open a sentence-transformers folder; None for other folders or without the library.

    Static encoders are excluded, since :mod:`headstart.encoders.light` opens them.

    Raises:
        HeadstartError: the library cannot open it.
    """
    if not (Path(folder) / MODULES).is_file() or is_static(folder):
        return None
    if not find_spec("sentence_transformers"):
        return None
    from sentence_transformers import SentenceTransformer

    what = f"sentence-transformers cannot open {folder}"
    with refused(what, "save it again, or name another", (OSError, ValueError, ImportError)):
        model = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False
        )

    def vectors(records: Dataset, progress: Progress | None) -> np.ndarray:
        texts = list(stream(records, TEXT.name))
        found = model.encode(texts, batch_size=64, convert_to_numpy=True, show_progress_bar=False)
        if progress:
            progress(len(texts), len(texts))
        return np.asarray(found, dtype=np.float32)

    stamps = sorted(
        f"{file.relative_to(folder)}:{file.stat().st_size}:{file.stat().st_mtime_ns}"
        for file in Path(folder).rglob("*")
        if file.is_file()
    )
    return ForeignEncoder(TEXT, (str(folder), *stamps), vectors)
