"""Pictures with captions as content: a picture, and one or several texts that describe it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.content import Content
from headstart.data.unit import FILES
from headstart.modalities.file_values import content as bytes_of
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.content import SUFFIXES as SUFFIXES
from headstart.modalities.pairs.captions import CAPTIONS, TELLING, keys
from headstart.modalities.pairs.layouts import (
    PAGES,
    SIDECAR,
    block_of_files,
    captions_of_sample,
    read_page,
)
from headstart.modalities.pairs.survey import survey

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.data.unit import Unit

PICTURE = IMAGE.fields[0]
NO_PICTURE = "it has a caption and no picture"
_IGNORED_TABLES = (
    "tables beside pictures are passed over; to read the pictures and captions that it lists, "
    "name the table itself"
)
#: Most records with one caption that are held together: a caption of more says little.
_ALIKE = 50


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _take(value: Any, unit: Unit) -> tuple[Any, str | None]:
    return PICTURE.take(value, unit)


def _recognises(name: str, schema: pa.Schema | None) -> bool | None:
    """A table of pictures with a column of captions; pictures alone are no pairs."""
    if schema is None or TELLING.isdisjoint(each.lower() for each in schema.names):
        return False
    return None  # its values tell


def digests(records: Dataset) -> np.ndarray:
    """Return (n,) uint64, equal for records of the same picture, or the same captions alone."""
    found = np.zeros(len(records), np.uint64)
    at = 0
    for batch in records.select_columns(list(_COLUMNS & {*records.column_names})).iter(256):
        pictures = batch.get("image")
        texts = batch.get("captions") or [None] * len(pictures)
        for picture, captions in zip(pictures or [None] * len(texts), texts, strict=True):
            data = bytes_of(picture) if picture is not None else None
            if data is None:
                data = b"\0".join(sorted(key.tobytes() for key in keys(captions or [])))
            found[at] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
            at += 1
    return found


_COLUMNS = {"image", "captions"}


def has_pictures(records: Dataset) -> np.ndarray:
    """Return (n,) bool, which records have a picture."""
    if "image" not in records.column_names:
        return np.zeros(len(records), dtype=bool)
    parts = [
        batch["image"].is_valid().to_numpy(zero_copy_only=False)
        for batch in records.select_columns(["image"]).with_format("arrow").iter(4096)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def has_captions(records: Dataset) -> np.ndarray:
    """Return (n,) bool, which records have captions."""
    if "captions" not in records.column_names:
        return np.zeros(len(records), dtype=bool)
    return np.array([bool(texts) for texts in records["captions"]], dtype=bool)


def _matches(
    background: Dataset, tested: Dataset, notes: list[str], thorough: bool
) -> Iterator[tuple[int, int, bool]]:
    """Yield duplicates of pictures; records without one have no duplicates."""
    here, there = (np.flatnonzero(has_pictures(each)) for each in (background, tested))
    if not len(here) or not len(there) or IMAGE.matches is None:
        return
    some = background.select(here), tested.select(there)
    for index, match, exact in IMAGE.matches(*some, notes, thorough):
        yield int(here[index]), int(there[match]), exact


def _near(records: Dataset, notes: list[str]) -> np.ndarray:
    """Return pairs of records with nearly the same picture, or with a caption in common."""
    chosen = np.flatnonzero(has_pictures(records))
    found = [chosen[IMAGE.near_pairs(records.select(chosen), notes)]] if len(chosen) else []
    by_caption: dict[int, list[int]] = defaultdict(list)
    for index, texts in enumerate(records["captions"]):
        for key in keys(texts or []).tolist():
            by_caption[key].append(index)
    common = [each for each in by_caption.values() if len(each) > _ALIKE]
    if common:
        notes.append(
            f"{len(common):,} captions are those of more than {_ALIKE} pictures each; they hold no "
            "pictures together."
        )
    links = [(one, each[0]) for each in by_caption.values() if len(each) <= _ALIKE for one in each]
    found.append(np.array(links, dtype=np.int64).reshape(-1, 2))
    return np.concatenate([each.reshape(-1, 2) for each in found]).astype(np.int64)


def _export(records: Dataset, folder: Path) -> list[str]:
    """Copy the pictures into ``folder``; see :class:`Content`."""
    return IMAGE.export(records, folder)


def _of_object(value: Any) -> Any:
    return IMAGE.of_object and IMAGE.of_object(value)


def count_repeats(records: Dataset, audit: Audit) -> int:
    """Return how many pictures have the same bytes as an earlier one."""
    chosen = np.flatnonzero(has_pictures(records))
    return IMAGE.count_repeats(records.select(chosen), audit) if len(chosen) else 0


PAIRS = Content(
    name="pairs",
    fields=(replace(PICTURE, take=_take, is_blank=_is_blank, missing=NO_PICTURE), CAPTIONS),
    reads=(
        "pictures whose captions are in .txt files beside them or in their names, .tar "
        "(WebDataset), .zip, .html with alternative texts, .parquet, a saved dataset, or .csv, "
        ".tsv, .xlsx, .jsonl or .json with pictures and captions"
    ),
    tables=IMAGE.tables,
    stores=frozenset({".parquet", ".xlsx", *PAGES}),
    archives=IMAGE.archives,
    files=SUFFIXES,
    class_files=SUFFIXES,
    columnless={FILES: "holds picture files"},
    ignored_tables=_IGNORED_TABLES,
    recognises=_recognises,
    repeats=count_repeats,
    noun="pictures with captions",
    digests=digests,
    matches=_matches,
    near=_near,
    survey=survey,
    export=_export,
    readers=dict.fromkeys(PAGES, read_page),
    rows=64,
    of_object=_of_object,
    of_files=block_of_files,
    of_sample=captions_of_sample,
    sidecars=frozenset({SIDECAR}),
    stray=NO_PICTURE,
)


#: What a network of pairs reads: pictures, captions, or both. Captions are known by the name of
#: their column alone, as another column of words may be the label.
EITHER = replace(
    PAIRS,
    fields=(
        replace(PAIRS.fields[0], required=False),
        replace(CAPTIONS, required=False, obvious=lambda columns: None),
    ),
    noun="pictures and captions",
)
