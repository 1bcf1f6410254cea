"""Masked modeling of discrete tokens (BERT, Devlin et al. 2018, section 3.1)."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from headstart.batch import IGNORE, Batch
from headstart.encoders import TokenEncoder
from headstart.encoders.visibility import visibility
from headstart.modalities import TokenProcessor, Vocabulary
from headstart.objectives import Objective
from headstart.objectives.curriculum import Ratio, Schedule
from headstart.objectives.heads import TokenHead
from headstart.objectives.vocabulary import VocabularyLoss, VocabularyOptions


class MaskedOptions(VocabularyOptions):
    """BERT's values. ModernBERT and MosaicBERT mask 30%."""

    mask_ratio: Ratio = Field(
        0.15, description="Share of the positions to predict; 0.15..0.4 moves over the run."
    )
    mask_share: float = Field(0.8, ge=0, le=1, description="Of these, how many become [MASK].")
    random_share: float = Field(0.1, ge=0, le=1, description="And how many a random token.")
    whole_word: bool = Field(False, description="Hide all tokens of a word together.")
    last_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the rows of which only the last token of each record is hidden, as "
        "where the next one is asked for (BERT4Rec).",
    )

    @model_validator(mode="after")
    def _shares(self) -> MaskedOptions:
        if self.mask_share + self.random_share > 1:
            raise ValueError("mask_share and random_share must not add up to more than 1")
        return self


