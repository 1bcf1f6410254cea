"""Finding the units with records in the user's sources: files, folders, globs."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import cache as once
from functools import lru_cache, partial
from itertools import groupby, islice
from pathlib import Path

from headstart.data.archives import Member, open_tar, open_zip, suffix, tar_names
from headstart.data.audit import Audit
from headstart.data.content import Content
from headstart.data.parts import PARTS
from headstart.data.streams import (
    Unreadable,
    open_file,
    packing_of,
    plain_reasons,
    unpacked_name,
)
from headstart.data.unit import FILES, SAVED, Unit
from headstart.data.walking import is_run, printable, walk
from headstart.errors import HeadstartError, nearest

_NESTED = "it is an archive inside an archive; unpack it first"
#: What stands for standard input in other programs; here sources are read more than once.
STANDARD_INPUT = "-"
ALONE = "the file that it would belong to, of the same name, is not beside it"
#: Most files in a unit of files.
_SOME = 8192


def find(
    sources: Sequence[str], audit: Audit, content: Content, beside: Container[str] = ()
) -> Iterator[Unit]:
    """Yield every unit in the order of the sources, folders and archives sorted by name.

    Hidden files are skipped; links are followed, and no folder is read twice.

    Args:
        beside: suffixes of files that say something of a file of the same name in their folder.

    Raises:
        HeadstartError: a source does not exist, or is of an unknown kind.
    """
    roots: dict[str, str] = {}
    for source in sources:
        for found in _expand(source, content):
            roots.setdefault(os.path.abspath(found), source)

    @once
    def covered(folder: str) -> bool:
        return any(str(above) in roots for above in (Path(folder), *Path(folder).parents))

    outermost = [root for root in roots if not covered(os.path.dirname(root))]
    search = _Search(content, audit, beside)
    named = zip(outermost, _short_names(outermost), strict=True)
    for (source, is_folder), group in groupby(
        named, key=lambda pair: (roots[pair[0]], os.path.isdir(pair[0]))
    ):
        if not is_folder:
            yield from search.named(source, group)
            continue
        for root, name in group:
            yield from search.folder(source, root, name)


def check_sources(sources: Sequence[str], content: Content) -> None:
    """Raise a :class:`HeadstartError` for a source that does not exist, or is of an unknown kind.

    Nothing is read, and no folder is walked.
    """
    for source in sources:
        _expand(source, content)


def files_of(source: str, content: Content) -> Iterator[str]:
    """Yield every file of a source, those of its folders included; none if it does not exist."""
    path, _ = _parted(os.path.expanduser(source), content)
    for root in [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True)):
        if not os.path.isdir(root):
            yield root
            continue
        for folder, name in walk(root, root, Audit()):
            found = os.path.join(folder, name)
            is_saved = os.path.isdir(found)
            yield from sorted(map(str, Path(found).iterdir())) if is_saved else [found]


def are_classes(files: Iterable[tuple[str, str]], suffixes: Container[str]) -> bool:
    """Return whether files are in one folder per class: two or more sibling folders, no others.

    Args:
        files: the folder and name of each file.
        suffixes: of the files that count.
    """
    parents: set[str] = set()
    for folder, name in files:
        if folder not in parents and suffix(unpacked_name(name)) in suffixes:
            parents.add(folder)
    grandparents = {os.path.dirname(parent) for parent in parents}
    siblings = len(parents) > 1 and len(grandparents) == 1 and not parents & grandparents
    return siblings and not {os.path.basename(parent).lower() for parent in parents} <= PARTS


class _Search:
    """Turns paths into units of one kind of content, and quarantines other files."""

    def __init__(self, content: Content, audit: Audit, beside: Container[str] = ()) -> None:
        self.content, self.audit, self.beside = content, audit, beside

    def named(self, source: str, roots: Iterable[tuple[str, str]]) -> Iterator[Unit]:
        """Yield the units of files that the user named, each with its short name."""
        parted = ((*os.path.split(root), os.path.dirname(name), name) for root, name in roots)
        for (folder, above, is_file), group in groupby(
            parted, key=lambda parts: (parts[0], parts[2], self._is_file(parts[1]))
        ):
            if is_file:
                yield from self._files(source, above, folder, None, (file for _, file, *_ in group))
                continue
            for _, file, _, name in group:
                yield from self._unit(source, name, os.path.join(folder, file), None, found=False)

    def folder(self, source: str, root: str, root_name: str) -> Iterator[Unit]:
        """Yield the units below a folder."""
        labeled = are_classes(walk(root, root_name, Audit()), self.content.class_files)
        for (folder, is_file), group in groupby(
            walk(root, root_name, self.audit), key=lambda found: (found[0], self._is_file(found[1]))
        ):
            label = printable(os.path.basename(folder)) if labeled else None
            above = root_name + folder[len(root) :]
            if is_file:
                yield from self._files(source, above, folder, label, (file for _, file in group))
                continue
            for _, file in group:
                name = f"{above}/{file}" if file else above
                if self.content.ignored_tables and self._is_table(file):
                    self.audit.quarantine(printable(name), self.content.ignored_tables)
                elif suffix(file) in self.beside:
                    if not self._has_record(folder, file):
                        self.audit.quarantine(printable(name), ALONE)
                else:
                    path = os.path.join(folder, file) if file else folder
                    yield from self._unit(source, name, path, label)

    def _has_record(self, folder: str, name: str) -> bool:
        """Return whether the record of the same name lies beside a file."""
        return _has_sibling(Path(folder) / name, self.content.files)

    def _is_file(self, name: str) -> bool:
        return suffix(name) in self.content.files

    def _files(
        self, source: str, name: str, folder: str, label: str | None, files: Iterator[str]
    ) -> Iterator[Unit]:
        path = Path(folder)
        while some := list(islice(files, _SOME)):
            opened = partial(open_file, path)
            yield Unit(source, printable(name), FILES, path, label, opened, some)

    def _unit(
        self, source: str, name: str, root: str, label: str | None, found: bool = True
    ) -> Iterator[Unit]:
        root, part = _parted(root, self.content)
        name, path = printable(name), Path(root)
        kind = SAVED if path.is_dir() else kind_of(path.name, self.content)
        if kind is None:
            if not self._is_sidecar(path):
                self.audit.quarantine(name, self._unknown(path.name))
        elif kind in self.content.archives:
            try:
                with plain_reasons():
                    yield from self._members(source, name, path, kind)
            except Unreadable as broken:
                self.audit.quarantine(name, str(broken))
        else:
            opened = partial(open_file, path)
            yield Unit(source, name, kind, path, label, opened, part=part, found=found)

    def _is_sidecar(self, path: Path) -> bool:
        """Return whether a file says more of a record's file beside it."""
        if suffix(path.name) not in self.content.sidecars:
            return False
        return _has_sibling(path, self.content.files)

    def _unknown(self, name: str) -> str:
        known = suffix(name) in self.content.sidecars
        return self.content.stray if known else _unknown(self.content)

    def _members(self, source: str, name: str, path: Path, kind: str) -> Iterator[Unit]:
        def refuse(member: str, reason: str) -> None:
            self.audit.quarantine(printable(f"{name}/{member}"), reason)

        members: Iterator[Member]
        if kind == ".zip":
            names = [member.name for member in open_zip(path, lambda *_: None)]
            members = open_zip(path, refuse)
        else:
            names = tar_names(path)
            members = open_tar(path, self.content.files, refuse)
        labeled = are_classes(map(os.path.split, names), self.content.class_files)
        for member in members:
            inner = kind_of(member.name, self.content)
            if inner is None or inner in self.content.archives or inner in self.content.readers:
                packed = packing_of(member.name) or suffix(member.name) in (".tar", ".7z")
                refuse(member.name, _NESTED if inner or packed else self._unknown(member.name))
            elif self.content.ignored_tables and self._is_table(member.name):
                refuse(member.name, self.content.ignored_tables)
            else:
                label = os.path.basename(os.path.dirname(member.name)) if labeled else None
                inner_name = printable(f"{name}/{member.name}")
                opened, beside = member.open, member.beside
                yield Unit(
                    source, inner_name, inner, path, label, opened, beside=beside, found=True
                )

    def _is_table(self, name: str) -> bool:
        return kind_of(name, self.content) in self.content.tables


