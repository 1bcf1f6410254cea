"""A grid of images as a PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from headstart.pages import contact_sheet as module
from headstart.pages.contact_sheet import contact_sheet


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def plain(colour: tuple[float, float, float], count: int = 3, side: int = 8) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(count, 3, side, side)


def test_rows_stand_below_each_other_in_their_true_colours(tmp_path: Path) -> None:
    red, half = plain((1.0, 0.0, 0.0)), plain((0.2, 0.4, 0.6))
    contact_sheet([(red * 255).to(torch.uint8), half], tmp_path / "a.png", scale=2)
    sheet = opened(tmp_path / "a.png")
    pixels = {
        colour: np.argwhere((sheet == colour).all(2)) for colour in [(255, 0, 0), (51, 102, 153)]
    }
    assert [len(found) for found in pixels.values()] == [3 * 16 * 16] * 2
    above, below = pixels.values()
    assert above[:, 0].max() < below[:, 0].min()
    assert sheet[0, 0].tolist() == [255, 255, 255]


def test_small_images_are_enlarged_without_smoothing(tmp_path: Path) -> None:
    checks = (torch.arange(64).view(8, 8) + torch.arange(8)[:, None]) % 2
    contact_sheet([checks.float().expand(1, 3, 8, 8)], tmp_path / "a.png")
    sheet = opened(tmp_path / "a.png")
    assert len(sheet) > 8 * 10
    edge = set(np.unique(sheet)) - {0, 255}
    assert len(edge) == 1  # only the outline is neither black nor white


def test_large_images_are_shrunk_and_smaller_rows_stay_smaller(tmp_path: Path) -> None:
    contact_sheet([plain((1, 0, 0), 2, 384), plain((0, 0, 1), 2, 192)], tmp_path / "a.png")
    sheet = opened(tmp_path / "a.png")
    assert (sheet == (255, 0, 0)).all(2).sum() == 2 * 96 * 96
    assert (sheet == (0, 0, 255)).all(2).sum() == 2 * 48 * 48


def test_floats_beyond_the_range_are_cut_and_not_wrapped(tmp_path: Path) -> None:
    contact_sheet([plain((1.2, -0.3, float("nan")), 1)], tmp_path / "a.png", scale=1)
    assert (opened(tmp_path / "a.png") == (255, 0, 0)).all(2).sum() == 64


def test_images_beyond_the_eighth_are_dropped(tmp_path: Path) -> None:
    contact_sheet([plain((1, 0, 0), 100)], tmp_path / "a.png", scale=1)
    assert (opened(tmp_path / "a.png") == (255, 0, 0)).all(2).sum() == 8 * 64


def test_names_stand_before_their_rows(tmp_path: Path) -> None:
    for path, names in (("a.png", ()), ("b.png", ("original",))):
        contact_sheet([plain((1, 0, 0))], tmp_path / path, names=names)
    assert opened(tmp_path / "b.png").shape[1] > opened(tmp_path / "a.png").shape[1] + 30


def test_what_was_there_stays_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_text("kept")

    def broken(*arguments: object, **options: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(module.Image.Image, "save", broken)
    with pytest.raises(OSError, match="no"):
        contact_sheet([plain((1, 0, 0))], path)
    assert path.read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
