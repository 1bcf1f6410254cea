"""Pictures: decoded to squares of bytes, and seen through random views of whole batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import Options as NoOptions
from headstart.data.audit import Audit
from headstart.data.overlap import Overlap, overlap
from headstart.data.sources import read
from headstart.errors import HeadstartError
from headstart.modalities import Defaults, Modality, Preview, Request
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.corruptions import CORRUPTIONS, squared

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig, SourceOptions
    from headstart.data.field import Field
    from headstart.modalities import Baseline
    from headstart.modalities.image.processor import ImageProcessor

#: Up to this side pictures are small: networks need not shrink them at once.
SMALL = 64
#: Smallest side that is chosen for small pictures.
SMALLEST = 8


class ImageModality(Modality):
    """Pictures from anywhere."""

    name = "image"
    content = IMAGE
    gives = "pixels"
    protocols = (
        *("classification", "multilabel", "regression", "fewshot", "similarity", "retrieval"),
        "clustering",
    )
    corruptions = CORRUPTIONS
    provides = frozenset({"pixels", "two_views", "multi_crop", "units", "heat_maps"})
    unit = "pixels a side"
    Options = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()
        if find_spec("PIL") is None:
            raise HeadstartError(
                "pictures need the extra `images`: install it with `pip install "
                "'headstart[images]'`."
            )

    def read(
        self,
        sources: list[str],
        options: SourceOptions,
        audit: Audit,
        cache: Path | None = None,
        *,
        fields: Sequence[Field] = (),
    ) -> Dataset:
        """Read sources into records with ``id``, ``image``, and ``label`` where there is one.

        ``image`` is a struct of ``bytes`` and ``path``; files are listed and not opened.
        """
        return read(
            sources,
            content=IMAGE,
            columns=options.columns,
            document="file",
            audit=audit,
            fields=fields,
            cache=cache,
        )

    def inline(self, values: list[str]) -> None:
        """Return nothing: a picture cannot be typed."""

    def readable(self, records: Dataset, processor: ImageProcessor, audit: Audit) -> Dataset:
        """Return the records whose pictures can be decoded; the others are set aside.

        For labeled records, whose places matter: bad pictures among the others give way when
        they are met.
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
                    audit.quarantine(name, found)
        return records if good.all() else records.select(np.flatnonzero(good))

    def defaults(self, request: Request) -> Defaults:
        """Take the fastest learner for small pictures, or one that shrinks large ones early.

        How large they are is the median of the shorter sides of a sample, by their headers.
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
        """Return a processor; pictures have nothing to be fitted."""
        from headstart.modalities.image.processor import ImageProcessor

        return ImageProcessor(length)

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> ImageProcessor:
        """Return a processor for an encoder to go on from, at the size that was decided."""
        from headstart.modalities.image.processor import ImageProcessor

        return ImageProcessor(length)

    def load(self, folder: str | Path) -> ImageProcessor:
        """Reopen the processor of an encoder folder, ours or one of Transformers or timm.

        Raises:
            HeadstartError: nothing there says the size of the pictures.
        """
        from headstart.modalities.image.processor import ImageProcessor

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
        """Decode the pictures into a pixel file, at once or, where that takes long, when read.

        Raises:
            HeadstartError: none can be decoded. Of held-out records (``learn`` is False) then
                nothing is written, and training goes on without them.
        """
        from headstart.modalities.image.pixel_file import write_pixel_file

        try:
            write_pixel_file(folder, records, processor.side, audit)
        except HeadstartError:
            if learn:
                raise

    def quarantine(self, folder: Path) -> dict[str, str]:
        """Return the pictures that could not be decoded when training asked for them."""
        from headstart.modalities.image.pixel_file import noted_aside

        return noted_aside(folder)

    def overlap(self, background: Dataset, tested: Dataset) -> Overlap:
        """Find test pictures that are the same as one of the pre-training, or nearly."""
        return overlap(background, tested, IMAGE)

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return a thumbnail of each picture, with its name."""
        from headstart.modalities.image.thumbnails import thumbnails

        names = map(str, records["id"])
        return [Preview(*shown) for shown in zip(names, thumbnails(records, side), strict=True)]

    def as_seen(self, records: Dataset, length: int) -> Dataset:
        """Return the pictures as the squares that the encoder sees."""
        return squared(records, length)

    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        seed: int,
        progress: Progress | None,
    ) -> list[Baseline]:
        """Return the simple alternatives; see :mod:`headstart.modalities.image.baselines`."""
        from headstart.modalities.image.baselines import image_baselines

        return image_baselines(background, train, test, seed=seed, progress=progress)


def _natural_length(side: float, longest: int) -> int:
    """Return the side that suits the pictures: theirs, but no more than ``longest``.

    It is cut to a multiple of 4, and of 16 from 64 pixels on, which networks can halve.
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
