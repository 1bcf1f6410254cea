"""Language identification, offline by py3langid (Lui and Baldwin 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from headstart.modalities.text.scripts import SAMPLE_LENGTH, is_unspaced

#: Language of a text with too few letters (ISO 639-2: undetermined).
UNKNOWN = "und"

MISSING = "Languages were not looked for: install the extra with `pip install 'headstart[audit]'`."

#: Fewest letters for detection, in general and in scripts without spaces.
_MIN_LETTERS, _MIN_DENSE_LETTERS = 20, 4


def available() -> bool:
    """Return whether languages can be detected: the extra ``audit`` is installed."""
    return find_spec("py3langid") is not None


def languages(texts: Sequence[str]) -> list[str]:
    """Return the language of each text, as its two letters of ISO 639-1, or :data:`UNKNOWN`."""
    classify = import_module("py3langid").classify
    return [
        classify(text[:SAMPLE_LENGTH])[0] if _is_long_enough(text[:SAMPLE_LENGTH]) else UNKNOWN
        for text in texts
    ]


def _is_long_enough(text: str) -> bool:
    least = _MIN_DENSE_LETTERS if is_unspaced([text]) else _MIN_LETTERS
    return sum(map(str.isalpha, text)) >= least
