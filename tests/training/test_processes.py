"""Several processes of one training on one machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_group import gather_then_disagree

from headstart.errors import HeadstartError
from headstart.training.processes import Place, launch


def test_processes_meet_and_agree_and_their_error_comes_back(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match=r"^rank 1 found a mistake$"):
        launch(2, gather_then_disagree, tmp_path)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == [
        "0 of 2: 3 from rank 0",
        "1 of 2: 3 from rank 0",
    ]
    assert Place.here() == Place()
    assert "RANK" not in os.environ
