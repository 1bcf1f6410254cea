"""Text files as UTF-8 with plain line ends, whatever encoding and line ends they have."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator, Sequence

from headstart.data.block import Tell
from headstart.data.encodings import decodes, detect, marked
from headstart.data.streams import CHUNK, Metered, Stream, Unreadable
from headstart.data.unit import Unit

UNKNOWN = (
    "it is not UTF-8 text (another encoding, or binary); name its encoding with --encoding, such "
    "as cp1252, cp1251 or gb18030"
)

#: The sample of a large file: so many pieces of so many bytes, evenly spread.
_PIECES, _PIECE = 16, 2**16
#: Bytes inside of a character of UTF-8.
_CONTINUED = bytes(range(0x80, 0xC0))
#: Suffixes of pages, which may name their encoding.
PAGES = frozenset({".html", ".htm"})


class TextStream:
    """The bytes of a text file as UTF-8.

    Bytes that are invalid in the encoding stay invalid, so that only their record is quarantined. A
    byte-order mark is dropped, and line ends of CR alone become LF.

    Attributes:
        encoding: the one that is taken.
        is_ascii: whether nothing in its head and in a sample of the rest is beyond ASCII.
        sample: whole lines from the rest of a large file, evenly spread, as UTF-8; without them the
            file fits into the first read.
    """

    def __init__(self, unit: Unit, encoding: str | None, usual: str | None, whole: bool) -> None:
        self._stream = unit.open()
        try:
            head = _filled(self._stream)
            pieces: list[bytes] = []
            if len(head) == CHUNK:
                pieces = self._pieces(unit, head, whole)
            declared = head[:2048] if unit.kind in PAGES else b""
            self.encoding = encoding or _encoding([head, *pieces], declared, usual)
        except BaseException:
            self._stream.close()
            raise
        self.is_ascii = all(piece.isascii() for piece in (head, *pieces))
        self.is_marked = encoding is None and marked(head) is not None
        self._first: bytes | None = head
        self._cr = b"\r" in head and b"\n" not in head
        self._decoder: codecs.IncrementalDecoder | None = None
        if codecs.lookup(self.encoding).name != "utf-8":
            self._decoder = codecs.getincrementaldecoder(self.encoding)("surrogateescape")
        self.sample = [] if _is_wide(self.encoding) else [self._plain(piece) for piece in pieces]
        if self._decoder is not None:
            self._decoder.reset()

    def read(self, size: int = -1, /) -> bytes:
        """Return about ``size`` bytes; none at the end."""
        while True:
            if self._first is not None:
                data, self._first = self._first.removeprefix(codecs.BOM_UTF8), None
            else:
                data = self._stream.read(CHUNK if size < 0 else size)
            found = self._plain(data)
            if found or not data:
                return found

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _plain(self, data: bytes) -> bytes:
        if self._decoder is not None:
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError:
                raise Unreadable(
                    f"it is not {self.encoding} text throughout; convert it to UTF-8"
                ) from None
            data = text.encode("utf-8", "surrogateescape")
        return data.replace(b"\r", b"\n") if self._cr else data

    def _pieces(self, unit: Unit, head: bytes, whole: bool) -> list[bytes]:
        """Return pieces of whole lines from behind the head, and go back there."""
        end = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
        stream = self._stream
        if isinstance(stream, io.BufferedReader | io.BytesIO):
            size = stream.seek(0, os.SEEK_END)
            found = []
            ends = (size * (number + 1) // _PIECES for number in range(_PIECES))
            for start in sorted({max(len(head), end - _PIECE) for end in ends}):
                stream.seek(start)
                found.append(stream.read(_PIECE))
            stream.seek(len(head))
        elif whole:
            found = _thinned(iter(lambda: stream.read(_PIECE), b""))
            if isinstance(stream, Metered):
                stream.forget()
            stream.close()
            self._stream = unit.open()
            _filled(self._stream)
        else:
            found = []
        cut = [piece.partition(end)[2].rpartition(end)[0] for piece in found]
        return [piece for piece in cut if piece]


def open_text(
    unit: Unit,
    encoding: str | None = None,
    tell: Tell | None = None,
    usual: str | None = None,
    *,
    whole: bool = True,
) -> TextStream:
    """Open a text file as UTF-8.

    Args:
        encoding: its encoding; None to detect it, see :mod:`headstart.data.encodings`.
        tell: is told how the file is read, where it is neither UTF-8 nor has a byte-order mark.
        usual: the encoding of a file that alone is no evidence for any, if it is valid in it.
        whole: whether the sample is taken from all of a file that cannot be sought in, which is
            read twice.

    Raises:
        Unreadable: the encoding cannot be detected.
    """
    text = TextStream(unit, encoding, usual, whole)
    if tell and encoding is None and not text.is_marked and text.encoding != "utf-8":
        tell(f"not UTF-8, and read as {text.encoding}; --encoding names another encoding")
    return text


def _encoding(pieces: Sequence[bytes], declared: bytes, usual: str | None) -> str:
    found = marked(pieces[0])
    if found is None:
        head = pieces[0]
        if len(head) == CHUNK:  # it is cut anywhere, maybe inside of a character
            head = head.rpartition(b"\n")[0] or head.rstrip(_CONTINUED)[:-1]
        lines = [line for part in (head, *pieces[1:]) for line in part.splitlines()]
        found = detect(lines, declared)
        if found is None and usual is not None and decodes(lines, usual):
            found = usual
    if found is None:
        raise Unreadable(UNKNOWN)
    return found


def _is_wide(encoding: str) -> bool:
    """Return whether bytes of LF are no line ends, so that pieces cannot be cut at them."""
    return "\n".encode(encoding)[-1:] != b"\n" or len("\n".encode(encoding)) > 1


def _filled(stream: Stream) -> bytes:
    """Return the first chunk, full unless the stream is shorter."""
    data = b""
    while len(data) < CHUNK and (more := stream.read(CHUNK - len(data))):
        data += more
    return data


def _thinned(pieces: Iterator[bytes]) -> list[bytes]:
    """Return an even sample of pieces whose number is not known."""
    kept: list[bytes] = []
    step = 1
    for number, piece in enumerate(pieces):
        if number % step == 0:
            kept.append(piece)
        if len(kept) == 2 * _PIECES:
            kept, step = kept[::2], 2 * step
    return kept
