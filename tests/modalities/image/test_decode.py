"""Pictures of every kind come out right, and bad ones are refused with the reason."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing import draw, encoded, image_bytes, png_header
from PIL import Image

from headstart.modalities.image import decode as images
from headstart.modalities.image.decode import BadImage, decode, npy, size, square


def value(data: bytes | None = None, path: Path | None = None) -> dict[str, Any]:
    return {"bytes": data, "path": None if path is None else str(path)}


def reason(data: bytes | None = None, path: Path | None = None) -> str:
    with pytest.raises(BadImage) as caught:
        decode(value(data, path))
    with pytest.raises(BadImage):
        square(value(data, path), 8)
    return str(caught.value)


def ramp(dtype: Any = np.uint8, most: int = 255) -> np.ndarray:
    return np.linspace(0, most, 16 * 12).reshape(12, 16).astype(dtype)


GREY = np.repeat(ramp()[..., None], 3, -1)
COLOUR = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]], -1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG"])
def test_every_format_gives_the_colours_that_were_saved(kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    image = Image.fromarray(COLOUR)
    if kind == "GIF":
        image = image.quantize(256)
    found = decode(value(encoded(image, kind, **options.get(kind, {}))))
    assert found.dtype == np.uint8
    off = np.abs(found.astype(int) - COLOUR)
    assert off.max() <= {"JPEG": 12, "GIF": 40}.get(kind, 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("factor", [1, 4, 16, 64, 257])
def test_deep_pictures_keep_the_upper_eight_of_the_bits_they_use(kind: str, factor: int) -> None:
    deep = ramp().astype(np.uint16) * factor
    assert np.array_equal(decode(value(encoded(Image.fromarray(deep), kind))), GREY)


def test_negative_values_are_no_picture() -> None:
    signed = ramp().astype(np.int32) - 100
    assert "negative" in reason(encoded(Image.fromarray(signed), "TIFF"))


def test_sixteen_bit_rgb_keeps_the_upper_eight() -> None:
    rows = b"".join(b"\0" + (row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in COLOUR)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 12, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.array_equal(decode(value(data)), COLOUR)


def test_grey_one_bit_and_float_pictures_become_rgb() -> None:
    assert np.array_equal(decode(value(encoded(Image.fromarray(ramp())))), GREY)
    bits = decode(value(encoded(Image.fromarray(ramp() > 100))))
    assert set(np.unique(bits)) == {0, 255}
    shares = Image.fromarray(ramp().astype(np.float32) / 255)
    assert np.array_equal(decode(value(encoded(shares, "TIFF"))), GREY)


def test_palettes_are_looked_up() -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    found = decode(value(encoded(image)))
    assert found.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 255, 0]]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    found = decode(value(encoded(image, kind)))
    assert np.abs(found[4, 4].astype(int) - (255, 0, 0)).max() < 8


def test_what_is_transparent_lies_on_white() -> None:
    colours = np.zeros((1, 3, 4), np.uint8)
    colours[0, :, 3] = (0, 128, 255)
    expected = [[255] * 3, [127] * 3, [0] * 3]
    for kind in ("PNG", "WEBP", "TIFF"):
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        found = decode(value(encoded(Image.fromarray(colours), kind, **options)))
        assert found[0].tolist() == expected
    grey = Image.fromarray(colours).convert("LA")
    assert decode(value(encoded(grey)))[0].tolist() == expected
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    data = encoded(palette, "PNG", transparency=0)
    assert decode(value(data))[0].tolist() == [[255] * 3, [40, 50, 60]]
    rgb = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    data = encoded(rgb, "PNG", transparency=(1, 2, 3))
    assert decode(value(data))[0].tolist() == [[255] * 3, [4, 5, 6]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    found = decode(value(data))
    assert found.shape == (9, 9, 3)
    assert np.abs(found[4, 4].astype(int) - (255, 0, 0)).max() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_rotated_pictures_stand_upright(orientation: int, kind: str) -> None:
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24] = 255
    upright[16:, :24, 0] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    if kind == "WEBP":
        options = {"lossless": True}
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)
    found = decode(value(data))
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).mean() < 4
    small = square(value(data), 8)
    assert small[1, 1].min() > 200
    assert small[6, 1, 0] > 200
    assert small[6, 1, 1] < 60
    assert small[:, 6].max() < 60


def test_raw_arrays_are_decoded_exactly() -> None:
    assert np.array_equal(decode(value(npy(COLOUR))), COLOUR)
    assert np.array_equal(decode(value(npy(ramp()))), GREY)
    for factor in (1, 4, 16, 64, 257):
        assert np.array_equal(decode(value(npy(ramp().astype(np.uint16) * factor))), GREY)
    assert size(value(npy(COLOUR))) == (16, 12)
    assert reason(npy(COLOUR)[:-5]) == images.CUT_SHORT
    assert reason(b"\x93NUMPY\x01\x00\x05\x00hello") == images.DAMAGED
    objects = io.BytesIO()
    np.save(objects, np.array([[None]]), allow_pickle=True)
    assert reason(objects.getvalue()) == images.DAMAGED


def test_the_square_is_the_centre_with_the_shorter_side_resized() -> None:
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = 255
    found = square(value(encoded(Image.fromarray(wide))), 20)
    assert found.shape == (20, 20, 3)
    assert found[:, 1:-1].min() > 240
    same = square(value(encoded(Image.fromarray(COLOUR[:, :12]))), 12)
    assert np.array_equal(same, COLOUR[:, :12])


def test_large_jpegs_are_decoded_small_and_look_the_same(tmp_path: Path) -> None:
    smooth = np.kron(np.random.default_rng(0).integers(0, 256, (6, 6, 3)), np.ones((100, 100, 1)))
    image = Image.fromarray(smooth.astype(np.uint8))
    (tmp_path / "a.jpg").write_bytes(encoded(image, "JPEG", quality=98, subsampling=0))
    small = square(value(path=tmp_path / "a.jpg"), 60)
    exact = np.asarray(image.resize((60, 60), Image.Resampling.BICUBIC))
    assert np.abs(small.astype(int) - exact).mean() < 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 2)])
def test_tiny_pictures_are_enlarged(shape: tuple[int, int]) -> None:
    found = square(value(image_bytes(size=shape)), 16)
    assert found.shape == (16, 16, 3)


def test_sizes_come_from_the_header_alone() -> None:
    whole = image_bytes(size=(300, 200), kind="JPEG")
    assert size(value(whole[:1000])) == (300, 200)


# -- bad pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_files_are_refused(kind: str) -> None:
    whole = image_bytes(size=(60, 50), kind=kind)
    for share in (0.5, 0.9):
        assert "copy or download it again" in reason(whole[: int(len(whole) * share)])
    assert reason(whole[:3]) in (images.NOT_IMAGE, images.CUT_SHORT, images.DAMAGED)


def test_empty_files_texts_and_missing_files_are_refused(tmp_path: Path) -> None:
    assert reason(b"") == "it is empty"
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_text("these are words, not a picture")
    assert reason(path=tmp_path / "a.jpg") == "it is empty"
    assert "no picture" in reason(path=tmp_path / "b.jpg")
    assert "gone" in reason(path=tmp_path / "c.jpg")
    assert "cannot be read" in reason(path=tmp_path)
    assert "no picture" in reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_huge_pictures_are_refused_by_their_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: Any) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    for side in (9_500, 12_000, 50_000):
        assert "89 million pixels" in reason(png_header(side, side))


def test_a_header_that_lies_about_the_size_is_refused() -> None:
    assert "copy or download it again" in reason(png_header(3000, 3000))


def test_text_chunks_that_unpack_to_much_are_refused() -> None:
    plain = image_bytes()
    packed = zlib.compress(b"x" * 200_000_000)
    data = b"Comment\0\0" + packed
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    assert reason(plain[:33] + chunk + plain[33:]) in (images.DAMAGED, images.CUT_SHORT)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_damage_never_raises_anything_else() -> None:
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"):
        whole = np.frombuffer(image_bytes(size=(24, 20), kind=kind), np.uint8)
        for _ in range(40):
            data = whole.copy()
            data[rng.integers(0, len(data), 5)] = rng.integers(0, 256, 5)
            try:
                assert square(value(data.tobytes()), 8).shape == (8, 8, 3)
            except BadImage:
                continue


def test_a_file_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png")

    def forbidden(*args: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    assert reason(path=path) == "it cannot be read (Permission denied)"
