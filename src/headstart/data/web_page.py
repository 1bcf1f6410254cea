"""The text of an HTML page, as a browser shows it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_HIDDEN = frozenset({"script", "style", "noscript", "template", "title", "svg", "iframe", "object"})
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i"}
    | {"ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup"}
    | {"time", "tt", "u", "var", "wbr"}
)


def page_text(page: str) -> str:
    """Return the text of a page: one paragraph per block, without scripts, styles and the title.

    Example::

        page_text("<p>One <b>bold</b> word.</p><script>no()</script>")  # "One bold word."
    """
    reader = _Page()
    reader.feed(page)
    reader.close()
    blocks = ("".join(reader.parts)).split("\0")
    return "\n".join(filter(None, (re.sub(r"\s+", " ", block).strip() for block in blocks)))


class _Page(HTMLParser):
    """Collects texts; a NUL stands where a block begins or ends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag not in _INLINE:
            self.parts.append("\0")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        elif tag not in _INLINE:
            self.parts.append("\0")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data.replace("\0", ""))
