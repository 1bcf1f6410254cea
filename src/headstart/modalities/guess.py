"""What kind of content sources hold, guessed from names and column types without reading them."""

from __future__ import annotations

import glob
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from headstart.modalities.image.content import SUFFIXES

TEXTS = frozenset({".txt", ".json", ".jsonl", ".csv", ".tsv", ".gz"})
#: What lies beside the records of a saved data set, and says nothing of what they hold.
_BESIDE = frozenset({"dataset_info.json", "dataset_dict.json", "state.json"})
#: Names that are looked at in a folder or an archive.
_MOST = 2000


def guess_content(sources: Sequence[str]) -> str:
    """Return ``"image"`` where most of what the sources name are pictures, else ``"text"``.

    What cannot be opened is passed over: reading it will say why.
    """
    found: Counter[str] = Counter()
    for source in sources:
        path = os.path.expanduser(source.partition("#")[0])
        for name in [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True)):
            found.update(_contents(Path(name)))
    return "image" if found["image"] > found["text"] else "text"


def _contents(path: Path) -> Iterator[str]:
    """Yield the content of each of the first files at ``path``."""
    for name in islice(_names(path), _MOST):
        if os.path.basename(name) in _BESIDE:
            continue
        suffix = os.path.splitext(name.lower())[1]
        if suffix in SUFFIXES or suffix == ".npz":
            yield "image"
        elif suffix == ".parquet":
            yield _of_parquet(Path(name))
        elif suffix == ".arrow":
            yield _of_saved(Path(name).parent)
        elif suffix in TEXTS:
            yield "text"


def _names(path: Path) -> Iterator[str]:
    lower = path.name.lower()
    try:
        if path.is_dir():
            for folder, folders, files in os.walk(path):
                folders.sort()
                yield from (os.path.join(folder, name) for name in sorted(files))
        elif lower.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                yield from archive.namelist()
        elif lower.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                yield from (member.name for member in archive)
        else:
            yield str(path)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError):
        return


def _of_parquet(path: Path) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _of_schema(pq.read_schema(path))
    except (OSError, pa.ArrowException):
        return "text"


def _of_saved(folder: Path) -> str:
    import json

    try:
        features = json.loads((folder / "dataset_info.json").read_text())["features"]
    except (OSError, ValueError, KeyError):
        return "text"
    return "image" if any(f.get("_type") == "Image" for f in features.values()) else "text"


def _of_schema(schema: Any) -> str:
    import pyarrow.types as types

    def holds_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
        return types.is_binary(kind) or types.is_large_binary(kind)

    return "image" if any(holds_bytes(field.type) for field in schema) else "text"
