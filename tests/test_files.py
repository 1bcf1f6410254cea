"""Files are written whole or not at all, as the umask wants them; nothing is left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from headstart.errors import HeadstartError
from headstart.files import (
    DiskFull,
    cache_home,
    no_room,
    scratch,
    sweep,
    unwritable,
    whole_file,
    whole_folder,
    write_text,
)


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_have_the_permissions_that_the_umask_leaves(umask: int, tmp_path: Path) -> None:
    """Of safetensors, which writes files that only their owner may read, too."""
    with whole_folder(tmp_path / "encoder") as folder:
        save_file({"a": np.zeros(3)}, folder / "model.safetensors")
        write_text(folder / "sub" / "config.json", "{}")
    with whole_file(tmp_path / "one.safetensors") as partial:
        save_file({"a": np.zeros(3)}, partial)
    for path in tmp_path.rglob("*"):
        usual = 0o777 if path.is_dir() else 0o666
        assert path.stat().st_mode & 0o777 == usual & ~umask, path


def test_of_a_long_path_both_ends_are_said() -> None:
    path = Path("/data", *["folder"] * 40, "vectors.npy")
    refused = str(unwritable(PermissionError(errno.EACCES, "no", str(path)), path))
    assert refused.startswith("/data/folder/")
    assert "folder/vectors.npy cannot be written: permission is denied" in refused
    assert len(refused) <= 300


def test_what_is_temporary_goes_with_the_process() -> None:
    code = (
        "from headstart.files import scratch; (scratch() / 'sub').mkdir(); "
        "assert scratch() == scratch(); print(scratch())"
    )
    folder = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert Path(folder).name.startswith("headstart.")
    assert not Path(folder).exists()


def test_what_is_temporary_goes_with_the_next_process_if_one_was_killed(tmp_path: Path) -> None:
    code = "import os; from headstart.files import scratch; print(scratch(), flush=True); "
    here = {**os.environ, "TMPDIR": str(tmp_path)}
    other = tmp_path / "headstart.of.another.partial"
    other.mkdir()
    for end in ("os.kill(os.getpid(), 9)", "os.listdir(scratch())"):
        subprocess.run([sys.executable, "-c", code + end], check=False, env=here)
        left = [path for path in tmp_path.iterdir() if path != other]
        assert len(left) == ("kill" in end)
    assert other.is_dir()


def test_what_a_killed_process_left_goes_at_the_next_write(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from headstart.files import whole_file, whole_folder\n"
        "with whole_file(pathlib.Path(sys.argv[1], 'a.json')) as partial, "
        "whole_folder(pathlib.Path(sys.argv[1], 'b')):\n"
        "    partial.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    with whole_file(tmp_path / "c.json"), whole_file(tmp_path / "a.json"):
        # That of the other file is left alone, and those of a living process are.
        assert len([name for name in os.listdir(tmp_path) if name.startswith(".a.json")]) == 1
        assert len([name for name in os.listdir(tmp_path) if name.startswith(".b")]) == 1
        sweep(tmp_path)
        assert len([name for name in os.listdir(tmp_path) if name.endswith(".partial")]) == 2
    assert sorted(os.listdir(tmp_path)) == ["a.json", "c.json"]


@pytest.mark.parametrize("again", [sweep, lambda folder: whole_folder(folder / "head").__enter__()])
@pytest.mark.parametrize("moves", [1, 2, 3])
def test_a_kill_while_a_folder_is_replaced_loses_it_never(
    moves: int, again: Callable[[Path], object], tmp_path: Path
) -> None:
    """At the first move nothing has changed, at the third the former folder is to be deleted."""
    code = (
        "import os, sys, pathlib; from headstart import files\n"
        "path, moves, done = pathlib.Path(sys.argv[1], 'head'), int(sys.argv[2]), []\n"
        "with files.whole_folder(path) as made: (made / 'a').write_text('old')\n"
        "def die(real, *given):\n"
        "    done.append(given)\n"
        "    if len(done) == moves: os.kill(os.getpid(), 9)\n"
        "    real(*given)\n"
        "move, delete = os.replace, files.delete\n"
        "os.replace = lambda *given: die(move, *given)\n"
        "files.delete = lambda *given: die(delete, *given)\n"
        "with files.whole_folder(path) as made: (made / 'a').write_text('new')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(moves)], check=False)
    assert done.returncode == -9
    again(tmp_path)
    assert (tmp_path / "head" / "a").read_text() == ("new" if moves == 3 else "old")
    assert os.listdir(tmp_path) == ["head"]


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "x" * 246 + ".json"])
def test_the_longest_names_can_be_written(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / name, "1")
    with whole_folder(tmp_path / "folder" / name) as folder:
        (folder / name).write_text("2")
    assert (tmp_path / name).read_text() == "1"
    assert (tmp_path / "folder" / name / name).read_text() == "2"


def test_longer_names_are_refused_before_the_work(tmp_path: Path) -> None:
    with (
        pytest.raises(HeadstartError, match=r"at most 255 bytes; choose a shorter --out") as found,
        whole_file(tmp_path / ("x" * 300)),
    ):
        raise AssertionError("the work began")
    assert len(str(found.value)) < 300
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_former_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "former")
    with pytest.raises(DiskFull, match="the disk is full"), whole_file(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(DiskFull), whole_file(tmp_path / "a.json"):
        raise RuntimeError("I/O error: No space left on device (os error 28)")  # safetensors'
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "former"


def test_an_error_of_another_file_is_not_taken_for_one_of_writing(tmp_path: Path) -> None:
    other = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/source.csv")
    assert unwritable(other, tmp_path / "a.json") is other
    own = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "a.json"))
    assert "permission is denied; choose another --out" in str(unwritable(own, tmp_path / "a.json"))


def test_a_process_has_one_temporary_folder_and_the_cache_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scratch() == scratch()
    for name in ("one", "other"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        assert cache_home() == tmp_path / name / "headstart"


def test_the_temporary_folder_is_made_again_where_the_system_has_cleared_it() -> None:
    code = (
        "from headstart.files import scratch; scratch().rmdir(); (scratch() / 'a').touch(); "
        "print(scratch())"
    )
    made = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not Path(made.stdout.strip()).exists()


def test_a_full_disk_is_known_from_the_errors_of_every_library() -> None:
    arrow = OSError(errno.ENOSPC, "Error writing bytes to file")
    rust, above = ValueError("an I/O error (os error 28)"), RuntimeError("while writing a dataset")
    above.__cause__ = arrow
    for error in (arrow, rust, above):
        assert "set TMPDIR to a folder" in str(no_room(error))
    assert no_room(OSError(errno.EIO, "Input/output error")) is None
    assert no_room(ValueError("28")) is None
