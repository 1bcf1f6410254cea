"""Pictures of squares and discs on noise, with their boxes and masks, and a tiny network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from headstart.encoders.conv import CONV, ConvOptions
from headstart.encoders.timm_models import TimmEncoder

SHAPES = {"square": (220, 60, 40), "disc": (40, 80, 220)}
HEIGHT, WIDTH = 72, 96


def draw(folder: Path, count: int, seed: int = 0) -> Path:
    """Write pictures, masks (0 = ground, 1 = square, 2 = disc) and the files that list them."""
    random = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    lines = []
    for number in range(count):
        image = random.integers(60, 160, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        boxes = []
        for column in random.permutation(3)[: random.integers(1, 4)]:
            side = int(random.integers(16, 29))
            left = int(column * 32 + random.integers(0, 32 - side))
            top = int(random.integers(0, HEIGHT - side))
            label = str(random.choice(list(SHAPES)))
            y, x = np.mgrid[:side, :side] + 0.5 - side / 2
            inside = np.ones((side, side), bool) if label == "square" else np.hypot(x, y) < side / 2
            window = np.s_[top : top + side, left : left + side]
            image[window][inside] = SHAPES[label]
            mask[window][inside] = 1 + list(SHAPES).index(label)
            boxes.append({"label": label, "xyxy": [left, top, left + side, top + side]})
        name = f"{number:03d}"
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
        lines.append({"file": f"images/{name}.png", "mask": f"masks/{name}.png", "boxes": boxes})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "boxes.jsonl").write_text(text, encoding="utf-8")
    return folder


def tiny_conv(seed: int = 0) -> TimmEncoder:
    """Return a small untrained network with maps at strides 2, 4, 8 and 16."""
    torch.manual_seed(seed)
    options = ConvOptions(widths=(16, 24, 32), depths=(1, 1, 1))
    encoder = CONV.create(options, None, 64)
    assert isinstance(encoder, TimmEncoder)
    return encoder
