"""What there is and what goes with what, as tables: right, on one screen, and never broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from headstart.catalog import Catalog, Cell, Cells, cells, foreign, grouped, lines
from headstart.cli import app
from headstart.encoders import EncoderKind
from headstart.objectives import OBJECTIVES

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


def kind(gives: str, protocols: tuple[str, ...], *provides: str) -> Any:
    return SimpleNamespace(gives=gives, protocols=protocols, provides=frozenset(provides))


def encoder(reads: str, *provides: str) -> Any:
    return SimpleNamespace(reads=reads, provides=frozenset(provides))


def needing(*needs: str) -> Any:
    return SimpleNamespace(needs=frozenset(needs))


#: Letters and waves: two kinds of data, of which one has an order.
WORLD: dict[str, dict[str, Any]] = {
    "modalities": {
        "letters": kind("ids", ("probe", "ask"), "views"),
        "waves": kind("wave", ("probe",), "views"),
    },
    "encoders": {
        "table": encoder("ids"),
        "reader": encoder("ids", "order"),
        "filter": encoder("wave", "grid"),
    },
    "objectives": {
        "agree": needing("views"),
        "next": needing("order"),
        "redraw": needing("grid", "views"),
        "hear": needing("echo"),
    },
    "protocols": {"probe": needing(), "ask": needing("order")},
}


# -- what there is -------------------------------------------------------------------------------


def test_every_entry_has_a_line_in_80_columns() -> None:
    catalog = Catalog.read()
    assert set(catalog.families) == {"modalities", "encoders", "objectives", "tasks", "protocols"}
    assert [line.name for line in catalog.families["objectives"]] == list(OBJECTIVES)
    told = str(catalog)
    assert max(map(len, told.splitlines())) <= 80
    for found in catalog.families.values():
        for line in found:
            assert line.about
            assert f"\n  {line.name} " in told
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
    told = json.loads(done.stdout)
    assert "No module named 'no_such_library'" in told["sort"]["fault"]
    assert told["sort"]["package"] == "broken"
    assert told["simcse"]["options"]
    (line,) = foreign()["objectives"]
    assert max(map(len, str(line).splitlines())) <= 80
    assert "package broken cannot be imported" in " ".join(str(line).split())


def test_a_name_claimed_twice_is_said_beside(install: Install) -> None:
    install("thief", {GROUP: {"mlm": "thief_b:X", "sort": "thief_b:X"}}, thief_b="X = 1")
    install("other", {GROUP: {"sort": "other_b:X"}}, other_b="X = 1")
    with pytest.warns(UserWarning, match="'mlm' is claimed"):
        told = {line.name: line for line in lines(OBJECTIVES)}
    assert told["mlm"].entry is not None
    assert "headstart's own 'mlm' is used" in (told["mlm"].fault or "")
    assert told["sort"].entry is None
    assert "none is used" in (told["sort"].fault or "")


def test_doctor_tells_what_other_packages_add_and_what_is_wrong_with_them(
    install: Install,
) -> None:
    install("far-away", {GROUP: {"sort": "sorting:Sort"}}, sorting=OBJECTIVE)
    install("broken", {GROUP: {"shift": "broken_c:X"}}, broken_c="1 / 0")
    told = json.loads(shell("doctor", "--json").stdout)
    assert told["added"] == {"objectives": {"sort": "far-away"}}
    assert any("ZeroDivisionError" in line and "broken" in line for line in told["advice"])


# -- what goes with what -------------------------------------------------------------------------

stated = pytest.mark.skipif(
    "reads" not in EncoderKind.__dataclass_fields__, reason="encoders do not say what they read"
)


def test_cells_follow_from_what_each_needs_and_provides() -> None:
    assert list(cells(**WORLD)) == [
        Cell("letters", "agree", ("table", "reader"), ("probe", "ask")),
        Cell("letters", "next", ("reader",), ("probe", "ask")),
        Cell("waves", "agree", ("filter",), ("probe",)),
        Cell("waves", "redraw", ("filter",), ("probe",)),
    ]


def test_objectives_are_grouped_by_the_encoders_that_serve_them() -> None:
    letters = [cell for cell in cells(**WORLD) if cell.modality == "letters"]
    assert list(grouped(reversed(letters)).items()) == [
        (("table", "reader"), ["agree"]),
        (("reader",), ["next"]),
    ]


def test_the_table_is_plain() -> None:
    told = str(Cells(tuple(cells(**WORLD)))).splitlines()
    assert "  table, reader           agree" in told
    assert "  is measured by          probe, ask" in told


@stated
def test_the_table_of_headstart_fits_one_screen() -> None:
    told = shell("list", "cells").stdout.splitlines()
    assert max(map(len, told)) <= 80
    assert len(told) <= 50


@stated
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


@stated
def test_the_page_of_docs_is_up_to_date() -> None:
    spec = spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    tables = module_from_spec(spec)
    spec.loader.exec_module(tables)
    assert tables.PAGE.read_text(encoding="utf-8") == tables.page(), "run python docs/tables.py"
