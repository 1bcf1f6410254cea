"""Pairs that were exchanged are set aside, and copies are counted."""

from __future__ import annotations

import pytest
from datasets import Dataset

from headstart.data.audit import Audit
from headstart.downstream.text.pair_checks import EXCHANGED, checked

GERMAN = "Ein Mann f\u00e4hrt auf einem braunen Pferd am Strand entlang."
ENGLISH = "A man is riding a brown horse along the beach."


def pairs(*rows):
    names = [f"a:{number}" for number in range(len(rows))]
    texts, labels = zip(*rows, strict=True)
    return Dataset.from_dict({"id": names, "text": list(texts), "label": list(labels)})


def test_pairs_in_each_others_language_are_set_aside():
    pytest.importorskip("py3langid")
    records = pairs((GERMAN, ENGLISH), (ENGLISH, GERMAN), (ENGLISH, ENGLISH), ("Ja", "Yes"))
    audit = Audit()
    audit.keep("a", 4)
    assert checked(records, "de", "en", "a", audit)["id"] == ["a:0", "a:2", "a:3"]
    assert audit.reasons == {EXCHANGED: 1}
    assert audit.kept == 3
    assert audit.notes[0].startswith("a: 1 of 4 pairs have the same text on both sides")


@pytest.mark.parametrize("columns", [("source", "target"), ("en", "de"), ("de_DE", "de_AT")])
def test_nothing_is_said_of_sound_pairs_or_of_columns_that_name_no_languages(columns):
    audit = Audit()
    records = pairs((ENGLISH, GERMAN), (ENGLISH, GERMAN.upper()))
    assert checked(records, *columns, "a", audit) is records
    assert not audit.notes
    assert not audit.reasons
