"""Shared parts of sequence-to-sequence denoising: read a corrupted text, write the target."""

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
        ids: (B,W) tokens, left-aligned; beyond its end a row holds arbitrary ids.
        size: (B,) number of tokens of each row.
    """

    ids: Tensor
    size: Tensor

    @property
    def real(self) -> Tensor:
        """(B,W) bool, True at the tokens of the text."""
        return torch.arange(self.ids.shape[1], device=self.ids.device) < self.size[:, None]


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens around a record.

    Attributes:
        prefix, suffix: numbers of special tokens at the start and the end of a row.
        pad: the id of padding.
    """

    prefix: int
    suffix: int
    pad: int

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> SpecialTokens:
        """Return those of a vocabulary."""
        return cls(vocabulary.prefix, vocabulary.suffix, vocabulary.pad_id)

    def strip(self, batch: Batch) -> Body:
        """Return the texts of rows without special tokens; too short a row is an empty text."""
        length = batch["mask"].sum(1)
        size = (length - self.prefix - self.suffix).clamp(min=0)
        # At least one column, even if all texts are empty.
        first = min(self.prefix, batch["mask"].shape[1] - 1)
        return Body(batch["input_ids"][:, first:], size)

    def wrap(self, batch: Batch, body: Body) -> Batch:
        """Return ``input_ids`` and ``mask`` (B,T) of texts inside the special tokens of ``batch``.

        A row of ``batch`` that was too short for a text is returned unchanged.
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


def compact(ids: Tensor, kept: Tensor) -> Body:
    """Return the kept tokens of rows (B,W), left-aligned and cut to the longest row."""
    order = (~kept).long().argsort(dim=1, stable=True)
    size = kept.sum(1)
    return Body(ids.gather(1, order)[:, : max(1, int(size.max()))], size)


def interleaved(first: Tensor, second: Tensor) -> Tensor:
    """Return (B,2W): the columns of two tensors (B,W), alternating."""
    return torch.stack([first, second], 2).flatten(1)


def sample_positions(eligible: Tensor, count: Tensor, generator: torch.Generator) -> Tensor:
    """Sample ``count`` (B,) of the eligible positions of each row uniformly, as (B,W) bool."""
    draw = torch.rand(eligible.shape, generator=generator, device=eligible.device)
    rank = draw.masked_fill(~eligible, 2.0).argsort(1).argsort(1)
    return eligible & (rank < count[:, None])


def decoder_targets(batch: Batch) -> Batch:
    """Return rows under the names of the decoder's targets in a corrupted batch."""
    return {"written/input_ids": batch["input_ids"], "written/mask": batch["mask"]}


def decoder_loss(encoder: WriterEncoder, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of each target token, given the encoder's input and the tokens before it.

    Args:
        batch: the encoder's ``input_ids`` and ``mask`` (B,T), and the decoder's targets
            ``written/input_ids`` and ``written/mask`` (B,U).
    """
    read = encoder(batch).tokens
    written, real = batch["written/input_ids"], batch["written/mask"]
    vectors = encoder.write(read, batch["mask"], written)
    # The vocabulary is most of the cost of a small model: logits only where there is a target.
    where = real.flatten().nonzero().squeeze(1)
    return token_loss(encoder.score(vectors.flatten(0, 1)[where]), written.flatten()[where])


def save_head_description(folder: Path, objective: str) -> bool:
    """Write what the run ``generates``; the output layer itself is saved with the encoder."""
    write_json(folder / "head.json", {"objective": objective, "generates": CONTINUATION})
    return True
