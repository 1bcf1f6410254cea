"""Odd tables of events are read, set aside or refused in a sentence; a sample of the generator."""

from __future__ import annotations

from pathlib import Path

import pytest
from calling import call
from events import cases

#: Cases of the sample; benchmarks/robustness_inputs.py runs more.
SAMPLE = 80


def test_odd_tables_of_events_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {}
    for case in cases(SAMPLE):
        scratch = tmp_path / str(case.seed)
        scratch.mkdir()
        monkeypatch.chdir(scratch)
        words = case.prepared(scratch)
        answer = call(*words)
        if answer.faults or (answer.code and Path("out").exists()):
            faults[" ".join(words)] = (answer.faults or "files left behind", answer.message)
    assert not faults
