"""Values that change over a run: ``0.15..0.4`` goes linearly from the first to the second."""

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
    """A linear schedule over progress from 0 to 1."""

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


#: A share between 0 and 1, or a linear schedule of it, written ``0.15..0.4``.
Ratio = Annotated[
    float | Ramp,
    PlainValidator(_ratio),
    PlainSerializer(lambda value: str(value) if isinstance(value, Ramp) else value),
]


class Schedule(nn.Module):
    """A constant or scheduled value; its progress is a buffer, so that checkpoints include it."""

    def __init__(self, value: float | Ramp) -> None:
        super().__init__()
        self.value = value
        self.progress: Tensor
        self.register_buffer("progress", torch.zeros(()))

    def now(self, training: bool) -> float:
        """Return the current value; in validation the final one, so that losses are comparable."""
        if not isinstance(self.value, Ramp):
            return self.value
        progress = float(self.progress) if training else 1.0
        return self.value.begin + (self.value.end - self.value.begin) * progress
