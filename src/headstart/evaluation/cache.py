"""A cache of features in the run folder, under a digest of everything they depend on.

The name of a file is the digest of the encoder's weights, its tokenizer, the records' content, the
length, and this library's code that computes features. So an entry is never stale.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from headstart.data.overlap import Overlap
from headstart.data.vectors import Matrix
from headstart.encoders.opening import save_encoder
from headstart.evaluation.outcomes import Candidate
from headstart.files import whole_file, write_json
from headstart.version import __version__

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.encoders import Encoder
    from headstart.modalities import Processor

#: Size of the cache in bytes; beyond it the least recently used files are deleted.
MOST = 2 * 10**9
#: Code that features and overlap depend on, other than encoder and records.
_CODE = ("encoders/*.py", "modalities/**/*.py", "data/overlap.py", "data/vectors.py")


def digest(*parts: str | int) -> str:
    """Return a digest of ``parts`` and of the code of this library."""
    key = hashlib.blake2b(digest_size=12)
    for part in (_code(), *parts):
        key.update(f"{part}\0".encode())
    return key.hexdigest()


def digest_of_records(records: Dataset | None, content: Content) -> str:
    """Return a digest of the stored content of the records, in order.

    It is stricter than ``Content.digests``, which identifies records that are the same to a person:
    texts that differ in case have different features.
    """
    key = hashlib.blake2b(digest_size=12)
    if records is not None:
        columns = records.select_columns(content.columns).with_format("arrow")
        for batch in columns.iter(batch_size=1000):
            for name in content.columns:
                for value in batch[name].to_pylist():
                    stored = _stored(value)
                    key.update(len(stored).to_bytes(8, "little"))
                    key.update(stored)
    return key.hexdigest()


def digest_of_encoder(encoder: Encoder, processor: Processor, length: int) -> str:
    """Return a digest of all that is saved with an encoder: weights, settings, tokenizer."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save_encoder(encoder, processor, folder, {"length": length})
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return _digest_of_files(folder, (file for file in files if file.suffix != ".md"))


def cached(folder: Path, name: str, compute: Callable[[], Matrix]) -> Matrix:
    """Return the features (N,D) ``name`` from ``folder``, computed if they are not there yet."""
    known = _load(folder, name)
    if known is None:
        known = compute()
        _save(folder, name, known)
        _evict(folder)
    return known


def cached_candidates(
    folder: Path, name: str, compute: Callable[[], list[Candidate]]
) -> list[Candidate]:
    """Return candidates that consist of features only, computed if they are not cached yet."""
    listing = folder / f"{name}.json"
    if listing.is_file():
        os.utime(listing)
        known = [
            Candidate(
                row["name"],
                row["kind"],
                *(_load(folder, file) if file else None for file in row["files"]),
            )
            for row in json.loads(listing.read_text(encoding="utf-8"))
        ]
        if all(candidate.train is not None for candidate in known):
            return known
    found = compute()
    rows = []
    for index, candidate in enumerate(found):
        files = []
        for part, matrix in (("train", candidate.train), ("test", candidate.test)):
            files.append(f"{name}-{index}-{part}" if matrix is not None else None)
            if matrix is not None:
                _save(folder, f"{name}-{index}-{part}", matrix)
        rows.append({"name": candidate.name, "kind": candidate.kind, "files": files})
    write_json(listing, rows)
    _evict(folder)
    return found


def cached_overlap(
    folder: Path,
    background: Dataset,
    tested: Dataset,
    content: Content,
    compute: Callable[[], Overlap],
) -> Overlap:
    """Return the overlap of two sets of records, computed if it is not cached in ``folder`` yet."""
    # The ids as well: examples name them, and a file may have been moved.
    marks = [
        digest_of_records(records, content) + _ids(records) for records in (background, tested)
    ]
    file = folder / f"{digest('overlap', *marks)}.json"
    if file.is_file():
        os.utime(file)
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            pairs = [(one, other) for one, other in known.pop("examples")]
            indices = np.array(known.pop("indices"), dtype=np.int64)
            return Overlap(**known, examples=pairs, indices=indices)
        except (ValueError, KeyError, TypeError):
            pass  # damaged: computed again
    found = compute()
    write_json(file, {**asdict(found), "indices": found.indices.tolist()})
    _evict(folder)
    return found


def _ids(records: Dataset) -> str:
    key = hashlib.blake2b(digest_size=12)
    for batch in records.select_columns(["id"]).with_format("arrow").iter(batch_size=1000):
        key.update("\0".join(batch["id"].to_pylist()).encode("utf-8", "surrogatepass"))
    return key.hexdigest()


def _load(folder: Path, name: str) -> Matrix | None:
    for suffix in (".npy", ".npz"):
        file = folder / f"{name}{suffix}"
        if file.is_file():
            os.utime(file)  # files are deleted in the order of their last use
            try:
                return np.load(file) if suffix == ".npy" else sparse.load_npz(file)
            except (OSError, ValueError, KeyError):
                return None  # damaged: computed again
    return None


def _save(folder: Path, name: str, matrix: Matrix) -> None:
    scattered = sparse.issparse(matrix)
    path = folder / f"{name}{'.npz' if scattered else '.npy'}"
    with whole_file(path) as partial, open(partial, "wb") as file:
        if scattered:
            sparse.save_npz(file, matrix, compressed=False)
        else:
            np.save(file, matrix)


def _evict(folder: Path) -> None:
    """Delete the least recently used files beyond :data:`MOST` bytes in total."""
    files = [(file, file.stat()) for file in folder.iterdir() if file.is_file()]
    total = 0
    for file, status in sorted(files, key=lambda each: -each[1].st_mtime_ns):
        total += status.st_size
        if total > MOST:
            file.unlink(missing_ok=True)


def _stored(value: Any) -> bytes:
    """Return a value as bytes; for the path of a file, its path, size and modification time."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict) or not {"bytes", "path"} <= value.keys():
        return repr(value).encode("utf-8", "surrogatepass")
    if value["bytes"] is not None:
        return bytes(value["bytes"])
    path = str(value["path"])
    try:
        status = os.stat(path)
    except OSError:
        return path.encode()
    return f"{path}:{status.st_size}:{status.st_mtime_ns}".encode()


def _digest_of_files(folder: Path, files: Iterable[Path]) -> str:
    key = hashlib.blake2b(digest_size=12)
    for file in files:
        key.update(f"{file.relative_to(folder)}\0".encode())
        with open(file, "rb") as opened:
            while chunk := opened.read(1 << 20):
                key.update(chunk)
    return key.hexdigest()


@cache
def _code() -> str:
    package = Path(__file__).parents[1]

    def sources() -> Iterator[Path]:
        for pattern in _CODE:
            yield from sorted(package.glob(pattern))
        yield package / "evaluation" / "features.py"

    return f"{__version__} {_digest_of_files(package, sources())}"
