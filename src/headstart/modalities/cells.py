"""Units of a record that is one tensor of fixed size: equal cells along each dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.errors import HeadstartError
from headstart.modalities import Evidence
from headstart.pages.markup import Markup, tag
from headstart.pages.style import tint

if TYPE_CHECKING:
    from rich.console import RenderableType

    from headstart.batch import Batch

#: Most cells along a dimension.
CELLS = 8
#: Meaning of the two colours, for signed weights and for shares of attention.
LEGEND = {
    True: ("more for it than the average place", "less"),
    False: ("looked at more than the average place", "less"),
}
_SHADES = " ·░▒▓█"
_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
#: Height of a row of cells, or of the curve of a channel, in a drawing of width 100.
_LANE = 12


class Cells:
    """Equal cells of a tensor (1,C,*size); a removed cell takes the mean of its channels.

    Args:
        batch: of one record; other tensors are unchanged.
        tensor: name of the float tensor that is cut into cells.
        noun: name of the cells in the plural.
        cells: most cells along each dimension.
        content: from a row (C,*size) of the tensor to the content of a record, for encoders that
            read it in another way.
        show: returns the evidence, given the weights of all positions (*size), their means in the
            cells (*grid), the class, and whether weights have signs.

    Example, for a kind of data with its own tensor::

        def units(self, record, length):
            batch = self.collate(Dataset.from_list([record]), length)
            return Cells(batch, "series", noun="readings", cells=16)
    """

    notes: Sequence[str] = ()

    def __init__(
        self,
        batch: Batch,
        tensor: str,
        *,
        noun: str = "cells",
        cells: int = CELLS,
        content: Callable[[Tensor], Any] | None = None,
        show: Callable[[Tensor, Tensor, str, bool], Evidence] | None = None,
    ) -> None:
        self.batch, self.tensor, self.noun = batch, tensor, noun
        values = batch[tensor]
        self.size = tuple(values.shape[2:])
        self.grid = tuple(min(cells, length) for length in self.size)
        self.count = torch.Size(self.grid).numel()
        self._cell = _cell_of(self.size, self.grid)
        self._plain = values.mean(tuple(range(2, values.dim())), keepdim=True).expand_as(values)
        self.blank = {**batch, tensor: self._plain}
        self._show, self._content = show or self._evidence, content

    def without(self, dropped: Sequence[set[int]]) -> Batch:
        """Return a row for each set of cells, in which they have the mean of their channels."""
        gone = torch.zeros(len(dropped), self.count, dtype=torch.bool)
        for row, cells in enumerate(dropped):
            gone[row, list(cells)] = True
        hidden = gone[:, self._cell][:, None]  # (n,1,*size)
        rows = {name: t.expand(len(dropped), *t.shape[1:]) for name, t in self.batch.items()}
        return {**rows, self.tensor: torch.where(hidden, self._plain, self.batch[self.tensor])}

    def contents(self, dropped: Sequence[set[int]]) -> list[Any]:
        """Return the content of the record without each set of cells.

        Raises:
            HeadstartError: this kind of data does not say what that is.
        """
        if self._content is None:
            raise HeadstartError(
                f"what stands beside the encoder cannot read a record without some {self.noun}; "
                "explain a run of --start none."
            )
        return [self._content(row) for row in self.without(dropped)[self.tensor]]

    def positions(self, weights: Tensor) -> Tensor:
        """Give each position the weight of its cell."""
        return weights[self._cell]

    def evidence(self, weights: Tensor, label: str, *, signed: bool) -> Evidence:
        """Sum over channels, or interpolate the weights of a coarser map, and average per cell."""
        if weights.dim() > len(self.size):
            weights = weights.sum(0)
        if tuple(weights.shape) != self.size:
            mode = _MODES[len(self.size)]
            weights = F.interpolate(weights[None, None], self.size, mode=mode)[0, 0]
        total = torch.zeros(self.count).index_add(0, self._cell.flatten(), weights.flatten())
        mean = total / self._cell.flatten().bincount(minlength=self.count)
        return self._show(weights, mean.view(self.grid), label, signed)

    def _evidence(self, heat: Tensor, cells: Tensor, label: str, signed: bool) -> Evidence:
        return CellEvidence(self.batch[self.tensor][0], cells, self.noun, LEGEND[signed])


@dataclass(frozen=True)
class CellEvidence:
    """The weights of the cells (*grid) of values (C,*size).

    The page shows one or two dimensions; for one also the values, as a curve per channel.
    """

    values: Tensor
    cells: Tensor
    noun: str
    legend: Sequence[str]

    @property
    def weights(self) -> list[float]:
        """The weights of the cells, flattened."""
        found: list[float] = self.cells.flatten().tolist()
        return found

    def summary(self) -> dict[str, Any]:
        """Return the weights of the cells as nested lists, under their noun."""
        return {self.noun: rounded(self.cells)}

    def lines(self) -> list[RenderableType]:
        from rich.text import Text

        title = Text(f"  {self.noun}, in order; the darker, the larger the weight")
        return [title, *shades(self.cells)]

    def html(self) -> Markup:
        rows = self.cells.flatten(0, -2) if self.cells.dim() > 1 else self.cells[None]
        curves = self.values if self.cells.dim() == 1 else self.values[:0]
        height = _LANE * max(len(rows), len(curves))
        wide, high = 100 / rows.shape[1], height / len(rows)
        middle = float(rows.mean())
        largest = float((rows - middle).abs().max()) or 1.0
        parts = []
        for at, row in enumerate(rows.tolist()):
            for index, weight in enumerate(row):
                share = (weight - middle) / largest
                fill = tint(share > 0, abs(share))
                box = {"x": wide * index, "y": high * at, "width": wide, "height": high}
                title = tag("title", f"{self.noun} {index + 1} of {len(row)}: {weight:+.3g}")
                parts.append(tag("rect", title, **box, style=f"fill: {fill}"))
        parts += [_curve(curve, _LANE * lane) for lane, curve in enumerate(curves)]
        return tag(
            "svg", *parts, viewBox=f"0 0 100 {height}", class_="cells", role="img",
            aria_label=f"weights of the {self.noun}",
        )  # fmt: skip

    def image(self) -> None:
        """Return None: there is no image."""


def shades(cells: Tensor) -> list[RenderableType]:
    """Return cells (g,) or (..., g) as lines in which darker cells weigh more."""
    from rich.text import Text

    low, high = float(cells.min()), float(cells.max())
    rows = (cells - low) / ((high - low) or 1.0) * (len(_SHADES) - 1)
    rows = rows.flatten(0, -2) if rows.dim() > 1 else rows[None]
    return [
        Text("  " + "".join(2 * _SHADES[round(value)] for value in row)) for row in rows.tolist()
    ]


def rounded(weights: Tensor) -> Any:
    """Return weights as nested lists, with six decimals."""

    def plain(values: Any) -> Any:
        return [plain(v) for v in values] if isinstance(values, list) else round(values, 6)

    return plain(weights.tolist())


def _cell_of(size: Sequence[int], grid: Sequence[int]) -> Tensor:
    """Return the index of the cell (*size) of each position."""
    found = torch.zeros(tuple(size), dtype=torch.long)
    for dim, (length, cells) in enumerate(zip(size, grid, strict=True)):
        along = torch.arange(length) * cells // length
        found = found * cells + along.view(-1, *[1] * (len(size) - dim - 1))
    return found


def _curve(values: Tensor, top: int) -> Markup:
    """Return values (T,) as a line of the full width, in its own lane."""
    low, high = float(values.min()), float(values.max())
    y = top + _LANE - 1 - (values - low) / ((high - low) or 1.0) * (_LANE - 2)
    x = (torch.arange(len(values)) + 0.5) * 100 / len(values)
    points = " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return tag("polyline", points=points)
