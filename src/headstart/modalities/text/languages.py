"""The language of a text, identified offline by py3langid (Lui and Baldwin 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from headstart.modalities.text.scripts import LOOKED_AT, is_unspaced

#: The language of a text with too few letters to identify it (ISO 639-2: undetermined).
UNKNOWN = "und"

MISSING = "Languages were not looked for: install the extra with `pip install 'headstart[audit]'`."

#: Letters that identify a language, fewer where one letter says as much as several.
_ENOUGH, _DENSE_ENOUGH = 20, 4


def available() -> bool:
    """Say whether languages can be identified: the extra ``audit`` is installed."""
    return find_spec("py3langid") is not None


def languages(texts: Sequence[str]) -> list[str]:
    """Return the language of each text, as its two letters of ISO 639-1, or :data:`UNKNOWN`."""
    classify = import_module("py3langid").classify
    return [
        classify(text[:LOOKED_AT])[0] if _tells(text[:LOOKED_AT]) else UNKNOWN for text in texts
    ]


def _tells(text: str) -> bool:
    enough = _DENSE_ENOUGH if is_unspaced([text]) else _ENOUGH
    return sum(map(str.isalpha, text)) >= enough
