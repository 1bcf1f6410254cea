"""Walking a folder of any depth, in the order of names, without cycles."""

from __future__ import annotations

import os
from collections.abc import Iterator

from headstart.data.audit import Audit


def walk(root: str, root_name: str, audit: Audit) -> Iterator[tuple[str, str]]:
    """Yield (folder, name) of files and saved datasets below ``root``, sorted by name.

    If ``root`` is a saved dataset, its folder has an empty name. Hidden files and the runs of this
    library are skipped, so that a run may lie among its sources; links are followed, and no folder
    is read twice. Unreadable folders are quarantined under ``root_name``.
    """
    seen: set[tuple[int, int]] = set()

    def enter(folder: str, name: str) -> list[os.DirEntry[str]] | None:
        """Return the entries to visit; None where the folder itself is a saved dataset."""
        try:
            status = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            audit.quarantine(printable(name), f"it cannot be read ({error.strerror})")
            return []
        if (status.st_dev, status.st_ino) in seen:
            audit.quarantine(printable(name), "it is a link to a folder that was read already")
            return []
        seen.add((status.st_dev, status.st_ino))
        if folder != root and is_run(folder):
            audit.notes.append(
                f"{printable(name)} is a run of headstart and no data: it is skipped."
            )
            return []
        if {"state.json", "dataset_info.json"} <= {entry.name for entry in entries}:
            return None
        return [e for e in entries if not e.name.startswith(".") and e.name != "dataset_dict.json"]

    entries = enter(root, root_name)
    if entries is None:
        yield root, ""
        return
    stack = [(root, root_name, iter(entries))]
    while stack:
        folder, name, remaining = stack[-1]
        entry = next(remaining, None)
        if entry is None:
            stack.pop()
            continue
        # for a link to itself DirEntry raises where os.path returns False
        link = entry.is_symlink()
        if os.path.isdir(entry.path) if link else entry.is_dir():
            inner = f"{name}/{entry.name}"
            entries = enter(entry.path, inner)
            if entries is None:
                yield folder, entry.name
            else:
                stack.append((entry.path, inner, iter(entries)))
        elif os.path.isfile(entry.path) if link else entry.is_file():
            yield folder, entry.name
        else:
            reason = "it is a broken link or no regular file"
            audit.quarantine(printable(f"{name}/{entry.name}"), reason)


def is_run(folder: str) -> bool:
    """Return whether a folder is a run, see :class:`headstart.run.RunFolder`."""
    try:
        with open(os.path.join(folder, "config.yaml"), "rb") as file:
            return file.read(6) == b"verb: "
    except OSError:
        return False


def printable(name: str) -> str:
    """Return a name that can be written as UTF-8, whatever bytes the file system holds."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")
