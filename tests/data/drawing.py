"""Tiny pictures, and reading them as the tests of pictures do it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from headstart.data.audit import Audit
from headstart.data.sources import read
from headstart.errors import HeadstartError
from headstart.modalities.image.content import IMAGE

OPTIONS: dict[str, Any] = {
    "content": IMAGE,
    "columns": {},
    "document": "file",
}


def image_bytes(seed: int = 0, size: tuple[int, int] = (12, 8), kind: str = "PNG") -> bytes:
    """Return an encoded picture of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise), kind)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return an image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def draw(path: Path, seed: int = 0, **options: Any) -> Path:
    """Write a picture of noise, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes(seed, **options))
    return path


def records(*sources: Path | str, audit: Audit | None = None, **options: Any) -> datasets.Dataset:
    """Read pictures."""
    named = [str(source) for source in sources]
    return read(named, audit=audit or Audit(), **OPTIONS | options)


def refusal(*sources: Path | str, **options: Any) -> str:
    """Return the sentence that refuses sources."""
    with pytest.raises(HeadstartError) as caught:
        records(*sources, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and has hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")
