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
    HEADSTART_STARTS="none",
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


#: Writes what an installer leaves of a package for Python to find: folder, name, entry points.
Distribution = Callable[[Path, str, Mapping[str, Mapping[str, str]]], None]


@pytest.fixture(scope="session")
def write_distribution() -> Distribution:
    """Return a function that makes a folder on the path say that a package is installed there."""

    def write(folder: Path, name: str, entry_points: Mapping[str, Mapping[str, str]]) -> None:
        about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = []
        for group, points in entry_points.items():
            lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")

    return write


@pytest.fixture
def install(
    write_distribution: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Install a package for the length of a test, for this process and those that it starts.

    The function takes the name of the package, its entry points, and the source of each module by
    name. It returns their folder.
    """

    def installed(name: str, entry_points: Mapping[str, Mapping[str, str]], **modules: str) -> Path:
        folder = tmp_path / "installed" / name
        write_distribution(folder, name, entry_points)
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        return folder

    return installed
