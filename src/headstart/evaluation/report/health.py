"""Label-free metrics of the features during training, each with its untrained value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.evaluation.report.curves import alarms, curve, trend
from headstart.pages.charts import Series, small_chart
from headstart.pages.markup import Markup, tag


@dataclass(frozen=True)
class Measure:
    """A metric of the features.

    Attributes:
        name: its name.
        meaning: what is good, in a few words.
    """

    name: str
    meaning: str


#: By their keys in metrics.jsonl.
KEYS = {
    "effective_rank": Measure("Effective rank", "RankMe: directions in use, 1 is collapse"),
    "alpha_req": Measure("Alpha-ReQ", "decay of the spectrum: near 1 is good"),
    "alignment": Measure("Alignment", "distance of two views: lower is better"),
    "uniformity": Measure("Uniformity", "how the sphere is filled: lower is better"),
    "lidar": Measure("LiDAR", "directions that tell records apart: more is better"),
    "spread": Measure("Spread of a dimension", "0 is collapse"),
    "feature_spread": Measure("Spread of a dimension", "0 is collapse"),
}


def section(metrics: list[dict[str, Any]]) -> Markup:
    """Return a chart of each metric by step, with the value of the untrained encoder."""
    events = [(step, f"step {step:,}: {kind}") for step, kind, _ in alarms(metrics)]
    charts = []
    for key, measure in KEYS.items():
        points = curve(metrics, key)
        if len(points) < 2:
            continue
        step, first = points[0]
        charts.append(
            small_chart(
                trend(measure.name, points),
                Series(measure.name, points, strong=True),
                x_label="step",
                y_label=measure.meaning,
                reference=(first, f"untrained: {first:.3g}") if step == 0 else None,
                events=events,
            )
        )
    if not charts:
        return Markup("")
    words = (
        "Measured without labels on the same held-out records; the dashed line is the untrained "
        "encoder."
    )
    return tag(
        "section",
        tag("h2", "Health of the features", id="health"),
        tag("p", words, class_="small"),
        tag("div", *charts, class_="pairs"),
    )
