"""The pretext tasks, one family a file; grown by one line in :data:`OBJECTIVES`.

One training step::

    rows: what the processor stored            Batch: input_ids, mask  |  pixels
      |
    corrupt(batch, generator)                  hide, shuffle, draw views: a pure function
      |
    forward(batch)                             encoder (saved), then a head (discarded)
      |
    {"loss": scalar, "accuracy": ...}          backward, one optimizer step
      |
    after_step(progress)                       what moves without a gradient

An objective declares the capabilities it requires of processor and encoder in ``needs``, never a
kind of data; :mod:`headstart.objectives.needs` compares them with what both provide before anything
is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from headstart.registries import OBJECTIVES as OBJECTIVES

if TYPE_CHECKING:
    from headstart.batch import Batch, Rows
    from headstart.config import Options
    from headstart.encoders import Encoder

#: Reserved name for the options that say how several objectives are combined.
MIXTURE = "mixture"
#: End of the name of a scalar that is what guessing reaches in the scalar named before it.
CHANCE = "_chance"


class Objective(nn.Module, ABC):
    """A pretext task: it owns the encoder and its heads, and does not depend on a trainer.

    It is constructed as ``kind(encoder, processor, options)``. Its state (a queue, a centre, a
    momentum encoder) is in parameters and buffers, so that checkpoints include it.

    Attributes:
        family: of the pretext tasks that it belongs to, in lists.
        needs: capabilities required of processor and encoder, checked before anything runs.
        Options: hyper-parameters; the defaults are the paper's values.
        layout: ``"documents"``, one record a row, or ``"packed"``, several records a row.
        learning_rate, batch_size: override the encoder's defaults; None keeps them.
        alone: it cannot be combined with other objectives on one encoder.
        makes_causal: the encoder attends only to the left, and is saved as a causal model.
        encoder: the network that is saved.

    Example::

        class AutoEncoder(Objective):
            needs = frozenset({"pixels"})
            Options = AutoEncoderOptions

            def __init__(self, encoder, processor, options):
                super().__init__()
                self.encoder = encoder
                self.decoder = ImageGenerator(encoder.width, processor.side)

            def corrupt(self, batch, generator):
                return {"pixels": unit_pixels(batch["pixels"])}

            def forward(self, batch):
                drawn = self.decoder(self.encoder.pool(batch)).sigmoid()
                return {"loss": F.mse_loss(drawn, batch["pixels"])}
    """

    family: ClassVar[str] = "other"
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
        """Return defaults that depend on the number of records and the batch size."""
        return {}

    def begin(self, rows: Rows, seed: int) -> None:
        """Fit to the training rows what no gradient moves, before the first step.

        It is the same in every process and whenever a run goes on; by default nothing is fitted.
        """
        return

    @abstractmethod
    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Build the pretext task: a pure function of the batch and the generator's state."""

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` (scalar) and further named scalars for a corrupted batch.

        A scalar ``NAME_chance`` is what guessing reaches in ``NAME``, such as an accuracy: one of
        the classes, or the share of the most frequent one. It is shown beside ``NAME``.
        """

    if TYPE_CHECKING:

        def __call__(self, batch: Batch) -> dict[str, Tensor]: ...

    def after_step(self, progress: float) -> None:
        """Update what gets no gradient, such as a moving average; ``progress`` is in 0..1."""
        return

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return optimizer groups with ``params`` and ``lr``, and ``betas`` if they are special."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    def keep_rows(self) -> list[nn.Parameter]:
        """Have gradients of large tables hold the rows that a step reads, and return the tables.

        It is called once before training, where the optimizer can take them; by default there is
        none.
        """
        return []

    def warning(self, batch: Batch) -> str | None:
        """Return a sentence if these records, not corrupted, suit the task badly; else None."""
        return None

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return images (B,3,h,w) by name that illustrate a corrupted batch; by default none."""
        return {}

    def save_head(self, folder: Path) -> bool:
        """Write the head that ``generate`` and cloze prompts need; False if there is none."""
        return False

    @property
    def student(self) -> Encoder:
        """The network that gradients update; it differs from ``encoder`` in self-distillation."""
        return self.encoder

    @property
    def projector(self) -> nn.Module | None:
        """The projection after the pooled vector, watched for collapse; None without one."""
        return None

    def members(self) -> list[Objective]:
        """Return the objectives it consists of: itself, or those of a mixture."""
        return [self]
