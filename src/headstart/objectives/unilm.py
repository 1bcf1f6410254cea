"""UniLM: one network, four attention patterns (Dong et al. 2019, sections 2.2 and 2.3)."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import TokenEncoder
from headstart.encoders.visibility import prefixed, visibility
from headstart.modalities import TokenProcessor, Vocabulary
from headstart.objectives import Objective
from headstart.objectives.curriculum import Ratio, Schedule
from headstart.objectives.heads import CONTINUATION, TokenHead, loss_at_targets
from headstart.objectives.masked import hide, mask_of, ordinary, plain_ids
from headstart.objectives.pairs import Pairing, Sentences, Span, pair

#: The attention patterns, by index.
BOTH_WAYS, PREFIX, LEFT_TO_RIGHT, RIGHT_TO_LEFT = range(4)


class UniLMOptions(Options):
    """The published values; a token is hidden as by BERT (80% [MASK], 10% random)."""

    mask_ratio: Ratio = Field(
        0.15, description="Share of the positions to predict; 0.15..0.4 moves over the run."
    )
    shares: tuple[float, float, float, float] = Field(
        (1 / 3, 1 / 3, 1 / 6, 1 / 6),
        description="Rows that see both ways, as prefix LM, left to right, right to left.",
    )
    phrases: float = Field(0.2, ge=0, le=1, description="Share of draws that are two or three.")
    mask_share: float = Field(0.8, ge=0, le=1, description="Of these, how many become [MASK].")
    random_share: float = Field(0.1, ge=0, le=1, description="And how many a random token.")


class UniLM(Objective):
    """Masked modeling of ``[CLS] S1 [SEP] S2 [SEP]`` under one of four attention patterns per row.

    The parts are of one text, split where a sentence begins, or anywhere if it has only one. The
    task is the same under all patterns: predict the masked tokens. See Dong et al. 2019,
    https://arxiv.org/abs/1905.03197.
    """

    family = "masked prediction"
    needs = frozenset(
        {
            "vocabulary",
            "mask_token",
            "token_embedding",
            "visibility",
            "order",
            "bidirectional",
            "sentences",
        }
    )
    Options = UniLMOptions
    encoder: TokenEncoder

    def __init__(
        self, encoder: TokenEncoder, processor: TokenProcessor, options: UniLMOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.pairing = Pairing.of(processor.vocabulary)
        self.vocabulary = processor.vocabulary
        self.ratio = Schedule(options.mask_ratio)
        self.head = TokenHead(encoder.token_embedding, encoder.width, transform=True)
        self.plain: Tensor
        self.register_buffer("plain", plain_ids(self.vocabulary), persistent=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return masked pairs, ``targets`` (B,T), and ``visibility_kind`` (B,) of each row."""
        options, ids = self.options, batch["input_ids"]
        found = Sentences.of(batch, self.pairing, whole=False)
        cut = found.split_points(generator)
        draw = torch.rand(2, len(ids), generator=generator, device=ids.device)
        size = found.end - found.begin
        anywhere = found.begin + (draw[0] * (size - 1)).long() + 1
        cut = torch.where((cut == found.end) & (size > 1), anywhere, cut)
        row = torch.arange(len(ids), device=ids.device)
        paired = pair(
            batch,
            Span(row, found.begin, cut - found.begin),
            Span(row, cut, found.end - cut),
            self.pairing,
        )
        ratio = self.ratio.now(self.training)
        chosen = choose_phrases(paired, self.vocabulary, ratio, options.phrases, generator)
        shares = (options.mask_share, options.random_share)
        hidden = hide(paired, chosen, mask_of(self.vocabulary), self.plain, shares, generator)
        bounds = torch.tensor(options.shares, device=ids.device).cumsum(0)
        kind = torch.bucketize(draw[1] * bounds[-1], bounds, right=True)
        return {**hidden, "visibility_kind": kind.clamp(max=3)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        seen = visibility_by_kind(batch, batch["visibility_kind"])
        tokens = self.encoder.contextualize(self.encoder.embed(batch), seen)
        return loss_at_targets(self.head, tokens, batch["targets"])

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)

    def save_head(self, folder: Path) -> bool:
        """Write the output layer, which ``generate`` and cloze prompts need."""
        self.head.save(folder, "unilm", CONTINUATION)
        return True


def visibility_by_kind(batch: Batch, kinds: Tensor) -> Tensor:
    """Return (B,T,T) bool, True where row i may attend to column j (UniLM, figure 1).

    Args:
        batch: pairs with ``mask`` and ``token_types`` (B,T); the first part reaches to its [SEP].
        kinds: (B,) the index of each row's pattern.
    """
    mask = batch["mask"]
    rows, width = mask.shape
    real = visibility(batch)
    if real is None:
        real = mask[:, None, :].expand(rows, width, width)
    lower = torch.ones(width, width, dtype=torch.bool, device=mask.device).tril()
    by_prefix = prefixed(real, mask & batch["token_types"].eq(0))
    patterns = torch.stack([real, by_prefix, real & lower, real & lower.T])  # (4,B,T,T)
    return patterns[kinds, torch.arange(rows, device=mask.device)]


def choose_phrases(
    batch: Batch,
    vocabulary: Vocabulary,
    ratio: float,
    phrases: float,
    generator: torch.Generator,
) -> Tensor:
    """Return (B,T) bool: exactly ``max(1, round(ratio L))`` positions of each row.

    Single tokens are drawn, but with probability ``phrases`` two or three neighbours (with equal
    probability) are drawn together; single tokens fill up the rest.
    """
    allowed = ordinary(batch, vocabulary)
    budget = (batch["mask"].sum(1) * ratio).round().long().clamp(min=1).minimum(allowed.sum(1))
    draw = torch.rand(3, *allowed.shape, generator=generator, device=allowed.device)
    size = 1 + (draw[0] < phrases).long() * (1 + (draw[1] < 0.5).long())
    order = draw[2].masked_fill(~allowed, 2.0).argsort(1)
    drawn = size.gather(1, order)
    left = budget[:, None] - (drawn.cumsum(1) - drawn)
    # The last phrase is shortened to the budget.
    size = torch.zeros_like(size).scatter(1, order, drawn.minimum(left)) * allowed
    chosen = size > 0
    for reach in (1, 2):
        chosen[:, reach:] |= (size > reach)[:, :-reach]
    chosen &= allowed
    # Phrases that overlap or reach an end leave part of the budget unused.
    rank = draw[2].masked_fill(~allowed, 2.0).masked_fill(chosen, -1.0).argsort(1).argsort(1)
    return allowed & (rank < budget[:, None])
