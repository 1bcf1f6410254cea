"""What a record, a pretext task and an explanation look like: the contracts of a kind of data."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import RenderableType
    from torch import Tensor

    from headstart.batch import Batch
    from headstart.pages.markup import Markup


@dataclass(frozen=True)
class Preview:
    """One record as a page shows it.

    Attributes:
        text: its beginning, or its name where it is no text.
        image: WebP bytes of a thumbnail, or empty.
        label: what a person called it, or empty.
    """

    text: str
    image: bytes = b""
    label: str = ""

    @property
    def address(self) -> str:
        """The thumbnail as a ``data:`` address, or nothing."""
        if not self.image:
            return ""
        return "data:image/webp;base64," + base64.b64encode(self.image).decode()


@dataclass(frozen=True)
class Sheet:
    """The pretext task as images.

    Attributes:
        rows: (n,3,h,w) by name, bytes or floats in 0..1: the records first, and below each what
            the network is given in its place.
    """

    rows: Mapping[str, Tensor]


@dataclass(frozen=True)
class Words:
    """The pretext task as marked pieces.

    Attributes:
        records: of each record its rows, the original first, as ``{"name": str, "pieces": [[piece,
            mark, answer], ...]}``: the mark is ``hidden``, ``changed`` or empty, and the answer is
            what the network must say there, or empty.
    """

    records: Sequence[Sequence[Mapping[str, Any]]]


class Evidence(Protocol):
    """What the units of one record weigh, and how that looks."""

    @property
    def weights(self) -> Sequence[float]:
        """Of each unit: what it adds to the score of a class, or its share of the attention."""
        ...

    @property
    def legend(self) -> Sequence[str]:
        """What the colour of high weights means; where there is another, what that means."""
        ...

    def summary(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        ...

    def lines(self) -> list[RenderableType]:
        """Return what the console shows."""
        ...

    def html(self) -> Markup:
        """Return what a page shows."""
        ...

    def image(self) -> Image | None:
        """Return what ``--out X.png`` shows; None where it says nothing as an image."""
        return None


class Units(Protocol):
    """The parts of one record that an explanation weighs, and deletes to check itself.

    Attributes:
        noun: what they are, in the plural: "words", "cells".
        count: how many there are.
        batch: the record (B=1) as the encoder reads it.
        blank: the same with nothing in it, where attributions by gradients begin.
        tensor: the tensor of the batch that the units lie in.
        notes: what a reader should know, in sentences.
    """

    noun: str
    count: int
    batch: Batch
    blank: Batch
    tensor: str
    notes: Sequence[str]

    def without(self, dropped: Sequence[set[int]]) -> Batch:
        """Return one row (B=n) for each set of units: the record without them."""
        ...

    def evidence(self, weights: Tensor, label: str, *, signed: bool) -> Evidence:
        """Gather the weights of positions into weights of units.

        Args:
            weights: of the shape of ``batch[tensor][0]``; or of the places in which the encoder
                sees the record: (T,) in a row, (h,w) on a map.
            label: the class that is explained.
            signed: whether weights below 0 speak against it.
        """
        ...
