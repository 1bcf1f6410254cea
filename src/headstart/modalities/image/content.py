"""Images as content: bytes, or the path of a file that is opened on demand."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.block import Located
from headstart.data.columnar import holds_bytes
from headstart.data.content import Content
from headstart.data.field import Field
from headstart.data.located import inside
from headstart.data.streams import EMPTY, FREE
from headstart.data.unit import FILES
from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.modalities.image import near
from headstart.modalities.image.arrays import read_arrays
from headstart.modalities.image.decode import npy
from headstart.modalities.image.survey import survey

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.unit import Unit

#: Suffixes of image files.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"}
)
#: Most bytes of one picture.
LARGEST = FREE

NO_IMAGE = "it has no picture"
NOT_IMAGE = "its picture is neither bytes nor the path of a file"
MISSING = "the picture that it names does not exist"
OUTSIDE = "the picture that it names lies outside the folder of its file; move it inside"
NOT_UTF8 = "its path is not UTF-8; rename it"
TOO_LARGE = f"its picture is larger than {LARGEST // 2**20} MiB; make it smaller"

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


def _take(value: Any, unit: Unit) -> tuple[Any, str | None]:
    if isinstance(value, Located):
        return _by_path(str(value))
    if isinstance(value, bytes):
        return _bytes(value, None)
    if isinstance(value, dict):
        name = value.get("path") if isinstance(value.get("path"), str) else None
        if isinstance(value.get("bytes"), bytes):
            return _bytes(value["bytes"], name)
        value = name
    if isinstance(value, str):
        return beside(value, unit.path.parent)
    return None, NO_IMAGE if value is None else NOT_IMAGE


def _bytes(value: bytes, name: str | None) -> tuple[Any, str | None]:
    if not value:
        return None, EMPTY
    return ({"bytes": value, "path": name}, None) if len(value) <= LARGEST else (None, TOO_LARGE)


def _by_path(path: str) -> tuple[Any, str | None]:
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:
            return None, NOT_UTF8
    return {"bytes": None, "path": path}, None


def beside(name: str, folder: Path) -> tuple[Any, str | None]:
    """Return the picture that a file in ``folder`` names, which is inside it, or what is wrong."""
    path = inside(name, folder)
    if path is None:
        return None, OUTSIDE
    return _by_path(path) if os.path.isfile(path) else (None, MISSING)


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return os.path.splitext(value.strip().lower())[1] in SUFFIXES
    if isinstance(value, dict):
        return not value.keys().isdisjoint({"bytes", "path"})
    return isinstance(value, bytes)


def _only(columns: Mapping[str, Sequence[Any]]) -> str | None:
    return next(iter(columns)) if len(columns) == 1 else None


def _size(value: dict[str, Any]) -> int:
    return 100 if value["bytes"] is None else len(value["bytes"])


def _type() -> pa.DataType:
    import pyarrow as pa

    return pa.struct([("bytes", pa.binary()), ("path", pa.string())])


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
    if folder.exists():
        raise HeadstartError(f"{folder} exists already; choose another --out, or move it.")
    names = []
    with whole_folder(folder) as partial:
        for number, value in enumerate(records["image"], start=1):
            data = value["bytes"]
            if data is None:
                data = Path(value["path"]).read_bytes()
            suffix = os.path.splitext(value["path"] or "")[1].lower() or _suffix(data)
            name = f"{number:04}{suffix}"
            (partial / name).write_bytes(data)
            names.append(f"{folder.name}/{name}")
    return names


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
            fits=_fits,
            take=_take,
            type=_type,
            size=_size,
            obvious=_only,
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
)
