"""Images as content: bytes, or the path of a file that is opened on demand."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.columnar import holds_bytes
from headstart.data.content import Content
from headstart.data.field import Field
from headstart.data.unit import FILES
from headstart.modalities.file_values import NOT_UTF8 as NOT_UTF8
from headstart.modalities.file_values import FileValues, only, size, struct
from headstart.modalities.image import near
from headstart.modalities.image.arrays import read_arrays
from headstart.modalities.image.decode import npy
from headstart.modalities.image.survey import survey

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

#: Suffixes of image files.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"}
)
#: Modes of Pillow that PNG stores without loss.
_PNG = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_NAMES = (
    *(
        "image",
        "img",
        "picture",
        "photo",
        "pixels",
        "pixel_values",
        "jpg",
        "png",
        "bytes",
        "image_bytes",
    ),
    *("file_name", "filename", "file", "path", "filepath", "file_path", "image_path", "img_path"),
    *("image_file", "image_name", "images"),
)
_IGNORED_TABLES = (
    "tables beside pictures are passed over; to read the pictures and labels that it lists, name "
    "the table itself"
)


_FILES = FileValues("image", "picture", SUFFIXES)
#: Returns the picture that a file in a folder names, which is inside it, or what is wrong.
beside = _FILES.beside
MISSING, OUTSIDE = _FILES.missing, _FILES.outside


def _recognises(name: str, schema: pa.Schema | None) -> bool | None:
    suffix = os.path.splitext(name.lower())[1]
    sure = suffix in SUFFIXES or suffix == ".npz"
    if sure or (schema is not None and any(holds_bytes(column.type) for column in schema)):
        return True
    return None  # a table may name pictures


def _matches(
    background: Dataset, tested: Dataset, notes: list[str], thorough: bool
) -> Iterator[tuple[int, int, bool]]:
    return near.matches(background, tested, notes, most=None if thorough else near.MOST_COMPARED)


def _export(records: Dataset, folder: Path) -> list[str]:
    """Copy the images into ``folder``, which must not exist yet; see :class:`Content`."""
    return _FILES.export(records, folder, _suffix)


def _of_object(value: Any) -> Any:
    """Return the bytes of a picture of Pillow, of an array (H,W) or (H,W,C), or of a file."""
    if isinstance(value, np.ndarray) and value.ndim in (2, 3) and value.dtype.kind in "buif":
        return npy(np.ascontiguousarray(value))
    if hasattr(value, "getbands") and hasattr(value, "save"):
        packed = io.BytesIO()
        if value.mode == "F":
            value.save(packed, format="TIFF")
        else:
            (value if value.mode in _PNG else value.convert("RGB")).save(packed, format="PNG")
        return packed.getvalue()
    return value if isinstance(value, bytes) else None


def _begins(data: bytes) -> bool:
    """Return whether bytes begin as a file of a format that Pillow, or NumPy, reads does."""
    from PIL import Image

    if data.startswith(b"\x93NUMPY"):
        return True
    Image.init()
    accepts = [accept for _, accept in Image.OPEN.values() if accept is not None]
    return len(data) >= 16 and any(accept(data[:16]) is True for accept in accepts)


def _suffix(data: bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return f".{(image.format or 'png').lower()}"


IMAGE = Content(
    name="image",
    fields=(
        Field(
            name="image",
            names=_NAMES,
            fits=_FILES.fits,
            take=_FILES.take,
            type=struct,
            size=size,
            obvious=only,
        ),
    ),
    reads=(
        "JPEG, PNG, WebP, TIFF, GIF or BMP files, .zip, .tar (.tar.gz), .parquet, .npz, a saved "
        "dataset, or .csv, .tsv, .xlsx, .jsonl or .json that name pictures beside them"
    ),
    tables=frozenset({".jsonl", ".json", ".csv", ".tsv"}),
    stores=frozenset({".parquet", ".npz", ".xlsx"}),
    archives=frozenset({".zip", ".tar"}),
    files=SUFFIXES,
    class_files=SUFFIXES,
    columnless={FILES: "holds picture files"},
    ignored_tables=_IGNORED_TABLES,
    recognises=_recognises,
    repeats=near.repeats,
    noun="pictures",
    digests=near.digests,
    matches=_matches,
    near=near.near_pairs,
    survey=survey,
    export=_export,
    readers={".npz": read_arrays},
    rows=64,
    of_object=_of_object,
    begins=_begins,
)
