"""The page of an audit: figures first, then examples, charts, and what was set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headstart.data.survey import QUANTILES
from headstart.pages.bars import Bar, bars
from headstart.pages.cards import Shown, card
from headstart.pages.charts import Series, line_chart, ticks
from headstart.pages.markup import Markup, coded, cut, table, tag
from headstart.pages.page import page
from headstart.pages.tables import Table
from headstart.pages.top import tile, top

#: Pairs of near duplicates and quarantined records that are shown; the .json file has all.
MOST = 6
_LETTERS = 80
#: Share of duplicates from which they are marked as bad.
_MANY = 0.05


def audit_html(
    found: Mapping[str, Any], headline: str, samples: Sequence[Shown], shown: Mapping[str, Shown]
) -> str:
    """Return the whole page.

    Args:
        found: of :func:`headstart.modalities.auditing.audit_sources`.
        samples: some of the records.
        shown: the records that are named in pairs, by their ids.
    """
    sections = [
        _went_in(found),
        _samples(samples),
        _sizes(found),
        *map(_measured, found.get("tables", [])),
        _repeats(found, shown),
        _contradictions(found),
        _overlap(found, shown),
        _aside(found),
    ]
    header = top(
        "What do these data hold?",
        [tag("strong", headline)],
        "loss" if any(tone == "loss" for *_, tone in _figures(found)) else "level",
        [tile(*figure) for figure in _figures(found)],
        notes=found.get("notes", []),
    )
    return page(header, sections, "headstart: what do these data hold?", script=False)


def _figures(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the main figures: name, figure, meaning and tone."""
    kept = found["kept"]
    yield "Kept", f"{kept:,}", found["noun"], ""
    near = found.get("near_duplicates", {}).get("count", 0)
    repeated = found["duplicates"] + near
    tone = "loss" if repeated > _MANY * kept else ""
    said = f"{near:,} of them nearly" if near else "exactly"
    yield "Repeat an earlier one", f"{repeated:,}", f"{_share(repeated, kept)}, {said}", tone
    if overlap := found.get("overlap"):
        shared = overlap["exact"] + overlap["near"]
        of = f"of {overlap['tested']:,} test records"
        yield "Are in the test data", f"{shared:,}", of, "loss" if shared else "gain"
    aside = found["quarantine"]
    tone = "loss" if aside > kept / 100 else ""
    yield "Set aside", f"{aside:,}", "cannot be used" if aside else "all can be read", tone
    if "lengths" in found and found["lengths"]["quantiles"]:
        lengths = found["lengths"]
        yield "Median size", f"{lengths['quantiles']['median']:,}", lengths["unit"], ""


def _went_in(found: Mapping[str, Any]) -> Markup:
    rows = [[cut(name, _LETTERS), f"{count:,}"] for name, count in found.get("sources", {}).items()]
    facts = [[name, str(value)] for name, value in found.get("facts", {}).items()]
    facts += [["blank, and skipped", f"{found['blank']:,}"]] if found["blank"] else []
    parts = [table(["Source", found["noun"]], {"": rows[:MOST]})] if rows else []
    parts += [table([], {"": facts})] if facts else []
    return _section("What went in", "data", *parts) if parts else Markup("")


def _samples(samples: Sequence[Shown]) -> Markup:
    if not samples:
        return Markup("")
    return _section("For example", "examples", tag("ul", *map(card, samples), class_="row"))


def _sizes(found: Mapping[str, Any]) -> Markup:
    """Return the share of the records below each size, as a curve."""
    lengths = found.get("lengths", {})
    quantiles = lengths.get("quantiles", {})
    if not quantiles:
        return Markup("")
    points = {value: 100.0 * QUANTILES[name] for name, value in quantiles.items()}
    rows = [list(map("{:,}".format, quantiles.values()))]
    listed = table(list(quantiles), {"": rows})
    if len(points) < 3:
        return _section(
            "Sizes", "sizes", listed, tag("p", f"In {lengths['unit']}.", class_="small")
        )
    middle = f"half of the {found['noun']} have at most {quantiles['median']:,} {lengths['unit']}"
    is_wide = min(points) > 0 and max(points) > 30 * min(points)
    even = [x for x in ticks(min(points), max(points)) if min(points) <= x <= max(points)]
    marks = [min(points), quantiles["median"], max(points)] if is_wide else even
    line = Series(found["noun"], list(points.items()), strong=True)
    names = {"x_label": lengths["unit"], "y_label": f"% of the {found['noun']} are not larger"}
    chart = line_chart(
        f"{middle[0].upper()}{middle[1:]}",
        [line],
        x_ticks=[(x, f"{x:,.10g}") for x in marks],
        log_x=is_wide,
        **names,
    )
    return _section("Sizes", "sizes", chart, listed)


