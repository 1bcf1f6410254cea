"""Sampling images from the generator of a run: VAE, GAN or BiGAN."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headstart.files import check_ending
from headstart.objectives.decoders import ImageGenerator
from headstart.outputs import store_of
from headstart.pages.contact_sheet import COLUMNS, contact_sheet
from headstart.run import RunFolder
from headstart.seeding import generator

if TYPE_CHECKING:
    from headstart.config import GenerateConfig


def draw_images(run: RunFolder, config: GenerateConfig) -> Path:
    """Write a grid of ``config.count`` images sampled from the run's generator; return its path.

    Raises:
        HeadstartError: ``config.out`` is not a PNG.
    """
    out = Path(config.out) if config.out else RunFolder(store_of(run.folder)).samples_file
    check_ending(out, "pictures", (".png",))
    drawn = ImageGenerator.load(run.checked_head()).sample(
        config.count, generator(config.seed, "draw")
    )
    contact_sheet(list(drawn.split(COLUMNS)), out)
    return out
