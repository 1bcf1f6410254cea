"""Two parts of a text in one row, ``[CLS] A [SEP] B [SEP]``, parted where a sentence begins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.modalities import Vocabulary


@dataclass(frozen=True)
class Pairing:
    """What a vocabulary puts around and between the parts.

    Attributes:
        prefix, suffix: how many special tokens open and close a row.
        separator: the id between the parts, and at the end of a row that has a suffix.
        pad: the id of no token.
    """

    prefix: int
    suffix: int
    separator: int
    pad: int

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Pairing:
        """Return how records are paired where there are ``sentences``."""
        assert vocabulary.end_id is not None
        return cls(vocabulary.prefix, vocabulary.suffix, vocabulary.end_id, vocabulary.pad_id)


@dataclass(frozen=True)
class Span:
    """A part of each row.

    Attributes:
        row: (B,) the row of the batch that it is read from.
        begin, size: (B,) its first place there and how many tokens it has.
    """

    row: Tensor
    begin: Tensor
    size: Tensor


@dataclass(frozen=True)
class Sentences:
    """Where the sentences of rows lie.

    Attributes:
        begin, end: (B,) the content.
        breaks: (B,T) True where a sentence begins inside of it.
        starts: (B,T) the same, and where it begins.
    """

    begin: Tensor
    end: Tensor
    breaks: Tensor
    starts: Tensor

    @classmethod
    def of(cls, batch: Batch, pairing: Pairing, *, whole: bool = True) -> Sentences:
        """Find the sentences in a batch with ``sentence_starts``.

        Args:
            whole: leave out what a window cut off at either end, for a part that begins or ends
                in the middle of a sentence would tell where it is from. A row without a whole
                sentence keeps all of its content, and has no breaks.
        """
        mask, flags = batch["mask"], batch["sentence_starts"]
        length, width = mask.sum(1), mask.shape[1]
        place = torch.arange(width + 1, device=mask.device)
        first = torch.full_like(length, pairing.prefix).minimum(length)
        last = (length - pairing.suffix).maximum(first)
        bounds = torch.nn.functional.pad(flags, (0, 1))
        if not pairing.suffix:
            # No token says that the text is over; a row with room to spare holds all of it.
            bounds = bounds | ((place == length[:, None]) & (length < width)[:, None])
        bounds = bounds & (place >= first[:, None]) & (place <= last[:, None])
        begin, end = first, last
        if whole:
            has_one = bounds.sum(1) > 1
            begin = torch.where(has_one, torch.where(bounds, place, width).amin(1), first)
            end = torch.where(has_one, torch.where(bounds, place, 0).amax(1), last)
            bounds = bounds & has_one[:, None]
        inside = (place > begin[:, None]) & (place < end[:, None])
        breaks = (bounds & inside)[:, :width]
        starts = breaks | ((place == begin[:, None]) & (begin < end)[:, None])[:, :width]
        return cls(begin, end, breaks, starts)

    def parted(self, generator: torch.Generator) -> Tensor:
        """Return for each row a random one (B,) of its breaks, or its end where it has none."""
        draw = torch.rand(self.breaks.shape, generator=generator, device=self.breaks.device)
        place = draw.masked_fill(~self.breaks, -1.0).argmax(1)
        return torch.where(self.breaks.any(1), place, self.end)


def pair(batch: Batch, one: Span, other: Span, pairing: Pairing) -> Batch:
    """Return rows of two parts as ``input_ids``, ``mask`` and ``token_types`` (B,T).

    Rows stay within the width of ``batch``; where both parts do not fit the longer one is cut at
    its end, as by BERT. A row may lack the second part. Where the batch knows it,
    ``word_starts`` (B,T) tells where words begin.
    """
    width, closing = batch["mask"].shape[1], int(pairing.suffix > 0)
    both = other.size > 0
    room = width - pairing.prefix - closing - both.long()
    first = one.size.minimum((room - other.size).maximum(room // 2))
    second = other.size.minimum(room - first)
    joint = pairing.prefix + first  # the place of the separator, or of the end
    begin = joint + both.long()
    end = begin + second
    total = end + closing
    place = torch.arange(int(total.max()), device=joint.device)

    def read(name: str) -> Tensor:
        def part(span: Span, start: Tensor | int) -> Tensor:
            index = (span.begin - start)[:, None] + place
            return batch[name][span.row].gather(1, index.clamp(0, width - 1))

        return torch.where(place >= begin[:, None], part(other, begin), part(one, pairing.prefix))

    ids = read("input_ids")
    ends = (both[:, None] & (place == joint[:, None])) | (place == end[:, None])
    ids = ids.masked_fill(ends, pairing.separator)
    ids[:, : pairing.prefix] = batch["input_ids"][:, : pairing.prefix]
    mask = place < total[:, None]
    paired = {
        "input_ids": ids.masked_fill(~mask, pairing.pad),
        "mask": mask,
        "token_types": ((place >= begin[:, None]) & mask & both[:, None]).long(),
    }
    return {**paired, "word_starts": read("word_starts")} if "word_starts" in batch else paired
