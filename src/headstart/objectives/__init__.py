"""The pretext tasks, one family a file; grown by one line in :data:`OBJECTIVES`.

The way of the data through a step::

    rows: what the processor stored            Batch: input_ids, mask  |  pixels
      |
    corrupt(batch, generator)                  hide, shuffle, draw views: a pure function
      |
    forward(batch)                             encoder (kept), then a head (not kept)
      |
    {"loss": scalar, "accuracy": ...}          backward, one optimizer step
      |
    after_step(progress)                       what moves without a gradient

What an objective asks of processor and encoder it says in ``needs``, and nobody asks for a kind of
data: :func:`headstart.objectives.building.check_needs` compares it with what both provide before
anything is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from headstart.registry import Registry

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.config import Options
    from headstart.encoders import Encoder

OBJECTIVES = Registry(
    "objective",
    {
        "mlm": "headstart.objectives.masked:MaskedModeling",
        "clm": "headstart.objectives.causal:CausalModeling",
        "nsp": "headstart.objectives.sentences:NextSentence",
        "sop": "headstart.objectives.sentences:SentenceOrder",
        "bert": "headstart.objectives.bert:BERT",
        "albert": "headstart.objectives.bert:ALBERT",
        "word_order": "headstart.objectives.word_order:WordOrder",
        "electra": "headstart.objectives.replaced:Electra",
        "prefix": "headstart.objectives.prefix:PrefixModeling",
        "unilm": "headstart.objectives.unilm:UniLM",
        "plm": "headstart.objectives.permuted:PermutedModeling",
        "span_corruption": "headstart.objectives.span_corruption:SpanCorruption",
        "bart": "headstart.objectives.bart:BART",
        "gap_sentences": "headstart.objectives.gap_sentences:GapSentences",
        "tsdae": "headstart.objectives.tsdae:TSDAE",
        "simcse": "headstart.objectives.contrastive:SimCSE",
        "contrast": "headstart.objectives.contrastive:Contrast",
        "simclr": "headstart.objectives.contrastive:SimCLR",
        "moco": "headstart.objectives.moco:MoCo",
        "byol": "headstart.objectives.siamese:BYOL",
        "simsiam": "headstart.objectives.siamese:SimSiam",
        "barlow": "headstart.objectives.redundancy:BarlowTwins",
        "vicreg": "headstart.objectives.redundancy:VICReg",
        "dino": "headstart.objectives.dino:DINO",
        "distill": "headstart.objectives.distill:Distill",
        "rotation": "headstart.objectives.rotation:Rotation",
        "relative_position": "headstart.objectives.relative_position:RelativePosition",
        "jigsaw": "headstart.objectives.jigsaw:Jigsaw",
        "colorization": "headstart.objectives.colorization:Colorization",
        "inpainting": "headstart.objectives.inpainting:Inpainting",
        "cpc": "headstart.objectives.predictive:CPC",
        "mae": "headstart.objectives.masked_images:MAE",
        "simmim": "headstart.objectives.masked_images:SimMIM",
        "autoencoder": "headstart.objectives.reconstruction:AutoEncoder",
        "denoising": "headstart.objectives.reconstruction:Denoising",
        "vae": "headstart.objectives.variational:VAE",
        "gan": "headstart.objectives.adversarial:GAN",
        "bigan": "headstart.objectives.adversarial:BiGAN",
    },
    group="headstart.objectives",
    members=("needs", "layout", "Options"),
)


#: Under this name, which is no objective's, lie the options of how several are mixed.
MIXTURE = "mixture"


class Objective(nn.Module, ABC):
    """A pretext task: it owns its encoder and heads, and knows no trainer.

    It is made as ``kind(encoder, processor, options)``. Its state (a queue, a centre, a momentum
    encoder) lies in parameters and buffers, so that a checkpoint holds it without extra code.

    Attributes:
        needs: capabilities asked of processor and encoder, checked before anything runs.
        Options: its hyper-parameters, the paper's values as defaults.
        layout: the rows it wants to see: ``"documents"``, one record a row, or ``"packed"``.
        learning_rate, batch_size: where others than the encoder's suit it.
        alone: it cannot share its encoder with others.
        makes_causal: what it teaches looks to the left only, and is to be saved so.
        encoder: the network that is kept.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    Options: ClassVar[type[Options]]
    layout: str = "documents"
    learning_rate: ClassVar[float | None] = None
    batch_size: ClassVar[int | None] = None
    alone: ClassVar[bool] = False
    makes_causal: ClassVar[bool] = False
    encoder: Encoder

    @classmethod
    def default_options(cls, records: int, batch_size: int) -> dict[str, Any]:
        """Return the options that follow the number of records and the batch size."""
        return {}

    @abstractmethod
    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The pretext task itself: a pure function of the batch and the generator's state."""

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` (scalar) and named scalars of a corrupted batch."""

    if TYPE_CHECKING:

        def __call__(self, batch: Batch) -> dict[str, Tensor]: ...

    def after_step(self, progress: float) -> None:
        """Move what moves without a gradient; ``progress`` runs from 0 to 1."""
        return

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return ``params`` and ``lr`` of each group that learns, and ``betas`` where it must."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return pictures (B,3,h,w) of a corrupted batch by name; none where it shows itself."""
        return {}

    def save_head(self, folder: Path) -> bool:
        """Write what ``generate`` and cloze prompts need; False where there is nothing to write."""
        return False

    @property
    def student(self) -> Encoder:
        """The network that gradients move, where another is kept."""
        return self.encoder

    @property
    def projector(self) -> nn.Module | None:
        """What it puts behind the pooled vector; where that collapses the encoder may follow."""
        return None

    def members(self) -> list[Objective]:
        """Return the objectives that it is made of: itself, or those of a mixture."""
        return [self]
