"""The course of the pre-training: losses, other metrics, and alarms."""

from __future__ import annotations

from typing import Any

from headstart.evaluation.report.curves import alarms, curve, trend
from headstart.evaluation.report.health import KEYS
from headstart.objectives import CHANCE
from headstart.pages.charts import Series, line_chart, small_chart
from headstart.pages.markup import Markup, table, tag

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
    scalars = _scalars(metrics)
    small = [
        _small_chart(metrics, key, points)
        for key in scalars
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
    parts += _against_chance(metrics, scalars)
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


def _small_chart(
    metrics: list[dict[str, Any]], key: str, points: list[tuple[float, float]]
) -> Markup:
    name, chance = _name(key), _chance(metrics, key)
    return small_chart(
        trend(name, points),
        Series(name, points, strong=True),
        x_label="step",
        y_label=name,
        reference=None if chance is None else (chance, f"chance: {chance:.3g}"),
    )


def _against_chance(metrics: list[dict[str, Any]], keys: list[str]) -> list[Markup]:
    """Return a table of the figures whose chance level is known."""
    rows = [
        [_name(key), *(f"{value:.3g}" for value in (points[0][1], points[-1][1], chance))]
        for key in keys
        if (chance := _chance(metrics, key)) is not None and (points := curve(metrics, key))
    ]
    if not rows:
        return []
    words = (
        "Chance is what guessing reaches: one of the choices, or always the most frequent answer."
    )
    head = ["Pretext task", "first", "last", "chance"]
    return [table(head, {"": rows}), tag("p", words, class_="small")]


def _chance(metrics: list[dict[str, Any]], key: str) -> float | None:
    """Return the mean chance level of a figure over the last quarter of its rows, if logged."""
    points = curve(metrics, key + CHANCE)
    last = [value for _, value in points[-max(1, len(points) // 4) :]]
    return sum(last) / len(last) if last else None


def _name(key: str) -> str:
    return key.removeprefix("validation_").replace("_", " ").capitalize()


def _scalars(metrics: list[dict[str, Any]]) -> list[str]:
    """Return the keys of the pretext task's metrics, preferring those of held-out records."""
    keys = {
        key: None
        for row in metrics
        for key, value in row.items()
        if isinstance(value, float) and key not in _OTHER | set(_LOSSES) | set(KEYS)
    }
    return [
        key
        for key in keys
        if f"validation_{key}" not in keys and not key.endswith(("/loss", CHANCE))
    ]
