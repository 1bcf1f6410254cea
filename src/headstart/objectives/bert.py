"""BERT and ALBERT in full: masked tokens and a sentence-pair task on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.encoders import TokenEncoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.masked import MaskedModeling, MaskedOptions
from headstart.objectives.sentences import (
    NextSentence,
    NextSentenceOptions,
    SentenceOrder,
    SentenceOrderOptions,
)


class BERTOptions(MaskedOptions, NextSentenceOptions):
    """BERT's values (Devlin et al. 2018, section 3.1), those of both tasks."""


class BERT(Objective):
    """Masked modeling and next sentence on the same rows, in one pass of the encoder.

    The loss is the sum of the two (Devlin et al. 2018, appendix A.2,
    https://arxiv.org/abs/1810.04805). ``mlm:1,nsp:1`` combines the same tasks, each on rows of its
    own, at twice the cost.
    """

    family = "masked prediction"
    needs = MaskedModeling.needs | NextSentence.needs
    Options: ClassVar[type[MaskedOptions]] = BERTOptions
    encoder: TokenEncoder
    #: The sentence-pair task.
    Pairs: ClassVar[Any] = NextSentence

    def __init__(self, encoder: TokenEncoder, processor: TokenProcessor, options: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.masked = MaskedModeling(encoder, processor, options)
        self.pairs = self.Pairs(encoder, processor, options)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return masked pairs with ``targets`` (B,T) of tokens and ``labels`` (B,) of pairs."""
        return self.masked.corrupt(self.pairs.corrupt(batch, generator), generator)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        seen = self.encoder(batch)
        masked = self.masked.loss(self.masked.head, seen.tokens, batch)
        pairs = self.pairs.classify(seen.pooled, batch)
        return {
            "loss": masked["loss"] + pairs["loss"],
            "masked": masked["loss"],
            "accuracy": masked["accuracy"],
            "accuracy_chance": masked["accuracy_chance"],
            "pairs": pairs["loss"],
            "pairs_accuracy": pairs["accuracy"],
            "pairs_accuracy_chance": pairs["accuracy_chance"],
        }

    def keep_rows(self) -> list[nn.Parameter]:
        return self.masked.keep_rows()

    def after_step(self, progress: float) -> None:
        self.masked.after_step(progress)

    def warning(self, batch: Batch) -> str | None:
        """Return that of the sentence-pair task."""
        warning: str | None = self.pairs.warning(batch)
        return warning

    def save_head(self, folder: Path) -> bool:
        """Write the output layer for masked tokens, which cloze prompts need."""
        return self.masked.save_head(folder)


class ALBERTOptions(MaskedOptions, SentenceOrderOptions):
    """BERT's values for the tokens, ALBERT's for the order (Lan et al. 2020, section 3.1)."""


class ALBERT(BERT):
    """Masked modeling and sentence order on the same rows, in one pass of the encoder.

    These are ALBERT's tasks (Lan et al. 2020, https://arxiv.org/abs/1909.11942) on an encoder that
    need not share its layers; single tokens or words are masked, not n-grams of up to three.
    """

    family = "masked prediction"
    Options = ALBERTOptions
    encoder: TokenEncoder
    Pairs: ClassVar[Any] = SentenceOrder
