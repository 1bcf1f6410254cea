"""A cache of features in the run folder, under a digest of everything they depend on.

The name of a file is the digest of the encoder's weights, its tokenizer, the records' content, the
length, the options of their kind of data, and the code that reads records and computes features:
this library's, that of the packages that encoder, processor and modality come from, and the
versions of the libraries below. So an entry is never stale.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from scipy import sparse

from headstart.data.overlap import Overlap
from headstart.data.vectors import Matrix
from headstart.encoders.opening import save_encoder
from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate, Cost
from headstart.files import scratch, whole_file, write_json
from headstart.registry import HOME
from headstart.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

#: Size of the cache in bytes; beyond it the least recently used files are deleted.
MOST = 2 * 10**9
_DENSE = "dense"
#: What is raised for a damaged entry.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, BadZipFile)
#: Code that features, overlap and records depend on, other than encoder and sources.
_CODE = ("encoders/*.py", "modalities/**/*.py", "data/*.py")
#: Libraries that compute features.
_LIBRARIES = ("torch", "transformers", "tokenizers", "timm", "scikit-learn", "numpy", "pillow")


def digest(*parts: str | int) -> str:
    """Return a digest of ``parts`` and of the code of this library."""
    key = hashlib.blake2b(digest_size=12)
    for part in (_code(), *parts):
        key.update(f"{part}\0".encode("utf-8", "surrogatepass"))
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
            key.update(_stored(batch))
    return key.hexdigest()


def digests_of(modality: Modality) -> Callable[[Dataset | None], str]:
    """Return a function from records of a modality to their digest.

    It computes that once for each data set, and includes the modality, see
    :func:`digest_of_modality`.
    """
    own = digest_of_modality(modality)

    def digest_of(records: Dataset | None) -> str:
        return digest_of_records(records, modality.content) + own

    return cache(digest_of)


def digest_of_modality(modality: Modality) -> str:
    """Return the options of a kind of data, with a digest of its code if another package has it."""
    return modality.options.model_dump_json() + _code_of(modality)


def digest_of_encoder(encoder: Encoder, processor: Processor, length: int) -> str:
    """Return a digest of all that is saved with an encoder (weights, settings, tokenizer).

    The code of encoder and processor is included, where it is that of other packages.
    """
    saved = _digest_of_saved(encoder, processor, {"length": length}, lambda end: end != ".md")
    return saved + _code_of(encoder, processor)


def digest_of_weights(encoder: Encoder, processor: Processor) -> str:
    """Return a digest of the weights alone, as libraries note their versions in the settings."""
    return _digest_of_saved(encoder, processor, {}, lambda end: end == ".safetensors")


def _digest_of_saved(
    encoder: Encoder,
    processor: Processor,
    note: dict[str, Any],
    counts: Callable[[str], bool],
) -> str:
    """Return a digest of the files that an encoder is saved as and whose ending counts."""
    with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
        folder = Path(temporary)
        save_encoder(encoder, processor, folder, note)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return _digest_of_files(folder, (file for file in files if counts(file.suffix)))


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
        try:
            rows = json.loads(listing.read_text(encoding="utf-8"))
            known = [
                Candidate(
                    row["name"],
                    row["kind"],
                    train=_load(folder, row["train"]),
                    test=_load(folder, row["test"]) if row["test"] else None,
                    heads=tuple(row["heads"]),
                    joinable=row["joinable"],
                    cost=Cost(row["speed"]),
                )
                for row in rows
            ]
            if all(_whole(candidate, row) for candidate, row in zip(known, rows, strict=True)):
                return known
        except _DAMAGED:
            pass  # computed again
    found = compute()
    rows = []
    for index, candidate in enumerate(found):
        row: dict[str, Any] = {
            "name": candidate.name,
            "kind": candidate.kind,
            "heads": candidate.heads,
            "joinable": candidate.joinable,
            "speed": candidate.cost.speed,
        }
        for part, matrix in (("train", candidate.train), ("test", candidate.test)):
            row[part] = f"{name}-{index}-{part}" if matrix is not None else ""
            if matrix is not None:
                _save(folder, f"{name}-{index}-{part}", matrix)
        rows.append(row)
    _write(listing, rows)
    _evict(folder)
    return found


def _whole(candidate: Candidate, row: dict[str, Any]) -> bool:
    """Return whether all files of a candidate were still there."""
    return candidate.train is not None and (candidate.test is not None or not row["test"])


def cached_overlap(
    folder: Path,
    background: Dataset,
    tested: Dataset,
    digest_of: Callable[[Dataset], str],
    compute: Callable[[], Overlap],
) -> Overlap:
    """Return the overlap of two sets of records, computed if it is not cached in ``folder`` yet."""
    # The ids as well: examples name them, and a file may have been moved.
    marks = [digest_of(records) + _ids(records) for records in (background, tested)]
    file = folder / f"{digest('overlap', *marks)}.json"
    if file.is_file():
        os.utime(file)
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            pairs = [(one, other) for one, other in known.pop("examples")]
            indices = np.array(known.pop("indices"), dtype=np.int64)
            return Overlap(**known, examples=pairs, indices=indices)
        except _DAMAGED:
            pass  # computed again
    found = compute()
    _write(file, {**asdict(found), "indices": found.indices.tolist()})
    _evict(folder)
    return found


def _ids(records: Dataset) -> str:
    key = hashlib.blake2b(digest_size=12)
    for batch in records.select_columns(["id"]).with_format("arrow").iter(batch_size=1000):
        key.update("\0".join(batch["id"].to_pylist()).encode("utf-8", "surrogatepass"))
    return key.hexdigest()


def _load(folder: Path, name: str) -> Matrix | None:
    file = folder / f"{name}.npz"
    if not file.is_file():
        return None
    os.utime(file)  # files are deleted in the order of their last use
    try:
        with np.load(file) as stored:
            return stored[_DENSE] if _DENSE in stored else sparse.load_npz(file)
    except _DAMAGED:
        return None  # computed again


def _spared(write: Callable[..., None]) -> Callable[..., None]:
    """Return a function that gives up where it cannot write, so that no result is lost by it."""

    @wraps(write)
    def attempted(*arguments: Any) -> None:
        with suppress(OSError, HeadstartError):
            write(*arguments)

    return attempted


@_spared
def _write(file: Path, value: Any) -> None:
    write_json(file, value)


@_spared
def _save(folder: Path, name: str, matrix: Matrix) -> None:
    # An archive, since that has a checksum.
    with whole_file(folder / f"{name}.npz") as partial, open(partial, "wb") as file:
        if sparse.issparse(matrix):
            sparse.save_npz(file, matrix, compressed=False)
        else:
            np.savez(file, **{_DENSE: matrix})


@_spared
def _evict(folder: Path) -> None:
    """Delete the least recently used files beyond :data:`MOST` bytes in total."""
    files = [(file, file.stat()) for file in folder.iterdir() if file.is_file()]
    total = 0
    for file, status in sorted(files, key=lambda each: -each[1].st_mtime_ns):
        total += status.st_size
        if total > MOST:
            file.unlink(missing_ok=True)


def _stored(batch: pa.Table) -> pa.Buffer:
    """Return values as bytes; for the path of a file, its path, size and modification time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for name in batch.column_names:
        column, kind = batch[name], batch[name].type
        if pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}:
            data, paths = pc.struct_field(column, "bytes"), pc.struct_field(column, "path")
            named = pc.if_else(pc.is_null(data), paths, None).to_pylist()
            columns[f"{name}.path"] = pa.array(map(_state, named), pa.string())
            column = data
        columns[name] = column
    # Written, a slice has the bytes of its own values alone.
    table, sink = pa.table(columns).combine_chunks(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _state(path: str | None) -> str | None:
    """Return the path of a file with its size and modification time, as far as it is there."""
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return path
    return f"{path}:{state_of(status)}"


def state_of(status: os.stat_result) -> str:
    """Return what changes with the content of a file; its time can be set back, but ctime not."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def _code_of(*objects: object) -> str:
    """Return a digest of the packages of other people that define these objects."""
    packages = {type(each).__module__.partition(".")[0] for each in objects}
    return "".join(_code_of_package(name) for name in sorted(packages - {HOME}))


@cache  # what was imported does not change while the process lives
def _code_of_package(name: str) -> str:
    module = sys.modules[name]
    found = ""
    for folder in map(Path, getattr(module, "__path__", ())):
        found += _digest_of_files(folder, sorted(folder.rglob("*.py")))
    if not found and getattr(module, "__file__", None):
        file = Path(str(module.__file__))
        found = _digest_of_files(file.parent, [file])
    return found


def _digest_of_files(folder: Path, files: Iterable[Path]) -> str:
    key = hashlib.blake2b(digest_size=12)
    for file in files:
        key.update(f"{file.relative_to(folder)}\0".encode("utf-8", "surrogatepass"))
        with open(file, "rb") as opened:
            while chunk := opened.read(1 << 20):
                key.update(chunk)
    return key.hexdigest()


@cache
def _code() -> str:
    package = Path(__file__).parents[1]
    sources = [file for pattern in _CODE for file in sorted(package.glob(pattern))]
    versions = " ".join(map(_version, _LIBRARIES))
    return f"{__version__} {versions} {_digest_of_files(package, sources)}"


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:  # an extra
        return ""
