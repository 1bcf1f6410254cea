"""The kind of data of sources, detected from names and columns without reading them."""

from __future__ import annotations

import glob
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.audit import Audit
from headstart.data.byte_texts import read_schema
from headstart.data.columns import choose
from headstart.data.discovery import find, kind_of
from headstart.data.tables import TABLES, peek
from headstart.data.unit import SAVED
from headstart.errors import HeadstartError
from headstart.modalities import DEFAULT, MODALITIES

if TYPE_CHECKING:
    import pyarrow as pa

    from headstart.data.content import Content

#: Gives sampled values of each column of a table.
Sample = Callable[[], Mapping[str, Sequence[Any]]]
#: Metadata files of a saved dataset, which do not indicate its kind.
_BESIDE = frozenset({"dataset_info.json", "dataset_dict.json", "state.json"})
#: Most names that are checked in a folder or an archive.
_MOST = 2000


def guess_content(sources: Sequence[str]) -> str:
    """Return the kind of data that recognises most files of the sources.

    :data:`headstart.modalities.DEFAULT` counts only for files that no other kind recognises. Files
    that cannot be opened are skipped: reading them reports the error.

    Raises:
        HeadstartError: two kinds recognise equally many files, or a table has columns of both.
    """
    contents = {name: kind.content for name, kind in MODALITIES.items()}
    found = _claiming(sources, contents)
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


@contextmanager
def telling_kinds(sources: Sequence[str], content: Content, what: str) -> Iterator[None]:
    """Name the kinds of data, where sources cannot be read because they are of another one.

    Args:
        content: what the sources are read as.
        what: what reads them, such as ``this run``.

    Raises:
        HeadstartError: that of the reading inside the block, or one that names both kinds.
    """
    try:
        yield
    except HeadstartError:
        contents = {name: kind.content for name, kind in MODALITIES.items()}
        try:
            found = _claiming(sources, contents)
        except HeadstartError:
            found = Counter()
        if not found or content.name in found:
            raise
        other = contents[found.most_common(1)[0][0]]
        if other.files and other.files <= content.files:  # it reads such files itself
            raise
        noun = other.noun
        named = ", ".join(sources[:3]) + ", ..." * (len(sources) > 3)
        raise HeadstartError(
            f"{named} {'holds' if len(sources) == 1 else 'hold'} {noun}, and {what} reads "
            f"{content.noun}; name {content.noun}, or a run of {noun}."
        ) from None


def _claiming(sources: Sequence[str], contents: Mapping[str, Content]) -> Counter[str]:
    """Return how many files each kind of data recognises.

    Raises:
        HeadstartError: a table has columns of two kinds.
    """
    tables = _Tables(contents)
    found: Counter[str] = Counter()
    for source in sources:
        path = os.path.expanduser(source.partition("#")[0])
        for name in [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True)):
            plain: list[str] = []  # files that only the default kind takes
            stems: set[str] = set()
            for file in islice(_names(Path(name)), _MOST):
                if os.path.basename(file) not in _BESIDE:
                    schema, sample = tables.of(file, str(Path(name)))
                    claiming = [
                        kind
                        for kind, content in contents.items()
                        if claims(content, file, schema, sample)
                    ]
                    others = [kind for kind in claiming if kind != DEFAULT]
                    if len(others) > 1 and schema is not None:
                        others = _named(others, contents, schema) or others
                        others = _widest(others, contents, file, sample())
                    for kind in others:
                        _refuse_both(file, contents[kind], contents[DEFAULT], schema, sample)
                    if others:
                        found.update(others)
                        stems.add(os.path.splitext(file)[0])
                    elif claiming:
                        plain.append(os.path.splitext(file)[0])
            # A text of the name of a recording or picture says something of it.
            found[DEFAULT] += sum(stem not in stems for stem in plain)
    return +found


def _named(kinds: list[str], contents: Mapping[str, Content], schema: pa.Schema) -> list[str]:
    """Return the kinds for which a table has a column of a well-known name."""
    columns = {name.lower() for name in schema.names}
    return [
        kind
        for kind in kinds
        if any(columns & set(one.names) for one in contents[kind].fields if one.required)
    ]


def _widest(
    kinds: list[str], contents: Mapping[str, Content], file: str, sample: Mapping[str, Any]
) -> list[str]:
    """Return the kinds whose columns are not a part of those of another kind."""
    read = {kind: _columns_of(contents[kind], file, sample) for kind in kinds}
    return [one for one in kinds if not any(read[one] < other for other in read.values())]


def _columns_of(content: Content, file: str, sample: Mapping[str, Sequence[Any]]) -> set[str]:
    """Return the columns of a table that the required fields of a kind of data are read from."""
    required = [one for one in content.fields if one.required]
    try:
        return set(choose(file, sample, required, {}).values())
    except HeadstartError:
        return set()


