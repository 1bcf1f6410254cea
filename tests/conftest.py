"""What tests share: no network, two threads at most, larger data sets, and made-up packages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

# Set before any library is imported; processes that tests start inherit it.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Return the path of a shared data set, or skip the test where it is not there.

    Data sets are looked for in the folder that HEADSTART_DATA names, else beside the checkout.
    """
    folder = Path(os.environ.get("HEADSTART_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"{name} is not in {folder}; set HEADSTART_DATA to a folder that has it")
        return folder / name

    return find


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a package for the length of a test, without pip.

    The function writes what an installer writes that Python looks at, and puts it on the path of
    this process and of those that the test starts. It returns the folder of the modules.
    """

    def installed(name: str, entry_points: Mapping[str, Mapping[str, str]], **modules: str) -> Path:
        folder = tmp_path / "installed" / name
        about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = []
        for group, points in entry_points.items():
            lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        return folder

    return installed
