"""The page of a recommendation: the verdict, every candidate, what order is worth, sample users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.downstream.interactions.ranked import CUTS, NextItem, RankedCandidate
from headstart.evaluation.report import advice, answer, cost, data, health, training
from headstart.evaluation.report.reproduce import section as again
from headstart.evaluation.report.reproduce import versions
from headstart.files import write_text
from headstart.pages.dots import Dot, dot_chart
from headstart.pages.markup import Markup, table, tag
from headstart.pages.page import page
from headstart.pages.top import tile

if TYPE_CHECKING:
    from headstart.run import RunFolder

_TONES = {1: "gain", 0: "level", -1: "loss"}


def write_page(
    found: NextItem,
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
    sections = [
        advice.section([_advice(found)]),
        _chart(found),
        _figures(found),
        _samples(found.samples),
        training.section(metrics),
        health.section(metrics),
        data.section(audits),
        cost.section(took),
        _method(found),
        again(command, versions(), run),
    ]
    write_text(path, page(_header(found, took), sections))


def _header(found: NextItem, took: Mapping[str, str]) -> Markup:
    tone = _TONES[found.sign]
    ours, best = found.network, found.closest
    hits = [one.figures()["HR@10"] for one in (ours, best)]
    as_is, shuffled, _ = found.order
    tiles = [
        tile("NDCG@10", f"{found.score(ours).mean:.4f}", _against(found, best), tone),
        tile("Hit in ten", f"{hits[0]:.1%}", f"against {hits[1]:.1%} of {best.name}", tone),
        tile(
            "What order is worth", f"{as_is - shuffled:+.4f}", f"shuffled {shuffled:.4f}", "level"
        ),
        *answer.cost_tile(took),
    ]
    return answer.header(found.verdict, tone, tiles, notes=found.notes)


def _against(found: NextItem, best: RankedCandidate) -> str:
    return f"against {found.score(best).mean:.4f} of {best.name}"


def _advice(found: NextItem) -> str:
    if found.blend is not None:
        gained = found.difference(found.blend, found.best)
        clear = "and is better on the tested, too" if gained.low > 0 else "with no certain gain"
        return (
            f"`headstart recommend` ranks by {found.blend.name}: that is best on what validates, "
            f"{clear}. `--by network` leaves the others out."
        )
    if found.sign < 0:
        return (
            f"Serve {found.best.name}, or train for longer: it ranks better than the network, "
            "and costs seconds."
        )
    return "Serve the network: `headstart recommend RUN --history ITEMS`."


def _chart(found: NextItem) -> Markup:
    rows = []
    for one in found.candidates:
        score = found.score(one)
        span = f"{score.mean:.4f} [{score.low:.4f}, {score.high:.4f}]"
        strong = one.kind != "alternative"
        rows.append(Dot(one.name, score.mean, score.low, score.high, span, strong=strong))
    rows.sort(key=lambda row: -row.value)
    title = f"All {found.items:,} items ranked for {found.users:,} users"
    label = "NDCG@10 (more is better), with 95% intervals over users"
    return tag(
        "section",
        tag("h2", "How well it ranks", id="ranking"),
        dot_chart(title, rows, x_label=label),
    )


def _figures(found: NextItem) -> Markup:
    head = [
        "",
        "on what validates",
        *(f"{name}@{cut}" for cut in CUTS for name in ("HR", "NDCG", "MRR")),
    ]
    rows = []
    for one in found.candidates:
        figures = one.figures()
        cells = [
            f"{figures[f'{name}@{cut}']:.4f}" for cut in CUTS for name in ("HR", "NDCG", "MRR")
        ]
        name = tag("strong", one.name) if one.kind != "alternative" else one.name
        rows.append([name, f"{one.validation:.4f}", *cells, f"{one.milliseconds:.2f}\u00a0ms"])
    words = (
        "One item of each user is the right one; all others of the catalogue are wrong. First "
        "the NDCG@10 of the items that validate, by which settings and blends were chosen; last "
        "the time for a user."
    )
    return tag(
        "section",
        tag("h2", "All figures", id="figures"),
        tag("p", words, class_="small"),
        table([*head, "a user"], {"": rows}),
        _lists(found.candidates),
    )


def _lists(candidates: Sequence[RankedCandidate]) -> Markup:
    """Return what the lists are like, beside whether they are right."""
    names = list(dict.fromkeys(name for one in candidates for name in one.lists))
    if not names:
        return Markup("")
    rows = [[one.name, *(f"{one.lists[name]:.3f}" for name in names)] for one in candidates]
    words = (
        "Of the first ten: the share of the catalogue that anybody is shown (coverage), how "
        "unequally items are shown (Gini, 0 is alike), the mean percentile of their popularity, "
        "and novelty (the mean of -log2 of an item's share of the events)."
    )
    return tag("div", tag("p", words, class_="small"), table(["", *names], {"": rows}))


def _samples(samples: Sequence[Mapping[str, Any]]) -> Markup:
    if not samples:
        return Markup("")
    rows = []
    for one in samples:
        listed: list[Any] = []
        for item in one["recommended"]:
            listed += [tag("strong", item) if item == one["next"] else item, " "]
        rows.append(
            [one["user"], " ".join(one["history"]), one["next"] or "(new)", tag("span", *listed)]
        )
    return tag(
        "section",
        tag("h2", "Some users", id="users"),
        tag("p", "What came next is bold where it is among the first ten.", class_="small"),
        table(["user", "had, the latest last", "took next", "recommended"], {"": rows}),
    )


def _method(found: NextItem) -> Markup:
    rows = [[name[:1].upper() + name[1:], str(value)] for name, value in found.about.items()]
    chosen = [
        [one.name, ", ".join(f"{key} {value}" for key, value in one.settings.items())]
        for one in found.candidates
        if one.settings
    ]
    return tag(
        "section",
        tag("h2", "How it was measured", id="method"),
        table(["", ""], {"": rows}),
        table(["candidate", "settings"], {"": chosen}),
    )
