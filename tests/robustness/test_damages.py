"""A damaged run folder is answered by one sentence, or does not matter; a sample of all cases."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from calling import call, files_in
from damages import DAMAGES, Case, cases
from tiny_runs import COMMANDS

from headstart import stored
from headstart.errors import HeadstartError
from headstart.run import RunFolder

#: Cases of the sample; benchmarks/robustness_inputs.py runs them all.
SAMPLE = 60
#: Verbs of the sample, which take less than a second.
QUICK = {"embed", "generate", "info", "label", "predict", "search"}


def test_a_damaged_run_is_answered_by_a_sentence(runs: Path, tmp_path: Path) -> None:
    possible = [case for case in cases(runs, COMMANDS) if case.words[0] in QUICK]
    faults = {}
    for number, case in enumerate(random.Random(0).sample(possible, SAMPLE)):
        scratch = tmp_path / str(number)
        words = case.prepared(runs, scratch)
        before = files_in([scratch])
        answer = call(*words)
        found = answer.faults
        if answer.code and (made := files_in([scratch]) - before):
            found = [*found, f"made {sorted(map(str, made))}"]
        if found:
            faults[str(case)] = (found, answer.message)
    assert not faults


@pytest.mark.parametrize("damage", sorted(set(DAMAGES) - {"missing"}))
@pytest.mark.parametrize(
    ("file", "verb"), [("encoder/model.safetensors", "embed"), ("head/head.safetensors", "predict")]
)
def test_altered_weights_are_never_used(
    file: str, verb: str, damage: str, runs: Path, tmp_path: Path
) -> None:
    words = next(words for words in COMMANDS["stars"] if words[0] == verb)
    answer = call(*Case("stars", file, damage, words).prepared(runs, tmp_path))
    assert answer.code == 1
    assert Path(file).name in answer.message
    assert "restore it from a copy" in answer.message


def test_the_list_of_files_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    stored.seal(tmp_path)
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (tmp_path / stored.SUMS).read_text() == f"{known}  a.txt\n"
    stored.check(tmp_path)
    (tmp_path / "b.txt").write_text("new")  # what others add is theirs
    assert stored.is_whole(tmp_path)
    (tmp_path / "a.txt").write_text("abd")
    with pytest.raises(HeadstartError, match=r"a\.txt is damaged.* delete SHA256SUMS"):
        stored.check(tmp_path)
    assert not stored.is_whole(tmp_path)


def test_without_its_config_the_encoder_of_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "config.yaml").write_text("verb: pretrain\noptions: [")
    with pytest.raises(HeadstartError, match="encoder, which can still be used"):
        RunFolder.open(tmp_path)


def test_damaged_rows_of_the_log_are_left_out(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    rows = [b'{"step": 1, "loss": 2.0}', b'{"step": "1"}', b"[1]", b"\xff\xfe", b'{"step": 2, "lo']
    run.metrics_file.write_bytes(b"\n".join(rows))
    assert run.metrics() == [{"step": 1, "loss": 2.0}]


def test_a_file_that_breaks_its_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"GIF89a")
    with (
        pytest.raises(HeadstartError, match=r"model\.safetensors cannot be opened"),
        stored.opening(tmp_path),
    ):
        raise KeyError("whatever a library raises")
