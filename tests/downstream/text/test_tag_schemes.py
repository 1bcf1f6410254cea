"""Tags of every scheme are the same entities, and are read as IOB2."""

from __future__ import annotations

import pytest

from headstart.downstream.text.tag_schemes import read_tags

#: The same two records in each scheme: a long name, then two neighbours of one kind.
ENTITIES = [["B-P", "I-P", "I-P", "O", "B-L"], ["B-P", "B-P", "I-P", "O"]]
SCHEMES = {
    "IOB2": ENTITIES,
    "IOB1": [["I-P", "I-P", "I-P", "O", "I-L"], ["I-P", "B-P", "I-P", "O"]],
    "BIOES": [["B-P", "I-P", "E-P", "O", "S-L"], ["S-P", "B-P", "E-P", "O"]],
    "BILOU": [["B-P", "I-P", "L-P", "O", "U-L"], ["U-P", "B-P", "L-P", "O"]],
    "BMEWO": [["B-P", "M-P", "E-P", "O", "W-L"], ["W-P", "B-P", "E-P", "O"]],
    "BMES": [["B-P", "M-P", "E-P", "O", "S-L"], ["S-P", "B-P", "E-P", "O"]],
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_scheme_is_recognised_and_said(scheme):
    tags, notes = read_tags(SCHEMES[scheme], "a.jsonl")
    assert tags == ENTITIES
    said = f"a.jsonl: the tags are of the scheme {scheme} and were read as IOB2."
    assert notes == ([] if scheme == "IOB2" else [said])


def test_words_of_one_name_are_one_entity_where_only_i_is_used():
    tags, notes = read_tags([["I-P", "I-P", "O"], ["O", "I-L"]], "a")
    assert tags == [["B-P", "I-P", "O"], ["O", "B-L"]]
    assert "scheme IO and" in notes[0]


def test_records_that_break_the_scheme_are_counted_and_lose_no_entity():
    rows = [["B-P", "I-P", "O"], ["B-P", "O", "O"], ["O", "I-P", "O"], ["I-L", "I-P", "O"]]
    tags, notes = read_tags(rows, "a")
    assert tags == [*rows[:2], ["O", "B-P", "O"], ["B-L", "B-P", "O"]]
    assert notes == [
        "a: the tags are of the scheme IOB2; 2 of 4 records break it: there an entity begins at "
        "B, and wherever a tag continues none."
    ]


@pytest.mark.parametrize(
    ("rows", "read"),
    [
        ([["PER", "PER", "O", "O", "O"]], [["B-PER", "I-PER", "O", "O", "O"]]),
        ([["B", "I", "O", "B"]], [["B-ENTITY", "I-ENTITY", "O", "B-ENTITY"]]),
        ([["b-per", "i-per", "o"]], [["B-per", "I-per", "O"]]),
        ([["B_PER", "I_PER", "O"]], [["B-PER", "I-PER", "O"]]),
        ([[" B-PER", "O "]], [["B-PER", "O"]]),
    ],
)
def test_other_spellings_of_tags_are_read(rows, read):
    assert read_tags(rows, "a")[0] == read


@pytest.mark.parametrize(
    "rows", [[["NOUN", "VERB"]], [["N", "O", "V", "N", "B"]], [["O", "O"]], []]
)
def test_other_tags_stay_as_they_are(rows):
    assert read_tags(rows, "a") == (rows, [])


def test_what_is_known_of_the_trained_tags_decides():
    rows = [["PER", "O"]]
    assert read_tags(rows, "a")[0] == rows
    assert read_tags(rows, "a", chunked=True)[0] == [["B-PER", "O"]]
    assert read_tags([["PER", "O", "O"]], "a", chunked=False)[0] == [["PER", "O", "O"]]
