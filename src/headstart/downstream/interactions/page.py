"""The page of a recommendation: the verdict, every candidate, what order is worth, sample users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.downstream.interactions.ranked import CUT, CUTS, NextItem, RankedCandidate
from headstart.evaluation.report import advice, answer, cost
from headstart.evaluation.report.course import course
from headstart.evaluation.report.reproduce import section as again
from headstart.evaluation.report.reproduce import versions
from headstart.files import write_text
from headstart.pages.charts import Series, line_chart
from headstart.pages.dots import Dot
from headstart.pages.markup import Markup, cut, table, tag
from headstart.pages.page import page
from headstart.pages.sections import TONES, figures, method, ranking, section, small
from headstart.pages.top import tile

if TYPE_CHECKING:
    from headstart.evaluation.metrics import Estimate
    from headstart.run import RunFolder

#: Letters of a title.
_LETTERS = 48
#: What each measure says, in a line.
MEASURES = {
    "HR": f"hit rate: how often the right item is among the first 5, {CUT} or 20",
    "NDCG": "the same, worth 1 at the top of the list and less further down: 1 / log2(1 + rank)",
    "MRR": "the same, worth 1 / rank, so that the first places count most",
    "coverage": f"share of the catalogue that is among the first {CUT} of anybody",
    "gini": "how unequally items are recommended: 0 is all alike, near 1 the same few for all",
    "popularity": "popularity bias: mean percentile of what is recommended; 0.5 is none, 1 is the "
    "commonest item alone",
    "novelty": "mean bits of surprise: -log2 of an item's share of the events; more is rarer",
}
_LISTS = ("coverage", "gini", "popularity", "novelty")


def write_page(
    found: NextItem,
    path: Path,
    run: RunFolder,
    command: str,
    audits: Mapping[str, Mapping[str, Any]],
    shown: Markup,
) -> None:
    """Write the page atomically: one file that works offline.

    Args:
        audits: ``{what was read: Audit.summary()}``.
        shown: the map of the items.
    """
    metrics = run.metrics()
    took = cost.cost_of(run, metrics)
    longer = advice.longer(metrics, capped=bool(run.resolved.get("capped")))
    sections = [
        advice.section([_advice(found), *longer]),
        _chart(found),
        _popularity(found),
        _samples(found),
        shown,
        *course(metrics, audits, took),
        _figures(found),
        _method(found),
        again(command, versions(), run),
    ]
    write_text(path, page(_header(found, took), sections))


def _header(found: NextItem, took: Mapping[str, str]) -> Markup:
    tone = TONES[found.sign]
    ours, best = found.network, found.closest
    hits = [one.figures()[f"HR@{CUT}"] for one in (ours, best)]
    order = found.order
    tiles = [
        tile(
            f"NDCG@{CUT}",
            f"{found.score(ours).mean:.4f}",
            f"against {found.score(best).mean:.4f} of {best.name}",
            tone,
        ),
        tile(f"Hit in {CUT}", f"{hits[0]:.1%}", f"against {hits[1]:.1%} of {best.name}", tone),
    ]
    if found.blend is not None:
        gained = found.difference(found.blend, found.best)
        tiles.append(
            tile(
                "Together",
                f"{found.score(found.blend).mean:.4f}",
                f"NDCG@{CUT} of {found.blend.name}, {gained.mean:+.4f} over {found.best.name}",
                TONES[(gained.low > 0) - (gained.high < 0)],
            )
        )
    tiles += [
        tile(
            "What order is worth",
            f"{order.as_is - order.shuffled:+.4f}",
            f"NDCG@{CUT} is {order.shuffled:.4f} on shuffled histories",
        ),
        *answer.cost_tile(took),
    ]
    first, *lines = found.verdict.splitlines()
    return answer.header(first, tone, tiles, [*lines, found.of_order], found.notes)


def _advice(found: NextItem) -> str:
    if found.blend is not None:
        gained = found.difference(found.blend, found.best)
        clear = "and is better on the tested, too" if gained.low > 0 else "with no certain gain"
        return (
            f"`headstart recommend` ranks by {found.blend.name}: that is best on what validates, "
            f"{clear}. `--by network` leaves the others out."
        )
    if found.served not in ("", found.network.name):
        return (
            f"`headstart recommend` ranks by {found.served} alone, as the network does not improve "
            "on it on what validates. Pre-train for longer; `--by network` ranks by the network."
        )
    if found.sign < 0:
        return (
            f"Serve {found.closest.name}, or train for longer: it ranks better than the network, "
            "and costs seconds."
        )
    if found.sign == 0:
        return (
            f"`headstart recommend` ranks by the network alone, as no blend was better on what "
            f"validates. {found.closest.name} may be as good: pre-train for longer to tell."
        )
    return "Serve the network: `headstart recommend RUN --history ITEMS`."


def _span(score: Estimate) -> str:
    return f"{score.mean:.4f} [{score.low:.4f}, {score.high:.4f}]"


def _chart(found: NextItem) -> Markup:
    rows = []
    for one in found.candidates:
        score = found.score(one)
        strong = one.kind in ("network", "blend")
        rows.append(Dot(one.name, score.mean, score.low, score.high, _span(score), strong=strong))
    rows.sort(key=lambda row: -row.value)
    ranked = len(found.network.ranks)
    of = f"{found.users:,} {found.unit}"
    what = of if ranked == found.users else f"{ranked:,} items of {of}"
    return ranking(
        "How well it ranks",
        "ranking",
        f"{rows[0].name} has the highest NDCG@{CUT}: all {found.items:,} items, for {what}",
        rows,
        f"NDCG@{CUT} (more is better), with 95% intervals over {found.unit}",
    )


def _popularity(found: NextItem) -> Markup:
    """Return which share of events and of recommendations falls on the commonest items."""
    compared = [found.network, found.blend, found.closest]
    shown = {one.name: one for one in compared if one is not None and one.curve}
    if not shown or len(found.events) < 2:
        return Markup("")
    lines = [
        Series("events", [(x, 100 * y) for x, y in found.events]),
        *(
            Series(name, [(x, 100 * y) for x, y in one.curve], strong=one is found.network)
            for name, one in shown.items()
        ),
    ]
    tenth = max(1, found.items // 10)
    of_tenth = [_at(found.events, tenth), _at(found.network.curve, tenth)]
    title = (
        f"The commonest tenth of the items has {of_tenth[0]:.0%} of the events, and "
        f"{of_tenth[1]:.0%} of what the network recommends"
    )
    chart = line_chart(
        title, lines, x_label="items, the commonest first", y_label="share in %", log_x=True,
        x_ticks=_decades(found.items),
    )  # fmt: skip
    rows = [_named(one, [f"{one.lists[name]:.3f}" for name in _LISTS]) for one in found.candidates]
    words = (
        f"Of the first {CUT} items of each list. A line above that of the events recommends common "
        "items more often than they are taken."
    )
    return section(
        "Does it recommend what everybody knows?",
        "popularity",
        chart,
        small(words),
        table(["", *(name.capitalize() for name in _LISTS)], {"": rows}),
        _meanings(_LISTS),
    )


def _at(curve: Sequence[tuple[float, float]], items: int) -> float:
    """Return the share of the last point of a curve that is not beyond so many items."""
    return max((share for end, share in curve if end <= items), default=0.0)


def _decades(items: int) -> list[tuple[float, str]]:
    """Return ticks at 1, 10, 100, ... and at the last item."""
    ticks = [float(10**power) for power in range(len(str(items)))]
    return [(x, f"{x:,.0f}") for x in (*(t for t in ticks if 2 * t <= items), float(items))]


def _named(one: RankedCandidate, cells: list[str]) -> list[str]:
    strong = one.kind in ("network", "blend")
    return [tag("strong", one.name) if strong else one.name, *cells]


def _meanings(names: Sequence[str]) -> Markup:
    items = [
        tag(
            "li",
            tag("strong", name if name.isupper() else name.capitalize()),
            f": {MEASURES[name]}",
        )
        for name in names
    ]
    return tag("ul", *items, class_="small")


def _figures(found: NextItem) -> Markup:
    names = ("HR", "NDCG", "MRR")
    head = ["", *(f"{name}@{cut}" for name in names for cut in CUTS)]
    rows = []
    for one in found.candidates:
        known = found.figures(one)
        each = [known[f"{name}@{cut}"] for name in names for cut in CUTS]
        rows.append(_named(one, [_figure(value) for value in each]))
    words = (
        "Means, with half the width of their 95% intervals over the tested in small print. "
        "One item is right each time, and all others of the catalogue are wrong; where candidates "
        "score several items the same, these share the mean of their ranks."
    )
    more = [
        _named(one, [f"{one.validation:.4f}", f"{one.milliseconds:.2f} ms"])
        for one in found.candidates
    ]
    chosen = f"NDCG@{CUT} on what validates"
    return figures(
        words,
        head,
        rows,
        _meanings(names),
        table(["", chosen, "time of a list"], {"": more}),
        small("What validates chose the settings and the blends; the test was looked at once."),
    )


def _figure(value: Estimate) -> Markup:
    """Return a mean with half the width of its interval."""
    half = (value.high - value.low) / 2
    return Markup(f"{value.mean:.4f} {tag('div', f'± {half:.4f}', class_='small')}")


def _samples(found: NextItem) -> Markup:
    if not found.samples:
        return Markup("")
    served = [one for one in found.candidates if one.name == found.served]
    ranker = served[0] if served else found.network
    words = (
        "Of both kinds the same number, from all over the tested ones, though "
        f"{ranker.figures()[f'HR@{CUT}']:.1%} are hits: the latest items of each, the latest last, "
        f"what was taken next, and the first {CUT} recommendations. Reasons are the items of the "
        "history without which a hit would score less."
    )
    return section(
        f"Some {found.unit}",
        "users",
        tag("p", tag("strong", f"Hits and misses of {ranker.name}")),
        small(words),
        *map(_sample, found.samples),
    )


def _sample(one: Mapping[str, Any]) -> Markup:
    hit = one["rank"] is not None and one["rank"] <= CUT
    missing = "had it before" if one.get("had") else "in no list"
    at = missing if one["rank"] is None else f"rank {one['rank']:,.4g}"
    name = tag("p", cut(str(one["user"]), _LETTERS), class_="label")
    left = tag("li", name, small(at), class_=f"preview {'good' if hit else 'bad'}")
    earlier = " · ".join(cut(item, _LETTERS) for item in one["history"]) or "nothing that is known"
    reasons = " and ".join(cut(item, _LETTERS) for item in one["reasons"])
    listed = [
        tag("li", tag("strong", cut(item, _LETTERS), " ✓"))
        if hit and item == one["next"]
        else tag("li", cut(item, _LETTERS))
        for item in one["recommended"]
    ]
    taken = cut(one["next"] or "an item that training never saw", _LETTERS)
    right = tag(
        "div",
        tag("p", tag("span", "had ", class_="small"), earlier),
        tag(
            "p",
            tag("span", "took next ", class_="small"),
            tag("strong", taken),
            tag("span", f" because of {reasons}" if reasons else "", class_="small"),
        ),
        tag("ol", *listed, class_="listed"),
    )
    return tag("div", tag("ul", left, class_="query"), right, class_="neighbours")


def _method(found: NextItem) -> Markup:
    chosen = [
        [one.name, ", ".join(f"{key} {value}" for key, value in one.settings.items())]
        for one in found.candidates
        if one.settings
    ]
    return method(found.about, table(["candidate", "settings"], {"": chosen}))
