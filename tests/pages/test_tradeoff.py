"""The chart of quality against cost."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from headstart.pages.tradeoff import Place, decades, tradeoff


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(12, 30_000, [10, 100, 1000, 10_000]), (300, 900, [200, 500, 1000]), (50, 50, [50])],
)
def test_marks_of_the_axis_are_round(low, high, expected):
    assert decades(low, high) == expected


def drawn(places):
    return str(tradeoff("finding", places, x_label="records/s", y_label="accuracy"))


def test_the_faster_stands_right_and_the_better_higher():
    chart = drawn([Place("ours", 30_000, 70, "70%", strong=True), Place("a <b>", 300, 80, "80%")])
    assert chart.count("ours<") == 2  # beside its mark where wide, below the chart where narrow
    assert "a &lt;b&gt;: 80%" in chart
    (ours_x, ours_y), (theirs_x, theirs_y) = _circle(chart), _square(chart)
    assert ours_x > theirs_x
    assert ours_y > theirs_y


def test_names_of_marks_at_one_place_do_not_cover_each_other():
    places = [Place(f"candidate {n}", 1000 + n, 70 + n / 100, "") for n in range(5)]
    wide = drawn(places).split("<svg")[1]
    heights = [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>candidate', wide)]
    sides = re.findall(r'text-anchor="(\w+)" class="halo">candidate', wide)
    assert len(set(zip(heights, sides, strict=True))) == 5


@pytest.mark.parametrize(
    "name", ["candidate of a long name {}, 1,234 MB", "很长的模型名字{}号" * 3]
)
@pytest.mark.parametrize(("x", "y"), [(1000, 70), (10, 0), (99_000, 100)])
def test_names_stay_inside_and_apart_or_stand_below(name, x, y):
    places = [Place("ours", 20, 50, "", strong=True), Place("theirs", 90_000, 60, "")]
    places += [Place(name.replace("{}", str(n)), x + n, y, "") for n in range(6)]
    wide = drawn(places).split("<svg")[1]
    boxes = []
    for left, height, anchor, text in re.findall(
        r'<text x="([-\d.]+)" y="([-\d.]+)" text-anchor="(\w+)" class="[^"]*halo">([^<]+)', wide
    ):
        long = sum(6 if ord(letter) < 0x2000 else 12 for letter in text)
        start = float(left) - (long if anchor == "end" else 0)
        boxes.append((start, start + long, float(height)))
    assert len(boxes) == len(places)
    assert all(left >= 0 and right <= 760 and 0 < height < 320 for left, right, height in boxes)
    for one, other in combinations(boxes, 2):
        assert one[1] < other[0] or other[1] < one[0] or abs(one[2] - other[2]) > 12


def test_names_without_room_stand_below_the_chart():
    places = [Place(f"candidate number {n} of very many", 1000, 70, "") for n in range(60)]
    assert 'class="legend always"' in drawn(places)
    assert 'class="legend"' in drawn(places[:3])


def _circle(chart):
    x, y = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart)[0]
    return float(x), float(y)


def _square(chart):
    x, y = re.findall(r'<polygon points="([\d.]+),([\d.]+)', chart)[0]
    return float(x), float(y)
