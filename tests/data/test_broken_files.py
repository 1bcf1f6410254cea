"""Broken files, odd folders and hostile archives are set aside whole, or refused."""

from __future__ import annotations

import builtins
import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import quarantined, refusal, texts, write

from headstart.data import streams
from headstart.data.audit import Audit
from headstart.data.block import Block
from headstart.data.unit import Unit
from headstart.modalities.text.content import TEXT

# -- broken files ----------------------------------------------------------------------------


def broken_gzip(path: Path) -> Path:
    packed = gzip.compress(os.urandom(300_000).hex(" ", 20).replace(" ", "\n").encode())
    return write(path.with_suffix(".txt.gz"), packed[: len(packed) * 2 // 3])


def no_gzip(path: Path) -> Path:
    return write(path.with_suffix(".txt.gz"), "plain text under a wrong name\n")


def broken_zip(path: Path) -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.txt", "text\n" * 1000)
    return write(path.with_suffix(".zip"), data.getvalue()[:-60])


def broken_member(path: Path) -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.txt", "text\n" * 1000)
    content = bytearray(data.getvalue())
    content[2000] ^= 1
    return write(path.with_suffix(".zip"), bytes(content))


def broken_parquet(path: Path) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(pa.table({"text": ["some text"] * 1000}), path)
    return write(path, path.read_bytes()[:-10])


def damaged_parquet(path: Path) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(pa.table({"text": [f"some text {n}" for n in range(5000)]}), path)
    data = bytearray(path.read_bytes())
    data[4:2000] = os.urandom(1996)
    return write(path, bytes(data))


def damaged_dataset(path: Path) -> Path:
    path.mkdir()
    write(path / "state.json", '{"_data_files": [{"filename": "gone.arrow"}]}')
    write(path / "dataset_info.json", "{")
    return path


@pytest.mark.parametrize(
    "damage",
    [
        *(broken_gzip, no_gzip, broken_zip, broken_member),
        *(broken_parquet, damaged_parquet, damaged_dataset),
    ],
)
def test_a_broken_file_is_refused_alone_and_set_aside_whole_among_others(
    tmp_path: Path, damage: Callable[[Path], Path]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    bad = damage(folder / "bad")
    message = refusal(bad)
    assert bad.name in message
    assert "copy or download it again" in message
    write(folder / "a.txt", "first")
    write(folder / "z.txt", "last")
    audit = Audit()
    assert texts(folder, audit=audit) == ["first", "last"]
    assert list(audit.reasons) == [streams.BROKEN]
    assert audit.kept == 2


@pytest.mark.parametrize(("count", "length"), [(50_000, 20), (2_000, 1000)])
def test_a_large_file_that_breaks_late_leaves_no_record_behind(
    tmp_path: Path, count: int, length: int
) -> None:
    rows = "".join(f"{n} {os.urandom(length).hex()}\n" for n in range(count)).encode()
    packed = gzip.compress(rows, 1)
    write(tmp_path / "b.txt.gz", packed[:-5000])
    write(tmp_path / "a.txt", "first")
    write(tmp_path / "c.txt", "last")
    assert texts(tmp_path) == ["first", "last"]


def test_a_damaged_row_late_in_a_saved_dataset_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    datasets.Dataset.from_dict({"text": ["some text"] * 1500}).save_to_disk(folder)
    offsets = np.arange(0, 1501 * 9, 9, dtype=np.int32)
    offsets[1400] = 0
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"some text" * 1500)]
    table = pa.table({"text": pa.Array.from_buffers(pa.string(), 1500, buffers)})
    (file,) = folder.glob("*.arrow")
    with pa.ipc.new_stream(str(file), table.schema) as stream:
        stream.write_table(table)
    assert "broken" in refusal(folder)


def test_a_file_without_permission_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.txt", "secret")
    write(tmp_path / "b.txt", "fine")
    opened = builtins.open

    def guarded(file: Any, *args: Any, **options: Any) -> Any:
        if str(file).endswith("a.txt"):
            raise PermissionError(13, "Permission denied")
        return opened(file, *args, **options)

    monkeypatch.setattr(builtins, "open", guarded)
    audit = Audit()
    assert texts(tmp_path, audit=audit) == ["fine"]
    assert quarantined(audit) == {f"{tmp_path.name}/a.txt": "it cannot be read (Permission denied)"}


def test_links_do_not_lead_in_circles_and_odd_files_do_not_hang(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "fine")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    audit = Audit()
    assert texts(tmp_path, audit=audit) == ["fine"]
    assert {Path(name).name for name in quarantined(audit)} == {
        *("loop", "self.txt", "gone.txt", "pipe.txt")
    }
    assert "regular" in refusal(tmp_path / "pipe.txt")


def test_folders_deeper_than_the_recursion_limit_are_read(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(1010):
        path = path / "d"
        path.mkdir()
    file = write(path / "a.txt", "deep")
    try:
        assert texts(tmp_path) == ["deep"]
    finally:  # what tidies up after the tests is recursive
        file.unlink()
        os.removedirs(path)
        tmp_path.mkdir(exist_ok=True)


# -- archives --------------------------------------------------------------------------------


def archive(path: Path, *members: tuple[zipfile.ZipInfo | str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["../a.txt", "/etc/a.txt", "x/../../a.txt", "..\\a.txt", "C:/a.txt"]
)
def test_members_that_lead_out_of_an_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.zip", (name, "evil"), ("fine.txt", "fine"))
    audit = Audit()
    assert texts(path, audit=audit) == ["fine"]
    assert ["leads out" in reason for reason in audit.reasons] == [True]
    assert "leads out" in refusal(archive(tmp_path / "b.zip", (name, "evil")))


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = archive(tmp_path / "a.zip", (link, "/etc/passwd"), ("fine.txt", "fine"))
    audit = Audit()
    assert texts(path, audit=audit) == ["fine"]
    assert "link" in quarantined(audit)["a.zip/link.txt"]


def test_encrypted_and_unusual_members_are_set_aside(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("a.txt", "secret"), ("fine.txt", "fine"))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flags of the first local header, and of its entry in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    write(path, bytes(data))
    audit = Audit()
    assert texts(path, audit=audit) == ["fine"]
    assert "encrypted" in quarantined(audit)["a.zip/a.txt"]
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.txt", "packed otherwise")
    assert "ordinary zip" in refusal(tmp_path / "b.zip")


def test_archives_inside_archives_are_set_aside(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", ("a.txt", "x")).read_bytes()
    path = archive(tmp_path / "a.zip", ("inner.zip", inner), ("fine.txt", "fine"))
    audit = Audit()
    assert texts(path, audit=audit) == ["fine"]
    assert "inside an archive" in quarantined(audit)["a.zip/inner.zip"]


@pytest.mark.parametrize("kind", ["txt.gz", "zip", "gz in zip"])
def test_a_bomb_is_set_aside(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE", 2**18)
    bomb = b"a line of a bomb\n" * 100_000
    if kind == "txt.gz":
        path = write(tmp_path / "bomb.txt.gz", gzip.compress(bomb))
    elif kind == "zip":
        path = archive(tmp_path / "bomb.zip", ("a.txt", bomb))
    else:
        path = archive(tmp_path / "bomb.zip", ("a.txt.gz", gzip.compress(bomb)))
    assert "bomb" in refusal(path)
    write(tmp_path / "fine.txt", "fine")
    audit = Audit()
    assert texts(tmp_path, audit=audit) == ["fine"]
    assert list(audit.reasons) == [streams.BOMB]


@pytest.mark.parametrize("suffix", streams.PACKINGS)
def test_every_compression_is_unpacked_and_bounded(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packed(name: str, data: bytes) -> Path:
        codecs = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
        zst = lambda data: pa.compress(data, "zstd", asbytes=True)  # noqa: E731
        return write(tmp_path / f"{name}{suffix}", codecs.get(suffix, zst)(data))

    assert texts(packed("a.txt", b"one\ntwo\n")) == ["one", "two"]
    assert texts(packed("a.csv", b"text,n\none,1\n")) == ["one"]
    assert texts(packed("a.jsonl", b'{"text": "one"}')) == ["one"]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["one"]}), buffer)
    assert texts(packed("a.parquet", buffer.getvalue())) == ["one"]
    assert texts(
        archive(tmp_path / "a.zip", (f"a.txt{suffix}", (tmp_path / f"a.txt{suffix}").read_bytes()))
    ) == ["one", "two"]
    cut = (tmp_path / f"a.txt{suffix}").read_bytes()[:-6]
    assert streams.BROKEN in refusal(write(tmp_path / f"cut.txt{suffix}", cut))
    monkeypatch.setattr(streams, "FREE", 2**18)
    assert "bomb" in refusal(packed("bomb.txt", b"a line of a bomb\n" * 100_000))


@pytest.mark.parametrize(
    "encoding",
    [
        {"use_dictionary": True},
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    ],
)
def test_a_small_parquet_file_of_long_repeated_values_is_set_aside(
    tmp_path: Path, encoding: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FREE", 2**23)
    path = tmp_path / "bomb.parquet"
    table = pa.table({"text": ["x" * 100_000] * 2000})
    pq.write_table(table, path, compression="zstd", **encoding)
    assert path.stat().st_size < 20_000
    before = pa.default_memory_pool().max_memory()
    assert "bomb" in refusal(path)
    assert pa.default_memory_pool().max_memory() - before < 2**26


def test_a_reader_of_any_kind_is_bounded_by_what_it_yields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.bin", b"x")

    def many(unit: Unit, columns: Mapping[str, str]) -> Iterator[Block]:
        for number in range(1, 10_000):
            yield Block([number], {"text": ["x" * 100_000]})

    content = replace(TEXT, stores=frozenset({".bin"}), readers={".bin": many})
    monkeypatch.setattr(streams, "FREE", 2**20)
    assert "bomb" in refusal(path, content=content)


def test_a_bomb_of_many_members_is_stopped_by_their_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FREE", 2**17)
    monkeypatch.setattr(streams, "RATIO", 1)
    members = [(f"{n}.txt", "a line of a bomb\n" * 2500) for n in range(10)]
    audit = Audit()
    texts(archive(tmp_path / "bomb.zip", *members), audit=audit)
    assert audit.reasons == {streams.BOMB: 7}
    assert audit.kept == 3 * 2500


def test_sizes_in_headers_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE", 2**20)
    path = archive(tmp_path / "a.zip", ("a.txt", b"a line of a bomb\n" * 500_000))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 22, 17)
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 17)
    message = refusal(write(path, bytes(data)))
    assert "bomb" in message or "broken" in message