class MaskedModeling(Objective):
    """Mask some tokens and predict them from the rest; redrawn each time a row is read.

    See Devlin et al. 2018, https://arxiv.org/abs/1810.04805.
    """

    family = "masked prediction"
    needs = frozenset({"vocabulary", "mask_token", "token_embedding", "bidirectional"})
    layout = "packed"
    Options = MaskedOptions
    encoder: TokenEncoder

    def __init__(
        self, encoder: TokenEncoder, processor: TokenProcessor, options: MaskedOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.vocabulary = processor.vocabulary
        self.head = TokenHead(encoder.token_embedding, encoder.width, transform=True)
        self.loss = VocabularyLoss(self.vocabulary, options)
        self.ratio = Schedule(options.mask_ratio)
        self.plain: Tensor
        self.register_buffer("plain", plain_ids(self.vocabulary), persistent=False)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with ``input_ids`` corrupted and ``targets`` (B,T), -100 elsewhere."""
        options = self.options
        ratio = self.ratio.now(self.training)
        chosen = choose(batch, self.vocabulary, ratio, options.whole_word, generator)
        if options.last_share:
            draw = torch.rand(len(chosen), 1, generator=generator, device=chosen.device)
            chosen = torch.where(draw < options.last_share, last(batch, self.vocabulary), chosen)
        shares = (options.mask_share, options.random_share)
        hidden = hide(batch, chosen, mask_of(self.vocabulary), self.plain, shares, generator)
        return self.loss.draw(hidden, generator)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        tokens = self.encoder.contextualize(
            self.encoder.embed(batch), visibility(batch), batch.get("positions")
        )
        return self.loss(self.head, tokens, batch)

    def keep_rows(self) -> list[nn.Parameter]:
        return self.loss.keep_rows(self.encoder.token_embedding, self.head)

    def after_step(self, progress: float) -> None:
        self.ratio.progress.fill_(progress)

    def save_head(self, folder: Path) -> bool:
        """Write the output layer, which ``generate`` and cloze prompts need."""
        self.head.save(folder, "mlm")
        return True


def mask_of(vocabulary: Vocabulary) -> int:
    """Return the id of the mask token; the vocabulary must have one (``mask_token``)."""
    assert vocabulary.mask_id is not None
    return vocabulary.mask_id


def plain_ids(vocabulary: Vocabulary) -> Tensor:
    """Return the ids of all tokens that are not special, from which random tokens are drawn."""
    special = set(vocabulary.special_ids)
    return torch.tensor([i for i in range(vocabulary.size) if i not in special])


def ordinary(batch: Batch, vocabulary: Vocabulary) -> Tensor:
    """Return (B,T) bool: True at real tokens that are not special."""
    ids = batch["input_ids"]
    special = torch.zeros(
        max(vocabulary.size, int(ids.max()) + 1), dtype=torch.bool, device=ids.device
    )
    special[list(vocabulary.special_ids)] = True
    return batch["mask"] & ~special[ids]


def hide(
    batch: Batch,
    chosen: Tensor,
    mask_id: int,
    plain: Tensor,
    shares: tuple[float, float],
    generator: torch.Generator,
) -> Batch:
    """Return the batch with the chosen (B,T) tokens masked, and ``targets`` (B,T).

    Args:
        plain: ids from which random tokens are drawn uniformly.
        shares: of the chosen tokens, the share that becomes ``mask_id`` and the share that becomes
            a random token; the rest is unchanged.
    """
    ids = batch["input_ids"]
    draw = torch.rand(ids.shape, generator=generator, device=ids.device)
    random = plain[torch.randint(len(plain), ids.shape, generator=generator, device=ids.device)]
    hidden = torch.where(draw < shares[0], mask_id, random)
    return {
        **batch,
        "input_ids": torch.where(chosen & (draw < sum(shares)), hidden, ids),
        "targets": torch.where(chosen, ids, IGNORE),
    }


def choose(
    batch: Batch,
    vocabulary: Vocabulary,
    ratio: float,
    whole_word: bool,
    generator: torch.Generator,
) -> Tensor:
    """Return (B,T) bool: exactly ``max(1, round(ratio L))`` positions of each row.

    L is the number of real tokens in the row. Special tokens and padding are never chosen. With
    ``whole_word`` whole words are added in random order up to the same number of *tokens*; a word
    that would exceed it is skipped.
    """
    ids, mask = batch["input_ids"], batch["mask"]
    eligible = ordinary(batch, vocabulary)
    budget = (mask.sum(1) * ratio).round().long().clamp(min=1)
    score = torch.rand(ids.shape, generator=generator, device=ids.device)
    if whole_word:
        return _choose_words(eligible, batch["word_starts"], budget, score)
    rank = score.masked_fill(~eligible, 2.0).argsort(1).argsort(1)
    return eligible & (rank < budget[:, None])


def last(batch: Batch, vocabulary: Vocabulary) -> Tensor:
    """Return (B,T) bool: the last ordinary token of each record of a row."""
    usual = ordinary(batch, vocabulary)
    segments = batch.get("segments", batch["mask"].long())
    # From the right: the record of the ordinary token that came last, 0 for none.
    found = torch.zeros_like(usual)
    after = torch.zeros_like(segments[:, 0])
    for column in reversed(range(usual.shape[1])):
        here, segment = usual[:, column], segments[:, column]
        found[:, column] = here & (segment != after)
        after = torch.where(here, segment, after)
    return found


def _choose_words(eligible: Tensor, starts: Tensor, budget: Tensor, score: Tensor) -> Tensor:
    """Choose words greedily in random order; the loop is over ranks, for all rows at once."""
    previous = nn.functional.pad(eligible[:, :-1], (1, 0))
    begins = eligible & (starts | ~previous)
    word = begins.long().cumsum(1) * eligible  # 0 = no word
    words = int(word.max()) + 1
    size = torch.zeros(len(word), words, dtype=torch.long, device=word.device)
    size.scatter_add_(1, word, eligible.long())
    priority = torch.full((len(word), words), 2.0, device=word.device)
    priority.scatter_reduce_(1, word, score.masked_fill(~begins, 2.0), "amin")
    size[:, 0], priority[:, 0] = 0, 3.0
    order = priority.argsort(1)
    left = budget.clone()
    taken = torch.zeros_like(size, dtype=torch.bool)
    for column in order.unbind(1):
        length = size.gather(1, column[:, None]).squeeze(1)
        fits = (length > 0) & (length <= left)
        taken.scatter_(1, column[:, None], fits[:, None])
        left = left - length * fits
        if not bool((left > 0).any()):
            break
    return taken.gather(1, word) & eligible
