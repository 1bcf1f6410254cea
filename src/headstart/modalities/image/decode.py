"""Decoding images: from a path or bytes of any common format to RGB, or a plain reason."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from headstart.data.streams import EMPTY

if TYPE_CHECKING:
    from PIL.Image import Image

#: Most pixels of an image, checked in its header; Pillow's limit for a warning.
PIXELS = 89_478_485
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")

NOT_IMAGE = "it is no picture of a known kind (JPEG, PNG, WebP, TIFF, GIF or BMP)"
CUT_SHORT = "it is cut short; copy or download it again"
DAMAGED = "it is damaged; copy or download it again"
TOO_LARGE = f"it has more than {PIXELS // 10**6} million pixels; make it smaller"
NO_COLOURS = "its kind of colours is not supported; save it as RGB"
NO_FILE = "the file is gone; restore it, or leave it out of the sources"
NOT_FINITE = "some of its values are not finite numbers"
NEGATIVE = "some of its values are negative; save it with values from 0 on"

#: Transposition for each EXIF orientation (tag 0x0112), by the names of PIL.Image.Transpose.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ORIENTATION = 0x0112
#: Bits per value of cameras, microscopes and scanners.
_DEPTHS = (8, 10, 12, 14, 16)
#: A negative value this small, relative to the highest, comes from rounding.
_ROUNDED = 1e-3
_NPY = b"\x93NUMPY"
#: An image is decoded at no less than this many times the requested side.
SPARE = 2


class BadImage(Exception):
    """An image cannot be decoded; the message is the reason."""


def decode(value: Mapping[str, Any]) -> np.ndarray:
    """Return an image as RGB uint8 (H,W,3).

    Deeper pictures, of 10 to 16 bits as their highest value tells, keep their upper 8 bits; grey,
    palettes and CMYK become RGB, transparency is put on white, an
    animation is its first frame, and the EXIF orientation is applied.

    Args:
        value: ``bytes``, an encoded image or a ``.npy`` array, or else the ``path`` of a file.

    Raises:
        BadImage: it is empty, damaged, truncated, not an image, or too large.
    """
    return np.asarray(_opened(value, None))


def square(value: Mapping[str, Any], side: int) -> np.ndarray:
    """Return the centre square of an image as RGB uint8 (side,side,3).

    Its shorter side is resized to ``side``, with antialiasing (bicubic). The rest is as in
    :func:`decode`; large JPEG files are decoded at a fraction of their size.
    """
    from PIL.Image import Resampling

    image = _opened(value, side)
    width, height = image.size
    if width == height == side:
        return np.asarray(image)
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    return np.asarray(image.resize((side, side), Resampling.BICUBIC, box=box))


class About(NamedTuple):
    """What the header of an image says.

    Attributes:
        format, mode: Pillow's; an array has the format ``"array"`` and as its mode the type of its
            numbers.
        width, height: as stored.
        turned: whether :func:`decode` exchanges width and height (EXIF orientation).
    """

    format: str
    mode: str
    width: int
    height: int
    turned: bool = False


def about(value: Mapping[str, Any]) -> About:
    """Read the header of an image; raises :class:`BadImage`."""
    data = value["bytes"]
    if data is not None and data.startswith(_NPY):
        array = _array(data)
        return About("array", str(array.dtype), array.shape[1], array.shape[0])
    with _file(value) as file:
        image = _header(file)
        return About(str(image.format), image.mode, *image.size, _orientation(image) > 4)


def size(value: Mapping[str, Any]) -> tuple[int, int]:
    """Return (width, height) from the header, as stored; raises :class:`BadImage`."""
    found = about(value)
    return found.width, found.height


def upright(found: About) -> tuple[int, int]:
    """Return (height, width) of the result of :func:`decode`, from what the header says."""
    return (found.width, found.height) if found.turned else (found.height, found.width)


def npy(array: np.ndarray) -> bytes:
    """Return an array (H,W) or (H,W,C) as the bytes of a ``.npy`` file."""
    return _npy_header(array.dtype.str, array.shape) + array.tobytes()


def _opened(value: Mapping[str, Any], side: int | None) -> Image:
    """Return an image in mode RGB, upright, decoded at a scale that suffices for ``side``."""
    from PIL import Image

    data = value["bytes"]
    if data is not None and data.startswith(_NPY):
        return _from_array(_array(data))
    with _file(value) as file:
        image = _header(file)
        try:
            if side is not None and image.format == "JPEG":
                least = SPARE * side / min(image.size)
                image.draft(None, (math.ceil(least * image.width), math.ceil(least * image.height)))
            image.load()
            turn = _TURNS.get(_orientation(image))
            rgb = _rgb(image)
        except BadImage:
            raise
        except Exception as error:  # decoders raise various errors for broken files
            cut = "truncated" in str(error) or isinstance(error, EOFError)
            raise BadImage(CUT_SHORT if cut else DAMAGED) from None
    return rgb.transpose(Image.Transpose[turn]) if turn else rgb


def _file(value: Mapping[str, Any]) -> BinaryIO:
    if value["bytes"] is not None:
        return io.BytesIO(value["bytes"])
    try:
        return open(value["path"], "rb")
    except FileNotFoundError:
        raise BadImage(NO_FILE) from None
    except OSError as error:
        raise BadImage(f"it cannot be read ({error.strerror})") from None


def _header(file: BinaryIO) -> Image:
    """Open an image without decoding it."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise BadImage(TOO_LARGE) from None
    except UnidentifiedImageError:
        file.seek(0)
        raise BadImage(NOT_IMAGE if file.read(1) else EMPTY) from None
    except Exception as error:
        raise BadImage(CUT_SHORT if "truncated" in str(error).lower() else DAMAGED) from None
    if image.width * image.height > PIXELS:
        raise BadImage(TOO_LARGE)
    return image


