"""Options of ``embed`` and ``search``."""

from __future__ import annotations

from pydantic import Field, model_validator

from headstart.config.models import REPLACE
from headstart.config.options import Source, SourceOptions, Sources
from headstart.config.places import OptionalPlace, Place


class EmbedConfig(SourceOptions):
    """Turn records into vectors."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    inputs: Sources = Field(default_factory=list, description="Files, folders or globs.")
    parts: bool = Field(
        False,
        description="Embed what records consist of and has vectors of its own, such as the items "
        "of a run on interactions, instead of inputs.",
    )
    out: OptionalPlace = Field(None, description="File to write: .npy or .parquet; else print.")
    overwrite: bool = Field(False, description=REPLACE)
    batch_size: int = Field(
        32, ge=1, le=65536, description="Records per batch; more if texts are short."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> EmbedConfig:
        if self.parts and self.inputs:
            raise ValueError("parts are embedded without inputs; leave out one of both")
        if not self.parts and not self.inputs:
            raise ValueError("name what to embed: files, folders or globs")
        return self


class SearchConfig(SourceOptions):
    """Find the records that are nearest to a query, by the cosine of their vectors."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    inputs: Sources = Field(
        default_factory=list,
        description="What to search; the sources of the pre-training by default.",
    )
    query: Source = Field(..., description="A file (each of its records is a query), or a text.")
    count: int = Field(10, ge=1, description="Nearest records to return.")
    index: str | None = Field(
        None,
        description="Vectors that `headstart embed` wrote, of the inputs if any are named; else "
        "they are computed and stored.",
    )
    out: OptionalPlace = Field(None, description="Write .jsonl, .csv or .parquet; else print.")
    overwrite: bool = Field(False, description=REPLACE)
