"""Options of ``export``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.config.options import Share, SourceOptions, Sources, Switch
from headstart.config.places import Place


class ExportConfig(SourceOptions):
    """Write an encoder and its head to a folder that works without this library."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    inputs: Sources = Field(
        default_factory=list,
        description="Records that the export is compared on with the original; the run's own by "
        "default.",
    )
    format: str = Field(
        "onnx", description="What opens the folder; `headstart list exports` has all."
    )
    quantize: Literal["none", "int8"] = Field(
        "none", description="int8: weights of 8 bits, a quarter of the size."
    )
    head: Switch = Field(
        "auto", description="Export the head of a fine-tuned run, too; auto: where there is one."
    )
    least_overlap: Share = Field(
        0.97,
        description="Smallest share of each record's ten nearest that must stay so in int8.",
    )
    compared: int = Field(
        1000, ge=20, le=100_000, description="Most records that are compared with the original."
    )
    out: Place = Field(..., description="Folder to write; it must not exist yet.")
    overwrite: bool = Field(False, description="Replace an export that --out names.")
