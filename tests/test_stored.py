"""Lists of checksums name files of their own folder alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headstart.errors import HeadstartError
from headstart.stored import SUMS, check, seal


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret"])
def test_no_file_outside_the_folder_is_opened(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / SUMS).write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(HeadstartError, match=f"{SUMS} is damaged"):
        check(folder)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    seal(tmp_path)
    check(tmp_path)
    (tmp_path / "a.json").unlink()
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(HeadstartError, match=r"a\.json is no file"):
        check(tmp_path)
