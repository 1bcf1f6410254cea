"""Lines of text from streams of bytes, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headstart.data.block import Quarantine
from headstart.data.streams import CHUNK, Stream, Unreadable

NO_TEXT = "it has no text"
NOT_TEXT = "its text is not a string"
NUL = "it holds NUL bytes; remove them"

#: The longest record, in bytes of a line or file and in characters of a text.
LONGEST = 10_000_000

NOT_UTF8 = "it is not UTF-8 text; convert it to UTF-8"
TOO_LONG = f"it is longer than {LONGEST // 10**6} million characters; split it"


def chunks(stream: Stream) -> Iterator[bytes]:
    """Yield the stream's bytes, about a megabyte at a time."""
    return iter(lambda: stream.read(CHUNK), b"")


def lines(data: Iterator[bytes], quarantine: Quarantine) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, lines without their ends) for each chunk.

    Bytes that are not UTF-8 become lone surrogates, so that only the record that has them is
    quarantined.
    """
    for number, block in _whole_lines(data, quarantine):
        text = block.decode(errors="surrogateescape")
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        yield number, text.removesuffix("\n").split("\n")


def whole(stream: Stream) -> str:
    """Return the whole stream as one text.

    Raises:
        Unreadable: it is too long or not UTF-8.
    """
    data = bytearray()
    for chunk in chunks(stream):
        data += chunk
        if len(data) > LONGEST:
            raise Unreadable(TOO_LONG)
    try:
        return data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Unreadable(NOT_UTF8) from None


def _whole_lines(data: Iterator[bytes], quarantine: Quarantine) -> Iterator[tuple[int, bytes]]:
    number, rest, dropping = 1, b"", False
    for chunk in data:
        if dropping:
            _, newline, chunk = chunk.partition(b"\n")
            if not newline:
                continue
            number, dropping = number + 1, False
        end = chunk.rfind(b"\n") + 1
        if end:
            block, rest = rest + chunk[:end], chunk[end:]
            yield number, block
            number += block.count(b"\n")
        else:
            rest += chunk
            if len(rest) > LONGEST:
                quarantine(number, TOO_LONG)
                rest, dropping = b"", True
    if rest:
        yield number, rest


def fault(text: Any) -> str | None:
    """Return why a text is invalid, or None."""
    if not isinstance(text, str):
        return NO_TEXT if text is None else NOT_TEXT
    if len(text) > LONGEST:
        return TOO_LONG
    if "\0" in text:
        return NUL
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate represents a byte that is not UTF-8
            return NOT_UTF8
    return None
