"""Sequences of a corrupted batch as marked tokens, for display."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from headstart.batch import IGNORE, Batch

#: Most tokens of a sequence, and of a character.
PIECES, _PARTS = 60, 4
#: Stands for bytes that are no character.
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def sequences_in(
    batch: Batch,
    corrupted: Batch,
    spell: Callable[[Sequence[int]], str],
    hidden: int | None,
    unknown: int | None = None,
    have_spaces: Callable[[Sequence[str]], bool] = lambda pieces: False,
) -> list[list[dict[str, Any]]]:
    """Return each sequence and its corruptions as rows of tokens, the original first.

    A row is ``{"name": str, "pieces": [[text, mark, answer], ...], "spaced": bool}``, as of
    :class:`headstart.modalities.appearance.Words`; a piece is a token.

    Args:
        batch: ``input_ids`` and ``mask`` (B,T) before corruption.
        corrupted: after it; each of its tensors ``.../input_ids`` gives a row.
        spell: returns the text of token ids; a part of a character has a replacement in it.
        hidden: the id of the mask token, if there is one.
        unknown: the id that stands for what the vocabulary does not have, if there is one.
        have_spaces: whether nothing stands between pieces, since the spaces are theirs.
    """

    def blind(ids: Tensor) -> list[str]:
        return ["unknown" if token == unknown else "" for token in ids.tolist()]

    original, mask = batch["input_ids"], batch["mask"]
    seen = [key for key in corrupted if key.rpartition("/")[2] == "input_ids"]
    texts = []
    for index in range(len(original)):
        whole = original[index]
        pieces = _pieces(whole, mask[index], spell, blind(whole))
        rows: list[dict[str, Any]] = [{"name": "original", "pieces": pieces}]
        for key in seen:
            if len(corrupted[key]) != len(original):
                continue
            prefix = key.removesuffix("input_ids")
            ids = corrupted[key][index]
            real = corrupted.get(f"{prefix}mask", batch["mask"])[index]
            targets = corrupted.get(f"{prefix}targets")
            same = ids.shape == original[index].shape
            # Where most tokens moved, as in a crop, a comparison by position is meaningless.
            comparable = same and (ids == original[index])[real].float().mean().item() > 0.5
            marks = [
                "hidden" if token == hidden else mark
                for token, mark in zip(ids.tolist(), blind(ids), strict=True)
            ]
            if comparable:
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
        texts.append([{**row, "spaced": have_spaces(_texts(row["pieces"]))} for row in rows])
    return texts


def _texts(pieces: list[list[str]]) -> list[str]:
    """Return the texts of pieces that stand for themselves."""
    return [text for text, mark, _ in pieces if mark not in ("hidden", "unknown")]


def _pieces(
    ids: Tensor,
    real: Tensor,
    spell: Callable[[Sequence[int]], str],
    marks: list[str] | None = None,
    answers: Tensor | None = None,
) -> list[list[str]]:
    indices = torch.nonzero(real).flatten().tolist()[:PIECES]
    marks = marks or [""] * len(ids)
    pieces = []
    while indices:
        count = _of_character(ids[indices].tolist(), [marks[index] for index in indices], spell)
        taken, indices = indices[:count], indices[count:]
        wanted = [] if answers is None else answers[taken].tolist()
        answer = spell([token for token in wanted if token != IGNORE])
        pieces.append([_or_part(spell(ids[taken].tolist())), marks[taken[0]], _or_part(answer)])
    return pieces


def _of_character(ids: list[int], marks: list[str], spell: Callable[[Sequence[int]], str]) -> int:
    """Return how many tokens make up the first character, where one is less; else 1."""
    if _REPLACED not in spell(ids[:1]):
        return 1
    for count in range(2, _PARTS + 1):
        if len(set(marks[:count])) == 1 and _REPLACED not in spell(ids[:count]):
            return min(count, len(ids))
    return 1


def _or_part(text: str) -> str:
    """Return a text, or a sign for what is a part of a character alone."""
    return text if text.strip(_REPLACED) or not text else "\N{HORIZONTAL ELLIPSIS}"
