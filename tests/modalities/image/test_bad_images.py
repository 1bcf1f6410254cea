"""Odd folders, hostile archives and duplicates by the thousand do not end a reading of pictures."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from drawing import draw, image_bytes, records, refusal
from reading import quarantined

from headstart.data import archives, streams
from headstart.data.audit import Audit
from headstart.modalities import file_values
from headstart.modalities.image import content as images


def tar(path: Path, *members: tuple[tarfile.TarInfo | str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def link(name: str, kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def test_links_do_not_lead_in_circles(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    audit = Audit()
    assert records(tmp_path, audit=audit)["id"][:] == [f"{tmp_path.name}/a.png"]
    assert {Path(name).name for name in quarantined(audit)} == {
        *("loop", "self.png", "gone.png", "pipe.png")
    }


def test_a_folder_that_may_not_be_read_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "open" / "a.png")
    draw(tmp_path / "secret" / "b.png")
    scandir = os.scandir

    def guarded(folder: Any) -> Any:
        if str(folder).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    audit = Audit()
    assert len(records(tmp_path, audit=audit)) == 1
    assert quarantined(audit) == {
        f"{tmp_path.name}/secret": "it cannot be read (Permission denied)"
    }


def test_names_that_are_not_utf8_are_set_aside(tmp_path: Path) -> None:
    draw(tmp_path / "é中.png")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:
        file.write(image_bytes())
    audit = Audit()
    assert records(tmp_path, audit=audit)["id"][:] == [f"{tmp_path.name}/é中.png"]
    assert quarantined(audit) == {f"{tmp_path.name}/caf\ufffd.png": images.NOT_UTF8}


def test_duplicates_by_the_thousand_are_counted(tmp_path: Path) -> None:
    data, other = image_bytes(0), image_bytes(1)
    (tmp_path / "photos").mkdir()
    for number in range(3000):
        (tmp_path / "photos" / f"{number}.png").write_bytes(data)
    (tmp_path / "photos" / "other.png").write_bytes(other)
    audit = Audit()
    assert len(records(tmp_path / "photos", audit=audit)) == 3001
    assert audit.duplicates == 2999
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(1000):
            archive.writestr(f"{number}.png", data if number else other)
    audit = Audit()
    records(tmp_path / "a.zip", audit=audit)
    assert audit.duplicates == 998


def test_an_empty_folder_and_an_empty_archive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no file" in refusal(tmp_path / "empty")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.md", "no pictures here")
    assert "its kind is not known" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/a.png", "x/../../a.png", "..\\a.png", "C:/a.png"]
)
def test_members_that_lead_out_of_a_tar_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = tar(tmp_path / f"a.{kind}", (name, image_bytes(1)), ("fine.png", image_bytes(2)))
    audit = Audit()
    assert records(path, audit=audit)["id"][:] == [f"{path.name}/fine.png"]
    assert audit.reasons == {archives.OUTSIDE: 1}


def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar",
        (link("sym.png", tarfile.SYMTYPE), b""),
        (link("hard.png", tarfile.LNKTYPE, "fine.png"), b""),
        (link("device.png", tarfile.CHRTYPE), b""),
        (link("pipe.png", tarfile.FIFOTYPE), b""),
        ("fine.png", image_bytes()),
    )
    audit = Audit()
    assert records(path, audit=audit)["id"][:] == ["a.tar/fine.png"]
    assert audit.reasons == {archives.LINK: 2, archives.ODD: 2}


def test_what_comes_before_a_break_in_a_tar_is_kept(tmp_path: Path) -> None:
    whole = tar(tmp_path / "a.tar", *((f"{n}.png", image_bytes(n, (40, 40))) for n in range(4)))
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:9000])
    audit = Audit()
    assert records(cut, audit=audit)["id"][:] == ["cut.tar/0.png"]
    assert quarantined(audit) == {"cut.tar": streams.BROKEN}
    (tmp_path / "no.tar").write_text("these are words " * 100)
    assert "broken" in refusal(tmp_path / "no.tar")
    (tmp_path / "no.tar.gz").write_text("these are words " * 100)
    assert "broken" in refusal(tmp_path / "no.tar.gz")


def test_an_archive_inside_an_archive_is_set_aside(tmp_path: Path) -> None:
    inner = tar(tmp_path / "inner.tar", ("a.png", image_bytes())).read_bytes()
    path = tar(tmp_path / "a.tar", ("inner.tar", inner), ("x.npz", b"x"), ("b.png", image_bytes()))
    audit = Audit()
    assert len(records(path, audit=audit)) == 1
    assert set(quarantined(audit)) == {"a.tar/inner.tar", "a.tar/x.npz"}
    assert len(audit.reasons) == 1


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bombs_are_set_aside(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE", 2**18)
    bomb, path = b"\0" * 3_000_000, tmp_path / f"bomb.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", bomb)
    else:
        tar(path, ("a.png", bomb))
    assert "bomb" in refusal(path)
    draw(tmp_path / "fine.png")
    audit = Audit()
    assert len(records(tmp_path, audit=audit)) == 1
    assert audit.reasons == {streams.BOMB: 1}


def test_members_that_are_too_large_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1000)
    path = tar(tmp_path / "a.tar", ("a.png", b"x" * 5000), ("b.png", image_bytes()))
    assert records(path)["id"][:] == ["a.tar/b.png"]
    monkeypatch.setattr(file_values, "LARGEST", 10)
    assert "MiB" in refusal(path)


def test_a_tar_that_lies_about_a_size_is_set_aside(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.png")
    entry.size = 10**8
    (tmp_path / "a.tar").write_bytes(entry.tobuf() + b"x" * 2000)
    assert "broken" in refusal(tmp_path / "a.tar")
    (tmp_path / "a.tgz").write_bytes(gzip.compress(entry.tobuf() + b"x" * 2000))
    assert "broken" in refusal(tmp_path / "a.tgz")


def test_a_zero_byte_member_is_set_aside(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", ("a.png", b""), ("b.png", image_bytes()))
    audit = Audit()
    assert records(path, audit=audit)["id"][:] == ["a.tar/b.png"]
    assert quarantined(audit) == {"a.tar/a.png": "it is empty"}
