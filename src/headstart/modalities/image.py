"""Pictures: decoded to squares of bytes, and seen through random views of whole batches."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from headstart.batch import Batch, Rows
from headstart.data.audit import Audit
from headstart.data.overlap import Overlap, overlap
from headstart.data.sources import read
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.modalities.pixel_file import (
    PixelFile,
    PixelRows,
    decode_square,
    noted_aside,
    sample_sides,
    write_pixel_file,
)

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import PretrainConfig, SourceOptions

#: Bytes of decoded pictures that are remembered, so that rivals who are compared on the same
#: pictures do not decode them again.
REMEMBERED = 2**28
#: Smallest side that is chosen for small pictures.
SMALLEST = 8
#: From this side on small pictures have views that are smaller still.
VIEWED = 32
#: Up to this side pictures are small: networks need not shrink them at once.
SMALL = 64


class ImageProcessor:
    """The side of the square that an encoder sees, and what objectives and loaders ask of it.

    Args:
        size: pixels a side, S.
    """

    provides = frozenset({"pixels", "two_views", "multi_crop"})

    def __init__(self, size: int) -> None:
        self.size = size

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open a pixel file: ``pixels`` (n,3,S',S') uint8, S' >= S; ``layout`` makes no change."""
        return PixelRows(PixelFile(folder))

    def collate(self, records: Dataset, length: int) -> Batch:
        """Decode records into ``pixels`` (B,3,length,length) uint8.

        The shorter side is resized to ``length``, and the centre square is kept.

        Raises:
            HeadstartError: a picture cannot be decoded; see :meth:`ImageModality.readable`.
        """
        rows = records[:]
        pixels = np.empty((len(rows["id"]), 3, length, length), dtype=np.uint8)
        for place, (name, value) in enumerate(zip(rows["id"], rows["image"], strict=True)):
            picture = _SQUARES.get(value, length)
            if isinstance(picture, str):
                raise HeadstartError(
                    f"the picture {name} cannot be decoded: {picture}; leave it out."
                )
            pixels[place] = picture
        return {"pixels": torch.from_numpy(pixels)}

    def views(
        self,
        batch: Batch,
        generator: torch.Generator,
        kind: str,
        *,
        local: int = 0,
        side: int | None = None,
    ) -> tuple[Batch, ...]:
        """Return two views (B,3,V,V) in 0..1 and ``local`` small crops of each picture.

        V is ``side``. Small pictures have views of three quarters of theirs by default: crops
        show things enlarged, so networks do best that meet whole pictures later at a larger side
        (Touvron et al. 2019, "Fixing the train-test resolution discrepancy"), and nearly twice as
        many are seen in a minute.
        """
        from headstart.modalities.image_views import views

        if side is None:
            small = VIEWED <= self.size <= SMALL
            side = self.size * 3 // 4 // 4 * 4 if small else self.size
        return views(batch, generator, kind, side, local=local)

    def augment(self, batch: Batch, generator: torch.Generator, kind: str = "weak") -> Batch:
        """Return one view (B,3,S,S) in 0..1 of each picture."""
        from headstart.modalities.image_views import augment

        return augment(batch, generator, kind, self.size)

    def save(self, folder: Path) -> None:
        """Write ``image.json``."""
        write_json(folder / "image.json", {"size": self.size})


