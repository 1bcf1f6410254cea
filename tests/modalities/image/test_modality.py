"""The modality of pictures: sizes, batches, and processors that are saved and reopened."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image

from headstart.config import Budget, SourceOptions
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities import Defaults, Request, remembered
from headstart.modalities.image import modality as image_module
from headstart.modalities.image import processor as processor_module
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.image.pixel_file import decode_square
from headstart.modalities.image.processor import ImageProcessor


def noise(seed: int, size: tuple[int, int] = (20, 16)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def held(*values: bytes) -> Dataset:
    return Dataset.from_list(
        [{"id": f"{n}", "image": {"bytes": v, "path": None}} for n, v in enumerate(values)]
    )


def defaults(records: Dataset, longest: int, **options: Any) -> Defaults:
    """Return what suits the records, for encoders that take ``longest`` pixels a side."""
    named: dict[str, Any] = {"objectives": (), "encoder": None, "length": None, **options}
    budget = Budget(5, "minutes")
    request = Request(**named, budget=budget, records=records, longest=lambda _: longest)
    return ImageModality().defaults(request)


def test_pictures_go_from_a_folder_to_batches(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / name).write_bytes(noise(len(name)))
    (tmp_path / "pets" / "dog" / "2.png").write_bytes(b"broken")
    modality, audit = ImageModality(), Audit()
    records = modality.read([str(tmp_path / "pets")], SourceOptions(), audit, tmp_path / "cache")
    assert records["label"][:] == ["cat", "cat", "dog", "dog"]
    assert audit.kept == 4
    length = defaults(records, longest=32).length
    assert length == 16
    processor = modality.fit(records, Any, None, length)
    modality.prepare(records, processor, tmp_path / "train", audit, learn=True)
    assert (audit.kept, audit.quarantined) == (3, 1)
    rows = processor.rows(tmp_path / "train", layout="documents", length=16, seed=0)
    assert rows.batch(np.arange(len(rows)), 0)["pixels"].shape == (3, 3, 16, 16)
    labeled = Audit()
    read = modality.read([str(tmp_path / "pets")], SourceOptions(), labeled)
    sound = modality.readable(read, processor, labeled)
    assert sound["label"][:] == ["cat", "cat", "dog"]
    assert (labeled.kept, labeled.quarantined) == (3, 1)
    assert labeled.sentences()[0].startswith("1 record was set aside (25.0% of all)")
    with pytest.raises(
        HeadstartError, match=r"pets/dog/2\.png cannot be decoded: it is no picture"
    ):
        modality.usable(read.select([3]), processor, Audit())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "find_spec", lambda name: None)
    with pytest.raises(HeadstartError, match=r"headstart\[images\]"):
        ImageModality()


def test_held_out_pictures_that_are_all_bad_do_not_end_a_run(tmp_path: Path) -> None:
    modality, processor, audit = ImageModality(), ImageProcessor(8), Audit()
    modality.prepare(held(b"x"), processor, tmp_path / "validation", audit, learn=False)
    assert not (tmp_path / "validation").exists()
    assert audit.quarantined == 1
    with pytest.raises(HeadstartError, match="mostly: it is no picture"):
        modality.prepare(held(b"x"), processor, tmp_path / "train", audit, learn=True)


def test_a_batch_holds_the_centre_squares_of_its_records() -> None:
    records = held(noise(1), noise(2, (40, 50)), noise(3, (1, 1)))
    batch = ImageProcessor(8).collate(records, 8)
    assert batch["pixels"].dtype == torch.uint8
    assert batch["pixels"].shape == (3, 3, 8, 8)
    again = ImageProcessor(8).collate(records, 8)
    assert torch.equal(batch["pixels"], again["pixels"])
    assert torch.equal(
        ImageProcessor(8).collate(records.select([1]), 8)["pixels"][0], batch["pixels"][1]
    )
    assert ImageProcessor(8).collate(records, 12)["pixels"].shape[-1] == 12


def test_a_batch_with_a_bad_picture_names_it() -> None:
    with pytest.raises(HeadstartError, match=r"the picture 1 cannot be decoded: it is no picture"):
        ImageProcessor(8).collate(held(noise(0), b"words"), 8)


def test_a_file_that_changes_is_decoded_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    records = Dataset.from_list([{"id": "a", "image": {"bytes": None, "path": str(path)}}])
    path.write_bytes(noise(0))
    before = ImageProcessor(8).collate(records, 8)["pixels"]
    path.write_bytes(noise(1, (30, 30)))
    assert not torch.equal(ImageProcessor(8).collate(records, 8)["pixels"], before)


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    squares = remembered.Remembered(decode_square, "picture")
    monkeypatch.setattr(remembered, "REMEMBERED", 3 * 8 * 8)
    monkeypatch.setattr(processor_module, "SQUARES", squares)
    ImageProcessor(8).collate(held(noise(0), noise(1), noise(2)), 8)
    assert len(squares._held) == 1


@pytest.mark.parametrize(
    ("side", "longest", "expected"),
    [(28, 224, 28), (32, 32, 32), (30, 224, 28), (100, 224, 96), (300, 224, 224), (2, 64, 8)],
)
def test_small_pictures_are_trained_at_their_own_size(
    side: int, longest: int, expected: int
) -> None:
    records = held(*[noise(n, (side + 9, side)) for n in range(3)], b"broken")
    assert defaults(records, longest).length == expected
    assert defaults(held(b"broken"), longest).length == longest
    assert defaults(records, longest, length=9).length == 9


@pytest.mark.parametrize(
    ("side", "options", "expected"),
    [
        (28, {}, ("simclr", "plain")),
        (65, {}, ("simclr", "conv")),
        (28, {"encoder": "vit"}, ("mae", "vit")),
        (28, {"objectives": ("dino",)}, ("dino", "vit")),
        (28, {"objectives": ("byol",)}, ("byol", "plain")),
    ],
)
def test_small_pictures_have_the_fastest_learner_unless_something_else_is_named(
    side: int, options: dict[str, Any], expected: tuple[str, str]
) -> None:
    found = defaults(held(noise(0, (side, side))), 224, **options)
    assert (*found.objectives, found.encoder) == expected


def test_the_modality_says_all_that_a_processor_may_provide() -> None:
    assert ImageProcessor(8).provides <= ImageModality.provides


def test_a_processor_is_saved_and_reopened(tmp_path: Path) -> None:
    ImageProcessor(28).save(tmp_path)
    assert ImageModality().load(tmp_path).side == 28


@pytest.mark.parametrize(
    ("name", "config", "size"),
    [
        ("preprocessor_config.json", {"size": {"height": 96, "width": 96}}, 96),
        ("preprocessor_config.json", {"size": {"shortest_edge": 256}, "crop_size": 224}, 224),
        ("preprocessor_config.json", {"size": 48, "crop_size": 40, "do_center_crop": False}, 48),
        ("config.json", {"architecture": "x", "pretrained_cfg": {"input_size": [3, 64, 64]}}, 64),
        ("config.json", {"model_type": "vit", "image_size": 32}, 32),
    ],
)
def test_foreign_folders_say_the_size(
    tmp_path: Path, name: str, config: dict[str, Any], size: int
) -> None:
    (tmp_path / name).write_text(json.dumps(config))
    assert ImageModality().load(tmp_path).side == size


@pytest.mark.parametrize("text", ["", "[]", '{"size": null}', '{"size": -1}', "not json"])
def test_a_folder_without_a_size_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(HeadstartError, match="says the size"):
        ImageModality().load(tmp_path)


def test_views_and_augmentations_are_of_the_size(tmp_path: Path) -> None:
    processor = ImageProcessor(16)
    batch = processor.collate(held(noise(0), noise(1)), 20)
    generator = torch.Generator().manual_seed(0)
    one, other = processor.views(batch, generator, "auto")
    assert one["pixels"].shape == other["pixels"].shape == (2, 3, 16, 16)
    assert one["pixels"].dtype == torch.float32
    assert len(processor.views(batch, generator, "auto", local=2)) == 4
    assert processor.augment(batch, generator)["pixels"].shape == (2, 3, 16, 16)
