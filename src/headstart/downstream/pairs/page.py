"""The page of pictures and captions: the verdict, every candidate, and nearest captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.downstream.pairs.ranks import CUTS
from headstart.downstream.pairs.retrieved import CUT, DIRECTIONS, CrossRetrieval, Found
from headstart.evaluation.report import advice, answer, cost
from headstart.evaluation.report.course import course
from headstart.evaluation.report.reproduce import section as again
from headstart.evaluation.report.reproduce import versions
from headstart.files import write_text
from headstart.pages.cards import card
from headstart.pages.dots import Dot
from headstart.pages.markup import Markup, cut, table, tag
from headstart.pages.page import page
from headstart.pages.sections import TONES, figures, method, ranking, section, small
from headstart.pages.top import tile

if TYPE_CHECKING:
    from headstart.evaluation.metrics import Estimate
    from headstart.modalities import Preview
    from headstart.run import RunFolder

_LETTERS = 80


@dataclass(frozen=True)
class Sample:
    """A tested picture.

    Attributes:
        preview: of it, with its captions as text.
        nearest: captions, their cosines, and whether each is right; the nearest first.
    """

    preview: Preview
    nearest: Sequence[tuple[str, float, bool]]


def write_page(
    found: CrossRetrieval,
    path: Path,
    run: RunFolder,
    command: str,
    audits: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write the page atomically: one file that works offline.

    Args:
        audits: ``{what was read: Audit.summary()}``.
    """
    metrics = run.metrics()
    took = cost.cost_of(run, metrics)
    longer = advice.longer(metrics, capped=bool(run.resolved.get("capped")))
    sections = [
        advice.section([_advice(found), *longer]),
        _chart(found),
        _samples(found.samples),
        *course(metrics, audits, took),
        _figures(found),
        method(found.about, _settings(found)),
        again(command, versions(), run),
    ]
    write_text(path, page(_header(found, took), sections))


def _header(found: CrossRetrieval, took: Mapping[str, str]) -> Markup:
    tone = TONES[found.sign]
    tiles = [
        tile(
            f"{way.capitalize()}, R@{CUT}",
            f"{found.score(found.network, way).mean:.1%}",
            f"against {found.score(found.closest, way).mean:.1%} of {found.closest.name}; chance "
            f"{found.chance(way, CUT):.1%}",
            tone,
        )
        for way in DIRECTIONS
    ]
    first, *lines = found.verdict.splitlines()
    return answer.header(first, tone, [*tiles, *answer.cost_tile(took)], lines, found.notes)


def _advice(found: CrossRetrieval) -> str:
    if found.sign < 0:
        return (
            f"Take {found.closest.name}, which costs seconds, or train for longer, on more pairs, "
            "or with published towers (`--set pairs.picture=published`)."
        )
    if found.sign == 0:
        return f"{found.closest.name} may be as good: train for longer, or on more pairs, to tell."
    return (
        "Search by `headstart search RUN PICTURES --query 'a red apple'`, and tell classes by "
        "`headstart predict RUN PICTURES --classes cat,dog`."
    )


def _span(score: Estimate) -> str:
    return f"{score.mean:.1%} [{score.low:.1%}, {score.high:.1%}]"


def _chart(found: CrossRetrieval) -> Markup:
    rows = []
    for one in found.candidates:
        score = found.score(one)
        strong = one.kind == "network"
        rows.append(Dot(one.name, score.mean, score.low, score.high, _span(score), strong=strong))
    chance = found.chance(DIRECTIONS[0], CUT)
    rows.append(Dot("chance", chance, chance, chance, f"{chance:.1%}"))
    rows.sort(key=lambda row: -row.value)
    pictures, captions = found.answers.shape
    return ranking(
        "How well pictures find their captions",
        "ranking",
        f"{rows[0].name} has the highest R@{CUT}: {captions:,} captions for {pictures:,} pictures",
        rows,
        f"R@{CUT}, {DIRECTIONS[0]} (more is better), with 95% intervals",
    )


def _samples(samples: Sequence[Sample]) -> Markup:
    if not samples:
        return Markup("")
    rows = []
    for one in samples:
        hit = any(right for _, _, right in one.nearest)
        left = tag("ul", card(one.preview, cut(one.preview.text, _LETTERS)), class_="query")
        listed = [
            tag("li", tag("strong", cut(text, _LETTERS), " ✓") if right else cut(text, _LETTERS),
                tag("span", f" {cosine:.2f}", class_="small"))
            for text, cosine, right in one.nearest
        ]  # fmt: skip
        words = "" if hit else small("not among the nearest")
        rows.append(tag("div", left, tag("div", tag("ol", *listed), words), class_="neighbours"))
    words = "The captions nearest to some tested pictures, from all over the tested ones."
    return section("Nearest captions", "neighbours", small(words), *rows)


def _figures(found: CrossRetrieval) -> Markup:
    head = ["", *(f"{way}, R@{cut}" for way in DIRECTIONS for cut in CUTS)]
    rows = [_row(found, one) for one in found.candidates]
    chance = [f"{found.chance(way, cut):.1%}" for way in DIRECTIONS for cut in CUTS]
    words = (
        "R@k: how often a right answer is among the first k, with half the width of the 95% "
        "interval in small print. Queries that share a caption are resampled together."
    )
    more = []
    if found.new is not None:
        of_new = [_row(found.new, one) for one in found.new.candidates]
        pictures, captions = found.new.answers.shape
        title = f"Only the {pictures:,} pictures whose {captions:,} captions training did not see"
        more = [tag("h3", title), table(head, {"": of_new})]
    return figures(words, head, [*rows, ["chance", *chance]], *more)


def _row(found: CrossRetrieval, one: Found) -> list[str]:
    name = tag("strong", one.name) if one.kind == "network" else one.name
    return [name, *(_figure(each) for each in found.figures(one).values())]


def _figure(value: Estimate) -> Markup:
    half = (value.high - value.low) / 2
    return Markup(f"{value.mean:.1%} {tag('div', f'± {half:.1%}', class_='small')}")


def _settings(found: CrossRetrieval) -> Markup:
    rows = [
        [one.name, ", ".join(f"{key} {value:g}" for key, value in one.settings.items())]
        for one in found.candidates
        if one.settings
    ]
    return table(["candidate", "settings"], {"": rows})
