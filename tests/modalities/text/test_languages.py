"""Languages are told offline; what is too short to tell is not guessed."""

from __future__ import annotations

import pytest

from headstart.modalities.text.languages import UNKNOWN, languages, name_of


def test_common_languages_are_told_apart() -> None:
    pytest.importorskip("py3langid")
    texts = [
        "The house stands at the end of the street and nobody lives there any more.",
        "Das Haus steht am Ende der Straße, und niemand wohnt mehr darin.",
        "La maison se trouve au bout de la rue et personne n'y habite plus.",
        "酒店的房间很干净，服务也很好。",
        "ok",
        "12345 67890 !!! 12345 67890",
    ]
    assert languages(texts) == ["en", "de", "fr", "zh", UNKNOWN, UNKNOWN]


def test_every_language_that_is_told_has_a_name() -> None:
    """As in the table of ``audit``, where ``pcm`` stood between English and German."""
    langid = pytest.importorskip("py3langid")
    told = {code for code, _ in langid.rank("The house stands at the end of the street.")}
    assert len(told) > 100
    assert {code for code in told if name_of(code) == code} == set()
