"""How offsets count is told by the texts beside them."""

from __future__ import annotations

import pytest

from headstart.downstream.text.offsets import Given, Offsets

TEXTS = [f"\U0001f389 caf\u00e9\r\nAda {n} \U0001f600 met Bob in \u5317\u4eac" for n in range(4)]


def size(unit, text):
    if unit == "UTF-16 units":
        return len(text.encode("utf-16-le")) // 2
    if unit == "bytes of UTF-8":
        return len(text.encode())
    return len(text.replace("\r\n", "\n") if "once" in unit else text)


def given(text, covered, unit="characters", first=0, closed=0, *, silent=False):
    start = text.index(covered)
    edges = [size(unit, text[:edge]) for edge in (start, start + len(covered))]
    return Given(edges[0] + first, edges[1] + first - closed, None if silent else covered)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("closed", [0, 1])
@pytest.mark.parametrize(
    "unit", ["characters", "UTF-16 units", "bytes of UTF-8", "characters, line ends once"]
)
def test_every_way_of_counting_is_told_and_read(unit, first, closed):
    records = [
        (text, [given(text, part, unit, first, closed) for part in ("caf\u00e9", "Ada", "Bob")])
        for text in TEXTS
    ]
    offsets = Offsets(records, "a.jsonl")
    assert offsets.reading == (unit, first, closed)
    quiet = [given(TEXTS[0], "\u5317\u4eac", unit, first, closed, silent=True)]
    ((start, end),) = offsets.locate(TEXTS[0], quiet)
    assert TEXTS[0][start:end] == "\u5317\u4eac"
    assert bool(offsets.notes()) == (offsets.reading != ("characters", 0, 0))


def test_a_few_wrong_spans_do_not_change_how_the_others_are_read():
    records = [(text, [given(text, "Bob")]) for text in TEXTS * 3]
    wrong = given(TEXTS[0], "Ada", "UTF-16 units")
    offsets = Offsets([*records, (TEXTS[0], [given(TEXTS[0], "Ada", first=1, closed=1)])], "a")
    assert offsets.reading == ("characters", 0, 0)
    assert offsets.locate(TEXTS[0], [wrong]) == [(TEXTS[0].index("Ada"), TEXTS[0].index("Ada") + 3)]
    assert offsets.notes() == [
        "a: 1 span not at the given place, but with a text that occurs once, were moved there."
    ]


def test_what_is_unclear_stays_unclear():
    offsets = Offsets([], "a")
    assert offsets.locate("Ada met Ada", [Given(1, 4, "Ada")]) is None
    assert offsets.locate("Ada met Bob", [Given(0, 3, "Eve")]) is None
    assert offsets.locate("Ada", [Given(0, 9, None)]) is None
    assert offsets.locate("Ada met Bob", [Given(None, None, "Bob")]) == [(8, 11)]
    assert offsets.notes() == []


def test_compositions_and_outer_spaces_are_no_difference():
    text, span = "cafe\u0301 here", Given(0, 5, "caf\u00e9")
    offsets = Offsets([(text, [span])], "a")
    assert offsets.locate(text, [span, Given(6, 10, " here ")]) == [(0, 5), (6, 10)]
    assert offsets.notes() == []
