"""Small towers of pictures and captions, and batches for them."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from headstart.encoders import ENCODERS
from headstart.encoders.towers import Tower, TowersEncoder
from headstart.modalities.image.processor import ImageProcessor
from headstart.modalities.pairs.processor import CAPTIONS, PICTURES, PairsProcessor
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.modalities.towers import TowerReader

SIDE, TOKENS = 16, 8
WORDS = ("red", "green", "blue", "grey", "round", "square", "large", "small")


@cache
def processor() -> PairsProcessor:
    """Return a processor of pictures of 16 pixels a side and of captions of eight words."""
    tokenizer = fit_tokenizer(
        [" ".join((*WORDS, "one"))] * 9, kind="word", vocab_size=20, lowercase=True, wrap=False
    )
    pictures = TowerReader("image", ImageProcessor(SIDE), SIDE, "plain", False)
    captions = TowerReader("text", TextProcessor(tokenizer), TOKENS, "light", False)
    return PairsProcessor({PICTURES: pictures, CAPTIONS: captions})


def towers(width: int = 0, hidden: int = 0, is_published: bool = False) -> TowersEncoder:
    """Return small towers, the same at each call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain, light = ENCODERS["plain"], ENCODERS["light"]
        small = plain.Options(widths=(4, 8), pooled=(True, True))
        first = plain.create(small, None, SIDE)
        texts = processor().texts
        second = light.create(light.Options(width=6, sif=10.0), texts, TOKENS)
        return TowersEncoder(
            [
                Tower(PICTURES, first, "image", SIDE, False),
                Tower(CAPTIONS, second, "text", TOKENS, is_published),
            ],
            width,
            hidden,
        )


def batch(rows: int = 8) -> dict[str, torch.Tensor]:
    """Return pictures of one colour each, with captions of one or two words."""
    rng = np.random.default_rng(0)
    texts = [WORDS[index % 8] if index < 8 else f"{WORDS[index % 8]} one" for index in range(rows)]
    pixels = rng.integers(0, 256, (rows, 3, 1, 1)) + rng.integers(-9, 9, (rows, 3, SIDE, SIDE))
    return {
        **processor().caption_batch(texts),
        f"{PICTURES}/pixels": torch.from_numpy(pixels.clip(0, 255).astype(np.uint8)),
    }
