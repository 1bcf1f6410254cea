"""Recipes of random views of images, and the named kinds of views.

Constants are the papers'; where a kind says ``large`` and ``small``, the small one is for images
of at most :data:`SMALL` pixels a side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from headstart.errors import HeadstartError, did_you_mean

#: Up to this side an image is small: no blur, and no crop below a fifth of the area.
SMALL = 64


@dataclass(frozen=True)
class Recipe:
    """The constants of one view; a step whose probability is 0 is left out.

    Attributes:
        scale: smallest and largest share of the area that a crop keeps; None for no crop.
        ratio: smallest and largest width / height of a crop.
        shift: instead of a crop, move the image by up to this share of its side, mirrored border.
        flip: probability of a mirror image, left to right.
        jitter: probability of a change of colours.
        strength: how far brightness, contrast and saturation leave 1, and hue leaves 0 (in turns).
        grey: probability of greyscale.
        blur: probability of a Gaussian blur whose kernel is a tenth of the side.
        sigma: smallest and largest width of the blur, in pixels.
        solarize: probability that what is brighter than ``threshold`` is inverted.
        threshold: where solarization begins, 0..1.
        erase: probability that a block of ``erase_scale`` of the area is blackened.
        erase_scale: smallest and largest share of the area of that block.
    """

    scale: tuple[float, float] | None = None
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    shift: float = 0.0
    flip: float = 0.0
    jitter: float = 0.0
    strength: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    grey: float = 0.0
    blur: float = 0.0
    sigma: tuple[float, float] = (0.1, 2.0)
    solarize: float = 0.0
    threshold: float = 0.5
    erase: float = 0.0
    erase_scale: tuple[float, float] = (0.02, 0.33)


class Kind(NamedTuple):
    """The recipes of the first global view, the second, and every local one."""

    first: Recipe
    second: Recipe
    local: Recipe


#: Share of the area in a local crop (DINO, Caron et al. 2021, section 3.1 and its code).
LOCAL = (0.05, 0.4)

_PLAIN = Recipe(flip=0.5)
# Chen et al. 2020, appendix A: strength (0.8, 0.8, 0.8, 0.2) x s with s = 1; appendix B.9 for
# CIFAR-10: s = 0.5.
_SIMCLR = Recipe(
    (0.08, 1.0), flip=0.5, jitter=0.8, strength=(0.8, 0.8, 0.8, 0.2), grey=0.2, blur=0.5
)
_SIMCLR_SMALL = replace(_SIMCLR, strength=(0.4, 0.4, 0.4, 0.1))
# MoCo v2 (Chen, Fan, Girshick and He 2020, section 3) and its official code.
_MOCO = replace(_SIMCLR, scale=(0.2, 1.0), strength=(0.4, 0.4, 0.4, 0.1))
# Grill et al. 2020, appendix B and table 6: the two views differ in blur and solarization.
_BYOL = replace(_SIMCLR, strength=(0.4, 0.4, 0.2, 0.1), blur=1.0)
_BYOL_SECOND = replace(_BYOL, blur=0.1, solarize=0.2)
# Caron et al. 2021, section 3.2 ("BYOL's, and multi-crop"), constants of the official code.
_DINO, _DINO_SECOND = (replace(view, scale=(0.4, 1.0)) for view in (_BYOL, _BYOL_SECOND))


def _pair(view: Recipe) -> Kind:
    return Kind(view, view, replace(view, scale=LOCAL, shift=0.0))


def _two(first: Recipe, second: Recipe) -> Kind:
    return Kind(first, second, replace(first, scale=LOCAL, blur=min(first.blur, 0.5)))


def _gentle(view: Recipe) -> Recipe:
    """The same view for small images: no blur, no crop below a fifth of the area."""
    scale = None if view.scale is None else (max(0.2, view.scale[0]), view.scale[1])
    return replace(view, scale=scale, blur=0.0)


#: Each kind for large images and for small ones (a side of at most :data:`SMALL` pixels).
KINDS: dict[str, tuple[Kind, Kind]] = {
    "simclr": (_pair(_SIMCLR), _pair(_gentle(_SIMCLR_SMALL))),
    "moco": (_pair(_MOCO), _pair(_gentle(_MOCO))),
    "byol": (_two(_BYOL, _BYOL_SECOND), _two(_gentle(_BYOL), _gentle(_BYOL_SECOND))),
    "dino": (_two(_DINO, _DINO_SECOND), _two(_gentle(_DINO), _gentle(_DINO_SECOND))),
    # Large: MAE's only augmentation (He et al. 2022, appendix A.1). Small: shifts by up to 4 pixels
    # of 32 (He et al. 2016, section 4.2).
    "weak": (_pair(replace(_PLAIN, scale=(0.2, 1.0))), _pair(replace(_PLAIN, shift=1 / 8))),
    "identity": (_pair(Recipe()), _pair(Recipe())),
}

#: The kind of ``auto``.
DEFAULT = "simclr"


def kind_of(name: str, size: int) -> Kind:
    """Return the recipes of a kind of views at ``size`` pixels a side.

    Raises:
        HeadstartError: there is no such kind.
    """
    name = DEFAULT if name == "auto" else name
    if name not in KINDS:
        raise HeadstartError(f"images have no views {name!r}{did_you_mean(name, ['auto', *KINDS])}")
    return KINDS[name][size <= SMALL]


def local_side(size: int) -> int:
    """Return the side of a local crop: 3/7 of ``size`` (96 of 224), a multiple of 4, 8 or 16."""
    step = 4 if size < 64 else 8 if size < 128 else 16
    return max(8, round(size * 3 / 7 / step) * step)
