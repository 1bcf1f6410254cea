"""The page of a fine-tuned run: each class, what it is taken for, and its mistaken records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.downstream.classes import class_indices
from headstart.evaluation.metrics import confusion
from headstart.files import write_text
from headstart.pages.cards import card
from headstart.pages.heat import heat_table
from headstart.pages.markup import Markup, cut, listed, tag
from headstart.pages.page import page
from headstart.pages.top import tile, top

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.downstream import Rows, Task
    from headstart.encoders import Encoder
    from headstart.modalities import Modality

#: Most classes with a section of their own, the worst first, and most of the matrix.
SECTIONS, MATRIX = 50, 20
#: Mistakes that are shown of a class, and the side of their thumbnails in pixels.
MISTAKES, SIDE = 6, 72
#: Classes that one class is taken for, as far as they are named.
_NAMED = 3
_LETTERS = 40


def write_class_page(
    head: Task, encoder: Encoder, rows: Rows, held: Dataset, modality: Modality, path: Path
) -> bool:
    """Write the page of the held-out records, atomically.

    Args:
        rows: of the ``held`` records, in the same order.
        modality: their kind of data.

    Returns:
        Whether the task says one class of each record; without that there is no page.
    """
    if "label" not in held.column_names or len(head.labels) < 2:
        return False
    with torch.no_grad():
        found = [row for each in head.scan(encoder, rows) for row in head.predictions(*each)]
    names = list(head.labels)
    is_one_class = len(found) == len(held) and all(row.get("label") in names for row in found)
    if not found or not is_one_class:
        return False
    truth = np.asarray(class_indices(held, names))
    taken = np.array([names.index(row["label"]) for row in found])
    sure = [row.get("score") for row in found]
    write_text(path, _page(names, truth, taken, sure, held, modality))
    return True


def _page(
    names: Sequence[str],
    truth: np.ndarray,
    taken: np.ndarray,
    sure: Sequence[Any],
    held: Dataset,
    modality: Modality,
) -> str:
    counts = confusion(truth, taken, len(names)).toarray()
    total, right = counts.sum(1), counts.diagonal()
    recall = right / np.maximum(total, 1)
    worst = [int(index) for index in np.argsort(recall, kind="stable") if total[index]]
    accuracy = f"{right.sum() / len(truth):.1%} of {len(truth):,} held-out records are right"
    hardest = worst[0]
    said = "no class is mistaken"
    if recall[hardest] < 1:
        name = cut(names[hardest], _LETTERS)
        said = f"“{name}” is the hardest class, with {recall[hardest]:.0%}"
    tiles = [
        tile(cut(names[index], _LETTERS), f"{recall[index]:.0%}", f"of {total[index]:,} found")
        for index in worst[:6]
    ]
    header = top(
        "Which classes are mistaken?", [tag("strong", accuracy), f"; {said}."], "level", tiles
    )
    sections = []
    if len(names) <= MATRIX:
        shares = counts / np.maximum(total[:, None], 1)
        sections.append(tag("section", heat_table("Rows in %", names, shares)))
    for index in worst[:SECTIONS]:
        places = np.flatnonzero((truth == index) & (taken != index)).tolist()
        wrong = sorted(places, key=lambda place: -(sure[place] or 0.0))[:MISTAKES]
        previews = modality.preview(held.select(wrong), SIDE) if wrong else []
        cards = [
            card(
                preview,
                f"taken for {cut(names[taken[place]], _LETTERS)}{_sure(sure[place])}",
                "bad",
            )
            for preview, place in zip(previews, wrong, strict=True)
        ]
        sections.append(_section(index, names, counts, cards))
    return page(header, sections, "headstart: which classes are mistaken?", script=False)


def _section(
    index: int, names: Sequence[str], counts: np.ndarray, cards: Sequence[Markup]
) -> Markup:
    """Return a class in words, and its mistaken records, the surest first."""
    total, right = int(counts[index].sum()), int(counts[index, index])
    others = [int(other) for other in np.argsort(-counts[index], kind="stable") if other != index]
    lost = [other for other in others if counts[index, other]]
    said = [f"{right:,} of {total:,} are found."]
    if lost:
        named = [f"{cut(names[other], _LETTERS)} ({counts[index, other]:,})" for other in lost]
        more = len(named) - _NAMED
        shown = [*named[:_NAMED], f"{more:,} more"] if more > 0 else named
        said.append(f"The others are taken for {listed(shown)}.")
    intruders = int(counts[:, index].sum()) - right
    if intruders:
        strays = (
            "1 of another class is" if intruders == 1 else f"{intruders:,} of other classes are"
        )
        said.append(f"{strays} taken for it.")
    row = [tag("ul", *cards, class_="row")] if cards else []
    return tag("section", tag("h2", cut(names[index], _LETTERS)), tag("p", " ".join(said)), *row)


def _sure(score: Any) -> str:
    return f" ({score:.0%} sure)" if isinstance(score, float) else ""
