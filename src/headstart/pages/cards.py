"""One record in a page, as a thumbnail or as its first words."""

from __future__ import annotations

from typing import Protocol

from headstart.pages.markup import Markup, breakable, cut, tag

_LETTERS = 40


class Shown(Protocol):
    """One record as shown on a page; :class:`headstart.modalities.Preview` is one."""

    @property
    def text(self) -> str:
        """Its beginning, or its name."""
        ...

    @property
    def label(self) -> str:
        """Its label, or empty."""
        ...

    @property
    def address(self) -> str:
        """A thumbnail as a ``data:`` URL, or empty."""
        ...

    @property
    def heard(self) -> str:
        """A sound as a ``data:`` URL, or empty."""
        ...


def card(preview: Shown, below: str = "", kind: str = "") -> Markup:
    """Return a record with its label and a line below; ``kind`` is ``good`` or ``bad`` or empty."""
    if preview.address:
        name = f"{preview.label or 'record'}: {preview.text}"
        content = tag("img", src=preview.address, alt=cut(name, 80), class_="thumb")
    else:
        content = tag("p", preview.text, class_="words")
    player = listen(preview)
    label = (
        tag("p", breakable(cut(preview.label, _LETTERS)), class_="label") if preview.label else ""
    )
    below_it = tag("p", below, class_="small") if below else Markup("")
    return tag("li", content, player, label, below_it, class_=f"preview {kind}".strip())


def listen(preview: Shown) -> Markup:
    """Return a player of a record's sound; empty where it has none."""
    if not preview.heard:
        return Markup("")
    return player(preview.heard, cut(f"{preview.label or 'record'}: {preview.text}", 80))


def player(address: str, name: str) -> Markup:
    """Return a player of the sound at an address, a ``data:`` URL."""
    return tag("audio", src=address, controls="", preload="none", aria_label=name)
