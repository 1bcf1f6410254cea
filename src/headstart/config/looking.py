"""The options of the verbs that look at data before anything is trained."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from headstart.config.models import MODALITY_OPTIONS, REPLACE
from headstart.config.options import SourceOptions, Sources
from headstart.config.places import OptionalPlace


class PreviewConfig(SourceOptions):
    """Show what the pretext task makes of the first records, before any training."""

    sources: Sources = Field(..., min_length=1, description="Files, folders or globs.")
    modality: str = Field("auto", description="Kind of data; auto looks at the sources.")
    objective: str = Field("auto", description="Pretext task, or a weighted mixture.")
    encoder: str = Field("auto", description="Encoder name, or the folder of one to start from.")
    length: int | None = Field(None, ge=4, le=65536, description="Tokens per row, or pixels.")
    modality_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description=MODALITY_OPTIONS
    )
    encoder_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the encoder, as --set encoder.KEY=VALUE."
    )
    objective_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Options of an objective, as --set NAME.KEY=VALUE."
    )
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    out: OptionalPlace = Field(
        None, description="Also write it as a page (.html), or as a picture (.png of pictures)."
    )
    overwrite: bool = Field(False, description=REPLACE)


class AuditConfig(SourceOptions):
    """Report on data: sizes, languages, duplicates, quality, and overlap with test data."""

    sources: Sources = Field(..., min_length=1, description="Files, folders or globs.")
    against: Sources = Field(
        default_factory=list, description="Test data that should not occur in the sources."
    )
    modality: str = Field(
        "auto",
        description="Kind of data (see `headstart list modalities`); auto looks at the sources.",
    )
    modality_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description=MODALITY_OPTIONS
    )
    quality: list[str] = Field(
        ["all"], description="Quality rules to count: all, none, a rule or a set, such as gopher."
    )
    sample: int = Field(
        3000, ge=0, description="Records whose language and quality are measured; 0 for all."
    )
    seed: int = Field(0, ge=0, description="Draws the sample.")
    out: OptionalPlace = Field(None, description="Also write it to a .json or .html file.")
    overwrite: bool = Field(False, description=REPLACE)
