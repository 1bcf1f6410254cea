"""Images without this library: squares of bytes, as Pillow alone makes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headstart.modalities.image.decode import SPARE
from headstart.modalities.portable import Portable

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "preprocessing.json"
_CODE = f"""\
SIDE = json.loads((HERE / "{FILE}").read_text())["size"]


def square(path):
    image = Image.open(path)
    least = {SPARE} * SIDE / min(image.size)
    image.draft(None, tuple(math.ceil(least * side) for side in image.size))
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    (width, height), short = image.size, min(image.size)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    image = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image).transpose(2, 0, 1)


def read(paths):
    return {{"pixels": np.stack([square(path) for path in paths])}}
"""


def portable_images(side: int) -> Portable:
    """Return how images become the squares that a network of ``side`` pixels reads."""
    return Portable(
        tensors={"pixels": "pixels"},
        lengths={},
        imports=("import math", "from PIL import Image, ImageOps"),
        code=_CODE,
        usage="PICTURE.jpg",
        packages=("pillow",),
        values=_files,
        settings={
            "size": side,
            "crop": "centre square of the whole shorter side",
            "resampling": "bicubic with antialiasing",
            "colours": "RGB, transparency on white",
            "values": "uint8 0..255, channels first; the network normalises them itself",
        },
        limits=("pictures have 8 bits a channel; deeper ones are converted first.",),
    )


def _files(records: Dataset, folder: Path) -> list[str]:
    """Return the files of images; those that are held as bytes are written to the folder."""
    found = []
    for index, value in enumerate(records["image"]):
        if value["bytes"] is None:
            found.append(str(value["path"]))
            continue
        file = folder / f"{index}.png"
        if value["bytes"].startswith(b"\x93NUMPY"):
            from PIL import Image

            from headstart.modalities.image.decode import decode

            Image.fromarray(decode(value)).save(file)
        else:
            file.write_bytes(value["bytes"])
        found.append(str(file))
    return found