def kind_of(name: str, content: Content) -> str | None:
    """Return the suffix of a file's format, without that of a compression; None if unknown."""
    found = suffix(unpacked_name(name))
    if packing_of(name):
        stores = content.stores - content.readers.keys()
        return found if found in content.tables | stores | (content.archives & {".tar"}) else None
    known = (content.tables, content.stores, content.archives, content.files)
    return found if any(found in kinds for kinds in known) else None


def _unknown(content: Content) -> str:
    return f"its kind is not known; use {content.reads}"


def _parted(path: str, content: Content) -> tuple[str, str | None]:
    """Split ``file.npz#train`` or ``file.xlsx#sheet`` into file and part.

    A file that has the whole name is not split.
    """
    stem, mark, part = path.rpartition("#")
    if mark and suffix(stem) in (*content.readers, ".xlsx") and not os.path.lexists(path):
        return stem, part
    return path, None


def _expand(source: str, content: Content) -> list[str]:
    path, part = _parted(os.path.expanduser(source), content)
    if os.path.isdir(path):
        if is_run(path):
            raise HeadstartError(
                f"{source} is a run of headstart and no data; name the records, or a file in it."
            )
        return [path]
    if os.path.isfile(path):
        if kind_of(path, content) is None:
            raise HeadstartError(f"{source} cannot be read: {_unknown(content)}.")
        return [path if part is None else f"{path}#{part}"]
    if path == STANDARD_INPUT or os.path.exists(path):
        raise HeadstartError(
            f"{source} is no regular file, and a pipe cannot be read twice; write it to a file, "
            "and name that."
        )
    if os.path.lexists(path):
        raise HeadstartError(f"{source} is a broken link; name a file.")
    if "://" in source:
        raise HeadstartError(f"{source} is an address; download it and name the file.")
    if glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise HeadstartError(f"no file matches {source!r}; check the pattern.")
        return found if part is None else [f"{name}#{part}" for name in found]
    raise HeadstartError(f"there is no file or folder {source}{_nearby(Path(path))}")


def _nearby(path: Path) -> str:
    folder = path.parent
    if not os.path.isdir(folder):  # False for a name that is too long, too
        return f": its folder {folder} does not exist either; check the path."
    close = nearest(path.name, os.listdir(folder))
    return f"; did you mean {str(folder / close[0])!r}?" if close else "; check the path."


def _short_names(roots: list[str]) -> list[str]:
    """Return the shortest unique suffix of each path."""
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


def _has_sibling(path: Path, suffixes: Iterable[str]) -> bool:
    """Return whether a file of the same name with such a suffix, in any case, is beside it."""
    folder = path.parent
    stems = _stems(folder, folder.stat().st_mtime_ns, frozenset(suffixes))
    return os.path.splitext(path.name)[0] in stems


@lru_cache(maxsize=16)
def _stems(folder: Path, changed: int, suffixes: frozenset[str]) -> frozenset[str]:
    """Return the names without endings of a folder's files that have one of the suffixes."""
    with os.scandir(folder) as entries:
        return frozenset(
            os.path.splitext(each.name)[0]
            for each in entries
            if suffix(each.name) in suffixes and each.is_file()
        )
