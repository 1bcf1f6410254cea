"""Two towers are one encoder: saved, opened again, and each opened by itself."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from headstart.encoders.opening import open_encoder, open_processor, save_encoder
from headstart.errors import HeadstartError

sys.path.insert(0, str(Path(__file__).parents[1] / "objectives"))

import paired

NOTE = {"modality": "pairs", "length": paired.SIDE}


def saved(folder: Path, **shape: int) -> Path:
    save_encoder(paired.towers(**shape), paired.processor(), folder, NOTE)
    return folder


@pytest.mark.parametrize("shape", [{}, {"width": 5, "hidden": 7}])
def test_towers_are_saved_and_opened_with_the_same_vectors(tmp_path: Path, shape) -> None:
    encoder, batch = paired.towers(**shape).eval(), paired.batch()
    opened = open_encoder(saved(tmp_path / "run", **shape)).eval()
    assert opened.width == encoder.width == shape.get("width", 6)
    torch.testing.assert_close(opened.pool(batch), encoder.pool(batch))
    assert opened.pool(batch).norm(dim=1).tolist() == pytest.approx([1] * 8)
    texts = paired.processor().caption_batch(["red", "large"])
    torch.testing.assert_close(opened.pool(texts), encoder.pool(texts))
    again = open_processor(tmp_path / "run")
    assert list(again.towers) == ["pictures", "captions"]
    torch.testing.assert_close(
        again.caption_batch(["red"])["captions/input_ids"],
        paired.processor().caption_batch(["red"])["captions/input_ids"],
    )


def test_each_tower_opens_as_any_other_encoder(tmp_path: Path) -> None:
    folder, encoder = saved(tmp_path / "run"), paired.towers().eval()
    pictures = open_encoder(folder / "pictures").eval()
    pixels = {"pixels": paired.batch()["pictures/pixels"]}
    torch.testing.assert_close(pictures.pool(pixels), encoder.first.encoder.pool(pixels))
    assert open_processor(folder / "captions").content.name == "text"


def test_untrained_towers_have_the_same_shape_and_other_vectors() -> None:
    encoder, batch = paired.towers(width=5), paired.batch()
    fresh = encoder.untrained()
    assert fresh.width == 5
    assert not torch.allclose(fresh.eval().pool(batch), encoder.eval().pool(batch))


def test_a_tower_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["towers"][0]["name"] = "../elsewhere"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(HeadstartError, match=r"config\.json"):
        open_encoder(folder)


def test_a_missing_tower_is_named(tmp_path: Path) -> None:
    folder = saved(tmp_path / "run")
    (folder / "captions" / "model.safetensors").unlink()
    with pytest.raises(HeadstartError, match="captions"):
        open_encoder(folder)


def test_the_licence_of_a_published_tower_stays_with_it(tmp_path: Path) -> None:
    encoder = paired.towers(is_published=True)
    encoder.second = replace(encoder.second, papers={"LICENSE": "Apache-2.0"})
    save_encoder(encoder, paired.processor(), tmp_path / "run", NOTE)
    again = open_encoder(tmp_path / "run")
    save_encoder(again, paired.processor(), tmp_path / "again", NOTE)
    assert (tmp_path / "again" / "captions" / "LICENSE").read_text() == "Apache-2.0"


@pytest.mark.parametrize("name", ["..", "", ".", "a/b", "pictures"])
def test_towers_are_two_folders_inside_of_their_own(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["towers"][1]["name"] = name
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(HeadstartError, match="its towers are no folders beside it"):
        open_encoder(folder)
