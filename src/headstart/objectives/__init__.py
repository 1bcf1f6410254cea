"""The pretext tasks, one family a file; grown by one line in :data:`OBJECTIVES`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from headstart.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from headstart.batch import Batch
    from headstart.config import Options

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


class Objective(Protocol):
    """A pretext task: an ``nn.Module`` that owns its encoder and heads, and knows no trainer.

    Attributes:
        needs: capabilities asked of processor and encoder, checked before anything runs.
        layout: ``"packed"`` or ``"documents"``: the rows it wants to see.
        Options: its hyper-parameters, the paper's values as defaults.
        encoder: the network that is kept.

    An objective may also have ``parameter_groups(learning_rate)`` (see
    :func:`headstart.training.optimizers.build`), ``suited(records, batch_size)`` (options that
    follow the data), ``learning_rate`` (where its players need another than the encoder's),
    ``batch_size`` (where another than the encoder's suits it),
    ``shown(batch)`` (pictures of a corrupted batch by name), ``save_head(folder)`` (what
    ``generate`` needs), ``student`` (the network that learns, where another is kept) and
    ``alone = True`` (it cannot share its encoder with others).
    """

    needs: ClassVar[frozenset[str]]
    layout: ClassVar[str]
    Options: ClassVar[type[Options]]
    encoder: nn.Module

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The pretext task itself: a pure function of the batch and the generator's state."""
        ...

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` (scalar) and named scalars of a corrupted batch."""
        ...

    def after_step(self, progress: float) -> None:
        """Move what moves without a gradient; ``progress`` runs from 0 to 1."""
        ...
