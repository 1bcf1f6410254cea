"""The weights of words, of a text or of the titles of items, on the console and in a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.pages.markup import Markup, join, table, tag
from headstart.pages.style import tint

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

#: Most words that are listed below a text.
NAMED = 8
#: Weights below this share of the strongest have no colour.
FAINT = 0.08


@dataclass(frozen=True)
class Word:
    """A word, or a phrase that is one token.

    Attributes:
        start, end: its characters in the text.
        positions: its tokens.
    """

    start: int
    end: int
    positions: tuple[int, ...]


@dataclass(frozen=True)
class TextEvidence:
    """The words of a text with their weights.

    Attributes:
        end: the first character that was not read.
        label: the class that the weights are for.
        signed: whether negative weights are evidence against it; else they are shares of attention.
    """

    text: str
    words: Sequence[Word]
    weights: Sequence[float]
    end: int
    label: str
    signed: bool

    @property
    def legend(self) -> list[str]:
        """Meaning of the colours."""
        if not self.signed:
            return ["looked at"]
        return [f"speaks for {self.label}", "speaks against it"]

    def strongest(self, sign: int) -> list[tuple[str, float]]:
        """Return the words of one sign, each once, with their weights, the strongest first."""
        chosen = [
            (self.text[word.start : word.end], weight)
            for word, weight in zip(self.words, self.weights, strict=True)
            if weight * sign > 0
        ]
        found: dict[str, tuple[str, float]] = {}
        for word, weight in sorted(chosen, key=lambda pair: -abs(pair[1])):
            found.setdefault(word.casefold(), (word, weight))
        return list(found.values())[:NAMED]

    def summary(self) -> dict[str, Any]:
        """Return ``words``, each with its text, span and weight, and ``read``, what was read."""
        words = [
            {
                "text": self.text[word.start : word.end],
                "start": word.start,
                "end": word.end,
                "weight": round(weight, 6),
            }
            for word, weight in zip(self.words, self.weights, strict=True)
        ]
        return {"words": words, "read": self.end}

    def lines(self) -> list[RenderableType]:
        """Return the text in colour, and the strongest words below it."""
        from rich.text import Text

        signs = [(1, f"for {self.label}", "green"), (-1, f"against {self.label}", "red")]
        lines: list[RenderableType] = [self._coloured()]
        for sign, what, colour in signs if self.signed else [(1, "looked at most", "bold")]:
            words = self.strongest(sign)
            if words:
                named = ", ".join(f"{word} {weight:+.3g}" for word, weight in words)
                lines.append(Text.assemble((f"{what}: ", colour), named))
        return lines

    def html(self) -> Markup:
        """Return the text on colours, and tables of the strongest words."""
        parts: list[str] = []
        last = 0
        for word, weight, share in self._shares():
            text = self.text[word.start : word.end]
            parts.append(self.text[last : word.start])
            last = word.end
            if share < FAINT:
                parts.append(text)
                continue
            sign = ("for" if weight > 0 else "against") if self.signed else "looked"
            parts.append(
                tag(
                    "span",
                    text,
                    class_=sign,
                    title=f"{weight:+.3g}",
                    style=f"background: {tint(weight > 0, share)}",
                )
            )
        parts.append(self.text[last : self.end])
        if self.end < len(self.text):
            parts.append(tag("span", self.text[self.end :], class_="unread"))
        return join(tag("p", *parts, class_="weighed"), self._tables())

    def image(self) -> None:
        """Return None: there is no image."""

    def _shares(self) -> list[tuple[Word, float, float]]:
        """Return each word with its weight and its share of the strongest."""
        largest = max(map(abs, self.weights), default=0.0) or 1.0
        pairs = zip(self.words, self.weights, strict=True)
        return [(word, weight, abs(weight) / largest) for word, weight in pairs]

    def _coloured(self) -> Text:
        from rich.text import Text

        text = Text(self.text)
        text.stylize("dim", self.end)
        for word, weight, share in self._shares():
            if share >= FAINT:
                text.stylize(_style(share, weight > 0, self.signed), word.start, word.end)
        return text

    def _tables(self) -> Markup:
        sides = [("For", 1), ("Against", -1)] if self.signed else [("Looked at most", 1)]
        unit = "adds to the score" if self.signed else "share of the attention"
        parts = []
        for title, sign in sides:
            rows = [[word, f"{weight:+.3g}"] for word, weight in self.strongest(sign)]
            if rows:
                parts.append(tag("div", table([title, unit], {"": rows})))
        listed = tag("div", *parts, class_="sides")
        return tag("details", tag("summary", "The strongest words"), listed)


def _style(share: float, speaks_for: bool, signed: bool) -> str:
    """Return a style of the sixteen colours that every terminal has, in three strengths."""
    colour = ("green" if speaks_for else "red") if signed else "yellow"
    if share >= 0.5:
        return f"black on {colour}"
    return f"bold {colour}" if share >= 0.25 else colour
