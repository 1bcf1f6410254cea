"""Write what goes with what, from the registries.

Usage: ``python docs/tables.py`` writes ``docs/what_goes_with_what.md``, which holds what headstart
itself brings; ``headstart list cells`` prints the same with what other packages add.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from headstart.catalog import FAMILIES, Cells, Line, lines
from headstart.registry import HOME

PAGE = Path(__file__).parent / "what_goes_with_what.md"
RULE = """\
An encoder reads a kind of data that gives the tensor it reads. An objective teaches an encoder on
a kind of data where the two of them provide all that it needs. A protocol that suits the kind of
data measures what was learned where the two of them provide what it needs. Nothing else decides: a
kind of data, an encoder, an objective or a protocol of [another package](new_kind_of_data.md)
takes its cells of these tables by what it says of itself. Names of timm networks
and folders of Transformers are encoders, too."""
INTRODUCTION = (
    "Written by `python docs/tables.py`; `headstart list cells` prints it for what is installed."
)


def page() -> str:
    """Return the page as Markdown."""
    found = Cells.read(HOME).cells
    own = {
        family: [line for line in lines(registry) if line.package == HOME]
        for family, registry in FAMILIES.items()
    }
    kinds = [line.name for line in own["modalities"]]
    encoders = {(cell.objective, cell.modality): cell.encoders for cell in found}
    parts = [
        "# What goes with what",
        INTRODUCTION,
        RULE,
        "## Objectives, and the encoders they can teach",
        _table(
            ["objective", *kinds, "needs"],
            (
                [
                    line.name,
                    *(", ".join(encoders.get((line.name, kind), ())) or "-" for kind in kinds),
                    _names(line.entry.needs),
                ]
                for line in own["objectives"]
            ),
        ),
        "## Kinds of data",
        _table(
            ["kind", "gives", "provides", "is measured by"],
            (
                [
                    line.name,
                    f"`{line.entry.gives}`",
                    _names(line.entry.provides),
                    ", ".join(line.entry.protocols),
                ]
                for line in own["modalities"]
            ),
        ),
        "## Encoders",
        _table(
            ["encoder", "reads", "provides", "what it is"],
            (
                [line.name, f"`{line.entry.reads}`", _names(line.entry.provides), line.about]
                for line in own["encoders"]
            ),
        ),
        "## Protocols",
        _table(["protocol", "needs", "what it answers"], map(_protocol, own["protocols"])),
    ]
    return "\n\n".join(parts) + "\n"


def _protocol(line: Line) -> list[str]:
    return [line.name, _names(line.entry.needs), line.about]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "-"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
