"""Which encoding a text file has, from its byte-order mark and a sample of the whole file."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence

#: Byte-order marks, the longer first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What a page says of itself.
_DECLARED = re.compile(rb"<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*[\"']?\s*([\w-]+)", re.I)

#: Letters beyond ASCII of each language that is written in cp1252, loanwords included.
_WESTERN = tuple(
    frozenset(letters)
    for letters in (
        *("äöüßéèàêçñ", "àâæçéèêëîïôœùûüÿñö", "áéíñóúüçàªº", "áâãàçéêíóôõúüªº", "àèéìíîòóùúç"),
        *("åäæöøéüèàáô", "áéëèêïíóöüúäç", "áðéíóúýþæö", "àçèéíïòóúü·", "äåöšžõü"),
    )
)
#: Signs of cp1252 that stand between words.
_SIGNS = frozenset("’‘“”„‚–—…•€£§°«»‹›×©®™½¼¾¿¡´²\u00a0\u00ad")  # noqa: RUF001
#: The most frequent Chinese characters: two fifths of running text, and a fiftieth of what another
#: encoding looks like when it is taken for gb18030.
_FREQUENT = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年"
    "过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心"
    "她本前开但因只从想实"
)
#: Share of the lines that must look like a language.
_LINES = 0.9
#: Most letters beyond ASCII in a line, as a share of its letters.
_HIGH = 0.5
#: Least share of frequent characters in Chinese text, and of Chinese characters beyond ASCII.
_COMMON, _HAN = 0.04, 0.5


def marked(head: bytes) -> str | None:
    """Return the encoding that a byte-order mark at the start of a file stands for, or None."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def detect(lines: Sequence[bytes], declared: bytes = b"") -> str | None:
    """Return the encoding of lines without a byte-order mark, or None where it is not certain.

    UTF-8 if most lines beyond ASCII are valid UTF-8; else what a page declares; else gb18030 or
    cp1252 if the lines then look like Chinese, or like a Western European language.

    Args:
        lines: from the whole file.
        declared: the start of the file if it may name its encoding (HTML).

    Example::

        detect(["Grüße aus München".encode("cp1252")])  # "cp1252"
    """
    filled = [line for line in lines if line.strip()]
    if 2 * sum(b"\0" in line for line in filled) > len(filled):
        return None
    if decodes([b"\n".join(filled)], "utf-8"):
        return "utf-8"
    beyond = [line for line in filled if not line.isascii()]
    legacy = [line for line in beyond if not decodes([line], "utf-8")]
    if 2 * len(legacy) <= len(beyond):
        return "utf-8"
    named = _DECLARED.search(declared)
    if named and decodes(legacy, name := named[1].decode()):
        return name
    if _is_chinese(legacy):
        return "gb18030"
    return "cp1252" if _is_western(legacy) else None


def decodes(lines: Sequence[bytes], encoding: str) -> bool:
    """Return whether all lines are valid in an encoding that Python knows."""
    try:
        for line in lines:
            line.decode(encoding)
    except (LookupError, UnicodeError):
        return False
    return True


def _is_chinese(lines: Sequence[bytes]) -> bool:
    texts = [line.decode("gb18030") for line in lines if decodes([line], "gb18030")]
    beyond = [letter for text in texts for letter in text if not letter.isascii()]
    han = [letter for letter in beyond if "一" <= letter <= "\u9fff"]
    return (
        len(texts) >= _LINES * len(lines)
        and len(han) >= _HAN * len(beyond)
        and sum(letter in _FREQUENT for letter in han) >= _COMMON * len(han) > 0
    )


def _is_western(lines: Sequence[bytes]) -> bool:
    return sum(map(_is_western_line, lines)) >= _LINES * len(lines)


def _is_western_line(line: bytes) -> bool:
    if not decodes([line], "cp1252"):
        return False
    text = line.decode("cp1252")
    letters = sum(map(str.isalpha, text))
    high = {letter for letter in text.lower() if not letter.isascii()}
    # ³ and ¹ inside of words are Polish; a sign between two letters is no sign of this encoding.
    inside = re.search(r"[^\W\d_][^\x00-\x7f’‘´·\u00ad\u00a0][^\W\d_]", text)  # noqa: RUF001
    if inside and not unicodedata.category(inside[0][1]).startswith("L"):
        return False
    count = sum(not letter.isascii() and letter.isalpha() for letter in text)
    known = any(high - _SIGNS <= language for language in _WESTERN)
    return known and count <= max(1, _HIGH * letters)
