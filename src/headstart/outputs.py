"""What a command may write: never onto what it reads, and onto what exists only if it is told to.

One check serves all verbs, before any work. What a command reads is found from its options: every
value that names something on the disk, and, where that is a run, what its own options name.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from headstart.config import Options
from headstart.errors import HeadstartError, shown
from headstart.files import cache_home, scratch
from headstart.run import LOCK, MARKER, PARTS, RunFolder
from headstart.stored import SUMS

#: What must stay of a run: all that is written into it, but results, which a verb writes anew.
KEPT = {MARKER, LOCK, *(part.name for part in PARTS if not part.result)}
#: Folders that stay as they were written, and the names that each is known by.
FINISHED = {
    "a finished encoder": ("headstart.json", SUMS),
    "an export": ("export.json", SUMS),
    "an index": ("current.json", "segments"),
    "a folder of Qdrant": ("meta.json", "collection"),
}


def check_free(options: Options, *beside: Path | None) -> None:
    """Refuse an ``--out`` that would replace something which must stay.

    Args:
        options: those of a verb, with ``out`` and, where it can replace a file, ``overwrite``.
        beside: further paths that the verb writes, such as ``X.ids.txt`` beside ``X.npy``.

    Raises:
        HeadstartError: a path is read by this command, by whatever name (link, other case), lies
            inside a run or around what is read, exists and ``overwrite`` is not set, or cannot be
            written.
    """
    given = getattr(options, "out", None)
    if given is None:
        return
    check_unread(options, *beside)
    replaced = getattr(options, "overwrite", None)
    for out in (Path(given), *filter(None, beside)):
        if os.path.lexists(out) and not _is_empty_folder(out):
            if out.is_dir():
                raise _refused(out, " is a folder with files in it")
            if out.exists() and not out.is_file():
                raise _refused(out, " is no regular file")
            if not replaced:
                what = "move it" if replaced is None else "replace it with --overwrite"
                raise _refused(out, f" exists already; {what}, or", end=" choose another --out.")
        _check_writable(out)


def check_unread(options: Options, *beside: Path | None) -> None:
    """Refuse an ``--out`` that this command reads, that lies around it, or in what is finished.

    Raises:
        HeadstartError: the message names what is in the way.
    """
    fields = {name: getattr(options, name) for name in type(options).model_fields}
    written = [Path(fields.pop("out")), *filter(None, beside)]
    for out in written:
        check_outside(out)
    written = [path for path in written if os.path.lexists(path)]
    for source in _paths(fields, set()) if written else ():
        for out in written:
            _check_apart(out, source)


def check_outside(out: Path) -> None:
    """Refuse a path, new or not, in what is finished: a part of any run, an export, an index.

    Raises:
        HeadstartError: the message names that folder.
    """
    resolved = Path(os.path.realpath(out))
    for folder in resolved.parents:
        part = resolved.relative_to(folder).parts[0]
        # The same pre-training from other seeds are runs of their own.
        if part in KEPT - {RunFolder.seeds.name} and RunFolder(folder).is_ours():
            raise _refused(out, " is a part of the run ", folder)
    for folder in resolved.parents:
        for what, names in FINISHED.items():
            if all((folder / name).exists() for name in names):
                raise _refused(out, " lies in ", folder, f", {what} that stays as it was written")


def _check_apart(out: Path, source: Path) -> None:
    """Refuse an existing path that is, holds or lies in what is read; beside a run's parts it may.

    Links are followed on both sides, and a hard link is the file.
    """
    # Path.resolve fails on a circle of links.
    resolved, read = Path(os.path.realpath(out)), Path(os.path.realpath(source))
    if read == resolved or (source.exists() and out.exists() and out.samefile(source)):
        raise _refused(out, " is read by this command")
    if read.is_relative_to(resolved):
        raise _refused(out, " holds ", source, ", which this command reads")
    if _is_run(source):
        if resolved.is_relative_to(read) and resolved.relative_to(read).parts[0] in KEPT:
            raise _refused(out, " is a part of the run ", source)
    elif read.is_dir() and (_is_read_in(read, resolved) or _holds(source, out)):
        raise _refused(out, " is a file of ", source, ", which this command reads")


def _is_read_in(folder: Path, path: Path) -> bool:
    """Return whether a path is below a folder, and no run is in between: those are not read."""
    above = [path, *path.parents]
    return folder in above and not any(map(_is_run, above[: above.index(folder)]))


def store_of(run: str | Path) -> Path:
    """Return the folder for what is made from a run: the run itself where it can be written.

    Else, for a run on a read-only disk, and an encoder folder or a name, which are not ours, it is
    ``$XDG_CACHE_HOME/headstart/NAME-DIGEST`` (``~/.cache`` by default), or a temporary folder where
    that cannot be written either.
    """
    folder = Path(run)
    if _is_run(folder) and os.access(folder, os.W_OK | os.X_OK):
        return folder
    named = os.path.abspath(folder) if folder.exists() else str(run)
    mark = hashlib.blake2b(named.encode(errors="surrogateescape"), digest_size=6).hexdigest()
    found = cache_home() / f"{Path(named).name[:100]}-{mark}"
    try:
        found.mkdir(parents=True, exist_ok=True)
        writable = os.access(found, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if writable:
        return found
    temporary = scratch() / found.name
    temporary.mkdir(exist_ok=True)
    return temporary


def _paths(value: Any, seen: set[Path]) -> Iterator[Path]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _paths(each, seen)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each, seen)
    elif isinstance(value, str | Path) and str(value):
        for path in _existing(str(value)):
            if path in seen:
                continue
            seen.add(path)
            yield path
            if _is_run(path):
                yield from _paths(_options_of(path), seen)


def _existing(named: str) -> list[Path]:
    """Return the files that a value names: a path, a part of a file after ``#``, or a pattern."""
    path = os.path.expanduser(named)
    try:
        for whole in filter(None, (path, path.partition("#")[0])):
            if os.path.lexists(whole):
                return [Path(whole)]
        return [Path(found) for found in glob.iglob(path, recursive=True)]
    except (OSError, ValueError):  # a text, too long for a path
        return []


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file()


def _options_of(run: Path) -> Any:
    try:
        content = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        options = content["options"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return {}  # opening the run says what is wrong with it
    return {k: v for k, v in options.items() if k != "out"} if isinstance(options, dict) else {}


def _holds(folder: Path, file: Path) -> bool:
    """Return whether a folder has a link to an existing file, hard or symbolic."""
    if not file.exists():
        return False
    found = file.stat()
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_run(Path(above, name))]
        for name in names:
            link = Path(above, name)
            if link.exists() and os.path.samestat(link.stat(), found):
                return True
    return False


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _check_writable(out: Path) -> None:
    """Refuse a path whose folder cannot be made or written to."""
    above = next((path for path in out.absolute().parents if os.path.lexists(path)), Path("/"))
    if not above.is_dir():
        raise _refused(out, " cannot be written: ", above, " is no folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise _refused(out, " cannot be written: ", above, " is read-only for you")


def _refused(*parts: str | Path, end: str = "; choose another --out.") -> HeadstartError:
    """Return the error of a sentence; paths are shortened, since it may name two."""
    words = "".join(part if isinstance(part, str) else shown(str(part), 90) for part in parts)
    return HeadstartError(words + end)
