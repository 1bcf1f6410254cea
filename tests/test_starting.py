"""A run is begun, gone on with by the same command, or replaced; and nothing is lost on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import headstart as hs
from headstart.config import FinetuneConfig, PretrainConfig, sections
from headstart.config.loading import stated
from headstart.config.options import data_options
from headstart.errors import CutOff, HeadstartError
from headstart.files import DiskFull, write_text
from headstart.run import RunFolder
from headstart.training.interrupt import Interrupted
from headstart.verbs.learning import pretrain_sections
from headstart.verbs.starting import begun, located


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make relative paths those of an empty folder with two sources."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        Path(name).write_text("one\ntwo\n")
    return tmp_path


def command(
    *sources: str, settings: tuple[str, ...] = (), file: str | None = None, **options: Any
) -> dict[str, Any]:
    """Return the values of a command line of ``pretrain``."""
    named = {"sources": list(sources)} if sources else {}
    known = pretrain_sections(settings)
    return stated(PretrainConfig, file=file, settings=settings, sections=known, **named, **options)


def start(values: dict[str, Any], error: BaseException | None = None) -> tuple[RunFolder, Any]:
    """Begin a run, or go on with it, up to the point where reading begins."""
    with begun("pretrain", PretrainConfig, values, lambda plan: None) as (run, plan):
        if error is not None:
            raise error
    return run, plan


def test_the_same_command_goes_on(here: Path) -> None:
    Path("options.yaml").write_text(yaml.safe_dump({"batch_size": 8, "mlm": {"mask_ratio": 0.2}}))
    settings = ("optimizer.clip=2.0", "encoder.width=16", "seed=3")
    values = command(
        "a.txt", settings=settings, file="options.yaml", out="run", columns={"text": "body"}
    )
    run, first = start(values)
    _, again = start({**values, "resume": True})
    assert again.model_dump(exclude={"resume", "out"}) == first.model_dump(
        exclude={"resume", "out"}
    )
    _, short = start(command(out="run", resume=True, settings=("optimizer.clip=2.0",)))
    assert short.optimizer == first.optimizer
    assert run.config()["options"]["sources"] == [str(here / "a.txt")]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sources": ["b.txt"]}, r"'sources' is \['.*a.txt'\] in run and \['.*b.txt'\] in this"),
        ({"seed": 7}, "'seed' is 3 in run and 7 in this command"),
        ({"settings": ("optimizer.clip=3",)}, r"'optimizer.clip' is 1.0 in run and 3.0"),
        ({"settings": ("mlm.mask_ratio=0.5",)}, "'objective_options.mlm.mask_ratio' is None"),
        ({"columns": {"text": "other"}}, "'columns.text' is None in run and 'other'"),
    ],
)
def test_another_command_is_refused_by_the_name_of_what_differs(
    change: dict[str, Any], named: str
) -> None:
    start(command("a.txt", out="run", seed=3))
    sources = change.pop("sources", ["a.txt"])
    with pytest.raises(HeadstartError, match=named) as found:
        start(command(*sources, **{"out": "run", "seed": 3, "resume": True, **change}))
    assert len(str(found.value)) <= 300 + len(os.getcwd()) * 2
    assert "leave it out, or choose another --out" in str(found.value)


def test_paths_are_stored_in_full_and_names_are_not(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("light").mkdir()
    Path("mine").mkdir()
    options = {"probe": "b.txt", "settings": ("distill.teacher=./mine",)}
    start(command("a.txt", "*.txt", "x.npz#train", out="run", encoder="light", **options))
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    _, plan = start(command(out="../run", resume=True))
    assert plan.sources == [str(here / name) for name in ("a.txt", "*.txt", "x.npz#train")]
    assert plan.probe == str(here / "b.txt")
    assert plan.encoder == "light"
    assert plan.objective_options["distill"]["teacher"] == str(here / "mine")
    monkeypatch.chdir(here)
    with begun(
        "finetune",
        FinetuneConfig,
        stated(
            FinetuneConfig, file=None, settings=(), sections={}, run="run", train="a.txt", out="t"
        ),
        lambda plan: None,
    ) as (_, tuned):
        assert tuned.run == str(here / "run")


@pytest.mark.parametrize("plan", [PretrainConfig, FinetuneConfig])
def test_every_option_that_names_data_is_stored_in_full(plan: Any, here: Path) -> None:
    fields = {name: field.annotation for name, field in plan.model_fields.items()}
    names = data_options(plan)
    values = {name: ["a.txt"] if fields[name] == list[str] else "a.txt" for name in names}
    rest = {"run": "x"} if "run" in fields else {}
    found = located(plan(out="run", **values, **rest))
    assert len(names) >= 3
    for name in names:
        assert getattr(found, name) in (str(here / "a.txt"), [str(here / "a.txt")])


def test_options_that_were_not_given_are_not_when_a_run_goes_on() -> None:
    """Defaults that depend on data, encoder or task replace what was not given; again, too."""
    start(command("a.txt", out="run", settings=("optimizer.clip=1.0",), seed=0))
    _, plan = start(command(out="run", resume=True))
    assert plan.optimizer.model_fields_set == {"clip"}
    assert {"sources", "seed"} <= plan.model_fields_set
    assert not {"patience", "keep", "columns", "length"} & plan.model_fields_set


def test_where_nothing_was_begun_the_same_command_starts(capsys: pytest.CaptureFixture) -> None:
    values = command("a.txt", out="run", resume=True)
    run, plan = start(values)
    assert "Nothing was begun in run; starting." in capsys.readouterr().err
    decided = {**plan.model_dump(mode="json"), "resume": False, "out": os.path.abspath("run")}
    assert run.config()["options"] == decided
    with pytest.raises(HeadstartError, match="no run at other: nothing was begun; check the path"):
        start(command(out="other", resume=True))
    with pytest.raises(HeadstartError, match="--resume needs --out"):
        start(command("a.txt", resume=True))


@pytest.mark.parametrize("error", [HeadstartError("no"), KeyboardInterrupt(), RuntimeError("x")])
def test_overwriting_that_comes_to_nothing_leaves_the_run(error: BaseException) -> None:
    start(command("a.txt", out="run"))
    Path("run/encoder").mkdir()
    Path("run/encoder/model.safetensors").write_text("weights")
    before = {path: path.stat() for path in Path("run").rglob("*")}
    with pytest.raises((HeadstartError, RuntimeError)):
        start(command("b.txt", out="run", overwrite=True), error)
    assert {path: path.stat() for path in Path("run").rglob("*")} == before
    refused = Path(".run.headstart-new").exists()
    assert refused != (type(error) is HeadstartError)


def test_overwriting_is_gone_on_with_by_its_own_command(capsys: pytest.CaptureFixture) -> None:
    start(command("a.txt", out="run"))
    values = command("b.txt", out="run", overwrite=True)
    with pytest.raises(Interrupted, match="`headstart pretrain --resume --overwrite --out run`"):
        start(values, KeyboardInterrupt())
    capsys.readouterr()
    # Without --overwrite it is the run itself that goes on, and the other one is named.
    with pytest.raises(HeadstartError, match=r"'sources' is .*a\.txt"):
        start(command("b.txt", out="run", resume=True))
    assert "goes on with `headstart pretrain --resume --overwrite" in capsys.readouterr().err
    run, plan = start({**values, "resume": True})
    assert plan.sources[0].endswith("b.txt")
    assert [path.name for path in Path().glob("*run*")] == ["run"]
    assert RunFolder.open("run").config()["options"]["sources"] == plan.sources
    assert run.out == Path("run")
    # Now that it has its place, the same command goes on with it; any other begins anew.
    _, plan = start({**values, "resume": True})
    assert "Nothing was begun" not in capsys.readouterr().err


def test_overwriting_that_was_killed_before_it_began_begins(
    capsys: pytest.CaptureFixture,
) -> None:
    start(command("a.txt", out="run"))
    start(command("b.txt", out="run", overwrite=True, resume=True))
    assert "Nothing was begun in run; starting." in capsys.readouterr().err
    assert RunFolder.open("run").config()["options"]["sources"][0].endswith("b.txt")


@pytest.mark.parametrize("kept", [KeyboardInterrupt(), DiskFull("full"), CutOff("killed")])
def test_only_a_refusal_removes_a_new_run(kept: BaseException) -> None:
    with pytest.raises(HeadstartError):
        start(command("a.txt", out="run"), kept)
    assert RunFolder.open("run").config()["options"]["out"] == os.path.abspath("run")
    with pytest.raises(HeadstartError):
        start(command("a.txt", out="other"), HeadstartError("no record is left"))
    assert not Path("other").exists()


def refused_after(work: Callable[[RunFolder], Any]) -> None:
    """Begin a run that is refused once something was done."""
    with begun("pretrain", PretrainConfig, command("a.txt", out="run"), lambda plan: None) as found:
        work(found[0])
        raise HeadstartError("no")


@pytest.mark.parametrize("work", ["checkpoints/step-9.ckpt", "encoder/model.safetensors"])
def test_a_refusal_keeps_what_was_trained_below_the_run(work: str) -> None:
    kept = Path("run/labels_alone", work)
    with pytest.raises(HeadstartError, match="no"):
        refused_after(lambda run: write_text(kept, "weights"))
    assert kept.exists()


def test_a_refusal_after_records_were_prepared_leaves_nothing_either() -> None:
    with pytest.raises(HeadstartError, match="no"):
        refused_after(lambda run: run.resolve(prepared=True))
    assert not Path("run").exists()


def test_finetune_goes_on_without_its_run_being_named(here: Path) -> None:
    named = {"run": "x", "train": "a.txt", "out": "t"}
    values = stated(
        FinetuneConfig, file=None, settings=(), sections=sections((), "task_options"), **named
    )
    with begun("finetune", FinetuneConfig, values, lambda plan: None):
        pass
    with pytest.raises(HeadstartError, match=r"opened from 'x'|holds no encoder|'x'") as found:
        hs.finetune(out="t", resume=True)
    assert "missing" not in str(found.value)
