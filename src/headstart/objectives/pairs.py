"""Two parts of a text in one row, ``[CLS] A [SEP] B [SEP]``, split where a sentence begins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.modalities import Vocabulary


@dataclass(frozen=True)
class Pairing:
    """The special tokens around and between the parts.

    Attributes:
        prefix, suffix: numbers of special tokens at the start and the end of a row.
        separator: the id between the parts, and at the end of a row that has a suffix.
        pad: the id of padding.
    """

    prefix: int
    suffix: int
    separator: int
    pad: int

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Pairing:
        """Return the special tokens of a vocabulary that has an end token."""
        assert vocabulary.end_id is not None
        return cls(vocabulary.prefix, vocabulary.suffix, vocabulary.end_id, vocabulary.pad_id)


@dataclass(frozen=True)
class Span:
    """One part of each row.

    Attributes:
        row: (B,) the row of the batch from which it is taken.
        begin, size: (B,) its first position there and its number of tokens.
    """

    row: Tensor
    begin: Tensor
    size: Tensor


@dataclass(frozen=True)
class Sentences:
    """Sentence boundaries of rows.

    Attributes:
        begin, end: (B,) the positions between which the content is.
        breaks: (B,T) True where a sentence begins inside the content.
        starts: (B,T) the same, and True where the content begins.
    """

    begin: Tensor
    end: Tensor
    breaks: Tensor
    starts: Tensor

    @classmethod
    def of(cls, batch: Batch, pairing: Pairing, *, whole: bool = True) -> Sentences:
        """Find the sentences in a batch with ``sentence_starts``.

        Args:
            whole: leave out incomplete sentences at either end, since a part that begins or ends
                in the middle of a sentence would reveal its origin. A row without a complete
                sentence keeps all of its content and has no breaks.
        """
        mask, flags = batch["mask"], batch["sentence_starts"]
        length, width = mask.sum(1), mask.shape[1]
        index = torch.arange(width + 1, device=mask.device)
        first = torch.full_like(length, pairing.prefix).minimum(length)
        last = (length - pairing.suffix).maximum(first)
        bounds = torch.nn.functional.pad(flags, (0, 1))
        if not pairing.suffix:
            # Without an end token, a row that is not full ends with its text.
            bounds = bounds | ((index == length[:, None]) & (length < width)[:, None])
        bounds = bounds & (index >= first[:, None]) & (index <= last[:, None])
        begin, end = first, last
        if whole:
            has_one = bounds.sum(1) > 1
            begin = torch.where(has_one, torch.where(bounds, index, width).amin(1), first)
            end = torch.where(has_one, torch.where(bounds, index, 0).amax(1), last)
            bounds = bounds & has_one[:, None]
        inside = (index > begin[:, None]) & (index < end[:, None])
        breaks = (bounds & inside)[:, :width]
        starts = breaks | ((index == begin[:, None]) & (begin < end)[:, None])[:, :width]
        return cls(begin, end, breaks, starts)

    def split_points(self, generator: torch.Generator) -> Tensor:
        """Return a random break (B,) of each row, or its end if it has none."""
        draw = torch.rand(self.breaks.shape, generator=generator, device=self.breaks.device)
        index = draw.masked_fill(~self.breaks, -1.0).argmax(1)
        return torch.where(self.breaks.any(1), index, self.end)


def pair(batch: Batch, one: Span, other: Span, pairing: Pairing) -> Batch:
    """Return rows of two parts as ``input_ids``, ``mask`` and ``token_types`` (B,T).

    Rows are at most as wide as ``batch``; the longer part is truncated at its end, as in BERT. A
    row may lack the second part. ``word_starts`` (B,T) are added if the batch has them.
    """
    width, closing = batch["mask"].shape[1], int(pairing.suffix > 0)
    both = other.size > 0
    room = width - pairing.prefix - closing - both.long()
    first = one.size.minimum((room - other.size).maximum(room // 2))
    second = other.size.minimum(room - first)
    joint = pairing.prefix + first  # position of the separator, or of the end
    begin = joint + both.long()
    end = begin + second
    total = end + closing
    index = torch.arange(int(total.max()), device=joint.device)

    def read(name: str) -> Tensor:
        def part(span: Span, start: Tensor | int) -> Tensor:
            source = (span.begin - start)[:, None] + index
            return batch[name][span.row].gather(1, source.clamp(0, width - 1))

        return torch.where(index >= begin[:, None], part(other, begin), part(one, pairing.prefix))

    ids = read("input_ids")
    ends = (both[:, None] & (index == joint[:, None])) | (index == end[:, None])
    ids = ids.masked_fill(ends, pairing.separator)
    ids[:, : pairing.prefix] = batch["input_ids"][:, : pairing.prefix]
    mask = index < total[:, None]
    paired = {
        "input_ids": ids.masked_fill(~mask, pairing.pad),
        "mask": mask,
        "token_types": ((index >= begin[:, None]) & mask & both[:, None]).long(),
    }
    return {**paired, "word_starts": read("word_starts")} if "word_starts" in batch else paired
