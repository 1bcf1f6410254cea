"""Importing headstart is cheap, and hands on what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

import headstart
from headstart.cli import VERBS

#: each of these costs more to import than headstart itself
HEAVY = {
    "datasets", "lightning", "numpy", "pandas", "pyarrow", "pytorch_lightning", "scipy", "sklearn",
    "tokenizers", "torch", "transformers",
}  # fmt: skip


def imported_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after running ``code``."""
    code += "\nimport sys; print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_import_loads_nothing_heavy() -> None:
    assert not imported_by("import headstart") & (HEAVY | {"pydantic", "typer", "rich", "yaml"})


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_threads_that_wait_soon_sleep_unless_the_user_said_otherwise(
    given: dict[str, str], spins: str
) -> None:
    code = "import os, headstart; print(os.environ.get('GOMP_SPINCOUNT'))"
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | given, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == spins


@pytest.mark.parametrize("name", ["Run", "HeadstartError", "pretrain", "evaluate", "info"])
def test_naming_a_public_name_loads_nothing_heavy(name: str) -> None:
    assert not imported_by(f"import headstart; headstart.{name}") & HEAVY


@pytest.mark.parametrize(
    "verb",
    [
        "",
        "serve",
        "pretrain",
        "evaluate",
        "finetune",
        "predict",
        "embed",
        "generate",
        "info",
        "list",
        "doctor",
    ],
)
def test_help_loads_nothing_heavy(verb: str) -> None:
    code = f"""
import sys
from headstart.cli import app
sys.argv = ["headstart", *"{verb}".split(), "--help"]
try:
    app()
except SystemExit as end:
    assert end.code == 0
"""
    assert not imported_by(code) & HEAVY


@pytest.mark.parametrize("what", [None, "encoders", "objectives", "tasks", "protocols"])
def test_a_list_loads_no_torch(what: str | None) -> None:
    # What an encoder reads is called as its kind of data calls it, which is imported.
    heavy = HEAVY - {"numpy", "pyarrow"} if what == "encoders" else HEAVY
    assert not imported_by(f"import headstart; str(headstart.list({what!r}))") & heavy


@pytest.mark.parametrize("name", ["cells", "bert"])
def test_what_goes_with_what_loads_no_transformers(name: str) -> None:
    shown = "headstart.list('cells')" if name == "cells" else f"Entries.named({name!r})"
    code = f"import headstart; from headstart.entry import Entries; str({shown})"
    assert not imported_by(code) & {"transformers", "torchvision"}


def test_every_public_name_is_there() -> None:
    assert set(headstart.__all__) <= set(dir(headstart))
    for name in headstart.__all__:
        assert getattr(headstart, name) is not None


def test_what_is_listed_is_what_is_documented() -> None:
    assert dir(headstart) == sorted([*headstart.__all__, "list"])
    assert {"TYPE_CHECKING", "import_module"}.isdisjoint(dir(headstart))
    verbs = {"info", "list", "doctor", *VERBS}
    assert verbs <= set(dir(headstart))
    assert "objectives" in headstart.list().to_dict()
    with pytest.raises(headstart.HeadstartError, match="did you mean 'objectives'"):
        headstart.list("objectivs")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pretrian'"):
        getattr(headstart, "pretrian")  # noqa: B009


def test_the_version_is_the_installed_one() -> None:
    try:
        assert version("headstart") == headstart.__version__
    except PackageNotFoundError:
        pytest.skip("headstart runs from a source folder; pip install -e . installs it")
