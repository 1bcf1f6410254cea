"""From what the user named - files, folders, globs - to the units that hold records."""

from __future__ import annotations

import difflib
import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headstart.data.audit import Audit
from headstart.data.streams import Stream, Unreadable, open_file, open_zip, plain_reasons
from headstart.errors import HeadstartError

#: Suffixes of text, which may also be followed by ``.gz``.
TEXT_KINDS = frozenset({".txt", ".jsonl", ".json", ".csv", ".tsv"})
KINDS = TEXT_KINDS | {".parquet", ".zip"}
#: The kind of a folder that :meth:`datasets.Dataset.save_to_disk` wrote.
SAVED = "saved dataset"

_READS = ".txt, .jsonl, .json, .csv, .tsv (each also .gz), .parquet, .zip or a saved dataset"
_UNKNOWN = f"its kind is not known; use {_READS}"
_NESTED = "it is an archive inside an archive; unpack it first"
_SPLITS = frozenset({"train", "training", "test", "dev", "val", "valid", "validation", "unsup"})


@dataclass(frozen=True)
class Unit:
    """One file, archive member or saved dataset that holds records.

    Attributes:
        source: what the user wrote.
        name: short and stable; ids of records start with it.
        kind: a suffix of :data:`KINDS` without ``.gz``, or :data:`SAVED`.
        path: the file or folder (of a member: its archive).
        label: the folder's name, where folders are classes.
        open: opens the bytes, unpacked.
    """

    source: str
    name: str
    kind: str
    path: Path
    label: str | None
    open: Callable[[], Stream]


def find(sources: Sequence[str], audit: Audit) -> Iterator[Unit]:
    """Yield every unit in the order of the sources, folders and archives sorted by name.

    Hidden files are passed over; links are followed, and no folder is read twice.

    Raises:
        HeadstartError: a source does not exist, or is of an unknown kind.
    """
    roots: dict[str, str] = {}
    for source in sources:
        for found in _expand(source):
            roots.setdefault(os.path.abspath(found), source)
    outermost = [root for root in roots if not any(str(p) in roots for p in Path(root).parents)]
    for root, name in zip(outermost, _short_names(outermost), strict=True):
        path, source = Path(root), roots[root]
        if not path.is_dir():
            yield from _units(source, name, path, None, audit)
            continue
        labeled = are_classes(str(file)[len(root) :] for file in _walk(path, name, Audit()))
        for file in _walk(path, name, audit):
            inner = file.relative_to(path).as_posix()
            label = file.parent.name if labeled else None
            yield from _units(
                source, name if file == path else f"{name}/{inner}", file, label, audit
            )


def are_classes(names: Iterable[str]) -> bool:
    """Say whether text files lie in one folder a class: two or more sister folders, no others."""
    parents = {os.path.dirname(name) for name in names if _kind(name) == ".txt"}
    grandparents = {os.path.dirname(parent) for parent in parents}
    sisters = len(parents) > 1 and len(grandparents) == 1 and not parents & grandparents
    return sisters and not {os.path.basename(parent).lower() for parent in parents} <= _SPLITS


def _expand(source: str) -> list[str]:
    path = os.path.expanduser(source)
    if os.path.isdir(path):
        return [path]
    if os.path.isfile(path):
        if _kind(path) is None:
            raise HeadstartError(f"{source} cannot be read: {_UNKNOWN}.")
        return [path]
    if os.path.lexists(path):
        raise HeadstartError(f"{source} is a broken link or no regular file; name a file.")
    if "://" in source:
        raise HeadstartError(f"{source} is an address; download it and name the file.")
    if glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise HeadstartError(f"no file matches {source!r}; check the pattern.")
        return found
    raise HeadstartError(f"there is no file or folder {source}{_nearby(Path(path))}")


