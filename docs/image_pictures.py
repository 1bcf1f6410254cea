"""Show what each visual objective does to pictures, from its own ``corrupt``.

Usage: ``python docs/image_pictures.py`` writes ``docs/objectives/*.png``; they change only when the
objectives do. The pictures are parts of the two photographs that come with scikit-learn
(china.jpg, flower.jpg; CC BY 2.0, danielbuechele and vultilion on Flickr).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.encoders.opening import create_encoder
from headstart.modalities.image.processor import ImageProcessor
from headstart.objectives import OBJECTIVES
from headstart.pages.contact_sheet import contact_sheet
from headstart.seeding import generator

FOLDER = Path(__file__).parent / "objectives"
SIDE = 64
#: Corners (photograph, top, left) and sides of the parts that are shown.
#: These corrupt nothing, or need a teacher: there is nothing to show.
PLAIN = {"contrast", "distill", "autoencoder", "vae", "gan", "bigan"}
PARTS = [
    (0, 130, 20, 240),
    (0, 40, 250, 240),
    (0, 170, 380, 256),
    (1, 90, 220, 256),
    (1, 0, 330, 256),
    (0, 0, 0, 400),
]


def photographs() -> Batch:
    """Return ``pixels`` (6,3,64,64) uint8."""
    photos = load_sample_images().images
    parts = []
    for photo, top, left, side in PARTS:
        part = np.ascontiguousarray(photos[photo][top : top + side, left : left + side])
        pixels = torch.from_numpy(part).permute(2, 0, 1)[None].float()
        parts.append(F.interpolate(pixels, size=(SIDE, SIDE), mode="bilinear", antialias=True))
    return {"pixels": torch.cat(parts).round().clamp(0, 255).to(torch.uint8)}


def draw(name: str, batch: Batch) -> None:
    """Write the picture of one objective."""
    kind: Any = OBJECTIVES[name]
    processor = ImageProcessor(SIDE)
    patchwise = "patches" in kind.needs or name == "dino"
    encoder = create_encoder("vit" if patchwise else "plain", {}, processor, length=SIDE, seed=0)
    made = kind(encoder, processor, kind.Options())
    corrupted = made.corrupt(batch, generator(0, "docs"))
    rows = processor.show(batch, corrupted, made.preview_images(corrupted)).rows
    contact_sheet(list(rows.values()), FOLDER / f"{name}.png", names=list(rows))


def main() -> None:
    """Draw every objective that pictures alone can serve."""
    batch = photographs()
    offered = ImageProcessor.provides | {"patches", "grid"}
    for name in OBJECTIVES:
        if OBJECTIVES[name].needs <= offered and name not in PLAIN:
            draw(name, batch)


if __name__ == "__main__":
    main()
