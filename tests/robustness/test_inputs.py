"""Odd inputs are set aside or refused in a sentence, and lose no good record; a sample."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from calling import call
from inputs import cases

#: Cases of the sample; benchmarks/robustness_inputs.py runs them all.
SAMPLE = 60
#: Verbs of the sample, which take less than a second.
QUICK = {"audit", "embed"}


def test_odd_inputs_are_refused_and_lose_no_good_record(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    possible = [case for case in cases() if case.verb in QUICK]
    faults = {}
    for number, case in enumerate(random.Random(0).sample(possible, SAMPLE)):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        monkeypatch.chdir(scratch)
        answer = call(*case.prepared(runs, scratch))
        found = answer.faults
        if answer.code and not case.is_alone:
            found = [*found, "good records were lost"]
        if found:
            faults[str(case)] = (found, answer.message)
    assert not faults