def claims(content: Content, name: str, schema: pa.Schema | None, sample: Sample) -> bool:
    """Return whether a file holds such records, as :attr:`Content.recognises` has it.

    Without that: a file that is one record, or a table with the columns, see :func:`has_columns`.

    Args:
        schema: the columns of a table; None where they are not known.
        sample: gives sampled values of each column, which it reads.
    """
    recognised = content.recognises(name, schema) if content.recognises is not None else None
    if recognised is not None:
        return recognised
    if schema is None:
        return os.path.splitext(name.lower())[1] in content.files
    return has_columns(content, name, sample())


def has_columns(
    content: Content, name: str, sample: Mapping[str, Sequence[Any]], *, well_known: bool = False
) -> bool:
    """Return whether a table has a column for each required field, by its name and values.

    Args:
        sample: values of each column.
        well_known: whether a column without a well-known name does not count.
    """
    required = [one for one in content.fields if one.required]
    if well_known:
        required = [replace(one, obvious=lambda columns: None) for one in required]
    try:
        return bool(required) and bool(choose(name, sample, required, {}))
    except HeadstartError:
        return False


def _refuse_both(
    file: str, one: Content, default: Content, schema: pa.Schema | None, sample: Sample
) -> None:
    """Refuse a table that only its columns assign to a kind of data, if they fit two."""
    if schema is None or one.recognises is None or one.recognises(file, schema):
        return
    if _columns_of(default, file, sample()) < _columns_of(one, file, sample()):
        return
    if has_columns(default, file, sample(), well_known=True):
        columns = " and ".join(
            f"{content.noun} ({choose(file, sample(), content.fields, {})[content.columns[0]]!r})"
            for content in (one, default)
        )
        raise HeadstartError(
            f"{file} has columns of {columns}; say which are meant with --modality {one.name} or "
            f"--modality {default.name}."
        )


def _names(path: Path) -> Iterator[str]:
    lower = path.name.lower()
    try:
        if path.is_dir():
            for folder, folders, files in os.walk(path):
                folders.sort()
                yield from (os.path.join(folder, name) for name in sorted(files))
        elif not path.is_file():
            return  # a pipe or a device
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


class _Tables:
    """The columns of tables; those of one kind in a folder or an archive are assumed to be alike.

    Args:
        contents: define which files are tables.
    """

    def __init__(self, contents: Mapping[str, Content]) -> None:
        self._content = replace(
            contents[DEFAULT],
            tables=frozenset().union(*(each.tables for each in contents.values())),
            archives=frozenset().union(*(each.archives for each in contents.values())),
            ignored_tables=None,
        )
        self._known: dict[tuple[str, str], Mapping[str, list[Any]]] = {}

    def of(self, file: str, source: str) -> tuple[pa.Schema | None, Sample]:
        """Return the columns of a file with their types, None if it is not a table, and values.

        Args:
            source: the file itself, a folder above it, or the archive that it lies in.
        """
        import pyarrow as pa

        if not os.path.isfile(source) and not os.path.isfile(file):
            return None, dict  # a pipe would be waited for
        folder, is_member = os.path.dirname(file), os.path.isfile(source) and file != source
        if not is_member:
            if file.lower().endswith(".parquet"):
                return _stored(file), partial(self._sample, file, ".parquet", file)
            if file.lower().endswith(".arrow"):
                return _stored(file), partial(self._sample, folder, SAVED, folder)
            source = file
        kind = kind_of(file, self._content)
        if kind not in TABLES or not os.path.isfile(source):
            return None, dict
        sample = self._sample(source, kind, folder if source == file else source)
        schema = pa.schema([(name, _type(values)) for name, values in sample.items()])
        return schema if len(schema) else None, lambda: sample

    def _sample(self, source: str, kind: str, alike: str) -> Mapping[str, list[Any]]:
        """Return sampled values of the columns of the first table of a kind in a source."""
        if (alike, kind) not in self._known:
            try:
                units = islice(find([source], Audit(), self._content), _MOST)
                found = next((peek(unit) for unit in units if unit.kind == kind), {})
            except HeadstartError:
                found = {}
            self._known[alike, kind] = found
        return self._known[alike, kind]


def _stored(file: str) -> pa.Schema | None:
    import pyarrow as pa

    try:
        return read_schema(file)
    except (OSError, pa.ArrowException):
        return None


def _type(values: list[Any]) -> pa.DataType:
    import pyarrow as pa

    try:
        return pa.array(values[:100]).type
    except (pa.ArrowException, ValueError, OverflowError):
        return pa.string()
