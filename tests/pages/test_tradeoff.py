"""The chart of quality against cost."""

from __future__ import annotations

import re

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


def _circle(chart):
    x, y = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart)[0]
    return float(x), float(y)


def _square(chart):
    x, y = re.findall(r'<polygon points="([\d.]+),([\d.]+)', chart)[0]
    return float(x), float(y)
