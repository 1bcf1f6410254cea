"""Options by their names in other libraries are answered with ours."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from headstart.cli import VERBS, app
from headstart.config import PretrainConfig
from headstart.config.aliases import ALIASES
from headstart.config.described import single
from headstart.errors import HeadstartError
from headstart.verbs.reading import load


def test_every_other_name_of_an_option_leads_to_one_that_some_verb_has() -> None:
    known = {name for model, _ in VERBS.values() for name, _ in single(model.model_fields)}
    assert set(ALIASES.values()) <= known


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("--set optimizer.lr=1", "'optimizer.lr'; it is called 'optimizer.learning_rate' here"),
        ("--set lr=1", "unknown option 'lr'; it is called 'optimizer.learning_rate' here"),
        ("--set epochs=3", "it is called 'budget' here, with values such as 3epochs"),
        ("--set optimizer.epochs=3", "it is called 'budget' here"),
        ("--set bs=3", "it is called 'batch_size' here"),
        ("--set batch-size=3", "it is called 'batch_size' here"),
        ("--lr 1", "no option --lr; it is called --set optimizer.learning_rate=VALUE here"),
        ("--epochs 3", "there is no option --epochs; it is called --budget here"),
    ],
)
def test_a_well_known_other_name_leads_to_ours(given: str, sentence: str) -> None:
    done = CliRunner().invoke(app, ["pretrain", "a", "--out", "x", *given.split()])
    assert (done.exit_code, done.stdout) == (1 if "--set" in given[:5] else 2, "")
    assert sentence in done.stderr


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("search RUN --query a --top 3", "no option --top; it is called --count here"),
        ("label RUN --unlabeled a.csv --n 3", "no option --n; it is called --count here"),
        ("recommend RUN --history 1 --top-k 3", "no option --top-k; it is called --count here"),
        ("explain RUN a --label yes", "no option --label; it is called --class here"),
        ("evaluate RUN --train a.csv --text-column b", "it is called --column text=NAME here"),
        ("evaluate RUN --train a.csv --label-col b", "it is called --column label=NAME here"),
        ("evaluate RUN --train a.csv --cv 5", "it is called --folds here"),
        (
            "finetune RUN --train a.csv --test b.csv",
            "`headstart evaluate RUN --train FILE",
        ),
        ("predict RUN --test a.csv", "`headstart evaluate` and `headstart compare` have it;"),
        ("evaluate RUN --train a --epochs 3", "and `headstart update` have it as --budget;"),
        ("evaluate RUN --train a --lr 3", "have it as --set optimizer.learning_rate=VALUE;"),
        ("finetune RUN --labels a", "given as --label-column COLUMN;"),
        ("evaluate --model RUN", "the run is given without an option: `headstart evaluate RUN`;"),
        ("predict RUN a --gpu 0", "a GPU is used where PyTorch finds one"),
        ("embed RUN a --force 1", "it is called --overwrite here"),
        ("evaluate RUN --data a.csv", "no option --data; records are given as --train FILE"),
        ("evaluate RUN a.csv", "argument(s) (a.csv); records are given as --train FILE"),
        ("label RUN a.csv", "argument(s) (a.csv); records are given as --unlabeled FILE"),
        ("predict RUN --text a", "no option --text; records are given without an option: `"),
        ("predict RUN --input a.csv", "predict RUN INPUT...`"),
        ("pretrain --data a.csv --out b", "pretrain SOURCE...`"),
    ],
)
def test_what_a_newcomer_types_is_answered_with_what_there_is(given: str, sentence: str) -> None:
    """As ``predict --text``, of which was asked whether ``--quiet`` was meant."""
    done = CliRunner().invoke(app, given.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "given", ["epochs", "lr", "batch-size", "output-dir", "model", "data", "gpu", "test", "device"]
)
def test_options_of_other_libraries_are_answered_by_every_verb(verb: str, given: str) -> None:
    done = CliRunner().invoke(app, [verb, "x", f"--{given}", "y"])
    if "no option" in done.stderr and (verb, given) != ("generate", "data"):  # it reads none
        assert re.search("called|have it|has it|given|is used|chooses", done.stderr), done.stderr
    assert len(done.stderr) <= 300


def test_an_unknown_option_like_no_other_is_not_likened_to_any() -> None:
    done = CliRunner().invoke(app, ["finetune", "RUN", "--train", "a", "--out", "b", "--zzz", "c"])
    assert "there is no option --zzz; `" in done.stderr
    assert "did you mean" not in done.stderr
    near = CliRunner().invoke(app, ["pretrain", "a", "--out", "b", "--budgt", "1min"])
    assert "there is no option --budgt; did you mean --budget?" in near.stderr


def test_a_misspelt_name_is_told_before_the_one_that_is_missing() -> None:
    with pytest.raises(HeadstartError, match="unknown option 'outt'; did you mean 'out'"):
        load(PretrainConfig, sources=["a.txt"], outt="runs/x")
