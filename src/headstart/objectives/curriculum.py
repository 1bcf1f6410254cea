"""Values that move over a run: ``0.15..0.4`` begins at the first and ends at the second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import PlainSerializer, PlainValidator
from torch import Tensor, nn

_RANGE = re.compile(r"\s*([\d.]+?)\s*\.\.\s*(\.?\d[\d.]*)\s*")


@dataclass(frozen=True)
class Ramp:
    """A straight line over progress from 0 to 1."""

    begin: float
    end: float

    def __str__(self) -> str:
        return f"{self.begin}..{self.end}"


def _ratio(value: Any) -> float | Ramp:
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    try:
        ends = [float(end) for end in (found.groups() if found else [value])]
    except (TypeError, ValueError):
        raise ValueError("write a share such as 0.15, or 0.15..0.4 to move over the run") from None
    if not all(0 < end < 1 for end in ends):
        raise ValueError("a share must be greater than 0 and less than 1")
    return Ramp(*ends) if found else ends[0]


#: A share between 0 and 1, or two of them with two dots between: the share over the run.
Ratio = Annotated[
    float | Ramp,
    PlainValidator(_ratio),
    PlainSerializer(lambda value: str(value) if isinstance(value, Ramp) else value),
]


class Course(nn.Module):
    """A value as it is now. How far the run is lies in a buffer, so that a checkpoint holds it."""

    def __init__(self, value: float | Ramp) -> None:
        super().__init__()
        self.value = value
        self.progress: Tensor
        self.register_buffer("progress", torch.zeros(()))

    def now(self, training: bool) -> float:
        """Return the value; in validation the last one, so that losses can be compared."""
        if not isinstance(self.value, Ramp):
            return self.value
        along = float(self.progress) if training else 1.0
        return self.value.begin + (self.value.end - self.value.begin) * along
