"""Cells of a tensor of fixed size, in one dimension and in two: all known by hand."""

from __future__ import annotations

import torch

from headstart.modalities.cells import CellEvidence, Cells


def series() -> Cells:
    values = torch.arange(12.0).view(1, 2, 6)
    return Cells({"series": values, "rate": torch.ones(1)}, "series", noun="readings", cells=3)


def test_a_deleted_cell_takes_the_mean_of_each_channel_and_the_rest_stays() -> None:
    units = series()
    assert (units.count, units.grid) == (3, (3,))
    rows = units.without([set(), {1}, {0, 1, 2}])
    assert rows["rate"].shape == (3,)
    assert torch.equal(rows["series"][:1], units.batch["series"])
    assert rows["series"][1].tolist() == [[0, 1, 2.5, 2.5, 4, 5], [6, 7, 8.5, 8.5, 10, 11]]
    assert torch.equal(rows["series"][2:], units.blank["series"])


def test_weights_of_inputs_are_summed_over_channels_and_averaged_over_cells() -> None:
    weights = torch.tensor([[1.0, 2, 3, 4, 5, 6], [1, 0, 0, 0, 0, -6]])
    found = series().evidence(weights, "on", signed=True)
    assert found.weights == [2.0, 3.5, 2.5]
    assert found.summary() == {"readings": [2.0, 3.5, 2.5]}


def test_weights_of_coarser_places_are_spread() -> None:
    found = series().evidence(torch.tensor([0.0, 0.0, 9.0]), "on", signed=False)
    assert found.weights[2] > found.weights[1] > found.weights[0] == 0


def test_sizes_that_do_not_divide_leave_no_position_out() -> None:
    units = Cells({"map": torch.rand(1, 1, 5, 7)}, "map", cells=3)
    every = units.without([{cell} for cell in range(units.count)])["map"]
    changed = (every != units.batch["map"]).flatten(1)
    assert units.grid == (3, 3)
    assert changed.any(1).all()
    assert (changed.sum(0) == 1).all()
    square = units.evidence(torch.ones(1, 5, 7), "on", signed=True).summary()["cells"]
    assert square == [[1.0] * 3] * 3


def test_the_page_has_a_curve_a_channel_and_a_box_a_cell() -> None:
    found = series().evidence(torch.rand(2, 6), "on", signed=True)
    assert isinstance(found, CellEvidence)
    assert found.html().count("<polyline") == 2
    assert found.html().count("<rect") == 3
    title, row = (line.plain for line in found.lines())
    assert title.startswith("  readings, in order")
    assert len(row.strip()) <= 2 * 3
    assert found.image() is None