def _measured(values: Mapping[str, Any]) -> Markup:
    """Return a table of the kind of data; shares are bars."""
    one = Table(**values)
    name = one.title.lower()
    anchor = next((key for key in ("languages", "quality") if key in name), "")
    if "share" not in one.head or not one.rows:
        return one.html()
    where = list(one.head).index("share")
    rows = [
        Bar(row[0], _read(row[where]), row[where], _others(row, one.head, where))
        for row in one.rows
    ]
    note = [tag("p", one.note, class_="small")] if one.note else []
    return _section(one.title, anchor, bars(rows, [one.head[0], "", "share"]), *note)


def _others(row: Sequence[str], head: Sequence[str], where: int) -> str:
    """Return the cells beside name and share, with the names of their columns."""
    cells = zip(
        [*row[1:where], *row[where + 1 :]], [*head[1:where], *head[where + 1 :]], strict=True
    )
    return ", ".join(f"{cell} {name}".strip() for cell, name in cells if cell)


def _repeats(found: Mapping[str, Any], shown: Mapping[str, Shown]) -> Markup:
    near = found.get("near_duplicates")
    if not near or not near["examples"]:
        return Markup("")
    pairs = _pairs(near["examples"], shown, "this one", "repeats this one")
    return _section("Nearly the same", "repeats", *pairs, _more(near["count"]))


def _contradictions(found: Mapping[str, Any]) -> Markup:
    """Return copies whose labels differ."""
    labels = found.get("contradictions")
    if not labels:
        return Markup("")
    words = f"{labels['records']:,} of {labels['labeled']:,} labeled records have one."
    head = ["this one", "has the label", "and its copy", "has the label"]
    rows = [[cut(cell, _LETTERS) for cell in row] for row in labels["examples"][:MOST]]
    parts = [tag("p", words, class_="note"), table(head, {"": rows})]
    return _section("Copies with different labels", "", *parts)


def _overlap(found: Mapping[str, Any], shown: Mapping[str, Shown]) -> Markup:
    overlap = found.get("overlap")
    if not overlap:
        return Markup("")
    words = (
        f"{overlap['exact']:,} test records occur in the sources exactly, and {overlap['near']:,} "
        f"more nearly; of the sources {overlap['pretraining']:,} "
        f"{'is' if overlap['pretraining'] == 1 else 'are'} affected. "
        "`headstart pretrain --remove-overlap` leaves them out."
    )
    none = f"None of {overlap['tested']:,} test records is in the sources."
    is_clean = not overlap["examples"]
    said = tag("p", *coded(none if is_clean else words), class_="good" if is_clean else "note")
    pairs = _pairs(overlap["examples"], shown, "in the test data", "in the sources")
    return _section("Overlap with the test data", "overlap", said, *pairs)


def _aside(found: Mapping[str, Any]) -> Markup:
    if not found["reasons"]:
        return Markup("")
    total = sum(found["reasons"].values())
    reasons = [
        Bar(reason, count / total, f"{count:,}") for reason, count in found["reasons"].items()
    ]
    named = [[cut(row["where"], _LETTERS), row["reason"]] for row in found["records"][:MOST]]
    parts = [
        bars(reasons[:MOST], ["Reason", "", "records"]),
        table(["Record", "Reason"], {"": named}),
    ]
    return _section("Set aside", "aside", *parts, _more(total))


def _pairs(
    pairs: Sequence[Sequence[str]], shown: Mapping[str, Shown], one: str, other: str
) -> list[Markup]:
    """Return pairs of records as cards, or by their names where they cannot be shown."""
    drawn, named = [], []
    for pair in pairs[:MOST]:
        if all(name in shown for name in pair):
            cards = [
                card(shown[name], f"{cut(name, 60)}, {what}")
                for name, what in zip(pair, (one, other), strict=True)
            ]
            drawn.append(tag("ul", *cards, class_="duo"))
        else:
            named.append([cut(name, _LETTERS) for name in pair])
    grid = [tag("div", *drawn, class_="duos")] if drawn else []
    return grid + ([table([one, other], {"": named})] if named else [])


def _more(count: int) -> Markup:
    if count <= MOST:
        return Markup("")
    words = f"And {count - MOST:,} more; `headstart audit --out X.json` names them."
    return tag("p", *coded(words), class_="small")


def _section(title: str, anchor: str, *parts: Markup) -> Markup:
    head = tag("h2", title, id=anchor) if anchor else tag("h2", title)
    return tag("section", head, *parts)


def _share(count: int, of: int) -> str:
    return f"{count / max(1, of):.1%}"


def _read(share: str) -> float:
    """Return a share that :func:`headstart.data.survey.in_words` has written."""
    return float(share.removeprefix("less than ").rstrip("%")) / 100
