"""Semantic segmentation: a class for every pixel, from the summed levels of a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.downstream.image.maps import Pyramid, resized
from headstart.downstream.image.masks import mean_overlap, runs
from headstart.downstream.image.scene_task import SceneTask
from headstart.downstream.image.scenes import Scenes, View, views_of
from headstart.errors import HeadstartError
from headstart.modalities.image.annotations import read_masks
from headstart.modalities.image.decode import BadImage
from headstart.modalities.image.masks import IGNORED, mask_ids

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.config import FinetuneConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor


class Segmentation(SceneTask):
    """A feature pyramid whose levels are upsampled, summed, and fed to a 3x3 convolution.

    A lighter form of the semantic branch of panoptic feature pyramids (Kirillov et al. 2019,
    section 4, https://arxiv.org/abs/1901.02446). The labels are the ids in the masks, ascending;
    predictions are made at the finest level.
    """

    name: ClassVar[str] = "segmentation"
    endings: ClassVar[tuple[str, ...]] = ("",)
    keeps_groups: ClassVar[bool] = False
    strides: ClassVar[tuple[int, ...]] = (4, 8, 16, 32)
    width: ClassVar[int] = 64
    longest: ClassVar[int] = 256
    min_steps: ClassVar[int] = 300
    max_learning_rate: ClassVar[float] = 2e-3

    def __init__(self, pyramid: Pyramid, labels: list[int], side: int) -> None:
        super().__init__(pyramid, labels, side)
        width = pyramid.out_channels
        self.pyramid = pyramid
        self.mix = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(8, width), nn.ReLU()
        )
        self.classes = nn.Conv2d(width, len(labels), 1)

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read images with masks, as :mod:`headstart.modalities.image.annotations` does."""
        return read_masks(source, audit)

    @classmethod
    def labels_in(cls, records: Dataset) -> list[int]:
        """Return the ids in the masks, ascending."""
        seen = np.zeros(256, dtype=bool)
        for record in records:
            seen[np.unique(_ids(record))] = True
        labels = [label for label in np.flatnonzero(seen).tolist() if label != IGNORED]
        if len(labels) < 2:
            raise HeadstartError(
                f"segmentation needs masks with at least two label ids, but these have {labels}; "
                "check --train."
            )
        return labels

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> Rows:
        """Return whole images with ``labels`` (B,H,W), 255 where pixels are ignored.

        An id that no training record has is ignored.
        """
        return self._scenes(records, seed)

    def _scenes(self, records: Dataset, seed: int | None = None) -> Scenes:
        index = torch.full((256,), IGNORED, dtype=torch.uint8)
        index[torch.tensor(self.labels)] = torch.arange(len(self.labels), dtype=torch.uint8)
        known: dict[int, Tensor] = {}

        def marks(indices: Sequence[int], views: Sequence[View], size: tuple[int, int]) -> Batch:
            labels = torch.full((len(indices), *size), IGNORED, dtype=torch.long)
            for row, number, view in zip(labels, indices, views, strict=True):
                if number not in known:
                    known[number] = torch.from_numpy(_ids(records[number]).copy())
                seen = view.mask(known[number])
                row[: seen.shape[0], : seen.shape[1]] = index[seen.long()]
            return {"labels": labels}

        return Scenes(records, self.side, marks, seed)

    def forward(self, features: list[Tensor], batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, the mean cross-entropy of the labeled pixels, and their ``accuracy``."""
        logits, labels = self.logits(features, batch), batch["labels"]
        judged = labels != IGNORED
        count = judged.sum().clamp(min=1)
        loss = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum") / count
        right = (logits.detach().argmax(1) == labels) & judged
        return {"loss": loss, "accuracy": right.sum() / count}

    def logits(self, features: list[Tensor], batch: Batch) -> Tensor:
        """Return scores (B,classes,H,W) before the softmax."""
        size = batch["pixels"].shape[2:]
        levels = self.pyramid(features, tuple(size))
        finest = tuple(levels[0].shape[2:])
        # (B,width,H/4,W/4) before the classes, (B,classes,H,W) after.
        mixed = self.mix(torch.stack([resized(level, finest) for level in levels]).sum(0))
        return F.interpolate(self.classes(mixed).float(), size, mode="bilinear")

    def predictions(self, features: list[Tensor], batch: Batch) -> list[dict[str, Any]]:
        """Return ``width``, ``height``, ``shares`` of the area by id, and the mask as ``runs``.

        ``runs`` is a run-length encoding, row by row: id, length, id, length, ...
        """
        ids = torch.tensor(self.labels, dtype=torch.uint8)[
            self.logits(features, batch).argmax(1).cpu()
        ]
        rows = []
        for view, found in zip(views_of(batch), ids, strict=True):
            seen = found[: view.window[0], : view.window[1]]
            mask = F.interpolate(seen[None, None], view.native, mode="nearest-exact")[0, 0].numpy()
            counts = np.bincount(mask.ravel(), minlength=256)
            shares = {str(label): float(counts[label] / mask.size) for label in self.labels}
            height, width = view.native
            rows.append({"width": width, "height": height, "shares": shares, "runs": runs(mask)})
        return rows

    @torch.no_grad()
    def measure(self, encoder: Encoder, rows: Rows) -> dict[str, float]:
        """Return ``miou``, the mean over classes of the intersection over union, 0..1.

        By torchmetrics, over all labeled pixels of all rows at the size of the head's input.
        """
        pairs = (
            (self.logits(features, batch).argmax(1), batch["labels"])
            for features, batch in self.scan(encoder, rows)
        )
        return {"miou": mean_overlap(pairs, len(self.labels))}

    def alternatives(self, train: Dataset, val: Dataset) -> list[tuple[str, dict[str, float]]]:
        """Return the score of superpixels without a network, at the size of the head's input."""
        from headstart.downstream.image.simple_segmentation import NAME, segment_simply

        pairs = segment_simply(self._scenes(train), self._scenes(val), len(self.labels))
        return [(NAME, {"miou": mean_overlap(pairs, len(self.labels))})]


def _ids(record: dict[str, Any]) -> np.ndarray:
    try:
        return mask_ids(record["mask"])
    except BadImage as reason:
        raise HeadstartError(
            f"the mask of {record['id']} cannot be read: {reason}; leave it out."
        ) from None
