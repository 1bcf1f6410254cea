"""Reading ``.npz`` files: arrays of images with labels, or images packed into one array."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import IO, Any, NamedTuple, cast

import numpy as np

from headstart.data.block import Block
from headstart.data.columns import option
from headstart.data.streams import BROKEN, Meter, Metered, Unreadable
from headstart.data.unit import Unit
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities.image.decode import depth_of, eight_bits, npy

OBJECTS = "its arrays hold Python objects, which can run code; save plain numbers"
NO_IMAGES = "none of its arrays holds pictures: (N,H,W), (N,H,W,C) or (N,C,H,W) of numbers"
RANGE = "the values of its pictures lie neither in 0..1, nor in -1..1, nor in 0..255"

_PARTS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "extra"}
    | {"unlabeled", "unlabelled"}
)
_IMAGES = ("x", "image", "images", "img", "imgs", "data", "pixels", "jpeg", "jpegs", "png")
_LABELS = ("y", "label", "labels", "target", "targets", "class", "fine_labels")
_CLASSES = ("classes", "class_names", "label_names", "names")
_CHANNELS = (1, 3, 4)
#: Bytes of images in a block.
_BLOCK = 2**23


class _Array(NamedTuple):
    """One array, from its header: its name split into a part (``train``) and a role."""

    name: str
    part: str
    role: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool


def read_arrays(unit: Unit, columns: Mapping[str, str]) -> Iterator[Block]:
    """Yield the images of an ``.npz`` file with their labels.

    Images are an array (N,H,W), (N,H,W,C) or (N,C,H,W) with 1, 3 or 4 channels, or encoded
    images one after another in an array of bytes ``NAME_jpeg`` with their offsets (N+1) in
    ``NAME_offsets``. Labels are an array (N,) that is called ``y``, ``labels`` or the like and
    shares the images' ``train`` or ``test``; an array ``classes`` of strings names them.
    Memory use is constant. Python objects are never read.

    Args:
        unit: its ``part`` is the split or the name of the array, such as ``train`` of
            ``file.npz#train``.
        columns: the arrays of ``image`` and ``label``, where they are not obvious.

    Raises:
        HeadstartError: it is ambiguous which array is meant, or a named one is missing.
        Unreadable: it is broken or a bomb, or holds no images.
    """
    where = unit.name
    with zipfile.ZipFile(unit.path) as archive:
        file = _Npz(archive, Meter.of(unit.path))
        images = _choose(file.arrays, where, unit.part, columns.get("image"))
        offsets = _offsets(file.arrays, images)
        count = offsets.shape[0] - 1 if offsets else images.shape[0]
        labels = _labels(file, where, images, count, columns.get("label"))
        found = _packed(file, images, offsets) if offsets else _plain(file, images)
        first = 0
        for values in found:
            last = first + len(values)
            some = {} if labels is None else {"label": labels[first:last]}
            yield Block(range(first + 1, last + 1), {"image": values, **some})
            first = last


class _Npz:
    """The arrays of a file, read as streams; the meter stops a decompression bomb."""

    def __init__(self, archive: zipfile.ZipFile, meter: Meter) -> None:
        self._archive, self._meter = archive, meter
        self.arrays: dict[str, _Array] = {}
        objects = False
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    array = _header(member.filename.removesuffix(".npy"), stream)
                objects |= array.dtype.hasobject
                if not array.dtype.hasobject:
                    self.arrays[array.name] = array
        if objects and not self.arrays:
            raise Unreadable(OBJECTS)

    def chunks(self, array: _Array, rows: int) -> Iterator[np.ndarray]:
        """Yield the rows of an array, ``rows`` at a time."""
        width = math.prod(array.shape[1:]) * array.dtype.itemsize
        with self._archive.open(f"{array.name}.npy") as packed:
            stream = Metered(packed, self._meter)
            _header(array.name, cast(IO[bytes], stream))
            if array.fortran:
                rows = array.shape[0]
            for start in range(0, array.shape[0], rows):
                count = min(rows, array.shape[0] - start)
                data = _exactly(stream, count * width)
                order = "F" if array.fortran else "C"
                shape = (count, *array.shape[1:])
                yield np.frombuffer(data, array.dtype).reshape(shape, order=order)  # type: ignore[call-overload]

    def forget(self) -> None:
        """Take what was read out of the count: it is read again."""
        self._meter.unpacked = 0

    def whole(self, array: _Array) -> np.ndarray:
        """Return all of an array."""
        parts = list(self.chunks(array, max(1, _BLOCK // max(1, array.dtype.itemsize))))
        return np.concatenate(parts) if parts else np.empty(array.shape, array.dtype)


def _header(name: str, stream: IO[bytes]) -> _Array:
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream)
    except ValueError:
        raise Unreadable(BROKEN) from None
    words = re.split(r"[_\-. ]+", name.lower())
    part = "_".join(word for word in words if word in _PARTS)
    role = "_".join(word for word in words if word not in _PARTS)
    return _Array(name, part, role, shape, dtype, fortran)


def _exactly(stream: Metered, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            raise Unreadable(BROKEN)
        data += more
    return bytes(data)


def _choose(arrays: dict[str, _Array], where: str, part: str | None, column: str | None) -> _Array:
    """Return the array of images, by name, part or role."""
    if column is not None:
        return _named(arrays, where, "image", column)
    if part in arrays:
        return arrays[str(part)]
    fitting = [
        array
        for array in arrays.values()
        if (_is_images(array) or _offsets(arrays, array)) and array.role not in _LABELS
    ]
    if not fitting:
        raise Unreadable(NO_IMAGES)
    if part is not None:
        chosen = [array for array in fitting if array.part == part.lower()]
        if not chosen:
            hint = did_you_mean(
                part, {a.part or a.name for a in fitting} | {a.name for a in fitting}
            )
            raise HeadstartError(f"{where} has no pictures {part!r}{hint}")
        fitting = chosen
    if len({array.part for array in fitting}) == 1:  # roles distinguish images from masks
        ranked = sorted(fitting, key=_rank)
        if len(ranked) == 1 or _rank(ranked[0]) < _rank(ranked[1]):
            return ranked[0]
    names = ", ".join(repr(array.name) for array in fitting)
    example = next((array.part for array in fitting if array.part), fitting[0].name)
    raise HeadstartError(
        f"{where} holds several arrays of pictures ({names}); say which one is meant, as in "
        f"'{where.partition('#')[0]}#{example}'."
    )


def _rank(array: _Array) -> int:
    return _IMAGES.index(array.role) if array.role in _IMAGES else len(_IMAGES)


def _named(arrays: dict[str, _Array], where: str, field: str, name: str) -> _Array:
    if name not in arrays:
        raise HeadstartError(
            f"{where} has no array {name!r}{did_you_mean(name, arrays).rstrip('.')} "
            f"(arrays of Python objects are not read); check {option(field, name)}."
        )
    return arrays[name]


def _is_images(array: _Array) -> bool:
    if array.dtype.kind not in "buif" or not all(array.shape):
        return False
    return len(array.shape) == 3 or (
        len(array.shape) == 4 and (array.shape[3] in _CHANNELS or array.shape[1] in _CHANNELS)
    )


def _offsets(arrays: dict[str, _Array], array: _Array) -> _Array | None:
    """Return the offsets of the images in an array of bytes, or None."""
    if array.dtype != np.uint8 or len(array.shape) != 1:
        return None
    return next(
        (
            other
            for other in arrays.values()
            if other.part == array.part
            and other.role.endswith("offsets")
            and array.role.startswith(other.role.removesuffix("offsets").rstrip("_"))
            and other.dtype.kind in "ui"
            and len(other.shape) == 1
            and other.shape[0] > 1
        ),
        None,
    )


def _labels(
    file: _Npz, where: str, images: _Array, count: int, column: str | None
) -> list[Any] | None:
    """Return a label for each image, or None where there are none."""
    if column is not None:
        chosen = _named(file.arrays, where, "label", column)
        if chosen.shape[:1] != (count,) or math.prod(chosen.shape) != count:
            raise HeadstartError(
                f"the array {column!r} of {where} does not hold one label for each of {count} "
                "pictures; check --column label=COLUMN."
            )
    else:
        fitting = [
            array
            for array in file.arrays.values()
            if array.part == images.part
            and (array.role in _LABELS or array.role.endswith(("_label", "_labels")))
            and array.dtype.kind in "buiU"
            and array.shape[:1] == (count,)
            and math.prod(array.shape) == count
        ]
        if not fitting:
            return None
        chosen = min(fitting, key=lambda a: _LABELS.index(a.role) if a.role in _LABELS else 99)
    values = file.whole(chosen).reshape(-1).tolist()
    names = _classes(file)
    if names is not None and chosen.dtype.kind in "ui" and max(values, default=0) < len(names):
        return [names[value] if value >= 0 else None for value in values]
    return values


def _classes(file: _Npz) -> Sequence[str] | None:
    for name in _CLASSES:
        array = file.arrays.get(name)
        if array is not None and array.dtype.kind == "U" and len(array.shape) == 1:
            return cast(Sequence[str], file.whole(array).tolist())
    return None


def _packed(file: _Npz, images: _Array, offsets: _Array) -> Iterator[list[bytes]]:
    """Yield encoded images, cut at their offsets."""
    limits = file.whole(offsets).astype(np.int64)
    if limits[0] < 0 or (np.diff(limits) < 0).any() or limits[-1] > images.shape[0]:
        raise Unreadable(BROKEN)
    index, start, rest = 0, 0, b""
    for chunk in file.chunks(images, _BLOCK):
        rest += chunk.tobytes()
        end = start + len(rest)
        last = int(np.searchsorted(limits, end, side="right")) - 1
        if last > index:
            cuts = (limits[index : last + 1] - start).tolist()
            yield [rest[a:b] for a, b in pairwise(cuts)]
            rest, start, index = rest[cuts[-1] :], int(limits[last]), last


def _plain(file: _Npz, images: _Array) -> Iterator[list[bytes]]:
    """Yield each image as the bytes of an array (H,W) or (H,W,C), of 8 bits.

    The range of the values is that of the whole array, which is read twice unless it has bytes.
    """
    shape = images.shape
    first = len(shape) == 4 and shape[3] not in _CHANNELS
    rows = max(1, _BLOCK // (math.prod(shape[1:]) * images.dtype.itemsize))
    convert = None if images.dtype in (np.uint8, bool) else _conversion(file, images, rows)
    for chunk in file.chunks(images, rows):
        if first:
            chunk = chunk.transpose(0, 2, 3, 1)
        if convert is None:
            yield [npy(image) for image in np.ascontiguousarray(chunk)]
            continue
        # A picture with a value that is no number is set aside where it is decoded.
        sound = np.isfinite(chunk).all(tuple(range(1, chunk.ndim)))
        made = convert(np.where(sound.reshape(-1, *[1] * (chunk.ndim - 1)), chunk, 0))
        yield [
            npy(np.ascontiguousarray(one if good else given))
            for one, given, good in zip(made, chunk, sound, strict=True)
        ]


def _conversion(file: _Npz, images: _Array, rows: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what brings the values of an array to bytes, from their range."""
    low, high = math.inf, -math.inf
    for chunk in file.chunks(images, rows):
        finite = chunk[np.isfinite(chunk)] if images.dtype.kind == "f" else chunk
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    file.forget()
    if images.dtype.kind in "ui" and low >= 0:
        depth = depth_of(high)
        return lambda values: eight_bits(values, depth)
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        shift, scale = 0.0, 255.0
    elif images.dtype.kind == "f" and low >= -1 and high <= 1:
        shift, scale = 1.0, 127.5
    elif low >= 0 and high <= 255:
        shift, scale = 0.0, 1.0
    else:
        raise Unreadable(RANGE)
    return lambda values: np.rint(((values + shift) * scale).clip(0, 255)).astype(np.uint8)
