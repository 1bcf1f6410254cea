"""The top of the page: the answer, the main figures, and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headstart.evaluation.verdict import points, score
from headstart.pages.markup import Markup, tag
from headstart.pages.top import tile, top

if TYPE_CHECKING:
    from headstart.evaluation.verdict import Gain

_SIGNS = {1: "gain", 0: "level", -1: "loss"}
_WORDS = {1: "better", 0: "no clear difference", -1: "worse"}


def section(
    gains: Sequence[Gain],
    answer: str,
    lines: Sequence[str],
    notes: Sequence[str],
    cost: Mapping[str, str],
) -> Markup:
    """Return the verdict, a tile for each number of labels, its details and notes.

    Args:
        answer: the verdict's headline, such as ``Yes: pre-training gained ...``.
        lines: the details of the verdict.
    """
    tiles = [*map(_tile, gains), *cost_tile(cost)]
    return header(answer, _tone(gains), tiles, lines, notes)


def header(
    answer: str,
    tone: str,
    tiles: Sequence[Markup],
    lines: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Markup:
    """Return an answer such as ``Yes: ...`` with its tiles, details and notes.

    Args:
        tone: ``gain``, ``level`` or ``loss``.
    """
    word, _, reason = answer.partition(": ")
    said = [tag("strong", f"{word}."), " ", reason[:1].upper() + reason[1:]]
    return top("Was pre-training worth it?", said, tone, tiles, lines, notes)


def cost_tile(cost: Mapping[str, str]) -> list[Markup]:
    """Return a tile with the cost of pre-training; [] if it is not known."""
    if "minutes" not in cost:
        return []
    energy = cost.get("energy, estimated", "")
    below = f"about {energy}" if energy else "of pre-training"
    return [
        tile(
            "It cost", "under 6 s" if cost["minutes"] == "0.0" else f"{cost['minutes']} min", below
        )
    ]


def _tone(gains: Sequence[Gain]) -> str:
    signs = {gain.sign for gain in gains}
    if 1 in signs:
        return "gain" if -1 not in signs else "level"
    return "loss" if -1 in signs else "level"


def _tile(gain: Gain) -> Markup:
    metric, difference = gain.metric, gain.difference
    low, high = (points(x, metric) for x in (difference.low, difference.high))
    parts = [
        tag("span", f"{gain.name} labels" if gain.labels else metric.name, class_="small"),
        tag("strong", points(difference.mean, metric), " points" if metric.percent else ""),
        tag("span", f"[{low}, {high}] · {_WORDS[gain.sign]}", class_="range"),
        tag(
            "span",
            f"{score(gain.ours.mean, metric)} against {score(gain.best.mean, metric)} of "
            f"{gain.best.candidate}",
            class_="small",
        ),
    ]
    worth = gain.equivalent
    if gain.sign > 0 and worth and worth.known:
        parts.append(tag("span", f"does the work of {worth} labels", class_="worth"))
    return tag("li", *parts, class_=f"tile {_SIGNS[gain.sign]}")
