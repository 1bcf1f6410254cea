"""The options of the verb that answers requests over HTTP."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.config.options import Options
from headstart.config.places import OptionalPlace, Places


class ServeConfig(Options):
    """Answer requests over HTTP with one or several runs, until it is stopped."""

    runs: Places = Field(
        ...,
        min_length=1,
        description="Run folders, or any encoder folders; NAME=FOLDER gives one a name of its own.",
    )
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on; any but this machine's own demands --key-file.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    key_file: OptionalPlace = Field(
        None,
        description="File with a key in each line, which nobody else may read; every request needs "
        "one of them.",
    )
    index: str | None = Field(
        None,
        description="Vectors that `headstart embed` wrote, for /search with a single run; by "
        "default what `headstart search` has stored in the run.",
    )
    max_body: float = Field(16, gt=0, le=4096, description="Largest body of a request, in MiB.")
    max_items: int = Field(2048, ge=1, le=100_000, description="Most records of a request.")
    max_queue: int = Field(4096, ge=1, description="Most records that wait to be computed.")
    max_wait: float = Field(10, gt=0, description="Most seconds that a request waits for its turn.")
    max_connections: int = Field(1000, ge=1, description="Most open connections.")
    max_tokens: int = Field(1024, ge=1, description="Most tokens that a request may generate.")
    read_timeout: float = Field(
        30, gt=0, description="Seconds within which a request has to arrive in full."
    )
    batch_wait: float = Field(
        2, ge=0, le=1000, description="Milliseconds that a request may wait for others to join it."
    )
    batch_seconds: float = Field(
        0.1, gt=0, description="About how long a batch is computed, from what earlier ones took."
    )
    threads: int = Field(
        0, ge=0, le=1024, description="Compute threads of the networks; 0 leaves a core for HTTP."
    )
    grace: float = Field(
        30, ge=0, description="Seconds that a stopping server gives to requests that have arrived."
    )
    log: Literal["errors", "requests", "none"] = Field(
        "errors", description="What is logged, always without the contents of requests."
    )
    quiet: bool = Field(
        False, exclude=True, description="Print the result only, and no progress or notes."
    )
