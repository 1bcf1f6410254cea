"""Options of ``compress``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from headstart.config.options import BudgetText, OptionalSource, SourceOptions, Sources
from headstart.config.places import Place

#: A number, and the sign of a factor after it or not.
_FACTOR = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[x\u00d7]?\s*")
_MOST = 1000


def _factor(value: Any) -> Any:
    """Return a factor as text; numbers are taken, too.

    Raises:
        ValueError: it is none, or so small or large that nothing could be meant.
    """
    text = f"{value:g}x" if isinstance(value, int | float) else value
    if isinstance(text, str):
        found = _FACTOR.fullmatch(text)
        if found is None or not 1 < float(found[1]) <= _MOST:
            raise ValueError(f"{text!r} is no factor above 1; write for example 4x")
    return text


class CompressConfig(SourceOptions):
    """Make a run smaller and faster, as far as its quality holds."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    inputs: Sources = Field(
        default_factory=list,
        description="Records that the smaller networks learn from and are judged on; the run's own "
        "by default. Labels are read to judge, and never to learn.",
    )
    target: Annotated[str | None, BeforeValidator(_factor)] = Field(
        None, description="How many times as fast on one core, such as 4x."
    )
    max_size: float | None = Field(None, gt=0, description="Most megabytes of the weights.")
    loss: float = Field(
        1.0,
        ge=0,
        le=100,
        description="Most points of quality that may be lost: of accuracy where there are labels, "
        "else of the share of nearest records that stay the same.",
    )
    held_out: OptionalSource = Field(
        None,
        description="Records to judge on, best with labels that the run has not learned from; by "
        "default a part of the inputs, which is not learned from.",
    )
    held_share: float = Field(
        0.2, gt=0, lt=1, description="Share of the inputs that is held out without --held-out."
    )
    judged: int = Field(2000, ge=50, le=100_000, description="Most records that are judged on.")
    budget: BudgetText = Field("3min", description="How long each smaller network learns.")
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    out: Place = Field(..., description="Run folder to write; it must not exist yet.")

    @model_validator(mode="after")
    def _has_target(self) -> Self:
        if self.target is None and self.max_size is None:
            raise ValueError("say what to reach: target, such as 4x, or max_size in megabytes")
        return self

    @property
    def factor(self) -> float | None:
        """The number of ``target``; None without one."""
        found = _FACTOR.fullmatch(self.target or "")
        return float(found[1]) if found else None
