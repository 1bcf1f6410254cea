"""Arrays of pictures are found by shape and name, read flat, and never run code."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing import image_bytes, records, refusal

from headstart.data import streams
from headstart.data.audit import Audit
from headstart.modalities.image.decode import NOT_FINITE, BadImage, decode

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (7, 6, 5, 3), dtype=np.uint8)


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def decoded(path: Path | str, **options: Any) -> np.ndarray:
    return np.stack([decode(value) for value in records(path, **options)[:]["image"]])


def test_pictures_come_out_as_they_went_in(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", images=NOISE, labels=np.arange(7))
    assert np.array_equal(decoded(path), NOISE)
    found = records(path)
    assert found["id"][:2] == ["a.npz:1", "a.npz:2"]
    assert found["label"][:] == [str(n) for n in range(7)]


@pytest.mark.parametrize(
    "stored",
    [
        NOISE.transpose(0, 3, 1, 2),
        NOISE.astype(np.uint16) * 257,
        (NOISE.astype(np.uint16) * 257).astype(">u2"),
        NOISE.astype(np.uint16),
        NOISE.astype(np.uint16) * 4,
        NOISE.astype(np.int32) * 16,
        NOISE.astype(np.float32) / 255,
        NOISE.astype(np.float64),
        NOISE / 127.5 - 1,
        NOISE.astype(np.int64),
        np.asfortranarray(NOISE),
    ],
    ids=[
        *("channels first", "16 bits", "big-endian", "8 of 16 bits", "10 bits", "12 bits"),
        *("0..1", "0..255", "-1..1", "int64", "fortran"),
    ],
)
def test_other_layouts_and_ranges_are_brought_to_bytes(tmp_path: Path, stored: np.ndarray) -> None:
    assert np.array_equal(decoded(save(tmp_path / "a.npz", x=stored)), NOISE)


def test_grey_arrays_become_rgb(tmp_path: Path) -> None:
    grey = NOISE[..., 0]
    for stored in (grey, grey[..., None], grey[:, None]):
        found = decoded(save(tmp_path / "a.npz", x=stored))
        assert np.array_equal(found, np.repeat(grey[..., None], 3, -1))


def test_the_range_is_that_of_the_whole_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.modalities.image.arrays._BLOCK", 1)
    dark = NOISE // 4
    stored = np.concatenate([dark, NOISE]).astype(np.uint16) * 16
    assert np.array_equal(
        decoded(save(tmp_path / "a.npz", x=stored)), np.concatenate([dark, NOISE])
    )
    shares = np.concatenate([dark, NOISE]) / 127.5 - 1
    shares[:7] = np.abs(shares[:7])
    found = decoded(save(tmp_path / "b.npz", x=shares))
    assert np.array_equal(found[7:], NOISE)


def test_values_out_of_any_range_are_refused(tmp_path: Path) -> None:
    assert "0..255" in refusal(save(tmp_path / "a.npz", x=NOISE.astype(np.float32) * 9))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_picture_with_a_value_that_is_no_number_is_set_aside_alone(
    tmp_path: Path, wrong: float
) -> None:
    shares = NOISE.astype(np.float32) / 255
    shares[2, 3, 3] = wrong
    found = records(save(tmp_path / "a.npz", x=shares))
    with pytest.raises(BadImage, match=NOT_FINITE):
        decode(found[2]["image"])
    others = [index for index in range(len(NOISE)) if index != 2]
    seen = np.stack([decode(found[index]["image"]) for index in others])
    assert np.array_equal(seen, NOISE[others])


def test_the_split_is_named_behind_the_file(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.npz", x_train=NOISE, y_train=np.arange(7), x_test=NOISE[:2], y_test=[8, 9]
    )
    message = refusal(path)
    assert "'x_train', 'x_test'" in message
    assert "a.npz#train" in message
    found = records(f"{path}#test")
    assert found["label"][:] == ["8", "9"]
    assert found["id"][:] == ["a.npz#test:1", "a.npz#test:2"]
    assert len(records(f"{path}#x_train")) == 7
    assert len(records(f"{path}#train", f"{path}#test")) == 9
    assert "did you mean 'train'" in refusal(f"{path}#trian")
    assert "no file" in refusal(tmp_path / "b.npz#train")


def test_names_tell_pictures_from_masks_and_labels_by_name_and_length(tmp_path: Path) -> None:
    masks = NOISE[..., 0]
    path = save(
        tmp_path / "a.npz",
        **{"masks": masks, "train_images": NOISE, "train_labels": np.arange(7)[:, None]},
        ages=np.arange(7),
    )
    assert len(records(f"{path}#train")["label"]) == 7
    save(path, images=NOISE, masks=masks, labels=np.arange(3), ages=np.arange(7) + 30)
    assert np.array_equal(decoded(path), NOISE)
    assert records(path).column_names == ["id", "image"]
    assert records(path, columns={"label": "ages"})["label"][0] == "30"
    assert "one label for each" in refusal(path, columns={"label": "labels"})
    assert "no array 'x'" in refusal(path, columns={"image": "x"})


def test_packed_pictures_are_cut_at_their_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.modalities.image.arrays._BLOCK", 700)
    values = [image_bytes(n, (n + 1, 9)) for n in range(20)]
    path = save(
        tmp_path / "a.npz",
        train_jpeg=np.frombuffer(b"".join(values), np.uint8),
        train_offsets=np.cumsum([0, *map(len, values)]),
        train_labels=np.arange(20) % 2,
        classes=np.array(["cat", "dog"]),
        test_jpeg=np.frombuffer(values[3], np.uint8),
        test_offsets=np.array([0, len(values[3])]),
    )
    found = records(f"{path}#train")
    assert [value["bytes"] for value in found[:]["image"]] == values
    assert found["label"][:] == ["cat", "dog"] * 10
    assert [value["bytes"] for value in records(f"{path}#test")[:]["image"]] == [values[3]]
    save(path, x_jpeg=np.zeros(9, np.uint8), x_offsets=np.array([0, 5, 3]))
    assert "broken" in refusal(path)


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.path, "executed")


def test_python_objects_are_never_read(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    objects = np.array([Planted(planted)], dtype=object)
    assert pickle.loads(pickle.dumps(objects))[0] == 8
    assert planted.exists(), "the trap works"
    planted.unlink()
    assert "can run code" in refusal(save(tmp_path / "a.npz", x=objects, y=objects))
    both = save(tmp_path / "b.npz", x=NOISE[:1], y=objects)
    assert len(records(both)) == 1
    assert "Python objects are not read" in refusal(both, columns={"label": "y"})
    assert not planted.exists()


def test_broken_files_and_bombs_are_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.npz", x=NOISE)
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:-80])
    assert "broken" in refusal(tmp_path / "cut.npz")
    assert "holds pictures" in refusal(save(tmp_path / "b.npz", x=np.arange(9)))
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00 rubbish")
    assert "broken" in refusal(tmp_path / "c.npz")
    monkeypatch.setattr(streams, "FREE", 2**16)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((2000, 32, 32), np.uint8))
    assert "bomb" in refusal(tmp_path / "bomb.npz")
    audit = Audit()
    assert len(records(path, tmp_path / "cut.npz", audit=audit)) == 7
    assert audit.quarantined == 1


def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("x.npy", "w") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 1000, 1000)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(b"\0" * 1000)
    assert "broken" in refusal(tmp_path / "a.npz")


def test_real_cifar_pictures_are_read(shared_data: Any) -> None:
    path = shared_data("cifar10") / "cifar10_jpeg.npz"
    found = records(f"{path}#test")
    assert len(found) == 10_000
    assert len(set(found["label"])) == 10
    assert "cat" in found["label"][:]
    assert decode(found[0]["image"]).shape == (32, 32, 3)
