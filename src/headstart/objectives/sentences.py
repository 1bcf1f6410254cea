"""Sentence-pair tasks: does B follow A (BERT), and which came first (ALBERT)?"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import IGNORE, Batch
from headstart.config import Options
from headstart.encoders import Encoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.heads import loss_at_targets
from headstart.objectives.losses import by_chance
from headstart.objectives.pairs import Pairing, Sentences, Span, pair

_NEEDS = frozenset({"sentences", "order", "bidirectional"})
#: Share of rows with fewer than two sentences above which a run is warned.
_MOST_SINGLE = 0.25


class NextSentenceOptions(Options):
    """BERT's values (Devlin et al. 2018, section 3.1, task 2)."""

    random: float = Field(0.5, ge=0, le=1, description="Share of pairs from two documents.")


class NextSentence(Objective):
    """Classify whether B follows A or is from another text; A ends where a sentence begins.

    The paper classifies ``[CLS]``; here, as everywhere in this library, the encoder's own pooled
    vector. Sentences that a random B leaves unused need not be reused as in the original code,
    since windows are redrawn in each epoch. See Devlin et al. 2018,
    https://arxiv.org/abs/1810.04805.
    """

    family = "order and context"
    needs = _NEEDS
    Options = NextSentenceOptions

    def __init__(
        self, encoder: Encoder, processor: TokenProcessor, options: NextSentenceOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.pairing = Pairing.of(processor.vocabulary)
        self.head = pair_classifier(encoder.width)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return pairs (see :func:`pair`) with ``labels`` (B,): 1 where B is from another row.

        A row of one sentence always gets the B of another; a batch of one row never does. B is
        the end of the other text, from the sentence that makes its length closest to that of the
        true B, so that length is no shortcut.
        """
        ids = batch["input_ids"]
        found = Sentences.of(batch, self.pairing)
        count, device = len(ids), ids.device
        cut = found.split_points(generator)
        only = cut == found.end
        draw = torch.rand(count, generator=generator, device=device)
        other = (draw < self.options.random) | only
        shift = torch.randint(1, max(count, 2), (), generator=generator, device=device)
        row = torch.arange(count, device=device)
        donor = (row + shift) % count
        other &= donor != row

        size = found.end - cut
        wanted = torch.where(only, (found.end - found.begin + 1) // 2, size)
        tails = found.end[:, None] - torch.arange(ids.shape[1], device=device)
        distance = (tails[donor] - wanted[:, None]).abs().masked_fill(~found.starts[donor], 10**6)
        begin = torch.where(other, distance.argmin(1), cut)
        end = torch.where(other, found.end[donor], found.end)
        return {
            **pair(
                batch,
                Span(row, found.begin, cut - found.begin),
                Span(torch.where(other, donor, row), begin, end - begin),
                self.pairing,
            ),
            "labels": other.long(),
            "expected": torch.where(only, 1.0, self.options.random),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.classify(self.encoder.pool(batch), batch)

    def classify(self, pooled: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return loss and accuracy of pooled vectors (B,D)."""
        # Of the labels 1, expected over the draws: the rows that cannot be split have no other.
        share = batch["expected"].mean()
        results = loss_at_targets(self.head, pooled, batch["labels"])
        return {**results, "accuracy_chance": share.maximum(1 - share)}

    def warning(self, batch: Batch) -> str | None:
        """Return a warning if many rows cannot be split, and so have no true B."""
        share = _single_share(batch, self.pairing)
        if share <= _MOST_SINGLE:
            return None
        return (
            f"{share:.0%} of the rows hold fewer than two whole sentences, and get their second "
            "part from another text: next-sentence prediction is mostly guessed by that alone; "
            "raise --length, give longer texts, or choose another objective."
        )


class SentenceOrderOptions(Options):
    """ALBERT's value (Lan et al. 2020, section 3.1)."""

    swap: float = Field(0.5, ge=0, le=1, description="Share of pairs that are swapped.")


class SentenceOrder(Objective):
    """Classify whether two consecutive parts of a text are in order (Lan et al. 2020).

    A row of one sentence has no label; if no row has one the loss is 0. See
    https://arxiv.org/abs/1909.11942.
    """

    family = "order and context"
    needs = _NEEDS
    Options = SentenceOrderOptions

    def __init__(
        self, encoder: Encoder, processor: TokenProcessor, options: SentenceOrderOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.pairing = Pairing.of(processor.vocabulary)
        self.head = pair_classifier(encoder.width)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return pairs (see :func:`pair`) with ``labels`` (B,): 1 swapped, -100 without a pair."""
        ids = batch["input_ids"]
        found = Sentences.of(batch, self.pairing)
        cut = found.split_points(generator)
        row = torch.arange(len(ids), device=ids.device)
        draw = torch.rand(len(ids), generator=generator, device=ids.device)
        alone = cut == found.end
        swapped = (draw < self.options.swap) & ~alone
        first, second = cut - found.begin, found.end - cut
        return {
            **pair(
                batch,
                Span(
                    row,
                    torch.where(swapped, cut, found.begin),
                    torch.where(swapped, second, first),
                ),
                Span(
                    row,
                    torch.where(swapped, found.begin, cut),
                    torch.where(swapped, first, second),
                ),
                self.pairing,
            ),
            "labels": swapped.long().masked_fill(alone, IGNORE),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.classify(self.encoder.pool(batch), batch)

    def classify(self, pooled: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return loss and accuracy of pooled vectors (B,D)."""
        swap = self.options.swap
        return by_chance(loss_at_targets(self.head, pooled, batch["labels"]), max(swap, 1 - swap))

    def warning(self, batch: Batch) -> str | None:
        """Return a warning if many rows cannot be split, and so have no order."""
        share = _single_share(batch, self.pairing)
        if share <= _MOST_SINGLE:
            return None
        return (
            f"{share:.0%} of the rows hold fewer than two whole sentences, so have no order to "
            "learn; raise --length, give longer texts, or choose another objective."
        )


def _single_share(batch: Batch, pairing: Pairing) -> float:
    """Return the share of the rows that cannot be split where a sentence begins."""
    return float((~Sentences.of(batch, pairing).breaks.any(1)).float().mean())


def pair_classifier(width: int) -> nn.Sequential:
    """Return BERT's pooler, a dense layer and tanh, and a two-way classifier."""
    return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2))
