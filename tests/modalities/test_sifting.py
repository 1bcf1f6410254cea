"""Records are left out on purpose, counted and named; whoever asks for nothing keeps them all."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset

from headstart.config import PretrainConfig
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.image.content import IMAGE
from headstart.modalities.sifting import rules_named, sift
from headstart.modalities.text import quality
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.options import QualityNumbers, TextOptions

CITIES = ["London", "Peking", "a village", "Timbuktu", "Egypt", "Oslo", "Quito", "Riga", "Xanten"]
TEXTS = [f"The {p} cat and the {p} dog have to go to {p} with {p} friends." for p in CITIES]


def held(texts: list[str], name: str = "a") -> Dataset:
    ids = [f"{name}:{number}" for number in range(1, len(texts) + 1)]
    return Dataset.from_dict({"id": ids, "text": texts})


class Held(TextModality):
    """Texts whose test data are held in memory."""

    def __init__(self, tested: list[str], numbers: dict[str, Any] | None = None) -> None:
        super().__init__(TextOptions(quality_numbers=QualityNumbers(**(numbers or {}))))
        self.tested = tested

    def read(self, sources: list[str], *_: Any, **__: Any) -> Dataset:
        return held(self.tested, sources[0])


def sifted(
    texts: list[str], tested: list[str], numbers: dict[str, Any] | None = None, **options: Any
) -> tuple[list[str], Audit]:
    audit = Audit()
    audit.keep("a", len(texts))
    if tested:
        options["remove_overlap"] = ["test.txt"]
    config = PretrainConfig(sources=["a"], out="x", **options)
    kept = sift(held(texts), config, Held(tested, numbers), audit)
    return list(kept["id"]), audit


def test_whoever_asks_for_nothing_keeps_the_very_records() -> None:
    records = held(TEXTS)
    config = PretrainConfig(sources=["a"], out="x")

    class Unread(TextModality):
        def read(self, *_: Any, **__: Any) -> Dataset:
            raise AssertionError("nothing else is read")

    assert sift(records, config, Unread(), Audit()) is records


def test_records_that_tests_hold_go_and_are_counted_and_named() -> None:
    texts = [*TEXTS, TEXTS[2].upper(), TEXTS[2]]
    kept, audit = sifted(texts, [TEXTS[2], "nothing like it"])
    assert kept == [f"a:{n}" for n in range(1, 10) if n != 3]
    summary = audit.summary()
    assert summary["removed"] == {"overlap": 3}
    assert summary["kept"] == 8
    assert summary["overlap_removed"]["exact"] == 1
    assert summary["overlap_removed"]["examples"][0] == ["test.txt:1", "a:3"]
    named = {row["where"]: row["reason"] for row in summary["records"]}
    assert set(named) == {"a:3", "a:10", "a:11"}
    assert named["a:3"] == ("it also occurs in test.txt, exactly or nearly (--remove-overlap)")


def test_duplicates_are_counted_anew_among_the_kept() -> None:
    texts = [*TEXTS, "{ one }", "{ one }", TEXTS[0]]
    kept, audit = sifted(texts, [], quality=["c4.brackets"])
    assert len(kept) == 10
    assert audit.duplicates == 1


def test_texts_that_fail_a_rule_go_and_the_first_rule_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality, "_BATCH", 2)
    texts = [TEXTS[0], "{ short", TEXTS[1], "short", TEXTS[2]]
    kept, audit = sifted(texts, [], quality=["c4.brackets", "gopher.stop_words"])
    assert kept == ["a:1", "a:3", "a:5"]
    assert audit.findings["removed"] == {"gopher.stop_words": 2}
    kept, audit = sifted(texts, [], quality=["c4.brackets"])
    assert kept == ["a:1", "a:3", "a:4", "a:5"]
    assert audit.summary()["records"] == [
        {"where": "a:2", "reason": "it holds a curly bracket, as code does (c4.brackets)"}
    ]


def test_numbers_of_ones_own_are_heeded() -> None:
    assert len(sifted(TEXTS, [], {"min_words": 5}, quality=["gopher.words"])[0]) == 9
    with pytest.raises(HeadstartError, match="none of the 9 records is left"):
        sifted(TEXTS, [], quality=["gopher.words"])


def test_a_set_stands_for_its_rules_in_their_order() -> None:
    assert rules_named(TEXT, ["c4.brackets", "c4.sentences"]) == ("c4.sentences", "c4.brackets")
    assert rules_named(TEXT, ["c4.brackets", "c4.brackets"]) == ("c4.brackets",)
    assert rules_named(TEXT, ["c4", "gopher"]) == tuple(TEXT.rules)
    with pytest.raises(HeadstartError, match=r"did you mean 'c4\.brackets'"):
        rules_named(TEXT, ["c4.bracket"])


def test_pictures_have_no_quality_rules() -> None:
    assert rules_named(IMAGE, []) == ()
    with pytest.raises(HeadstartError, match="no quality rules for pictures, only for text"):
        rules_named(IMAGE, ["c4"])
