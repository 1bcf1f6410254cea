"""Drawing pictures from the generator of a run: what a VAE, a GAN or a BiGAN has learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import HeadstartError
from headstart.pages.contact_sheet import COLUMNS, contact_sheet
from headstart.objectives.decoders import ImageGenerator
from headstart.seeding import generator

if TYPE_CHECKING:
    from headstart.run import RunFolder


def draw(run: RunFolder, out: Path, *, count: int = 64, seed: int = 0) -> Path:
    """Write a sheet of ``count`` pictures drawn by the run's generator and return its path.

    Raises:
        HeadstartError: training has not finished, the objective has no generator, or ``out`` is
            no PNG.
    """
    if out.suffix.lower() != ".png":
        raise HeadstartError(f"pictures are written to .png, not to {out.name!r}; change --out.")
    run.require_encoder()
    described = run.head / "head.json"
    if not described.is_file() or "generator" not in json.loads(described.read_text()):
        raise HeadstartError(
            f"{run.folder} cannot draw pictures: its pretext task has no generator; pre-train with "
            "--objective vae, gan or bigan."
        )
    drawn = ImageGenerator.load(run.head).sample(count, generator(seed, "draw"))
    contact_sheet(list(drawn.split(COLUMNS)), out)
    return out
