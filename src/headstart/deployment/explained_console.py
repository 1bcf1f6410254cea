"""Explanations on the console."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from headstart.deployment.explanation import LOG_ODDS, Explanation
from headstart.pages.markup import cut

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Characters of a record's name, and of a similar record.
_NAME, _EXCERPT = 80, 160


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
        if found:
            console.print(f"\n{LOG_ODDS}", style="dim", highlight=False, soft_wrap=not terminal)
    return capture.get().rstrip()


def _parts(one: Explanation) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = [
        Text.assemble((cut(one.id, _NAME), "dim"), "  ", (one.headline(), "bold"))
    ]
    parts += [*one.evidence.lines(), Text(f"by {one.method}", "dim")]
    parts += [Text(line) for line in [one.checked()] if line]
    if one.alike:
        parts.append(Text("The labeled records most like it:"))
        for near in one.alike:
            text = cut(near.preview.text, _EXCERPT)
            parts.append(Text(f"  {near.similarity:.2f}  {near.label}  {text}"))
    parts += [Text(note, "yellow") for note in one.notes]
    return parts
