"""Parts that the pages of several protocols share: a section, a remark, a table of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.pages.dots import Dot, dot_chart
from headstart.pages.markup import Markup, table, tag

#: The tone of a page by the sign of its verdict: better, not clear, worse.
TONES = {1: "gain", 0: "level", -1: "loss"}


def section(title: str, name: str, *parts: Markup) -> Markup:
    """Return a section with its heading; ``name`` is its place in the address of the page."""
    return tag("section", tag("h2", title, id=name), *parts)


def small(words: str) -> Markup:
    """Return a remark in small print."""
    return tag("p", words, class_="small")


def ranking(title: str, name: str, finding: str, rows: Sequence[Dot], label: str) -> Markup:
    """Return a section with a dot and its interval for each candidate."""
    return section(title, name, dot_chart(finding, rows, x_label=label))


def figures(words: str, head: Sequence[str], rows: Sequence[list[str]], *more: Markup) -> Markup:
    """Return the section of all figures, what they mean before them."""
    shown = table(list(head), {"": list(rows)})
    return section("All figures", "figures", small(words), shown, *more)


def method(about: Mapping[str, str], *more: Markup) -> Markup:
    """Return the section on how it was measured: names and values, then what else there is."""
    rows = [[f"{name[:1].upper()}{name[1:]}", str(value)] for name, value in about.items()]
    return section("How it was measured", "method", table(["", ""], {"": rows}), *more)
