"""What there is and what goes with what, as tables: right, on one screen, and never broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from headstart.catalog import Catalog, Cell, Cells, Listing, foreign, grouped, lines
from headstart.cli import app
from headstart.registries import FAMILIES, OBJECTIVES
from headstart.said import Said, said

ROOT = Path(__file__).resolve().parents[1]
Install = Callable[..., Path]
GROUP = "headstart.objectives"
OBJECTIVE = '''
class Sort:
    """Say which of two readings is the larger."""

    needs, layout = frozenset({"readings"}), "documents"

    class Options:
        model_fields = {}
'''


def shell(*words: str) -> Any:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "80", "NO_COLOR": "1"})


#: Letters and waves, two kinds of data of which one has an order, as a package would bring them.
WORLD = """
from types import SimpleNamespace


def made(**members):
    members = {name: frozenset(value) if isinstance(value, set) else value
               for name, value in members.items()}
    return SimpleNamespace(content=None, create=None, layout="documents", Options=None,
                           about="", **members)


letters = made(gives="ids", provides={"views"}, protocols=("probe",))
waves = made(gives="wave", provides={"views"}, protocols=())
table = made(reads="ids", provides=set())
reader = made(reads="ids", provides={"order"})
filter = made(reads="wave", provides={"grid"})
agree = made(needs={"views"})
next_letter = made(needs={"order"})
redraw = made(needs={"grid", "views"})
hear = made(needs={"echo"})
probe = made(needs=set())
ask = made(needs={"order"})
"""
NAMES = {
    "modalities": ("letters", "waves"),
    "encoders": ("table", "reader", "filter"),
    "objectives": ("agree", "next_letter", "redraw", "hear"),
    "protocols": ("probe", "ask"),
}


@pytest.fixture
def world(install: Install) -> Cells:
    """What goes with what among the entries of a made-up package."""
    points = {
        f"headstart.{family}": {name: f"made_world:{name}" for name in names}
        for family, names in NAMES.items()
    }
    install("made", points, made_world=WORLD)
    return Cells.read("made")


# -- what there is -------------------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show results as on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.__stdout__", SimpleNamespace(isatty=lambda: True, encoding="utf-8"))


def test_nothing_is_cut_in_a_pipe() -> None:
    for found in Catalog.read().families.values():
        for line in found:
            assert line.about in str(line)


def test_what_the_source_says_is_what_the_entry_says() -> None:
    for registry in FAMILIES.values():
        for line in lines(registry):
            one = line.entry
            text = one.__doc__ if isclass(one) else one.about
            assert line.about == text.strip().partition("\n")[0].replace("``", "")
            assert said(registry.where(line.name) or "").about == line.about
            if registry is OBJECTIVES:
                assert line.group == one.family


def test_what_the_source_does_not_say_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    before = str(Listing("objectives", lines(OBJECTIVES)))
    monkeypatch.setattr("headstart.catalog.said", lambda where: Said())
    assert str(Listing("objectives", lines(OBJECTIVES))) == before


@pytest.mark.usefixtures("terminal")
def test_every_entry_has_a_line_in_80_columns() -> None:
    catalog = Catalog.read()
    families = {"modalities", "encoders", "objectives", "tasks", "protocols", "exports"}
    assert set(catalog.families) == families
    assert [line.name for line in catalog.families["objectives"]] == list(OBJECTIVES)
    output = str(catalog)
    assert max(map(len, output.splitlines())) <= 80
    for found in catalog.families.values():
        for line in found:
            assert line.about
            assert f"\n  {line.name} " in output
            assert "package" not in line.summary()


def test_an_entry_of_another_package_has_it_beside(install: Install) -> None:
    install("far-away", {GROUP: {"sort": "sorting:Sort"}}, sorting=OBJECTIVE)
    line = next(line for line in lines(OBJECTIVES) if line.name == "sort")
    assert str(line) == "  sort              Say which of two readings is the larger. [far-away]"
    assert line.summary() == {"about": line.about, "package": "far-away"}
    assert foreign() == {"objectives": [line]}


def test_a_broken_package_is_a_line_and_no_error(install: Install) -> None:
    install("broken", {GROUP: {"sort": "broken_a:X"}}, broken_a="import no_such_library")
    done = shell("list", "objectives", "--json")
    output = json.loads(done.stdout)
    assert "No module named 'no_such_library'" in output["sort"]["fault"]
    assert output["sort"]["package"] == "broken"
    assert output["simcse"]["options"]
    (line,) = foreign()["objectives"]
    assert max(map(len, str(line).splitlines())) <= 80
    assert "package broken cannot be imported" in " ".join(str(line).split())


def test_a_name_claimed_twice_is_said_beside(install: Install) -> None:
    install("thief", {GROUP: {"mlm": "thief_b:X", "sort": "thief_b:X"}}, thief_b="X = 1")
    install("other", {GROUP: {"sort": "other_b:X"}}, other_b="X = 1")
    with pytest.warns(UserWarning, match="'mlm' is claimed"):
        output = {line.name: line for line in lines(OBJECTIVES)}
    assert output["mlm"].entry is not None
    assert "headstart's own 'mlm' is used" in (output["mlm"].fault or "")
    assert output["sort"].entry is None
    assert "none is used" in (output["sort"].fault or "")


def test_doctor_tells_what_other_packages_add_and_what_is_wrong_with_them(
    install: Install,
) -> None:
    install("far-away", {GROUP: {"sort": "sorting:Sort"}}, sorting=OBJECTIVE)
    install("broken", {GROUP: {"shift": "broken_c:X"}}, broken_c="1 / 0")
    output = json.loads(shell("doctor", "--json").stdout)
    assert output["added"] == {"objectives": {"sort": "far-away"}}
    assert any("ZeroDivisionError" in line and "broken" in line for line in output["advice"])


@pytest.mark.usefixtures("terminal")
def test_a_list_is_a_table_by_family_with_a_line_each() -> None:
    output = shell("list", "objectives").stdout.splitlines()
    assert max(map(len, output)) <= 80
    assert {"masked prediction", "agreement of two views", "generation"} <= set(output)
    assert len([line for line in output if line.startswith("  ")]) == len(list(OBJECTIVES))
    assert "other" not in output
    encoders = shell("list", "encoders").stdout.splitlines()
    assert {"texts or sequences", "pictures"} <= set(encoders)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mlm",
            ["mlm: objective", "arxiv.org/abs/1810.04805", "mask token", "text (light", "mlm.NAME"],
        ),
        (
            "mlm",
            ["mask_share (default 0.8, >= 0, <= 1)", "mlm.md", "pretrain SOURCES --objective"],
        ),
        ("light", ["light: encoder", "contrast", "--set encoder.NAME=VALUE"]),
        ("classification", ["task of fine-tuning", "task of evaluation"]),
        ("image", ["image: kind of data"]),
    ],
)
def test_each_name_has_a_page(name: str, said: list[str]) -> None:
    done = shell("info", name)
    assert done.exit_code == 0
    assert [part for part in said if part not in " ".join(done.stdout.split())] == []
    assert max(map(len, done.stdout.splitlines())) <= 80 + len(str(ROOT))
    told = json.loads(shell("info", name, "--json").stdout)
    assert all(entry["about"] for entry in told.values())


def test_a_name_that_nothing_has_is_answered_with_the_nearest(tmp_path: Path) -> None:
    assert "did you mean 'mlm'?" in shell("info", "mml").stderr
    for name in ("reviews", "topics"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("")
    assert "did you mean 'reviews'?" in shell("info", str(tmp_path / "review")).stderr
    assert "choose one of: reviews, topics" in shell("info", str(tmp_path / "zzz")).stderr


# -- what goes with what -------------------------------------------------------------------------


def test_cells_follow_from_what_each_needs_and_provides(world: Cells) -> None:
    assert set(world.cells) == {
        Cell("letters", "agree", ("reader", "table"), ("probe", "ask")),
        Cell("letters", "next_letter", ("reader",), ("probe", "ask")),
        Cell("waves", "agree", ("filter",), ("probe",)),
        Cell("waves", "redraw", ("filter",), ("probe",)),
    }


def test_objectives_are_grouped_by_the_encoders_that_serve_them(world: Cells) -> None:
    letters = [cell for cell in world.cells if cell.modality == "letters"]
    assert list(grouped(reversed(letters)).items()) == [
        (("reader", "table"), ["agree"]),
        (("reader",), ["next_letter"]),
    ]


def test_the_table_is_plain(world: Cells) -> None:
    output = str(world).splitlines()
    assert "  reader, table           agree" in output
    assert "  is measured by          probe, ask" in output


def test_a_kind_of_data_whose_encoder_is_broken_is_named(install: Install) -> None:
    points = {"modalities": "waves", "encoders": "filter"}
    install(
        "half",
        {f"headstart.{family}": {name: f"half_{family}:{name}"} for family, name in points.items()},
        half_modalities=WORLD,
        half_encoders="import no_such_library",
    )
    output = " ".join(str(Cells.read()).split())
    assert "encoder 'filter' of the package half cannot be imported (ModuleNotFoundError" in output
    assert "nothing goes with waves: no encoder reads it" in output


def test_the_table_of_headstart_fits_one_screen() -> None:
    output = shell("list", "cells").stdout.splitlines()
    assert max(map(len, output)) <= 80
    assert len(output) <= 64


def test_every_objective_and_encoder_of_headstart_has_a_cell() -> None:
    found = Cells.read("headstart").cells
    assert {cell.objective for cell in found} == set(OBJECTIVES)
    served = {(cell.modality, cell.objective): cell.encoders for cell in found}
    assert served["text", "span_corruption"] == ("t5",)
    assert served["image", "mae"] == ("vit",)
    assert {"conv", "plain", "vit"} == set(served["image", "simclr"])
    assert "light" in served["text", "contrast"]
    assert ("image", "mlm") not in served
    assert all(cell.protocols for cell in found)


def test_the_page_of_docs_is_up_to_date() -> None:
    spec = spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    tables = module_from_spec(spec)
    spec.loader.exec_module(tables)
    assert tables.PAGE.read_text(encoding="utf-8") == tables.page(), "run python docs/tables.py"


def test_what_is_neither_a_run_nor_a_name_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "'somewhat' is neither a run here nor a name" in shell("info", "somewhat").stderr
