"""Pictures are decoded once, at the start or when needed, with the same bits in either case."""

from __future__ import annotations

import io
import pickle
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from PIL import Image

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.image import pixel_file
from headstart.modalities.image.decode import square
from headstart.modalities.image.pixel_file import (
    PixelFile,
    PixelRows,
    quarantined,
    write_pixel_file,
)


def noise(seed: int, size: tuple[int, int] = (20, 16)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def held(count: int = 12, bad: tuple[int, ...] = (), **options: Any) -> Dataset:
    values = [b"no picture" if n in bad else noise(n, **options) for n in range(count)]
    rows = [
        {"id": f"{n}.png", "image": {"bytes": data, "path": None}} for n, data in enumerate(values)
    ]
    return Dataset.from_list(rows)


def rows(folder: Path, records: Dataset, side: int = 16, audit: Audit | None = None) -> PixelRows:
    write_pixel_file(folder, records, side, audit or Audit())
    return PixelRows(PixelFile(folder))


@pytest.fixture(params=["eager", "lazy", "no room"])
def decoding(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "eager":
        monkeypatch.setattr(pixel_file, "PATIENCE", -1.0)
    if request.param == "no room":
        monkeypatch.setattr(pixel_file.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    return str(request.param)


def test_rows_are_squares_of_the_records_in_their_order(tmp_path: Path, decoding: str) -> None:
    records = held()
    found = rows(tmp_path / "x", records)
    assert len(found) == 12
    expected = np.stack([square(value, 16) for value in records["image"]]).transpose(0, 3, 1, 2)
    for indices in (np.array([3, 0, 3, 11]), np.arange(12), np.array([5])):
        batch = found.batch(indices, 0)
        assert batch["pixels"].dtype == torch.uint8
        assert np.array_equal(batch["pixels"].numpy(), expected[indices])
    again = PixelRows(PixelFile(tmp_path / "x")).batch(np.arange(12), 7)
    assert np.array_equal(again["pixels"].numpy(), expected)


def test_larger_pictures_keep_room_for_crops(tmp_path: Path) -> None:
    assert rows(tmp_path / "a", held(4, size=(50, 40)), 16).file.side == 20
    assert rows(tmp_path / "b", held(4, size=(50, 18)), 16).file.side == 18
    assert rows(tmp_path / "c", held(4, size=(9, 7)), 16).file.side == 16


def test_a_bad_picture_found_at_the_start_is_set_aside(tmp_path: Path) -> None:
    audit = Audit()
    found = rows(tmp_path / "x", held(6, bad=(1, 5)), audit=audit)
    assert len(found) == 4
    assert np.array_equal(found.batch(np.array([1]), 0)["pixels"][0], _pixels(2))
    assert [row["where"] for row in audit.summary()["records"]] == ["1.png", "5.png"]
    assert "no picture" in audit.summary()["records"][0]["reason"]


def test_a_bad_picture_found_late_gives_way_to_the_next_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_file, "PATIENCE", -1.0)
    found = rows(tmp_path / "x", held(6, bad=(1, 2, 5)))
    assert len(found) == 6
    indices = np.array([5, 1, 0, 2, 3])
    expected = np.stack([_pixels(index) for index in (0, 3, 0, 3, 3)])
    assert np.array_equal(found.batch(indices, 0)["pixels"], expected)
    assert set(quarantined(tmp_path / "x")) == {"1.png", "2.png", "5.png"}
    later = PixelRows(PixelFile(tmp_path / "x"))  # what is known is not decoded again
    monkeypatch.setattr(pixel_file, "square", None)
    assert np.array_equal(later.batch(indices, 0)["pixels"], expected)


def _pixels(seed: int) -> np.ndarray:
    return square({"bytes": noise(seed), "path": None}, 16).transpose(2, 0, 1)


def test_only_bad_pictures_are_refused(tmp_path: Path, decoding: str) -> None:
    with pytest.raises(HeadstartError, match="none of the 3 pictures can be decoded"):
        rows(tmp_path / "x", held(3, bad=(0, 1, 2))).batch(np.array([0]), 0)


def test_training_starts_without_reading_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        (tmp_path / f"{number}.png").write_bytes(noise(number))
    records = Dataset.from_list(
        [
            {"id": str(n), "image": {"bytes": None, "path": str(tmp_path / f"{n}.png")}}
            for n in range(300)
        ]
    )
    decoded: list[str] = []

    def spied(value: Any, side: int) -> np.ndarray:
        decoded.append(value["path"])
        return square(value, side)

    monkeypatch.setattr(pixel_file, "PATIENCE", -1.0)
    monkeypatch.setattr(pixel_file, "square", spied)
    found = rows(tmp_path / "x", records)
    assert len(decoded) <= 40
    decoded.clear()
    found.batch(np.array([7, 8, 9]), 0)
    found.batch(np.array([7, 8, 9]), 1)
    assert sorted(Path(path).stem for path in decoded) == ["7", "8", "9"]


def test_a_full_disk_stops_keeping_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_file, "PATIENCE", -1.0)
    found = rows(tmp_path / "x", held(3))

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pixel_file.os, "pwrite", full)
    for _ in range(2):
        assert np.array_equal(found.batch(np.array([2]), 0)["pixels"][0], _pixels(2))


def test_processes_that_fill_it_together_see_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_file, "PATIENCE", -1.0)
    monkeypatch.setattr(pixel_file, "_cores", lambda: 1)
    found = rows(tmp_path / "x", held(80, bad=(3,)))
    found.batch(np.arange(8), 0)  # its thread must not be missed in the other processes

    def read(number: int) -> None:
        order = np.random.default_rng(number).permutation(len(found))
        pixels = found.batch(order, 0)["pixels"].numpy()
        np.save(tmp_path / f"{number}.npy", pixels[np.argsort(order)])

    processes = [get_context("fork").Process(target=read, args=(n,)) for n in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    expected = found.batch(np.arange(80), 0)["pixels"].numpy()
    assert all(np.array_equal(np.load(tmp_path / f"{n}.npy"), expected) for n in range(2))
    assert set(quarantined(tmp_path / "x")) == {"3.png"}


def test_rows_are_sent_to_processes_by_their_folder(tmp_path: Path) -> None:
    found = rows(tmp_path / "x", held(30))
    sent = pickle.dumps(found)
    assert len(sent) < 1000
    assert np.array_equal(
        pickle.loads(sent).batch(np.array([4]), 0)["pixels"][0], found.batch([4], 0)["pixels"][0]
    )


def test_selected_records_are_kept_in_few_batches(tmp_path: Path, monkeypatch) -> None:
    """A million of them, a batch each, took 15 s and 900 MB to open."""
    monkeypatch.setattr(pixel_file, "PATIENCE", -1.0)
    kept = [0, 2, 3, 7, 11]
    write_pixel_file(tmp_path / "x", held().select(kept), 16, Audit())
    with pa.OSFile(str(tmp_path / "x" / "pictures.arrow")) as file:
        stored = pa.ipc.open_stream(file).read_all()
    assert stored["id"].to_pylist() == [f"{n}.png" for n in kept]
    assert stored["id"].num_chunks == 1
