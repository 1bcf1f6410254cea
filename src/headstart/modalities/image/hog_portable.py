"""HOG and mean colours without this library: the same sums in numpy."""

from __future__ import annotations

from dataclasses import replace

from headstart.modalities.image.hog import CELLS, DIRECTIONS
from headstart.modalities.portable import Portable

#: Python as of :mod:`headstart.modalities.image.hog`, of one image. Its ``read`` takes the place of
#: one that returns pixels.
_CODE = f"""

squares, CELLS, TURNS = read, {CELLS}, {DIRECTIONS}
pixel, centre = (np.arange(SIDE) + 0.5) * CELLS / SIDE, np.arange(CELLS)[:, None] + 0.5
triangles = (1 - np.abs(pixel - centre)).clip(min=0) * CELLS / SIDE
edges, pixel = np.arange(CELLS + 1)[:, None] * SIDE / CELLS, np.arange(SIDE)
boxes = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
boxes = boxes.clip(min=0) * CELLS / SIDE


def hog(image):
    padded = np.pad(np.sqrt(image), ((0, 0), (1, 1), (1, 1)), "edge")
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    power = across**2 + down**2
    strongest = power.argmax(0)[None]
    power, across, down = (
        np.take_along_axis(each, strongest, 0)[0] for each in (power, across, down)
    )
    turns = np.arctan2(down, across) * np.float32(TURNS / (2 * np.pi)) % TURNS
    lower, strength = np.floor(turns), np.sqrt(power)
    share, lower = turns - lower, lower.astype(int) % TURNS
    maps = np.zeros((TURNS, SIDE, SIDE), np.float32)
    np.put_along_axis(maps, lower[None], (strength * (1 - share))[None], 0)
    np.put_along_axis(maps, (lower[None] + 1) % TURNS, (strength * share)[None], 0)
    signed = triangles @ (maps @ triangles.T)
    unsigned = signed[: TURNS // 2] + signed[TURNS // 2 :]
    energy = np.pad((unsigned**2).sum(0), 1, "edge")
    parts = []
    for top in (0, 1):
        for left in (0, 1):
            rows = energy[top : top + CELLS] + energy[top + 1 : top + 1 + CELLS]
            block = rows[:, left : left + CELLS] + rows[:, left + 1 : left + 1 + CELLS]
            scaled = np.concatenate([signed, unsigned]) / np.sqrt(block + 1e-4)
            parts.append(scaled.clip(max=0.2))
    textures = [each[:TURNS].sum(0)[None] / np.sqrt(TURNS) for each in parts]
    colours = boxes @ (image @ boxes.T)
    return np.concatenate([sum(parts) / 2, *textures, colours]).ravel()


def read(paths):
    images = np.float32(squares(paths)["pixels"]) / 255
    return {{"features": np.stack([hog(image) for image in images]).astype(np.float32)}}
"""


def portable_hog(images: Portable) -> Portable:
    """Return how images become vectors.

    Args:
        images: how they become squares of pixels.
    """
    return replace(
        images,
        tensors={"features": "vectors"},
        code=images.code + _CODE,
        settings={**images.settings, "features": "HOG and mean colours of cells", "cells": CELLS},
    )
