"""One record in a page, as a thumbnail or as its first words."""

from __future__ import annotations

from headstart.modalities import Preview
from headstart.pages.markup import Markup, cut, tag

_LETTERS = 40


def card(preview: Preview, below: str = "", kind: str = "") -> Markup:
    """Return a record with its label and a line below; ``kind`` is ``good`` or ``bad`` or empty."""
    if preview.image:
        name = f"{preview.label or 'record'}: {preview.text}"
        content = tag("img", src=preview.address, alt=cut(name, 80), class_="thumb")
    else:
        content = tag("p", preview.text, class_="words")
    label = tag("p", cut(preview.label, _LETTERS), class_="label")
    below_it = tag("p", below, class_="small") if below else Markup("")
    return tag("li", content, label, below_it, class_=f"preview {kind}".strip())
