"""A tiny run to make indexes with."""

from __future__ import annotations

import pytest

import headstart as hs


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    """Return a run that knows eight words."""
    folder = tmp_path_factory.mktemp("indexed")
    words = ["apple", "pear", "plum", "fig", "saw", "axe", "drill", "file"]
    lines = [f"{one} {other}" for one in words for other in words]
    (folder / "lines.txt").write_text("\n".join(lines))
    return hs.pretrain(
        str(folder / "lines.txt"),
        out=str(folder / "run"),
        budget="20steps",
        tracker="none",
        encoder_options={"width": 16},
    )
