"""Explanations on the console: words on green speak for the class, words on red against it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from headstart.deployment.explanation import Explanation
from headstart.modalities.image.heat import ImageEvidence
from headstart.modalities.text.units import TextEvidence

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

#: Words that are named below a text, and characters of a similar record.
NAMED, EXCERPT = 8, 160
#: Weights below this share of the strongest stay without colour.
FAINT = 0.08
_SHADES = " ·░▒▓█"


def rendered(found: list[Explanation]) -> str:
    """Return explanations as lines; coloured where standard output is a terminal."""
    from rich.console import Console

    terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
    console = Console(file=sys.__stdout__, force_terminal=terminal, width=None if terminal else 100)
    with console.capture() as capture:
        for index, one in enumerate(found):
            if index:
                console.print()
            for part in _parts(one):
                console.print(part, highlight=False, markup=False, soft_wrap=not terminal)
    return capture.get().rstrip()


def excerpt(text: str, most: int = EXCERPT) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _parts(one: Explanation) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = [
        Text.assemble((excerpt(one.id, 80), "dim"), "  ", (one.headline(), "bold"))
    ]
    if isinstance(one.evidence, TextEvidence):
        parts += [_coloured(one.evidence, one.signed), *_named(one, one.evidence)]
    else:
        parts += _squares(one.evidence)
    parts.append(Text(f"by {one.method}", "dim"))
    parts += [Text(line) for line in [one.checked()] if line]
    if one.alike:
        parts.append(Text("The labeled records most like it:"))
        for near in one.alike:
            content = near.content if isinstance(near.content, str) else near.id
            parts.append(Text(f"  {near.similarity:.2f}  {near.label}  {excerpt(content)}"))
    parts += [Text(note, "yellow") for note in one.notes]
    return parts


def _coloured(evidence: TextEvidence, signed: bool) -> Text:
    from rich.text import Text

    shown = Text(evidence.text)
    shown.stylize("dim", evidence.end)
    largest = max((abs(word.weight) for word in evidence.words), default=0.0) or 1.0
    for word in evidence.words:
        share = abs(word.weight) / largest
        if share >= FAINT:
            shown.stylize(_style(share, word.weight > 0, signed), word.start, word.end)
    return shown


def _style(share: float, speaks_for: bool, signed: bool) -> str:
    """Return a style of the sixteen colours that every terminal has, in three strengths."""
    colour = ("green" if speaks_for else "red") if signed else "yellow"
    if share >= 0.5:
        return f"black on {colour}"
    return f"bold {colour}" if share >= 0.25 else colour


def _named(one: Explanation, evidence: TextEvidence) -> list[Any]:
    from rich.text import Text

    signs = [(1, "for", "green"), (-1, "against", "red")] if one.signed else [(1, "read", "bold")]
    lines = []
    for sign, speaks, colour in signs:
        words = evidence.strongest(NAMED, sign)
        if words:
            told = ", ".join(f"{evidence.shown(w)} {w.weight:+.3g}" for w in words)
            what = f"{speaks} {one.explained}" if one.signed else "looked at most"
            lines.append(Text.assemble((f"{what}: ", colour), told))
    return lines


def _squares(evidence: ImageEvidence) -> list[Any]:
    from rich.text import Text

    low, high = float(evidence.cells.min()), float(evidence.cells.max())
    steps = len(_SHADES) - 1
    rows = (evidence.cells - low) / ((high - low) or 1.0) * steps
    lines = [
        Text("  " + "".join(2 * _SHADES[round(value)] for value in row)) for row in rows.tolist()
    ]
    return [*lines, Text("  (the darker, the more a place mattered; --out X.png shows it)", "dim")]
