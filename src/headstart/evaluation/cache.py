"""Features that are computed once: kept in the run folder under a digest of all they depend on.

The name of a file is the digest of the encoder's weights, its tokenizer, the records' content,
the length, and this library's code that turns one into the other. So what lies there is never
stale; it is only ever not the file that is asked for.
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

#: Bytes that are kept; beyond it what was not used for longest is deleted.
MOST = 2 * 10**9
#: What the features, and the overlap, depend on besides encoder and records.
_CODE = (*("encoders/*.py", "modalities/**/*.py", "data/overlap.py", "data/vectors.py"),)


def digest(*parts: str | int) -> str:
    """Return a short name for parts, the code of this library included."""
    key = hashlib.blake2b(digest_size=12)
    for part in (_code(), *parts):
        key.update(f"{part}\0".encode())
    return key.hexdigest()


def digest_of_records(records: Dataset | None, content: Content) -> str:
    """Return a digest of what the records hold, in their order, as it is stored.

    ``Content.digests`` says which records are the same to a person. Features are not: those of
    texts that differ in case differ.
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
    """Return a digest of all that is saved of an encoder: weights, settings, tokenizer."""
    with tempfile.TemporaryDirectory() as index:
        folder = Path(index)
        save_encoder(encoder, processor, folder, {"length": length})
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return _digest_of_files(folder, (file for file in files if file.suffix != ".md"))


def kept(folder: Path, name: str, compute: Callable[[], Matrix]) -> Matrix:
    """Return the features (N,D) called ``name``, computed only if they do not lie in ``folder``."""
    known = _load(folder, name)
    if known is None:
        known = compute()
        _save(folder, name, known)
        _thin_out(folder)
    return known


def cached_candidates(
    folder: Path, name: str, compute: Callable[[], list[Candidate]]
) -> list[Candidate]:
    """Return candidates that need nothing but features, computed only if they were not kept."""
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
    _thin_out(folder)
    return found


def kept_overlap(
    folder: Path,
    background: Dataset,
    tested: Dataset,
    content: Content,
    compute: Callable[[], Overlap],
) -> Overlap:
    """Return what two sets of records share, searched only if it was not kept in ``folder``."""
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
            pass  # damaged: it is searched again
    found = compute()
    write_json(file, {**asdict(found), "indices": found.indices.tolist()})
    _thin_out(folder)
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
            os.utime(file)  # the order in which files are deleted is that of their use
            try:
                return np.load(file) if suffix == ".npy" else sparse.load_npz(file)
            except (OSError, ValueError, KeyError):
                return None  # damaged: it is computed again
    return None


def _save(folder: Path, name: str, matrix: Matrix) -> None:
    scattered = sparse.issparse(matrix)
    path = folder / f"{name}{'.npz' if scattered else '.npy'}"
    with whole_file(path) as partial, open(partial, "wb") as file:
        if scattered:
            sparse.save_npz(file, matrix, compressed=False)
        else:
            np.save(file, matrix)


def _thin_out(folder: Path) -> None:
    """Delete what was not used for longest, beyond :data:`MOST` bytes in all."""
    files = [(file, file.stat()) for file in folder.iterdir() if file.is_file()]
    total = 0
    for file, status in sorted(files, key=lambda each: -each[1].st_mtime_ns):
        total += status.st_size
        if total > MOST:
            file.unlink(missing_ok=True)


def _stored(value: Any) -> bytes:
    """Return a value as bytes; of a file that it only names, its path, size and time."""
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
