"""Odd values of options are refused in a sentence, and nothing is made; a sample of all cases."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from calling import call, files_in
from tiny_runs import typical
from values import cases, make_odd_paths

from headstart.cli import VERBS
from headstart.config import EvaluateConfig, GenerateConfig, PretrainConfig, load
from headstart.config.blanks import Blank
from headstart.errors import LONGEST, HeadstartError
from headstart.files import write_text

#: Cases of the sample; benchmarks/robustness_inputs.py runs them all.
SAMPLE = 80
#: Verbs of the sample, which take less than a second.
QUICK = {"audit", "embed", "generate", "label", "predict", "search"}


def test_odd_values_are_refused_and_nothing_is_made(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = typical(runs)
    possible = [case for case in cases() if case.verb in QUICK]
    faults = {}
    for number, case in enumerate(random.Random(0).sample(possible, SAMPLE)):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        monkeypatch.chdir(scratch)
        make_odd_paths(scratch)
        before = files_in([scratch])
        answer = call(*case.words(commands[case.verb]))
        found = answer.faults
        if answer.code and (made := files_in([scratch]) - before):
            found = [*found, f"made {sorted(map(str, made))}"]
        if found:
            faults[str(case)] = (found, answer.message)
    assert not faults


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"checkpoint_every": float("nan")}, "'checkpoint_every' must be a finite number"),
        ({"optimizer": {"clip": 1e39}}, "'optimizer.clip': give a number between -2147483647 and"),
        ({"optimizer": {"betas": [0.9, 1.0]}}, "must be less than 1"),
        ({"seed": 10**30}, "'seed': give a number between"),
        ({"budget": "9" * 400 + "steps"}, "is too large"),
        ({"encoder": "a\0b"}, "leave out the character NUL"),
        ({"seed": "9" * 5000}, "must be a smaller whole number"),
    ],
)
def test_numbers_and_names_that_no_option_can_use_are_refused(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(HeadstartError, match=message) as refused:
        load(PretrainConfig, sources=["a"], out="b", **given)
    assert len(str(refused.value)) <= LONGEST


@pytest.mark.parametrize("blank", ["", "  "])
@pytest.mark.parametrize("verb", VERBS)
def test_an_empty_value_is_refused_with_its_option(verb: str, blank: str) -> None:
    model, _ = VERBS[verb]
    needed = {name: "x" for name, field in model.model_fields.items() if field.is_required()}
    for name, field in model.model_fields.items():
        is_text = field.annotation in (str, str | None, list[str])
        if not is_text or Blank() in field.metadata or (name, blank) == ("train", ""):
            continue
        with pytest.raises(HeadstartError, match=name) as refused:
            load(model, **{**needed, name: blank})
        assert re.search("is empty|is no |not empty", str(refused.value)), refused.value


def test_what_is_quoted_in_a_message_is_shown_in_one_short_line() -> None:
    with pytest.raises(HeadstartError) as refused:
        load(GenerateConfig, run="a", seed="\x1b[31m\n" + "9x" * 5000)
    message = str(refused.value)
    assert message.startswith("option 'seed' must be a whole number (given: ")
    assert message.isprintable()
    assert len(message) <= LONGEST


def test_a_long_value_is_quoted_shortly_by_the_shell() -> None:
    for option in ("--encoding", "--budget", "--keep", "--seed"):
        answer = call("pretrain", "a", "--out", "b", option, "9x" * 5000)
        assert answer.code in (1, 2)
        assert not answer.faults


def test_a_name_that_is_not_utf_8_can_be_written_into_a_page(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "caf\udce9.csv")
    assert (tmp_path / "page.html").read_bytes() == b"caf\\udce9.csv"


@pytest.mark.parametrize("option", ["shots", "columns", "names"])
def test_an_option_that_is_not_utf_8_is_refused_and_a_file_of_such_a_name_is_not(
    option: str,
) -> None:
    given: dict[str, Any] = {
        "shots": ["caf\udce9"],
        "columns": {"text": "\udce9"},
        "names": "\udce9",
    }
    with pytest.raises(HeadstartError, match=f"option '{option}': it is not UTF-8"):
        load(EvaluateConfig, run="a", train="b", **{option: given[option]})
    assert load(EvaluateConfig, run="a", train="caf\udce9.csv").train == "caf\udce9.csv"


def test_a_long_message_keeps_what_is_wrong_and_what_to_do() -> None:
    message = str(HeadstartError(f"there is no file {'a ' * 500}; check the path."))
    assert message.startswith("there is no file a a")
    assert message.endswith("a ; check the path.")
    assert len(message) <= LONGEST
