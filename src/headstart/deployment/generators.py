"""Generating with a run: its saved head names the generator."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import HeadstartError
from headstart.objectives.opening import described_head
from headstart.registry import Registry

if TYPE_CHECKING:
    from headstart.config import GenerateConfig
    from headstart.run import RunFolder

#: Each takes a run and a :class:`headstart.config.GenerateConfig`, and returns a text or the path
#: of a file. The names are those of the entry ``generates`` in a saved head.
GENERATORS = Registry(
    "generator",
    {
        "continuation": "headstart.deployment.generate:continue_prompt",
        "images": "headstart.deployment.draw:draw_images",
        "recordings": "headstart.downstream.audio.composing:write_recordings",
    },
    group="headstart.generators",
)

#: Those of :data:`GENERATORS` that hand on what they write: each takes a run and returns a function
#: of a prompt and a :class:`headstart.deployment.writing.Sampling` that yields pieces of text.
STREAMS = Registry(
    "stream",
    {"continuation": "headstart.deployment.generate:open_stream"},
    group="headstart.streams",
)


def generate(run: RunFolder, config: GenerateConfig) -> str | Path:
    """Generate what a run was pre-trained to; see :data:`GENERATORS`.

    Raises:
        HeadstartError: the run generates nothing, or its training has not finished.
    """
    run.require_encoder()
    kind = described_head(run).get("generates")
    if run.config()["verb"] == "finetune":
        raise HeadstartError(
            f"{run.folder} was fine-tuned for its task and generates nothing; use it with "
            f"`headstart predict {shlex.quote(str(run.folder))} INPUT`."
        )
    if kind is None:
        raise HeadstartError(
            f"{run.folder} generates nothing: its pretext task leaves no head that could; "
            "pre-train with --objective clm, prefix, unilm, span_corruption, bart or gap_sentences "
            "to continue texts, with vae, gan or bigan to draw pictures, or with --encoder wavenet "
            "to write recordings."
        )
    found: str | Path = GENERATORS[kind](run, config)
    return found
