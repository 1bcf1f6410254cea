"""One record in a page, as a small picture or as its first words."""

from __future__ import annotations

from headstart.evaluation.material import Exhibit
from headstart.pages.markup import Markup, cut, tag

_LETTERS = 40


def card(exhibit: Exhibit, below: str = "", kind: str = "") -> Markup:
    """Return a record with its label and a line below; ``kind`` is ``good`` or ``bad`` or empty."""
    if exhibit.picture:
        name = f"{exhibit.label or 'record'}: {exhibit.text}"
        shown = tag("img", src=exhibit.address, alt=cut(name, 80), class_="thumb")
    else:
        shown = tag("p", exhibit.text, class_="words")
    label = tag("p", cut(exhibit.label, _LETTERS), class_="label")
    below_it = tag("p", below, class_="small") if below else Markup("")
    return tag("li", shown, label, below_it, class_=f"exhibit {kind}".strip())
