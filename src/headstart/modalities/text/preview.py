"""What the pretext task does to texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from headstart.batch import IGNORE, Batch

#: Tokens of a text at most.
PIECES = 60


def texts_in(
    batch: Batch, corrupted: Batch, spell: Callable[[int], str], hidden: int | None
) -> list[list[dict[str, Any]]]:
    """Return what becomes of each text: rows of pieces, the original first.

    A row is ``{"name": str, "pieces": [[text, mark, answer], ...]}``, a piece is a token; its mark
    is ``hidden``, ``changed`` or empty, and its answer is the token that the network must say
    there, or empty.

    Args:
        batch: ``input_ids`` and ``mask`` (B,T) before the corruption.
        corrupted: after it; every tensor in it that is called ``input_ids`` gives a row.
        spell: from a token's id to its text.
        hidden: the id that stands for a hidden token, if there is one.
    """
    original, mask = batch["input_ids"], batch["mask"]
    seen = [key for key in corrupted if key.rpartition("/")[2] == "input_ids"]
    told = []
    for index in range(len(original)):
        rows = [{"name": "original", "pieces": _pieces(original[index], mask[index], spell)}]
        for key in seen:
            if len(corrupted[key]) != len(original):
                continue
            prefix = key.removesuffix("input_ids")
            ids = corrupted[key][index]
            real = corrupted.get(f"{prefix}mask", batch["mask"])[index]
            targets = corrupted.get(f"{prefix}targets")
            same = ids.shape == original[index].shape
            # Where little stayed in its place, such as in a crop, a comparison tells nothing.
            kept = same and (ids == original[index])[real].float().mean().item() > 0.5
            marks = ["hidden" if token == hidden else "" for token in ids.tolist()]
            if kept:
                moved = (ids != original[index]).tolist()
                marks = [
                    m or ("changed" if new else "") for m, new in zip(marks, moved, strict=True)
                ]
            answers = (
                targets[index]
                if targets is not None and targets.shape == corrupted[key].shape
                else None
            )
            name = prefix.strip("/").replace("/", " ")
            rows.append(
                {
                    "name": f"{name} view" if name else "the network reads",
                    "pieces": _pieces(ids, real, spell, marks, answers),
                }
            )
        told.append(rows)
    return told


def _pieces(
    ids: Tensor,
    real: Tensor,
    spell: Callable[[int], str],
    marks: list[str] | None = None,
    answers: Tensor | None = None,
) -> list[list[str]]:
    indices = torch.nonzero(real).flatten().tolist()[:PIECES]
    pieces = []
    for index in indices:
        wanted = IGNORE if answers is None else int(answers[index])
        answer = "" if wanted == IGNORE else spell(wanted)
        pieces.append([spell(int(ids[index])), marks[index] if marks else "", answer])
    return pieces
