"""The kind of data of sources, detected from names and columns without reading them."""

from __future__ import annotations

import glob
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.audit import Audit
from headstart.data.discovery import find
from headstart.data.tables import peek
from headstart.errors import HeadstartError
from headstart.modalities import DEFAULT, MODALITIES

if TYPE_CHECKING:
    import pyarrow as pa

    from headstart.data.content import Content

#: Metadata files of a saved dataset, which do not indicate its kind.
_BESIDE = frozenset({"dataset_info.json", "dataset_dict.json", "state.json"})
#: Most names that are checked in a folder or an archive.
_MOST = 2000


def guess_content(sources: Sequence[str]) -> str:
    """Return the kind of data that recognises most files of the sources.

    :data:`headstart.modalities.DEFAULT` counts only for files that no other kind recognises. Files
    that cannot be opened are skipped: reading them reports the error.

    Raises:
        HeadstartError: two kinds recognise equally many files.
    """
    contents = {name: kind.content for name, kind in MODALITIES.items()}
    schemas = _Schemas(contents[DEFAULT])
    found: Counter[str] = Counter()
    for source in sources:
        path = os.path.expanduser(source.partition("#")[0])
        for name in [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True)):
            for file in islice(_names(Path(name)), _MOST):
                if os.path.basename(file) not in _BESIDE:
                    found.update(_claims(file, schemas.of(file), contents))
    if not found:
        return DEFAULT
    most = max(found.values())
    first, *others = [name for name in contents if found[name] == most]
    if others:
        raise HeadstartError(
            f"as much of {', '.join(sources[:3])} looks like {first} as like {others[0]}; say "
            f"which it is with --modality {first} or --modality {others[0]}."
        )
    return first


def _claims(file: str, schema: pa.Schema | None, contents: dict[str, Content]) -> list[str]:
    """Return the kinds that recognise a file; the default one only if no other does."""
    claims = [name for name, content in contents.items() if content.recognises(file, schema)]
    return [name for name in claims if name != DEFAULT] or claims


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


class _Schemas:
    """The columns of tables, from their first rows; tables of one folder are assumed to be alike.

    Args:
        content: defines which files are tables.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._known: dict[tuple[str, str], pa.Schema | None] = {}

    def of(self, file: str) -> pa.Schema | None:
        """Return the columns of a file with their types; None if it is not a table."""
        suffix = os.path.splitext(file.lower())[1]
        key = os.path.dirname(file), suffix
        if suffix in (".parquet", ".arrow"):  # each has it at its end, or its beginning
            return _stored(file, suffix)
        if suffix not in self._content.tables | {".gz"} or not os.path.isfile(file):
            return None
        if key not in self._known:
            self._known[key] = self._peeked(file)
        return self._known[key]

    def _peeked(self, file: str) -> pa.Schema | None:
        import pyarrow as pa

        try:
            found = next((peek(unit) for unit in find([file], Audit(), self._content)), {})
        except HeadstartError:
            return None
        return pa.schema([(name, _type(values)) for name, values in found.items()]) or None


def _stored(file: str, suffix: str) -> pa.Schema | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if suffix == ".parquet":
            return pq.read_schema(file)
        with pa.OSFile(file) as stream:
            return pa.ipc.open_stream(stream).schema
    except (OSError, pa.ArrowException):
        return None


def _type(values: list[Any]) -> pa.DataType:
    import pyarrow as pa

    try:
        return pa.array(values[:100]).type
    except pa.ArrowException:
        return pa.string()