class ImageModality:
    """Pictures from anywhere."""

    name = "image"
    content = "image"
    unit = "pixels a side"
    default_objective = "simclr"
    encoder_for: ClassVar[Mapping[str, str]] = {"mae": "vit", "simmim": "vit", "dino": "vit"}
    objective_for: ClassVar[Mapping[str, str]] = {"vit": "mae"}

    def __init__(self) -> None:
        if find_spec("PIL") is None:
            raise HeadstartError(
                "pictures need the extra `images`: install it with `pip install "
                "'headstart[images]'`."
            )

    def read(
        self, sources: list[str], options: SourceOptions, audit: Audit, cache: Path | None = None
    ) -> Dataset:
        """Read sources into records with ``id``, ``image``, and ``label`` where there is one.

        ``image`` is a struct of ``bytes`` and ``path``; files are listed and not opened.
        """
        return read(
            sources,
            content="image",
            content_column=options.image_column,
            label_column=options.label_column,
            document="file",
            audit=audit,
            cache=cache,
        )

    def readable(self, records: Dataset, processor: ImageProcessor, audit: Audit) -> Dataset:
        """Return the records whose pictures can be decoded; the others are set aside.

        For labeled records, whose places matter: bad pictures among the others give way when
        they are met.
        """
        good = np.zeros(len(records), dtype=bool)
        for start in range(0, len(records), 256):
            rows = records[start : start + 256]
            for place, (name, value) in enumerate(
                zip(rows["id"], rows["image"], strict=True), start
            ):
                found = _SQUARES.get(value, processor.size)
                good[place] = not isinstance(found, str)
                if isinstance(found, str):
                    audit.set_aside(name, found)
        return records if good.all() else records.select(np.flatnonzero(good))

    def default_encoder(self, records: Dataset) -> str:
        """Return the fastest learner for small pictures, or one that shrinks large ones early."""
        sides = sample_sides(records)
        return "plain" if len(sides) and np.median(sides) <= SMALL else "conv"

    def natural_length(self, records: Dataset, longest: int) -> int:
        """Return the side that suits the pictures: theirs, but no more than ``longest``.

        That is the median of the shorter sides of a sample, by their headers; cut to a multiple
        of 4, and of 16 from 64 pixels on, which networks can halve.
        """
        sides = sample_sides(records)
        if not len(sides) or np.median(sides) >= longest:
            return longest
        side = int(np.median(sides))
        return max(SMALLEST, side - side % (16 if side >= 64 else 4))

    def fit(
        self, records: Dataset, config: PretrainConfig, wish: Any, length: int
    ) -> ImageProcessor:
        """Return a processor; pictures have nothing to be fitted."""
        return ImageProcessor(length)

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> ImageProcessor:
        """Return a processor for an encoder to go on from, at the size that was decided."""
        return ImageProcessor(length)

    def load(self, folder: str | Path) -> ImageProcessor:
        """Reopen the processor of an encoder folder, ours or one of Transformers or timm.

        Raises:
            HeadstartError: nothing there says the size of the pictures.
        """
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
        try:
            write_pixel_file(folder, records, processor.size, audit)
        except HeadstartError:
            if learn:
                raise

    def set_aside(self, folder: Path) -> dict[str, str]:
        """Return the pictures that could not be decoded when training asked for them."""
        return noted_aside(folder)

    def overlap(self, background: Dataset, tested: Dataset) -> Overlap:
        """Find test pictures that are the same as one of the pre-training, or nearly."""
        return overlap(background, tested, "image")


class _Squares:
    """Decoded squares that are remembered until there is no room."""

    def __init__(self) -> None:
        self._held: dict[tuple[Any, ...], np.ndarray] = {}
        self._bytes = 0

    def get(self, value: Mapping[str, Any], side: int) -> np.ndarray | str:
        key = self._key(value, side)
        known = None if key is None else self._held.get(key)
        if known is not None:
            return known
        found = decode_square(value, side)
        if key and not isinstance(found, str) and self._bytes + found.nbytes <= REMEMBERED:
            self._held[key] = found
            self._bytes += found.nbytes
        return found

    def _key(self, value: Mapping[str, Any], side: int) -> tuple[Any, ...] | None:
        if value["bytes"] is not None:
            return hashlib.blake2b(value["bytes"], digest_size=16).digest(), side
        try:
            status = os.stat(value["path"])
        except OSError:
            return None
        return value["path"], status.st_mtime_ns, status.st_size, side


_SQUARES = _Squares()


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
