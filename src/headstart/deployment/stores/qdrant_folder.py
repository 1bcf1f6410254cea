"""A folder of Qdrant's local mode, looked at before Qdrant opens it.

Local mode keeps each point as a pickle, and a pickle of somebody else's may run any code when it is
loaded. What Qdrant itself writes names one class and calls nothing, which is told from the
pickle's instructions without loading it.
"""

from __future__ import annotations

import pickletools
import sqlite3
from contextlib import closing
from pathlib import Path

from headstart.deployment.stores import Address
from headstart.errors import HeadstartError
from headstart.stored import read_json

#: What local mode knows its folders by, and where a collection has its points.
META = "meta.json"
_COLLECTIONS, _POINTS = "collection", "storage.sqlite"
#: What can be done about a folder that Qdrant cannot open.
DAMAGED = "restore the folder from a copy, or delete it and make the index again"
#: Module and names of the classes of points.
_MODULE, _CLASSES = "qdrant_client.http.models.models", {"PointStruct", "SparseVector"}
#: Instructions that find a class or call something; NEWOBJ and BUILD fill what was found.
_FOUND = "STACK_GLOBAL"
_CALLS = {"GLOBAL", "INST", "OBJ", "REDUCE", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
_CALLS |= {"NEWOBJ_EX", "NEXT_BUFFER"}


def check_folder(folder: Path, address: Address, make: bool) -> None:
    """Refuse a folder of other things, a damaged or hostile one, and to make one for a reader.

    Raises:
        HeadstartError: the message says what to do.
    """
    if (folder / META).is_file():
        for name in read_json(folder / META, collections=dict)["collections"]:
            _check_points(folder / _COLLECTIONS / name / _POINTS)
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise HeadstartError(
            f"{folder} holds other files and no collections of Qdrant; name a new folder."
        )
    if not make:
        raise HeadstartError(
            f"there is no index at {folder}; make one with `headstart index RUN INPUT... --out "
            f"{address}`."
        )


def _check_points(file: Path) -> None:
    """Refuse points that are missing, cannot be read, or would run code."""
    if not file.is_file():
        raise HeadstartError(f"{file} is missing; {DAMAGED}.")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as opened:
            kind = opened.execute("SELECT type FROM sqlite_master WHERE name = 'points'").fetchone()
            if kind != ("table",):
                raise HeadstartError(f"{file} has no table of points; {DAMAGED}.")
            for (point,) in opened.execute("SELECT point FROM points"):
                if not _is_plain(point):
                    raise HeadstartError(
                        f"{file} holds other things than points, which might run code; use a "
                        "folder that you made yourself, or a server of Qdrant."
                    )
    except sqlite3.Error as error:
        raise HeadstartError(f"{file} is damaged ({error}); {DAMAGED}.") from None


def _is_plain(point: object) -> bool:
    """Return whether a pickle only fills a point: it names its class, and calls nothing."""
    if not isinstance(point, bytes):
        return False
    texts: list[object] = []  # on top of the stack
    try:
        for opcode, argument, _ in pickletools.genops(point):
            if opcode.name in _CALLS:
                return False
            if opcode.name == _FOUND:
                module, name = [None, None, *texts][-2:]
                if module != _MODULE or name not in _CLASSES:
                    return False
            if opcode.name in ("SHORT_BINUNICODE", "BINUNICODE"):
                texts.append(argument)
            elif opcode.name != "MEMOIZE":
                texts = []
    except ValueError:  # it ends too early, or is none
        return False
    return True