def _nearby(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f": its folder {folder} does not exist either; check the path."
    close = difflib.get_close_matches(path.name, os.listdir(folder), n=1)
    return f"; did you mean {str(folder / close[0])!r}?" if close else "; check the path."


def _short_names(roots: list[str]) -> list[str]:
    """Return the last parts of each path: one, or as many as tell it from the others."""
    parts = [Path(root).parts for root in roots]
    depths = [1] * len(roots)
    while True:
        names = ["/".join(part[-depth:]) for part, depth in zip(parts, depths, strict=True)]
        times = Counter(names)
        deeper = [
            times[name] > 1 and d < len(p) for name, d, p in zip(names, depths, parts, strict=True)
        ]
        if not any(deeper):
            return names
        depths = [depth + more for depth, more in zip(depths, deeper, strict=True)]


def _walk(root: Path, root_name: str, audit: Audit) -> Iterator[Path]:
    """Yield files and saved datasets below ``root``, sorted by name, however deep they lie."""
    seen: set[tuple[int, int]] = set()

    def enter(folder: str, name: str) -> list[os.DirEntry[str]] | None:
        """Return the entries to visit; None where the folder itself is a saved dataset."""
        try:
            status = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            audit.set_aside(_shown(name), f"it cannot be read ({error.strerror})")
            return []
        if (status.st_dev, status.st_ino) in seen:
            audit.set_aside(_shown(name), "it is a link to a folder that was read already")
            return []
        seen.add((status.st_dev, status.st_ino))
        if {"state.json", "dataset_info.json"} <= {entry.name for entry in entries}:
            return None
        return [e for e in entries if not e.name.startswith(".") and e.name != "dataset_dict.json"]

    entries = enter(str(root), root_name)
    if entries is None:
        yield root
        return
    stack = [(root_name, iter(entries))]
    while stack:
        name, remaining = stack[-1]
        entry = next(remaining, None)
        if entry is None:
            stack.pop()
            continue
        inner = f"{name}/{entry.name}"
        # a link to itself makes DirEntry raise where os.path answers no
        link = entry.is_symlink()
        if os.path.isdir(entry.path) if link else entry.is_dir():
            entries = enter(entry.path, inner)
            if entries is None:
                yield Path(entry.path)
            else:
                stack.append((inner, iter(entries)))
        elif os.path.isfile(entry.path) if link else entry.is_file():
            yield Path(entry.path)
        else:
            audit.set_aside(_shown(inner), "it is a broken link or no regular file")


def _units(source: str, name: str, path: Path, label: str | None, audit: Audit) -> Iterator[Unit]:
    name = _shown(name)
    kind = SAVED if path.is_dir() else _kind(path.name)
    if kind is None:
        audit.set_aside(name, _UNKNOWN)
    elif kind == ".zip":
        try:
            with plain_reasons():
                yield from _members(source, name, path, audit)
        except Unreadable as broken:
            audit.set_aside(name, str(broken))
    else:
        opened = partial(open_file, path, packed=path.name.lower().endswith(".gz"))
        yield Unit(source, name, kind, path, label, opened)


def _members(source: str, name: str, path: Path, audit: Audit) -> Iterator[Unit]:
    def refuse(member: str, reason: str) -> None:
        audit.set_aside(_shown(f"{name}/{member}"), reason)

    labeled = are_classes(member for member, _ in open_zip(path, lambda *_: None))
    for member, opened in open_zip(path, refuse):
        kind = _kind(member)
        if kind is None or kind == ".zip":
            nested = kind == ".zip" or member.lower().endswith((".gz", ".tar", ".tgz", ".7z"))
            refuse(member, _NESTED if nested else _UNKNOWN)
        else:
            label = os.path.basename(os.path.dirname(member)) if labeled else None
            yield Unit(source, _shown(f"{name}/{member}"), kind, path, label, opened)


def _kind(name: str) -> str | None:
    stem, suffix = os.path.splitext(name.lower())
    if suffix == ".gz":
        suffix = os.path.splitext(stem)[1]
        return suffix if suffix in TEXT_KINDS else None
    return suffix if suffix in KINDS else None


def _shown(name: str) -> str:
    """Return a name that can be written as UTF-8, whatever bytes the file system holds."""
    return os.fsencode(name).decode("utf-8", "replace")
