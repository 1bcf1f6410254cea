"""In which language texts are written, told offline by py3langid (Lui and Baldwin 2012)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

#: Characters of a text that are looked at.
LOOKED_AT = 500
#: What a text is said to be in that has too few letters to tell (ISO 639-2: undetermined).
UNKNOWN = "und"

MISSING = "Languages were not looked for: install the extra with `pip install 'headstart[audit]'`."

_LETTERS = re.compile(r"[^\W\d_]")
_DENSE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
#: Letters that tell a language, fewer where one letter says as much as several.
_ENOUGH, _DENSE_ENOUGH = 20, 4


def available() -> bool:
    """Say whether languages can be told: the extra ``audit`` is installed."""
    return find_spec("py3langid") is not None


def languages(texts: Sequence[str]) -> list[str]:
    """Return the language of each text, as its two letters of ISO 639-1, or :data:`UNKNOWN`."""
    classify = import_module("py3langid").classify
    return [
        classify(text[:LOOKED_AT])[0] if _tells(text[:LOOKED_AT]) else UNKNOWN for text in texts
    ]


def unspaced(text: str) -> bool:
    """Say whether a text is in a script without spaces (Chinese, Japanese, Thai, ...).

    It is where more than a fifth of its first characters are.
    """
    if text.isascii():
        return False
    start = text[:LOOKED_AT]
    return 5 * len(_DENSE.findall(start)) > len(start)


def _tells(text: str) -> bool:
    enough = _DENSE_ENOUGH if unspaced(text) else _ENOUGH
    return len(_LETTERS.findall(text)) >= enough
