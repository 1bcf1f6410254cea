"""Tested records as the world delivers them: with typos, in capitals, noisy, blurred, compressed.

Every corruption has three severities and is a pure function of the record, the severity and a
seed, so that all contenders meet the same corrupted records. Those of pictures follow Hendrycks
and Dietterich 2019 ("Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations"), with sizes as shares of the picture, so that they mean the same at any side.
"""

from __future__ import annotations

import io
import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import HeadstartError, did_you_mean
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

SEVERITIES = (1, 2, 3)
#: Share of the letters that are changed.
_RATES = {1: 0.02, 2: 0.05, 3: 0.1}
#: Standard deviation of the noise, as a share of full brightness.
_NOISE = {1: 0.04, 2: 0.08, 3: 0.16}
#: Radius of the blur, as a share of the side.
_RADIUS = {1: 0.01, 2: 0.02, 3: 0.04}
_QUALITY = {1: 50, 2: 20, 3: 8}
#: Added to the brightness, as a share of full.
_LIGHT = {1: 0.1, 2: 0.25, 3: 0.4}


def typos(text: str, severity: int, rng: np.random.Generator) -> str:
    """Swap letters with the next, drop letters, and insert letters, a third each."""
    letters = list(text)
    for place in np.flatnonzero(rng.random(len(letters)) < _RATES[severity]):
        slip = rng.integers(3)
        if not letters[place].isalnum():
            continue
        if slip == 0 and place + 1 < len(letters):
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        elif slip == 1:
            letters[place] = ""
        else:
            letters[place] += string.ascii_lowercase[rng.integers(26)]
    return "".join(letters)


def case(text: str, severity: int, rng: np.random.Generator) -> str:
    """Write in small letters (1), in capitals (2), or in either by chance (3)."""
    if severity < 3:
        return text.lower() if severity == 1 else text.upper()
    upper = rng.random(len(text)) < 0.5
    return "".join(c.upper() if up else c.lower() for c, up in zip(text, upper, strict=True))


def whitespace(text: str, severity: int, rng: np.random.Generator) -> str:
    """Put spaces into words, and lose or double those between them."""
    chance = rng.random(len(text))
    rate = _RATES[severity]
    found = []
    for letter, drawn in zip(text, chance, strict=True):
        if letter.isspace():  # there are few of them, so each is hit more often
            found.append("" if drawn < rate else "  " if drawn < 3 * rate else letter)
        else:
            found.append(letter + (" " if drawn < rate / 2 else ""))
    return "".join(found)


def noise(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise to a picture (H,W,3) uint8."""
    drawn = rng.standard_normal(pixels.shape) * (255 * _NOISE[severity])
    return (pixels + drawn).clip(0, 255).round().astype(np.uint8)


def blur(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Blur a picture (H,W,3) uint8 with a Gaussian."""
    from PIL import Image, ImageFilter

    kernel = ImageFilter.GaussianBlur(_RADIUS[severity] * min(pixels.shape[:2]))
    return np.asarray(Image.fromarray(pixels).filter(kernel))


def jpeg(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Compress a picture (H,W,3) uint8 strongly."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY[severity])
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def brightness(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Brighten a picture (H,W,3) uint8 until parts of it are white."""
    return (pixels + 255 * _LIGHT[severity]).clip(0, 255).round().astype(np.uint8)


#: The corruptions of each kind of content, by name.
CORRUPTIONS: dict[str, dict[str, Callable[[Any, int, np.random.Generator], Any]]] = {
    "text": {"typos": typos, "case": case, "whitespace": whitespace},
    "image": {"noise": noise, "blur": blur, "jpeg": jpeg, "brightness": brightness},
}


def asked(names: Sequence[str], content: str) -> list[str]:
    """Return the corruptions that were asked for by name; ``auto`` is all, ``off`` none.

    Raises:
        HeadstartError: a name that this kind of content has no corruption of.
    """
    known = CORRUPTIONS[content]
    if list(names) in (["off"], []):
        return []
    if list(names) == ["auto"]:
        return list(known)
    for name in names:
        if name not in known:
            raise HeadstartError(
                f"option 'corruptions': there is no {name!r} for {content}"
                f"{did_you_mean(name, known)}"
            )
    return list(dict.fromkeys(names))


def corrupt(records: Dataset, content: str, name: str, severity: int, seed: int) -> Dataset:
    """Return the records with their content corrupted, all else as it is.

    A record's corruption depends on its place, the name, the severity and the seed.
    """
    change = CORRUPTIONS[content][name]

    def changed(value: Any, place: int) -> Any:
        rng = np.random.Generator(np.random.PCG64(derive(seed, "corrupt", name, severity, place)))
        if content == "text":
            return change(value, severity, rng) or value
        return _encoded(change(_decoded(value), severity, rng))

    return with_content(
        records, content, [changed(value, place) for place, value in enumerate(records[content])]
    )


def squared(records: Dataset, side: int) -> Dataset:
    """Return pictures as the squares that the encoder sees, so that corruptions work on these."""
    from headstart.modalities.pixel_file import decode_square

    squares = []
    for value, name in zip(records["image"], records["id"], strict=True):
        square = decode_square(value, side)
        if isinstance(square, str):
            raise HeadstartError(f"the picture {name} cannot be decoded: {square}; leave it out.")
        squares.append(_encoded(square.transpose(1, 2, 0)))
    return with_content(records, "image", squares)


def with_content(records: Dataset, content: str, values: list[Any]) -> Dataset:
    """Return the records with other content."""
    from datasets import Dataset

    return Dataset.from_dict({**records[:], content: values}, features=records.features)


def _decoded(value: dict[str, Any]) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(value["bytes"])) as picture:
        return np.asarray(picture)


def _encoded(pixels: np.ndarray) -> dict[str, Any]:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return {"bytes": file.getvalue(), "path": None}
