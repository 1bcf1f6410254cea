"""Texts of a file, beside the training transcripts, for the character model of a recogniser."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headstart.data.lines import fault
from headstart.downstream.audio.alphabet import folded
from headstart.errors import HeadstartError

#: Most that is read of a file, in bytes: counts of its n-grams are kept in the run.
MOST = 2_000_000


def other_texts(file: str, characters: Iterable[str] | None = None) -> list[str]:
    """Return the lines of a text file as they are heard, one text each.

    Args:
        file: of UTF-8; the first 2 MB are read.
        characters: that a recogniser can write; lines with others are left out. None for any.

    Raises:
        HeadstartError: the file is not there, is no text, or no line is left.
    """
    what = f"ctc.texts: {file}"
    if not Path(file).is_file():
        raise HeadstartError(f"{what} is no file; name a text file with one text a line.")
    try:
        with open(file, "rb") as stream:
            data = stream.read(MOST + 1)
    except OSError as error:
        raise HeadstartError(
            f"{what} cannot be read ({error.strerror}); change its permissions, or name another."
        ) from None
    if len(data) > MOST:  # the last line is cut
        data = data[: data[:MOST].rfind(b"\n") + 1]
    lines = data.decode("utf-8-sig", "surrogateescape").splitlines()
    if any(map(fault, lines)):
        raise HeadstartError(f"{what} is no text in UTF-8; save it as one.")
    known = None if characters is None else set(characters)
    texts = [text for line in lines if (text := folded(line))]
    found = [text for text in texts if known is None or known >= set(text)]
    if not found:
        why = (
            "has characters that no training transcript has in every line" if texts else "is empty"
        )
        raise HeadstartError(f"{what} {why}; name another file.")
    return found
