"""The course of the pre-training: losses, other metrics, and alarms."""

from __future__ import annotations

from typing import Any

from headstart.evaluation.report.curves import alarms, curve, trend
from headstart.evaluation.report.health import KEYS
from headstart.pages.charts import Series, line_chart, small_chart
from headstart.pages.markup import Markup, tag

_LOSSES = {"loss": "training loss", "validation_loss": "validation loss"}
#: Logged values that are no metrics of the pretext task.
_OTHER = {"learning_rate", "grad_norm", "step"}
_MOST = 4


def section(metrics: list[dict[str, Any]]) -> Markup:
    """Return the learning curves and the alarms."""
    raised = alarms(metrics)
    events = [(step, f"step {step:,}: {kind or message}") for step, kind, message in raised]
    losses = [
        Series(name, points, strong=key == "loss")
        for key, name in _LOSSES.items()
        if len(points := curve(metrics, key)) > 1
    ]
    parts: list[Markup] = []
    if losses:
        title = trend(losses[0].name.capitalize(), list(losses[0].points))
        if len(losses) > 1:
            title += f"; {losses[1].name} ended at {losses[1].points[-1][1]:.3g}"
        chart = line_chart(title, losses, x_label="step", y_label="loss", events=events)
        parts.append(chart)
    parts += _alarms(raised, bool(losses))
    small = [
        small_chart(
            trend(name, points), Series(name, points, strong=True), x_label="step", y_label=name
        )
        for key in _scalars(metrics)
        for name in [key.removeprefix("validation_").replace("_", " ").capitalize()]
        if len(points := curve(metrics, key)) > 1
    ]
    if small:
        parts.append(
            tag(
                "p",
                "What else the pretext task measured, on held-out records where there are some:",
                class_="small",
            )
        )
        parts.append(tag("div", *small[:_MOST], class_="pairs"))
    if not parts:
        return Markup("")
    return tag("section", tag("h2", "The pre-training", id="training"), *parts)


def _alarms(raised: list[tuple[int, str, str]], trained: bool) -> list[Markup]:
    if not raised:
        return [tag("p", "No alarm rang during training.", class_="good")] if trained else []
    items = [
        tag("li", tag("strong", f"⚠ Step {step:,}: {kind.replace('_', ' ')}. "), message)
        for step, kind, message in raised
    ]
    return [tag("p", tag("strong", "Alarms that rang")), tag("ul", *items, class_="alarms")]


def _scalars(metrics: list[dict[str, Any]]) -> list[str]:
    """Return the keys of the pretext task's metrics, preferring those of held-out records."""
    keys = {
        key: None
        for row in metrics
        for key, value in row.items()
        if isinstance(value, float) and key not in _OTHER | set(_LOSSES) | set(KEYS)
    }
    return [key for key in keys if f"validation_{key}" not in keys and not key.endswith("/loss")]