def _orientation(image: Image) -> int:
    if image.format == "JPEG" and "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata is no fault of the image
        return 1


def _rgb(image: Image) -> Image:
    """Return a loaded image in mode RGB."""
    from PIL import Image

    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image
    if mode.startswith("I") or mode == "F":
        return _from_array(np.asarray(image))
    if mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        if mode == "La":
            image = image.convert("LA")
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    try:
        return image.convert("RGB")
    except ValueError:
        raise BadImage(NO_COLOURS) from None


def _from_array(array: np.ndarray) -> Image:
    """Return an array (H,W) or (H,W,C) as an image, see :func:`eight_bits`; on white."""
    from PIL import Image

    if array.dtype != np.uint8:
        array = _bytes(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    image = Image.fromarray(np.ascontiguousarray(array))
    return image if image.mode == "RGB" else _rgb(image)


def depth_of(highest: float) -> int:
    """Return the bits of a picture with this highest value: 8, 10, 12, 14, 16 or more.

    Cameras and microscopes of 10 to 14 bits store two bytes per value.
    """
    return next((bits for bits in _DEPTHS if highest < 2**bits), int(highest).bit_length())


def eight_bits(values: np.ndarray, depth: int) -> np.ndarray:
    """Return the upper eight of ``depth`` bits of non-negative integers, as uint8."""
    return (values >> max(0, depth - 8)).astype(np.uint8)


def _bytes(array: np.ndarray) -> np.ndarray:
    """Return values as uint8: integers by the bits that they need, floats in 0..1 as shares."""
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise BadImage(NOT_FINITE)
    lowest, highest = values.min(initial=0), values.max(initial=0)
    if lowest < -_ROUNDED * max(1, highest):
        raise BadImage(NEGATIVE)
    if array.dtype.kind in "ui":
        return eight_bits(array, depth_of(highest))
    scale = 255 if highest <= 1 else 1 / 2 ** (depth_of(highest) - 8)
    return np.rint((values * scale).clip(0, 255)).astype(np.uint8)


def _array(data: bytes) -> np.ndarray:
    start = 10 + int.from_bytes(data[8:10], "little")
    dtype, shape = _npy_meaning(data[:start])
    count = math.prod(shape)
    if shape[0] * shape[1] > PIXELS:
        raise BadImage(TOO_LARGE)
    if len(data) < start + count * dtype.itemsize:
        raise BadImage(CUT_SHORT)
    return np.frombuffer(data, dtype, count, start).reshape(shape)


@lru_cache
def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@lru_cache
def _npy_meaning(header: bytes) -> tuple[np.dtype, tuple[int, ...]]:
    """Return type and shape of an array; cached, since headers repeat."""
    try:
        file = io.BytesIO(header)
        version = np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, EOFError):
        raise BadImage(DAMAGED) from None
    channels = shape[2] if len(shape) == 3 else 1
    sound = version == (1, 0) and len(shape) in (2, 3) and min(shape) > 0 and channels in (1, 3, 4)
    if fortran or dtype.hasobject or dtype.kind not in "buif" or not sound:
        raise BadImage(DAMAGED)
    return dtype, shape
