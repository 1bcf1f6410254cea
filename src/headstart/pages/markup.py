"""HTML and SVG in which every piece of text is escaped, unless it is markup already."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from itertools import chain


class Markup(str):
    """Text that is markup; only :func:`tag`, :func:`join` and :func:`breakable` make it."""

    __slots__ = ()


#: Elements of HTML that have no content and no end tag.
_EMPTY = {"img", "meta"}


def tag(element: str, /, *children: str, **attributes: str | float) -> Markup:
    """Return one element; plain strings among its children and all attributes are escaped.

    An underscore in an attribute's name stands for a hyphen; one at its end is dropped.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    if element in _EMPTY:
        return Markup(f"<{element}{pairs}>")
    return Markup(f"<{element}{pairs}>{join(*children)}</{element}>")


def join(*children: str) -> Markup:
    """Return children one after the other, escaped where they are not markup."""
    return Markup("".join(x if isinstance(x, Markup) else escape(x) for x in children))


def breakable(text: str) -> Markup:
    """Return a name that may be broken behind its hyphens, underscores and slashes.

    >>> breakable("card_lost")
    'card_<wbr>lost'
    """
    return Markup(re.sub("([_/-]+)", r"\1<wbr>", escape(text)))


def table(head: list[str], groups: dict[str, list[list[str]]]) -> Markup:
    """Return a table in a scrollable frame: a heading row, if any, then groups of rows.

    A group's name, unless empty, is a row of its own; the first cell of a row is its heading.
    """
    bodies = []
    for name, rows in groups.items():
        title = [tag("tr", tag("th", name, colspan=len(head), scope="rowgroup"), class_="group")]
        cells = [
            tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
            for row in rows
        ]
        bodies.append(tag("tbody", *chain(title if name else [], cells)))
    top = (
        [tag("thead", tag("tr", *(tag("th", text, scope="col") for text in head)))] if head else []
    )
    return tag("div", tag("table", *top, *bodies), class_="scroll")


def _number(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def cut(text: str, letters: int) -> str:
    """Return ``text`` on one line, cut to ``letters`` characters."""
    line = " ".join(text[: 4 * letters].split())
    return line if len(line) <= letters else f"{line[: letters - 1]}…"


def cut_within(text: str, letters: int) -> str:
    """Return ``text`` on one line, with its beginning and its end if it has more ``letters``."""
    line = " ".join(text.split())
    half = letters // 2
    return line if len(line) <= letters else f"{line[: letters - half - 1]}…{line[-half:]}"


def listed(parts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def data_address(content: bytes, kind: str) -> str:
    """Return an image as a ``data:`` URL; ``kind`` is the subtype, such as ``png``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def sound_address(content: bytes) -> str:
    """Return an MP3 as a ``data:`` URL."""
    return f"data:audio/mpeg;base64,{base64.b64encode(content).decode()}"


def coded(line: str) -> list[str]:
    """Return the pieces of a line, with those between backticks as code."""
    return [
        tag("code", piece) if index % 2 else piece for index, piece in enumerate(line.split("`"))
    ]
