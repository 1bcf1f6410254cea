from __future__ import annotations

import re
from itertools import pairwise

import pytest

from headstart.evaluation.chart import Series, line_chart, spread, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (61, 89, [60, 70, 80, 90]), (5, 5, [5])],
)
def test_ticks_are_round_and_span_the_values(
    low: float, high: float, expected: list[float]
) -> None:
    assert ticks(low, high) == expected


def test_names_at_the_ends_of_lines_do_not_overlap_and_stay_inside() -> None:
    moved = spread([50, 52, 10, 99, 98], 15, 0, 100)
    ordered = sorted(moved)
    assert all(after - before >= 15 - 1e-9 for before, after in pairwise(ordered))
    assert min(moved) >= 0
    assert max(moved) <= 100
    assert moved[2] == 10
    assert moved[0] < moved[1]


def test_a_chart_holds_every_name_and_point_in_both_widths() -> None:
    chart = line_chart(
        "finding",
        [
            Series("ours", [(10, 50), (1000, 90)], [(45, 55), (88, 92)], strong=True),
            Series("a <rival>", [(10, 40), (1000, 80)], [(35, 45), (78, 82)]),
        ],
        x_label="labels",
        y_label="accuracy",
        x_ticks=[(10, "10"), (1000, "all 1,000")],
        log_x=True,
    )
    assert chart.count("<svg") == 2
    assert chart.count(">ours<") == 2
    assert chart.count("a &lt;rival&gt;") == 2
    assert chart.count("<polyline") == 4
    for points in re.findall(r'<polyline points="([^"]+)"', chart):
        (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in points.split())
        assert x1 < x2
        assert y1 > y2  # a higher accuracy stands higher up


def test_one_point_and_equal_values_are_drawn() -> None:
    chart = line_chart("t", [Series("x", [(5, 1.0)])], x_label="step", y_label="loss", log_x=True)
    assert "nan" not in chart
    assert line_chart("t", [Series("x", [(0, 2), (1, 2)])], x_label="s", y_label="l")
