"""Odd inputs for every reader: broken files, files that are none, and hostile names."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: Endings of all readers.
ENDINGS = (
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".md", ".parquet", ".arrow", ".txt.gz", ".csv.gz",
    ".jsonl.gz", ".zip", ".tar", ".tar.gz", ".npz", ".png", ".jpg", ".xlsx", ".html", ".zst",
    ".bz2", ".xz", ".unknown",
)  # fmt: skip

#: Contents of a file, whatever its ending is.
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"x",
    "blank": b" \n\t\n  \n",
    "NUL bytes": b"\0" * 1000,
    "text with NUL bytes": b"a text\0with a hole\nand another\0\n",
    "a byte order mark": b"\xef\xbb\xbf",
    "a mark of UTF-16": "\ufeffa text\nand another\n".encode("utf-16-le"),
    "half a mark": b"\xef\xbb",
    "Latin-1": "größe\nänderung\nüber\n".encode("latin-1"),
    "broken UTF-8": b"good text\nbad \xc3\x28 text\n",
    "random bytes": np.random.default_rng(0).bytes(5000),
    "one long line": b"word " * 200_000,
    "old line ends": b"one text\rand another\r",
    "a picture": struct.pack(">8sI4s", b"\x89PNG\r\n\x1a\n", 13, b"IHDR"),
    "a program": b"\x7fELF\x02\x01\x01" + b"\0" * 500,
    "brackets": b"[" * 100_000,
    "quotes": b'"a text that does not end\n' * 50,
    "a header only": b"text,label\n",
    "100,000 columns": b",".join(b"c%d" % n for n in range(100_000))
    + b"\n"
    + b"," * 99_999
    + b"\n",
    "the same column twice": b"text,text\na,b\nc,d\n",
    "rows of several lengths": b"text,label\na\nb,c,d,e\n\nf,g\n",
    "numbers": json.dumps([1, 2.5, None, True, 1e400]).encode(),
    "nested": json.dumps({"a": {"text": ["b", {"c": 1}]}}).encode(),
    "other types in one column": b'{"text": "a"}\n{"text": 1}\n{"text": null}\n{"text": []}\n1\n',
    "broken surrogates": b'{"text": "\\ud800 alone"}\n{"text": "good"}\n',
    "1e5 digits": b'{"text": ' + b"9" * 100_000 + b"}\n",
}


def _zip(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return held.getvalue()


def _tar(*members: tuple[str, bytes, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, kind, content in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def _parquet() -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.table({"text": ["a text"] * 1000}), held)
    return held.getvalue()


def _large_picture() -> bytes:
    """Return a PNG whose header promises 3.6 billion pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


def _cut(content: bytes) -> bytes:
    return content[: 2 * len(content) // 3]


#: Whole files of one ending.
FILES: dict[str, bytes] = {
    "cut.txt.gz": _cut(gzip.compress(os.urandom(3000).hex(" ").encode())),
    "not.txt.gz": b"plain text\n",
    "twice.txt.gz": gzip.compress(gzip.compress(b"a text\n")),
    "bomb.txt.gz": gzip.compress(b"\0" * 50_000_000),
    "cut.parquet": _cut(_parquet()),
    "no_footer.parquet": _parquet()[:-8],
    "cut.zip": _cut(_zip(a=b"a text\n" * 1000)),
    "up.zip": _zip(**{"..__..__up.txt": b"a text\n", "__absolute.txt": b"b\n"}),
    "bomb.zip": _zip(**{"a.txt": b"\0" * 50_000_000}),
    "nested.zip": _zip(**{"a.zip": _zip(**{"b.txt": b"a text\n"})}),
    "same.zip": _zip(**{"a.txt": b"", "b.csv": b"text\n"}),
    "links.tar": _tar(("a.txt", tarfile.SYMTYPE, b""), ("b.txt", tarfile.LNKTYPE, b"")),
    "devices.tar": _tar(("a.txt", tarfile.CHRTYPE, b""), ("b.txt", tarfile.FIFOTYPE, b"")),
    "up.tar": _tar(("../../up.txt", tarfile.REGTYPE, b"a text\n")),
    "cut.tar": _cut(_tar(("a.txt", tarfile.REGTYPE, b"a text\n" * 1000))),
    "large.png": _large_picture(),
    "cut.npz": _cut(_zip(**{"text.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', }"})),
    "objects.npz": _zip(**{"text.npy": b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O'}\n"}),
    "a\nb.txt": b"a text\n",
    "a b'\"$(x).txt": b"a text\n",
    "-n.txt": b"a text\n",
    "[a]*.txt": b"a text\n",
    "\udce9.txt": b"a text\n",
    "n" * 250 + ".txt": b"a text\n",
    ".hidden.txt": b"a text\n",
}


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # such a name is short


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _broken(path: Path) -> None:
    path.symlink_to("nowhere")


def _forbidden(path: Path) -> None:
    path.write_bytes(b"a text\n")
    path.chmod(0)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


#: What lies in the place of a file.
THINGS: dict[str, Callable[[Path], None]] = {
    "a folder": _folder,
    "a pipe": _pipe,
    "a socket": _socket,
    "a circle of links": _circle,
    "a broken link": _broken,
    "a forbidden file": _forbidden,
    "an endless device": _endless,
}


@dataclass(frozen=True)
class Case:
    """One odd input, alone or in a folder beside good records, and one command that reads it."""

    what: str
    name: str
    make: Callable[[Path], object]
    verb: str
    is_alone: bool

    def __str__(self) -> str:
        where = "alone" if self.is_alone else "beside good records"
        return f"{self.verb}: {self.name!r} ({self.what}) {where}"

    def prepared(self, runs: Path, scratch: Path) -> list[str]:
        """Write the input into ``scratch`` and return the command."""
        folder = scratch / "data"
        folder.mkdir(parents=True)
        self.make(folder / self.name)
        if not self.is_alone:
            (folder / "good.txt").write_bytes((runs / "texts.txt").read_bytes())
        source = str(folder / self.name) if self.is_alone else str(folder)
        out = str(scratch / "out")
        return {
            "audit": ["audit", source, "--sample", "10"],
            "embed": ["embed", str(runs / "mlm"), source, "--out", f"{out}.npy"],
            "pretrain": [
                "pretrain", source, "--out", out, "--budget", "1steps", "--tracker", "none",
                "--set", "encoder.width=16",
            ],
            "predict": ["predict", str(runs / "stars"), source, "--out", f"{out}.csv"],
        }[self.verb]  # fmt: skip


VERBS = ("audit", "embed", "pretrain", "predict")


def cases() -> Iterator[Case]:
    """Yield every odd input for every verb that reads."""
    makers: list[tuple[str, str, Callable[[Path], object]]] = []
    for ending in ENDINGS:
        for what, content in CONTENTS.items():
            makers.append((what, f"odd{ending}", _written(content)))
        for what, make in THINGS.items():
            makers.append((what, f"odd{ending}", make))
    makers += [("whole", name, _written(content)) for name, content in FILES.items()]
    for what, name, make in makers:
        for verb in VERBS:
            # Beside pictures, texts are no good records.
            for is_alone in (True,) if name.endswith((".png", ".jpg", ".npz")) else (True, False):
                yield Case(what, name, make, verb, is_alone)


def _written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)
