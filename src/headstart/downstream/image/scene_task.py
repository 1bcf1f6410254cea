"""What detection and segmentation share: whole images in, a head on the encoder's maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from headstart.downstream import Task, TaskDefaults
from headstart.downstream.image.maps import Pyramid, map_encoder
from headstart.downstream.image.scenes import Scenes, at_random, side_for
from headstart.modalities.image.content import IMAGE

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig
    from headstart.encoders import Encoder
    from headstart.modalities import Processor

#: Images per batch.
BATCH_SIZE = 8


class SceneTask(Task):
    """A head on a feature pyramid of an encoder's maps.

    Args:
        pyramid: brings the encoder's maps to :attr:`strides`.
        labels: the classes, in the order of the outputs.
        side: pixels of an image's longer side.

    Attributes:
        strides: pixels between the cells of each level of the pyramid, ascending.
        width: channels of the pyramid.
        longest: default of the longer side of images, small enough for two CPU cores.
        min_steps: fewest steps; the rate must decay before positions become exact.
    """

    content = IMAGE
    needs = frozenset({"maps"})
    fields: ClassVar[tuple[str, ...]] = ()
    eval_batch_size: ClassVar[int] = BATCH_SIZE
    strides: ClassVar[tuple[int, ...]]
    width: ClassVar[int]
    longest: ClassVar[int]
    min_steps: ClassVar[int]

    def __init__(self, pyramid: Pyramid, labels: list[Any], side: int) -> None:
        super().__init__()
        self.labels, self.side = labels, side
        self._pyramid = pyramid.arguments()

    @classmethod
    @abstractmethod
    def labels_in(cls, records: Dataset) -> list[Any]:
        """Return the classes that occur in training records.

        Raises:
            HeadstartError: there are too few.
        """

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for the classes that occur in ``records``.

        Raises:
            HeadstartError: there are too few of them.
        """
        labels = cls.labels_in(records)
        side = config.length or side_for(records, cls.longest)
        return cls(Pyramid.on(encoder, cls.strides, cls.width), labels, side)

    @classmethod
    def defaults(cls, encoder: Encoder, count: int) -> TaskDefaults:
        """Return a schedule of 20 epochs that does not stop early."""
        epoch = -(-count // BATCH_SIZE)
        return {
            "batch_size": BATCH_SIZE,
            "learning_rate": 5e-4,
            "steps": min(max(cls.min_steps, 20 * epoch), 5000),
            "validate_steps": max(50, epoch),
            "patience": 0,
            "layer_decay": 1.0,
        }

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split the images at random, not by label: each has many labels."""
        return at_random(records, share, seed)

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return whole images at the side that the head was trained for."""
        return Scenes(records, self.side).batch(np.arange(len(records)), 0)

    def features(self, encoder: Encoder, batch: Batch) -> list[Tensor]:
        """Return the encoder's maps (B,C,h,w)."""
        return map_encoder(encoder).maps(batch["pixels"])

    def frozen_modules(self, encoder: Encoder) -> list[nn.Module]:
        """Return the batch norms that have statistics from pre-training.

        Batches of few large images give poor statistics, so those of pre-training stay, as is
        usual in detection. A network without pre-training has none, and uses those of its batches.
        """
        return [
            module
            for module in encoder.modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
            and module.running_mean is not None
            and bool(module.running_mean.any())
        ]

    def arguments(self) -> dict[str, Any]:
        """Return labels, side and the shape of the pyramid."""
        return {"labels": self.labels, "side": self.side, "pyramid": self._pyramid}

    @classmethod
    def restored(cls, arguments: dict[str, Any], state: dict[str, Tensor]) -> Self:
        """Return a head on a fresh pyramid."""
        return cls(Pyramid(**arguments["pyramid"]), arguments["labels"], arguments["side"])
