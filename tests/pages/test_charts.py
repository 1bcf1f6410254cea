from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from headstart.pages.charts import Series, line_chart, small_chart, spread, ticks
from headstart.pages.dots import Dot, dot_chart
from headstart.pages.heat import heat_table
from headstart.pages.scatter import MOST_GROUPS, Spot, scatter


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
            Series("a <baseline>", [(10, 40), (1000, 80)], [(35, 45), (78, 82)]),
        ],
        x_label="labels",
        y_label="accuracy",
        x_ticks=[(10, "10"), (1000, "all 1,000")],
        log_x=True,
    )
    assert chart.count('role="img"') == 2
    assert chart.count(">ours<") == 2  # at the line's end where wide, below where narrow
    assert chart.count("a &lt;baseline&gt;<") == 2
    assert "a &lt;baseline&gt;: 80 [78, 82]" in chart
    assert chart.count("<polyline") == 4
    for points in re.findall(r'<polyline points="([^"]+)"', chart):
        (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in points.split())
        assert x1 < x2
        assert y1 > y2  # a higher accuracy stands higher up


def test_one_point_and_equal_values_are_drawn() -> None:
    chart = line_chart("t", [Series("x", [(5, 1.0)])], x_label="step", y_label="loss", log_x=True)
    assert "nan" not in chart
    assert line_chart("t", [Series("x", [(0, 2), (1, 2)])], x_label="s", y_label="l")


def test_a_small_chart_draws_what_it_is_compared_with_even_where_the_line_never_goes() -> None:
    line = Series("rank", [(0, 10), (100, 30)])
    chart = small_chart("t", line, x_label="step", y_label="rank", reference=(50, "untrained: 50"))
    assert "untrained: 50" in chart
    (y,) = re.findall(r'y1="([\d.]+)" y2="\1" class="reference"', chart)
    lowest = min(
        float(p.split(",")[1]) for p in re.findall(r'<polyline points="([^"]+)"', chart)[0].split()
    )
    assert float(y) < lowest  # above the line


def test_events_stand_where_they_happened() -> None:
    line = Series("loss", [(0, 5), (100, 1)])
    chart = line_chart("t", [line], x_label="step", y_label="loss", events=[(50, "step 50: stuck")])
    assert chart.count("step 50: stuck") == 2
    (start, end) = (
        float(point.split(",")[0])
        for point in re.findall(r'<polyline points="([^"]+)"', chart)[0].split()
    )
    x = float(re.findall(r'<line x1="([\d.]+)"[^>]*class="event"', chart)[0])
    assert abs(x - (start + end) / 2) < 0.01


def test_a_dot_lies_within_its_interval_and_the_best_is_named() -> None:
    rows = [
        Dot("ours <", 0.8, 0.7, 0.9, "0.8 [0.7, 0.9]", strong=True),
        Dot("b", 0.5, 0.4, 0.6, ""),
    ]
    chart = dot_chart("ours leads", rows, x_label="Spearman")
    assert chart.count("ours &lt;: 0.8 [0.7, 0.9]") == 2
    ends = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" [^>]*thick', chart)
    dots = re.findall(r'cx="([\d.]+)"', chart)
    for (low, high), middle in zip(ends, dots, strict=True):
        assert float(low) < float(middle) < float(high)
    assert float(dots[0]) > float(dots[1])


def test_a_heat_table_is_darker_where_more_is_and_blank_where_nothing_is() -> None:
    shares = np.array([[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.004, 0.5, 0.496]])
    figure = heat_table("t", ["a", "b & c", "d"], shares)
    cells = re.findall(r"--share:([\d.]+)[^>]*>(\d*)</td>", figure)
    assert [written for _, written in cells] == ["90", "10", "", "", "100", "", "", "50", "50"]
    assert [float(share) for share, _ in cells] == shares.ravel().round(3).tolist()
    assert figure.count('class="right"') == 3
    assert "50.0% of d are taken for b &amp; c" in figure


def test_groups_of_a_map_differ_in_colour_or_shape() -> None:
    spots = [Spot(0.5, 0.5, group, str(group), "") for group in range(-1, MOST_GROUPS)]
    drawn = scatter("t", spots, [str(n) for n in range(MOST_GROUPS)], hint="point")
    styles = re.findall(r'href="#(shape\d)" [^>]*class="dot (fill\d)"', drawn)
    assert len(styles) == len(set(styles)) == MOST_GROUPS + 1


def test_the_room_beside_a_chart_is_that_of_the_longest_name() -> None:
    name = "pre-trained + HOG and colours"
    lines = [Series(name, [(1, 1), (2, 2)]), Series("x" * 80, [(1, 1), (2, 3)])]
    wide = str(line_chart("t", lines, x_label="step", y_label="loss")).split("<svg")[1]
    assert f">{name}</text>" in wide
    assert "x" * 80 not in wide  # beyond two fifths of the chart a name is cut
