"""Display of records, pretext tasks and explanations: the contracts of a kind of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from headstart.pages.markup import Markup, data_address, sound_address

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import RenderableType
    from torch import Tensor

    from headstart.batch import Batch


@dataclass(frozen=True)
class Preview:
    """One record as shown on a page.

    Attributes:
        text: its beginning, or its name where it is not a text.
        image: WebP bytes of a thumbnail, or empty.
        label: its label, or empty.
        sound: MP3 bytes of its beginning, or empty.
    """

    text: str
    image: bytes = b""
    label: str = ""
    sound: bytes = b""

    @property
    def address(self) -> str:
        """The thumbnail as a ``data:`` URL, or empty."""
        return data_address(self.image, "webp") if self.image else ""

    @property
    def heard(self) -> str:
        """The sound as a ``data:`` URL, or empty."""
        return sound_address(self.sound) if self.sound else ""


@dataclass(frozen=True)
class Sheet:
    """The pretext task as images.

    Attributes:
        rows: (n,3,h,w) by name, bytes or floats in 0..1: the records first, and below each the
            input of the network.
    """

    rows: Mapping[str, Tensor]


@dataclass(frozen=True)
class Words:
    """The pretext task as marked pieces.

    Attributes:
        records: of each record its rows, the original first, as ``{"name": str, "pieces": [[piece,
            mark, answer], ...], "spaced": bool}``: pieces are spaced where the spaces between them
            are theirs already; the mark is ``hidden``, ``changed``, ``unknown`` (a piece that
            stands for any the tokenizer does not know) or empty, and the answer is the target of
            the network there, or empty.
    """

    records: Sequence[Sequence[Mapping[str, Any]]]


class Evidence(Protocol):
    """The weights of the units of one record, and their display."""

    @property
    def weights(self) -> Sequence[float]:
        """The contribution of each unit to the score of a class, or its share of the attention."""
        ...

    @property
    def legend(self) -> Sequence[str]:
        """Meaning of the colour of high weights and, if there is one, of low weights."""
        ...

    def summary(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        ...

    def lines(self) -> list[RenderableType]:
        """Return the lines for the console."""
        ...

    def html(self) -> Markup:
        """Return the markup for a page."""
        ...

    def image(self) -> Image | None:
        """Return the image for ``--out X.png``; None where there is none."""
        return None


class Units(Protocol):
    """The parts of one record that an explanation weighs, and removes to check the weights.

    Attributes:
        noun: their name in the plural: "words", "cells".
        count: number of units.
        batch: the record (B=1) as the encoder reads it.
        blank: the same without content, the baseline of integrated gradients.
        tensor: name of the batch's tensor that has the units.
        notes: sentences for the reader.
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

    def contents(self, dropped: Sequence[set[int]]) -> list[Any]:
        """Return the content of the record without each set of units, for other encoders."""
        ...

    def positions(self, weights: Tensor) -> Tensor:
        """Return weights of positions that :meth:`evidence` turns into these of units (count,)."""
        ...

    def evidence(self, weights: Tensor, label: str, *, signed: bool) -> Evidence:
        """Sum the weights of positions into weights of units.

        Args:
            weights: of the shape of ``batch[tensor][0]``, or of the encoder's positions: (T,) in a
                sequence, (h,w) on a map.
            label: the class that is explained.
            signed: whether negative weights are evidence against it.
        """
        ...
