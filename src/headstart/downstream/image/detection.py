"""Object detection: FCOS on the encoder's feature maps.

FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355) is torchvision's one-stage detector
without anchors: nothing has to be fitted to the size of the user's objects. On 60 images of BCCD,
after 150 steps from scratch, it was better than torchvision's RetinaNet on the same pyramid (mAP
.36 against .29; one seed). Head, targets, losses and non-maximum suppression are torchvision's;
this module connects them to the encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from headstart.downstream.classes import unseen_label
from headstart.downstream.image.maps import Pyramid
from headstart.downstream.image.scene_task import SceneTask
from headstart.downstream.image.scenes import Scenes, View, views_of
from headstart.errors import HeadstartError
from headstart.modalities.image.annotations import read_boxes

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.config import FinetuneConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

#: Convolutions in each tower: torchvision has 4.
DEPTH = 2
#: Initial prediction of the distances to the four sides, in strides. torchvision starts from 0 and
#: applies a ReLU, so that half of the positions never learn.
DISTANCE = 2.0
#: Lowest score of a predicted box, and of a box that counts for the average precision.
THRESHOLD, LOWEST = 0.2, 0.02


class Detection(SceneTask):
    """A feature pyramid and torchvision's FCOS on an encoder's maps."""

    name: ClassVar[str] = "detection"
    keeps_groups: ClassVar[bool] = False
    strides: ClassVar[tuple[int, ...]] = (8, 16, 32)
    width: ClassVar[int] = 96  # torchvision has 256
    longest: ClassVar[int] = 320
    min_steps: ClassVar[int] = 400
    max_learning_rate: ClassVar[float] = 1e-3

    def __init__(self, pyramid: Pyramid, labels: list[str], side: int) -> None:
        from torchvision.models.detection.anchor_utils import AnchorGenerator
        from torchvision.models.detection.fcos import FCOS, FCOSHead

        super().__init__(pyramid, labels, side)
        towers = FCOSHead(pyramid.out_channels, 1, len(labels), num_convs=DEPTH)
        # An anchor is as large as its stride; FCOS measures distances in it.
        anchors = AnchorGenerator(
            tuple((s,) for s in pyramid.strides), ((1.0,),) * len(pyramid.strides)
        )
        self.fcos = FCOS(pyramid, len(labels), anchor_generator=anchors, head=towers)
        nn.init.constant_(towers.regression_head.bbox_reg.bias, DISTANCE)

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read images with boxes, as :mod:`headstart.modalities.image.annotations` does."""
        return read_boxes(source, audit)

    @classmethod
    def labels_in(cls, records: Dataset) -> list[str]:
        """Return the labels of the boxes, in order."""
        labels = sorted({box["label"] for boxes in records["boxes"] for box in boxes})
        if not labels:
            raise HeadstartError(
                "detection needs training records with boxes, and these have none; check --train."
            )
        return labels

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> Rows:
        """Return whole images with ``boxes`` (B,N,4), their ``labels`` (B,N) and ``box_mask``.

        Raises:
            HeadstartError: a label that no training record has.
        """
        return self._scenes(records, seed)

    def _scenes(self, records: Dataset, seed: int | None = None) -> Scenes:
        index = {label: number for number, label in enumerate(self.labels)}
        every = [
            (
                torch.tensor([box["xyxy"] for box in boxes]).reshape(-1, 4),
                torch.tensor([index.get(box["label"], -1) for box in boxes], dtype=torch.long),
            )
            for boxes in records["boxes"]
        ]
        if any((labels < 0).any() for _, labels in every):
            unseen = {box["label"] for boxes in records["boxes"] for box in boxes} - set(index)
            raise unseen_label(min(unseen))

        def marks(indices: Sequence[int], views: Sequence[View], size: tuple[int, int]) -> Batch:
            boxes, labels = [], []
            for number, view in zip(indices, views, strict=True):
                seen, kept = view.boxes(every[number][0])
                boxes.append(seen[kept])
                labels.append(every[number][1][kept])
            real = [torch.ones(len(some), dtype=torch.bool) for some in labels]
            return {
                "boxes": pad_sequence(boxes, True),
                "labels": pad_sequence(labels, True),
                "box_mask": pad_sequence(real, True),
            }

        return Scenes(records, self.side, marks, seed)

    def forward(self, features: list[Tensor], batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, the sum of FCOS's three.

        They are ``classification`` (focal loss), ``regression`` (1 - generalised IoU) and
        ``centerness`` (cross-entropy), each a sum divided by the number of positions in objects.
        """
        outputs, anchors, counts = self._outputs(features, batch)
        with torch.autocast(batch["pixels"].device.type, enabled=False):
            losses = self.fcos.compute_loss(_targets(batch), outputs, anchors, counts)
        named = dict(
            zip(("classification", "regression", "centerness"), losses.values(), strict=True)
        )
        return {"loss": torch.stack(list(named.values())).sum(), **named}

    def found(
        self, features: list[Tensor], batch: Batch, threshold: float
    ) -> list[dict[str, Tensor]]:
        """Return ``boxes`` (n,4), ``scores`` (n,) and ``labels`` (n,) of each image.

        Boxes are in pixels of the batch; a score is sqrt(class probability * centerness).
        """
        outputs, anchors, counts = self._outputs(features, batch)
        self.fcos.score_thresh = threshold
        parted = {name: list(value.split(counts, 1)) for name, value in outputs.items()}
        found: list[dict[str, Tensor]] = self.fcos.postprocess_detections(
            parted, [list(some.split(counts)) for some in anchors], _sizes(batch)
        )
        return found

    def predictions(self, features: list[Tensor], batch: Batch) -> list[dict[str, Any]]:
        """Return ``width``, ``height`` and ``boxes``, the most confident first.

        A box has ``label``, ``score`` and ``xyxy`` in pixels of the original image.
        """
        rows = []
        every = self.found(features, batch, THRESHOLD)
        for view, found in zip(views_of(batch), every, strict=True):
            corners = view.native_boxes(found["boxes"].cpu()).tolist()
            named = [self.labels[label] for label in found["labels"].tolist()]
            boxes = [
                {"label": label, "score": score, "xyxy": [round(x, 2) for x in xyxy]}
                for label, score, xyxy in zip(named, found["scores"].tolist(), corners, strict=True)
            ]
            rows.append({"width": view.native[1], "height": view.native[0], "boxes": boxes})
        return rows

    @torch.no_grad()
    def measure(self, encoder: Encoder, rows: Rows) -> dict[str, float]:
        """Return COCO's mean average precision ``map`` (IoU .5 to .95) and ``map50``, 0..1.

        By torchmetrics and pycocotools, over all rows.
        """
        return _average_precision(
            (self.found(features, batch, LOWEST), _targets(batch))
            for features, batch in self.scan(encoder, rows)
        )

    def alternatives(self, train: Dataset, val: Dataset) -> list[tuple[str, dict[str, float]]]:
        """Return the scores of a detector without a network, at the size of the head's input."""
        from headstart.downstream.image.simple_detection import NAME, detect_simply

        tested = self._scenes(val)
        found = detect_simply(self._scenes(train), tested, len(self.labels))
        truth = (_targets(tested.batch(np.array([index]), 0)) for index in range(len(tested)))
        pairs = (([one], target) for one, target in zip(found, truth, strict=True))
        return [(NAME, _average_precision(pairs))]

    def _outputs(
        self, features: list[Tensor], batch: Batch
    ) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
        """Return outputs of the towers at all positions, the anchors, and positions per level."""
        from torchvision.models.detection.image_list import ImageList

        pixels = batch["pixels"]
        levels = self.fcos.backbone(features, tuple(pixels.shape[2:]))
        outputs = {name: value.float() for name, value in self.fcos.head(levels).items()}
        anchors = self.fcos.anchor_generator(
            ImageList(pixels, _sizes(batch)), [level.float() for level in levels]
        )
        return outputs, anchors, [level.shape[2] * level.shape[3] for level in levels]


def _average_precision(
    pairs: Iterable[tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]],
) -> dict[str, float]:
    """Return ``map`` and ``map50`` of the boxes that were found and those of the truth."""
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(box_format="xyxy", iou_type="bbox", backend="pycocotools")
    for found, truth in pairs:
        metric.update(found, truth)
    scores = metric.compute()
    return {"map": float(scores["map"]), "map50": float(scores["map_50"])}


def _targets(batch: Batch) -> list[dict[str, Tensor]]:
    """Return the real ``boxes`` and ``labels`` of each image."""
    return [
        {"boxes": boxes[real], "labels": labels[real]}
        for boxes, labels, real in zip(
            batch["boxes"], batch["labels"], batch["box_mask"], strict=True
        )
    ]


def _sizes(batch: Batch) -> list[tuple[int, int]]:
    return [(height, width) for height, width in batch["window"].tolist()]
