"""Languages are told offline; what is too short to tell is not guessed."""

from __future__ import annotations

import pytest

from headstart.modalities.text.languages import UNKNOWN, languages, unspaced


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


def test_scripts_without_spaces() -> None:
    assert unspaced("酒店的房间很干净")
    assert unspaced("ホテルの部屋はきれいです")
    assert unspaced("ห้องพักสะอาดมาก")
    assert not unspaced("호텔 방이 깨끗해요")
    assert not unspaced("An English text that quotes 酒店 once, and then goes on in English.")
    assert not unspaced("")
