"""The top of a page: the question, the answer, its main figures, details and notes."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.pages.markup import Markup, coded, tag


def top(
    question: str,
    answer: Sequence[str],
    tone: str,
    tiles: Sequence[Markup],
    lines: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Markup:
    """Return the header of a page.

    Args:
        answer: the parts of the headline, text or markup.
        tone: ``gain``, ``level`` or ``loss``.
        tiles: of :func:`tile`.
        lines: further figures, in sentences.
    """
    figures = [tag("li", *coded(line)) for line in lines]
    details = tag("details", tag("summary", "In figures"), tag("ul", *figures), open="")
    return tag(
        "header",
        tag("p", question, class_="question"),
        tag("h1", *answer),
        tag("ul", *tiles, class_="tiles") if tiles else Markup(""),
        details if lines else Markup(""),
        *(tag("p", *coded(note), class_="note") for note in notes),
        class_=f"verdict {tone}",
    )


def tile(head: str, figure: str, below: str, tone: str = "") -> Markup:
    """Return a figure with its name above and its meaning below."""
    return tag(
        "li",
        tag("span", head, class_="small"),
        tag("strong", figure),
        tag("span", below, class_="small"),
        class_=f"tile {tone}".strip(),
    )
