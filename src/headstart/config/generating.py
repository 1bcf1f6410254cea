"""The options of the verb that draws from a model."""

from __future__ import annotations

from pydantic import Field

from headstart.config.blanks import Prompt
from headstart.config.models import REPLACE
from headstart.config.options import Options
from headstart.config.places import OptionalPlace, Place


class GenerateConfig(Options):
    """Continue a prompt, draw images, or write recordings, with a run whose objective can."""

    run: Place = Field(
        ...,
        description="Folder of a run (clm, prefix, unilm, span_corruption, bart, gap_sentences; "
        "images: vae, gan, bigan; recordings: clm with wavenet).",
    )
    prompt: Prompt = Field("", description="Text to continue, or with [MASK] where it has gaps.")
    tokens: int = Field(200, ge=1, le=100_000, description="Most tokens to write.")
    temperature: float = Field(0.8, ge=0, le=100, description="0 takes the most probable token.")
    top_k: int = Field(0, ge=0, description="Sample among this many tokens; 0 means all.")
    count: int = Field(64, ge=1, le=10_000, description="Images to draw, or recordings to write.")
    seconds: float = Field(1.0, gt=0, le=600, description="How long each recording is.")
    out: OptionalPlace = Field(
        None,
        description="File of the images (.png) or of the recordings, one after another (.wav), or "
        "a folder with one file a recording; samples.png or samples.wav in the run by default.",
    )
    overwrite: bool = Field(False, description=REPLACE)
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    quiet: bool = Field(
        False, exclude=True, description="Print the result only, and no progress or notes."
    )
