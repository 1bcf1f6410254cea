"""BERT and ALBERT whole: tokens are hidden in the very pair whose second part is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.encoders import TokenEncoder
from headstart.modalities import TokenProcessor
from headstart.objectives import Objective
from headstart.objectives.heads import answered
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

    The loss is the sum of the two (appendix A.2). ``mlm:1,nsp:1`` has the same tasks, each with
    rows of its own, for twice the work.
    """

    needs = MaskedModeling.needs | NextSentence.needs
    Options: ClassVar[type[MaskedOptions]] = BERTOptions
    encoder: TokenEncoder
    #: The task on the two parts.
    Pairs: ClassVar[Any] = NextSentence

    def __init__(self, encoder: TokenEncoder, processor: TokenProcessor, options: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.masked = MaskedModeling(encoder, processor, options)
        self.pairs = self.Pairs(encoder, processor, options)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return pairs with holes: ``targets`` (B,T), and ``labels`` (B,) of the parts."""
        return self.masked.corrupt(self.pairs.corrupt(batch, generator), generator)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        seen = self.encoder(batch)
        said = answered(self.masked.head, seen.tokens, batch["targets"])
        judged = answered(self.pairs.head, seen.pooled, batch["labels"])
        return {
            "loss": said["loss"] + judged["loss"],
            "masked": said["loss"],
            "accuracy": said["accuracy"],
            "pairs": judged["loss"],
            "pairs_accuracy": judged["accuracy"],
        }

    def after_step(self, progress: float) -> None:
        self.masked.after_step(progress)

    def save_head(self, folder: Path) -> bool:
        """Write the output layer of the masked tokens, which cloze prompts need."""
        return self.masked.save_head(folder)


class ALBERTOptions(MaskedOptions, SentenceOrderOptions):
    """BERT's values for the tokens, ALBERT's for the order (Lan et al. 2020, section 3.1)."""


class ALBERT(BERT):
    """Masked modeling and sentence order on the same rows, in one pass of the encoder.

    These are ALBERT's tasks, on an encoder that need not share its layers as ALBERT does; single
    tokens or words are hidden where the paper hides runs of up to three.
    """

    Options = ALBERTOptions
    encoder: TokenEncoder
    Pairs: ClassVar[Any] = SentenceOrder
