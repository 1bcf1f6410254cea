"""Saved records are opened from a working folder whose name is not UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from datasets import Dataset

from headstart.data.store import saved


def test_saved_records_open_from_a_folder_that_is_not_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Dataset.from_dict({"text": ["a"]}).save_to_disk(str(tmp_path / "records"))
    odd = os.fsencode(tmp_path) + b"/caf\xe9"
    try:
        os.mkdir(odd)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    os.rename(tmp_path / "records", os.path.join(odd, b"records"))
    monkeypatch.chdir(os.fsdecode(odd))
    assert saved(Path("records"))["text"] == ["a"]
    assert saved(Path("../caf\udce9/records"))["text"] == ["a"]
