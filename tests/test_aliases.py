"""Options by their names in other libraries are answered with ours."""

from __future__ import annotations

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


def test_the_number_of_results_is_found_by_its_name_in_label() -> None:
    done = CliRunner().invoke(app, ["search", "runs/x", "--query", "a", "--n", "3"])
    assert "there is no option --n; it is called --count here" in done.stderr


def test_a_misspelt_name_is_told_before_the_one_that_is_missing() -> None:
    with pytest.raises(HeadstartError, match="unknown option 'outt'; did you mean 'out'"):
        load(PretrainConfig, sources=["a.txt"], outt="runs/x")
