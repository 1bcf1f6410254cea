"""Registries: lazy, open to other packages, and never broken by one of them."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import headstart as hs
from headstart.config import AuditConfig, PretrainConfig
from headstart.config.loading import groups_of
from headstart.errors import HeadstartError
from headstart.modalities import MODALITIES
from headstart.registry import Registry

Install = Callable[..., Path]
GROUP = "headstart.objectives"


@pytest.fixture
def registry() -> Registry:
    """A registry with one entry of its own."""
    return Registry("objective", {"own": "headstart.errors:HeadstartError"}, group=GROUP)


def test_an_own_entry_is_imported_when_it_is_asked_for(registry: Registry) -> None:
    assert registry["own"] is HeadstartError
    assert registry.package_of("own") == "headstart"


def test_an_unknown_name_is_refused_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(HeadstartError, match=r"unknown objective 'owm'; did you mean 'own'\?"):
        registry["owm"]


def test_an_entry_of_another_package_is_one_of_the_names(
    registry: Registry, install: Install
) -> None:
    install("far-away", {GROUP: {"sort": "far_objectives:SORT"}}, far_objectives="SORT = 'it'")
    assert list(registry) == ["own", "sort"]
    assert "sort" in registry
    registry.check("sort")
    assert registry.package_of("sort") == "far-away"
    assert "far_objectives" not in sys.modules
    assert registry["sort"] == "it"
    assert dict(registry.items()) == {"own": HeadstartError, "sort": "it"}


def test_an_entry_of_another_package_is_suggested(registry: Registry, install: Install) -> None:
    install("far", {GROUP: {"sorting": "far_a:SORT"}})
    with pytest.raises(HeadstartError, match="did you mean 'sorting'"):
        registry["sortin"]
    assert registry.near("sortin")
    assert not registry.near("sorting")


def test_entries_of_other_groups_are_not_names(registry: Registry, install: Install) -> None:
    install("far", {"headstart.tasks": {"sort": "a:b"}, "console_scripts": {"own": "a:b"}})
    assert list(registry) == ["own"]
    assert registry.refused == {}


def test_a_package_that_claims_an_own_name_does_not_get_it(
    registry: Registry, install: Install
) -> None:
    install("thief", {GROUP: {"own": "thief_module:THING"}}, thief_module="THING = 'stolen'")
    with pytest.warns(UserWarning, match=r"'own' is claimed .* headstart and thief: headstart's"):
        assert registry["own"] is HeadstartError
    assert registry.package_of("own") == "headstart"
    assert list(registry) == ["own"]
    assert set(registry.refused) == {"own"}


def test_a_name_that_two_packages_claim_is_nobodys(registry: Registry, install: Install) -> None:
    install("first", {GROUP: {"sort": "first_a:X"}}, first_a="X = 1")
    install("second", {GROUP: {"sort": "second_a:X"}}, second_a="X = 2")
    assert list(registry) == ["own"]
    for lookup in (registry.check, registry.package_of, registry.__getitem__):
        with pytest.raises(HeadstartError, match="claimed by the packages") as refused:
            lookup("sort")
        assert "first" in str(refused.value)
        assert "second" in str(refused.value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry["own"] is HeadstartError


@pytest.mark.parametrize("name", ["Sort", "a.b", "sort it", "2d", "mixture", "auto", "x" * 33])
def test_a_name_that_cannot_be_typed_is_refused(
    registry: Registry, install: Install, name: str
) -> None:
    install("far", {GROUP: {name: "far_a:SORT"}})
    assert list(registry) == ["own"]
    with pytest.raises(HeadstartError, match="the package far names its objective"):
        registry[name]


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("import no_such_library", "far_b:X", "No module named 'no_such_library'"),
        ("X = 1 / 0", "far_b:X", "ZeroDivisionError: division by zero"),
        ("Y = 1", "far_b:X", "has no attribute 'X'"),
        ("X = 1", "no_such_module:X", "No module named 'no_such_module'"),
        ("X = 1", ":X", "Empty module name"),
    ],
)
def test_a_broken_package_is_a_sentence_when_it_is_asked_for(
    registry: Registry, install: Install, source: str, value: str, reason: str
) -> None:
    install("broken", {GROUP: {"sort": value}}, far_b=source)
    sys.modules.pop("far_b", None)
    registry.check("sort")
    with pytest.raises(HeadstartError) as refused:
        registry["sort"]
    sentence = str(refused.value)
    assert sentence.startswith("the objective 'sort' of the package broken cannot be imported (")
    assert reason in sentence
    assert [name for name, _ in registry.items()] == ["own"]


def test_options_with_keys_of_their_own_are_no_names(install: Install) -> None:
    """``--set optimizer.name=muon`` must not go to an objective."""
    groups = sorted(groups_of(PretrainConfig) | groups_of(AuditConfig))
    assert {"optimizer", "columns", "modality_options"} <= {*groups}
    for name in groups:
        install(f"far-{name}", {GROUP: {name: "far_j:X"}})
        assert name in Registry("objective", {}, group=GROUP).refused


def test_a_broken_package_is_executed_once(install: Install, tmp_path: Path) -> None:
    log = tmp_path / "log"
    source = f"with open({str(log)!r}, 'a') as log: log.write('executed ')\n1 / 0"
    names = {"sort": "far_i:X", "order": "far_i:Y"}
    install("broken", {GROUP: names, "headstart.encoders": names}, far_i=source)
    registries = [Registry("thing", {}, group=g) for g in (GROUP, "headstart.encoders")]
    for registry in registries * 2:
        assert list(registry.items()) == []
        with pytest.raises(HeadstartError, match="division by zero"):
            registry["order"]
    assert log.read_text() == "executed "


def test_a_package_without_metadata_is_no_fault(registry: Registry, install: Install) -> None:
    folder = install("far", {GROUP: {"sort": "far_c:X"}}, far_c="X = 1")
    next(folder.glob("*.dist-info/METADATA")).unlink()
    assert registry["sort"] == 1
    assert isinstance(registry.package_of("sort"), str)


def test_an_entry_that_is_no_such_thing_is_refused(install: Install) -> None:
    install("far", {GROUP: {"sort": "far_f:X"}}, far_f="class X: needs = frozenset()")
    registry = Registry("objective", {}, group=GROUP, members=("needs", "layout", "Options"))
    with pytest.raises(HeadstartError, match="package far has no layout and no Options; take a"):
        registry["sort"]
    assert list(registry.items()) == []


def test_an_entry_whose_methods_are_not_written_is_refused(install: Install) -> None:
    source = (
        "from headstart.modalities import Modality\n\n"
        "class Half(Modality):\n"
        "    content = gives = provides = protocols = None\n"
    )
    install("far", {"headstart.modalities": {"half": "far_half:Half"}}, far_half=source)
    with pytest.raises(HeadstartError, match="no baselines and no defaults and no fit and no"):
        MODALITIES["half"]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("headstart.modalities", "MODALITIES"),
        ("headstart.encoders", "ENCODERS"),
        ("headstart.objectives", "OBJECTIVES"),
        ("headstart.downstream", "TASKS"),
        ("headstart.evaluation.protocols", "PROTOCOLS"),
    ],
)
def test_each_family_is_open(install: Install, module: str, name: str) -> None:
    registry = getattr(import_module(module), name)
    made = "\n".join(["class X:", *(f"    {member} = None" for member in registry.members)])
    install("far", {f"headstart.{name.lower()}": {"quite_new": "far_d:X"}}, far_d=made)
    sys.modules.pop("far_d", None)
    assert registry["quite_new"].__name__ == "X"
    assert registry.package_of("quite_new") == "far"
    assert registry.foreign == ("quite_new",)


def test_a_broken_package_stops_nobody_else(install: Install, tmp_path: Path) -> None:
    """What looks through all entries passes over those that cannot be imported."""
    groups = ("modalities", "encoders", "objectives", "tasks", "protocols")
    install("broken", {f"headstart.{group}": {"sort": "far_g:X"} for group in groups}, far_g="1/0")
    source = tmp_path / "texts.txt"
    source.write_text("".join(f"text number {number}\n" for number in range(8)))
    small = {"encoder": "light", "length": 16, "tracker": "none", "budget": "1steps"}
    assert hs.audit(str(source)).summary()["content"] == "text"
    assert hs.pretrain(str(source), out=str(tmp_path / "run"), **small).finished
    with pytest.raises(HeadstartError, match=r"needs left to right and order.*contrast"):
        hs.pretrain(str(source), out=str(tmp_path / "no"), objective="clm", **small)


def test_importing_headstart_scans_no_packages(install: Install) -> None:
    install("far", {GROUP: {"sort": "far_e:X"}}, far_e="raise SystemExit('imported')")
    code = "\n".join(
        [
            "import sys, json, importlib.metadata as metadata",
            "found = metadata.entry_points",
            "def scan(group='', **_):",
            "    if group.startswith('headstart.'): raise SystemExit('scanned')",
            "    return found(group=group)",
            "metadata.entry_points = scan",
            "import headstart, headstart.objectives, headstart.encoders, headstart.modalities",
            "print(json.dumps('far_e' in sys.modules))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert json.loads(done.stdout) is False, done.stderr


def test_an_unknown_name_is_answered_with_the_nearest_ten_at_most() -> None:
    names = {f"name{index:02}": "a:b" for index in range(30)}
    registry = Registry("objective", names, group=GROUP)
    with pytest.raises(HeadstartError) as refused:
        registry.check("zzz")
    assert "; choose one, the nearest of 30 are: name00" in str(refused.value)
    assert str(refused.value).count("name") == 10
    assert str(refused.value).endswith("(`headstart list objectives` has all).")
    with pytest.raises(HeadstartError, match=r"did you mean 'name[0-9]+' or 'name"):
        registry.check("name0")
