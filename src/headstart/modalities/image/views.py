"""Random views of images, made on whole batches.

A view is drawn first and then rendered: all random numbers come from the generator, for the whole
batch at once, and do not depend on the images. The steps are those of the papers in their order
(crop, flip, jitter, grey, blur, solarize, erase), with two deviations: the parts of the jitter have
the fixed order brightness, contrast, saturation, hue, and every resize is bilinear.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.modalities.image import colour, geometry
from headstart.modalities.image.recipes import Recipe, kind_of, local_side

#: Floats that a CPU core processes at a time, so that they fit in its cache.
CACHE = 200_000

#: The parts of the jitter, in order.
JITTER: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": colour.brightness_,
    "contrast": colour.contrast_,
    "saturation": colour.saturation_,
    "hue": colour.hue_,
}


def views(
    batch: Batch, generator: torch.Generator, kind: str, size: int, *, local: int = 0
) -> tuple[Batch, ...]:
    """Return two global views of each image and then ``local`` small ones (multi-crop).

    Args:
        batch: ``pixels`` (B,3,H,W), bytes or floats 0..1; other entries are dropped.
        generator: the only source of randomness; on the batch's device.
        kind: a name in :data:`KINDS`, or ``auto``.
        size: side of the global views; local ones have :func:`local_side` of it.
        local: number of local views (SwAV, Caron et al. 2020; DINO).

    Returns:
        Batches with ``pixels`` floats 0..1 (B,3,size,size), channels last in memory.

    Raises:
        HeadstartError: there is no such kind.
    """
    first, second, small = kind_of(kind, size)
    recipes = [(first, size), (second, size), *[(small, local_side(size))] * local]
    return tuple({"pixels": render(batch["pixels"], generator, r, side)} for r, side in recipes)


def augment(batch: Batch, generator: torch.Generator, kind: str, size: int) -> Batch:
    """Return one view of each image: the first of :func:`views`."""
    return {"pixels": render(batch["pixels"], generator, kind_of(kind, size).first, size)}


def render(pixels: Tensor, generator: torch.Generator, recipe: Recipe, size: int) -> Tensor:
    """Return one random view (B,3,size,size) of ``pixels`` (B,3,H,W) by any recipe."""
    count, channels, height, width = pixels.shape
    out = torch.empty(
        (count, channels, size, size), device=pixels.device, memory_format=torch.channels_last
    )
    draw = _draw(count, height, width, size, recipe, generator)
    draw = {name: value.to(pixels.device) for name, value in draw.items()}
    if recipe.shift and recipe.scale is None:
        pixels = geometry.mirror_border(pixels, _margin(recipe, height, width))
    on_cpu = pixels.device.type == "cpu"
    portion = CACHE * torch.get_num_threads() // (channels * size * size)
    step = max(1, portion if on_cpu else count)
    for start in range(0, count, step):
        part = slice(start, start + step)
        out[part] = _render(pixels[part], {n: v[part] for n, v in draw.items()}, recipe, size)
    return out


def _draw(
    count: int, height: int, width: int, size: int, recipe: Recipe, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw the parameters of each sample: (count,) or (count,4), on the generator's device."""

    def uniform(low: float, high: float) -> Tensor:
        draw = torch.rand(count, generator=generator, device=generator.device)
        return draw * (high - low) + low

    def coin(probability: float) -> Tensor:
        return uniform(0.0, 1.0) < probability

    draw: dict[str, Tensor] = {}
    if recipe.scale is not None:
        draw["box"] = geometry.draw_boxes(
            count, height, width, recipe.scale, recipe.ratio, generator
        )
    elif recipe.shift:
        margin = _margin(recipe, height, width)
        draw["box"] = geometry.draw_shifts(count, height, width, margin, generator)
    elif recipe.flip:
        whole = torch.tensor([0, 0, height, width], device=generator.device)
        draw["box"] = whole.expand(count, 4)
    draw["flip"] = coin(recipe.flip)
    if recipe.jitter:
        drawn = coin(recipe.jitter)
        for name, neutral, reach in zip(JITTER, (1.0, 1.0, 1.0, 0.0), recipe.strength, strict=True):
            factor = uniform(max(neutral - reach, neutral - 1.0), neutral + reach)
            draw[name] = torch.where(drawn, factor, neutral)
    if recipe.grey:
        draw["grey"] = coin(recipe.grey)
    if recipe.blur:
        draw["blur"], draw["sigma"] = coin(recipe.blur), uniform(*recipe.sigma)
    if recipe.solarize:
        draw["solarize"] = coin(recipe.solarize)
    if recipe.erase:
        block = geometry.draw_boxes(count, size, size, recipe.erase_scale, (0.3, 3.3), generator)
        draw["block"] = block * coin(recipe.erase)[:, None]
    return draw


def _render(pixels: Tensor, draw: dict[str, Tensor], recipe: Recipe, size: int) -> Tensor:
    """Apply the drawn parameters to each sample."""
    if "box" in draw:
        pixels = geometry.crop_resize(pixels, draw["box"], draw["flip"], size)
    else:
        pixels = geometry.resize(pixels, size).clone()
    for name, step in JITTER.items():
        if name in draw:
            step(pixels, draw[name])
    if "grey" in draw:
        _where(draw["grey"], colour.grey_, pixels)
    if "blur" in draw:
        radius = max(1, size // 20)
        _where(draw["blur"], lambda p, s: geometry.blur_(p, s, radius), pixels, draw["sigma"])
    if "solarize" in draw:
        _where(draw["solarize"], lambda p: colour.solarize_(p, recipe.threshold), pixels)
    return geometry.erase_(pixels, draw["block"]) if "block" in draw else pixels


def _where(drawn: Tensor, step: Callable[..., Tensor], pixels: Tensor, *factors: Tensor) -> None:
    """Apply an expensive or rare step, in place, to the drawn samples only.

    On a GPU it is applied to all, since counting the drawn samples would synchronise.
    """
    if pixels.device.type != "cpu":
        _everywhere(drawn, step, pixels, *factors)
        return
    indices = drawn.nonzero()[:, 0]
    if len(indices):
        pixels[indices] = step(pixels[indices], *(factor[indices] for factor in factors))


def _everywhere(
    drawn: Tensor, step: Callable[..., Tensor], pixels: Tensor, *factors: Tensor
) -> None:
    """Apply a step to all samples, and keep its result for the drawn ones."""
    done = step(pixels.clone(), *factors)
    pixels.copy_(torch.where(drawn.view(-1, 1, 1, 1), done, pixels))


def _margin(recipe: Recipe, height: int, width: int) -> int:
    return round(recipe.shift * min(height, width))
