"""Options of ``embed``, ``index`` and ``search``."""

from __future__ import annotations

from pydantic import Field, model_validator

from headstart.config.models import REPLACE
from headstart.config.options import OptionalSource, Source, SourceOptions, Sources, Switch
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


class IndexConfig(SourceOptions):
    """Make an index of records to search in, or change one."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    inputs: Sources = Field(default_factory=list, description="Files, folders or globs.")
    out: Place = Field(
        ...,
        description="Folder of the index; or qdrant:PLACE#NAME, with a URL or a folder, or "
        "pgvector:PLACE#NAME, with postgresql://USER@HOST/DATABASE.",
    )
    add: bool = Field(False, description="Add the inputs to the index that is there.")
    upsert: bool = Field(
        False, description="Add the inputs, in the place of records with the same ids."
    )
    delete: OptionalSource = Field(
        None, description="File with the ids of records to delete, one in each line."
    )
    id_column: str | None = Field(
        None,
        min_length=1,
        description="Column of the inputs that names a record; by default its file and row do.",
    )
    approximate: Switch = Field(
        "auto",
        description="Look into a part of the vectors only; auto: of a million and more, if faiss "
        "is installed. The share of the nearest that is found is measured.",
    )
    overwrite: bool = Field(False, description="Replace the index that --out names.")
    batch_size: int = Field(
        32, ge=1, le=65536, description="Records per batch; more if texts are short."
    )

    @model_validator(mode="after")
    def _one_change(self) -> IndexConfig:
        if [self.add, self.upsert, self.delete is not None, self.overwrite].count(True) > 1:
            raise ValueError("add, upsert, delete and overwrite exclude each other; give one")
        if self.delete is not None and self.inputs:
            raise ValueError("delete takes a file of ids and no inputs; leave out one of both")
        if self.delete is None and not self.inputs and not self.upsert:
            raise ValueError("name what to index: files, folders or globs")
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
        description="Index of `headstart index`, in a folder or a store, or vectors that "
        "`headstart embed` wrote, of the inputs if any are named; else they are computed and "
        "stored.",
    )
    where: str | None = Field(
        None,
        min_length=1,
        description="Which records of an index may be found, by the columns of their sources, such "
        "as 'stars >= 4 and language = en'.",
    )
    out: OptionalPlace = Field(None, description="Write .jsonl, .csv or .parquet; else print.")
    overwrite: bool = Field(False, description=REPLACE)
