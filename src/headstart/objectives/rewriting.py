"""Reading a damaged text and writing what is missing, or all of it: what such tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.encoders import WriterEncoder
from headstart.files import write_json
from headstart.modalities import Vocabulary
from headstart.objectives.heads import CONTINUATION
from headstart.objectives.losses import token_loss


@dataclass(frozen=True)
class Body:
    """Texts without the special tokens around them.

    Attributes:
        ids: (B,W) tokens, each row from its first column on; behind its end anything may stand.
        size: (B,) how many tokens a row has.
    """

    ids: Tensor
    size: Tensor

    @property
    def real(self) -> Tensor:
        """(B,W) bool, True where a token of the text stands."""
        return torch.arange(self.ids.shape[1], device=self.ids.device) < self.size[:, None]


@dataclass(frozen=True)
class Margins:
    """What a vocabulary puts around a record.

    Attributes:
        prefix, suffix: how many special tokens open and close a row.
        pad: the id of no token.
    """

    prefix: int
    suffix: int
    pad: int

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Margins:
        """Return those that a vocabulary puts around a record."""
        return cls(vocabulary.prefix, vocabulary.suffix, vocabulary.pad_id)

    def inside(self, batch: Batch) -> Body:
        """Return the texts of rows; a row that has no room for a text is an empty one."""
        length = batch["mask"].sum(1)
        size = (length - self.prefix - self.suffix).clamp(min=0)
        # Where no row has room for a text there still is a column.
        first = min(self.prefix, batch["mask"].shape[1] - 1)
        return Body(batch["input_ids"][:, first:], size)

    def around(self, batch: Batch, body: Body) -> Batch:
        """Return ``input_ids`` and ``mask`` (B,T) of texts between what stood around them.

        A row of ``batch`` that had no room for a text comes back as it was.
        """
        ids, mask = batch["input_ids"], batch["mask"]
        length = mask.sum(1)
        whole = (length > self.prefix + self.suffix)[:, None]
        total = torch.where(whole[:, 0], body.size + self.prefix + self.suffix, length)
        index = torch.arange(max(1, int(total.max())), device=ids.device).expand(len(ids), -1)
        end = self.prefix + body.size[:, None]
        closing = index - end + (length - self.suffix)[:, None]
        before = torch.where(whole & (index >= end), closing, index)
        text = body.ids.gather(1, (index - self.prefix).clamp(0, body.ids.shape[1] - 1))
        inner = whole & (index >= self.prefix) & (index < end)
        joined = torch.where(inner, text, ids.gather(1, before.clamp(0, ids.shape[1] - 1)))
        real = index < total[:, None]
        return {"input_ids": joined.masked_fill(~real, self.pad), "mask": real}


def closed_up(ids: Tensor, kept: Tensor) -> Body:
    """Return what is kept of rows (B,W), moved to the left and cut to the longest."""
    order = (~kept).long().argsort(dim=1, stable=True)
    size = kept.sum(1)
    return Body(ids.gather(1, order)[:, : max(1, int(size.max()))], size)


def interleaved(first: Tensor, second: Tensor) -> Tensor:
    """Return (B,2W): the columns of two tensors (B,W) by turns."""
    return torch.stack([first, second], 2).flatten(1)


def chosen(eligible: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    """Return (B,W) bool: ``wanted`` (B,) of the eligible places of each row, all sets as likely."""
    draw = torch.rand(eligible.shape, generator=generator, device=eligible.device)
    rank = draw.masked_fill(~eligible, 2.0).argsort(1).argsort(1)
    return eligible & (rank < wanted[:, None])


def to_write(batch: Batch) -> Batch:
    """Return rows under the names by which a corrupted batch holds what must be written."""
    return {"written/input_ids": batch["input_ids"], "written/mask": batch["mask"]}


def writing_loss(encoder: WriterEncoder, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of each token that must be written, from what was read and those before it.

    Args:
        batch: what is read (``input_ids``, ``mask``), and what is to be written.
    """
    read = encoder(batch).tokens
    written, real = batch["written/input_ids"], batch["written/mask"]
    vectors = encoder.write(read, batch["mask"], written)
    # Most of the cost of a small model is the vocabulary: scores only where there is a target.
    where = real.flatten().nonzero().squeeze(1)
    return token_loss(encoder.score(vectors.flatten(0, 1)[where]), written.flatten()[where])


def note_writer(folder: Path, objective: str) -> bool:
    """Say in the run how ``generate`` must ask; the output layer is saved with the encoder."""
    write_json(folder / "head.json", {"objective": objective, "generates": CONTINUATION})
    return True
