"""What records consist of, where each part has a vector of its own, such as items of histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Parts:
    """The parts that an encoder has a vector of.

    Attributes:
        names: of the N parts.
        vectors: (N,D) float32.
        described: what else is known of each, such as its title; {} for nothing.
        asked: from what a user typed to the indices of the parts that it names; None where it is a
            record, of several parts. It raises a :class:`headstart.errors.HeadstartError` where it
            names no part.
    """

    names: Sequence[str]
    vectors: np.ndarray
    described: Sequence[Mapping[str, Any]]
    asked: Callable[[str], list[int] | None]
