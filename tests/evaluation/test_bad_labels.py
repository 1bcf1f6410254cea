"""Labels that are out of order, through the shell: one plain sentence, or a note and going on.

Never a traceback, and never a warning of another library.
"""

from __future__ import annotations

import csv
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app

WORDS = ("river", "stone", "cloud", "green", "lazy", "bitter", "window", "garden", "paper")
AB = ["a", "b"] * 12
#: Name of a file: its labels. Every text has a word of its label.
LABELS: dict[str, Sequence[object]] = {
    "ab": AB,
    "ab_test": ["a", "b"] * 6,
    "one_class": ["a"] * 12,
    "different": [f"k{n}" for n in range(10)],
    "different_test": [f"k{n}" for n in range(10)],
    "five_each": [f"k{n}" for n in range(10)] * 5,
    "unknown": [*["a", "b"] * 6, "c", "c", "d"],
    "all_unknown": ["c", "d"] * 5,
    "some_missing": [*AB, "", "", ""],
    "all_missing": [""] * 8,
    "spelled": ["pos", "Pos", "neg", "pos "] * 6,
    "numbers": ["1", "2", "01", "2"] * 6,
    "characters": ["größe", "日本", "🙂", "עברית"] * 6,
    "rare": [*AB, "z"],
    "one_record": ["a"],
    "words": ["good", "bad"] * 6,
    "floats": [n + 0.25 for n in range(40)],
    "more_floats": [n + 0.75 for n in range(40)],
    "one_number": [1.5],
    "one_float": [1.5] * 12,
    "one_of_several": ["x"] * 12,
    "several": ["x|y", "x", "y|z", "z"] * 6,
    "many": [f"c{n}" for n in range(150)] * 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with labeled files, and tiny runs on texts and on pictures."""
    home = tmp_path_factory.mktemp("labels")
    rng = np.random.default_rng(0)

    def text(number: int, label: object = "") -> str:
        return f"w{label} {' '.join(rng.choice(WORDS, 6))} no{number}"

    for name, labels in LABELS.items():
        rows = [[text(number, label), label] for number, label in enumerate(labels)]
        write(home / f"{name}.csv", ["text", "label"], rows)
    for name, scores in (("scored", [n % 5 for n in range(20)]), ("unscored", ["near"] * 20)):
        rows = [[text(n), text(n + 1), score] for n, score in enumerate(scores)]
        write(home / f"{name}.csv", ["sentence1", "sentence2", "opinion"], rows)
    write(home / "empty.csv", ["text", "label"], [])
    (home / "unlabeled.txt").write_text("\n".join(text(number) for number in range(60)))
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)
    names = digits.target.astype(str)
    np.savez(home / "pictures.npz", images=images[:60])
    np.savez(home / "digits.npz", images=images[100:160], labels=names[100:160])
    np.savez(home / "digit.npz", images=images[:12], labels=np.array(["7"] * 12))
    others = np.where(names == "3", "three", names)[200:240]
    np.savez(home / "digits_test.npz", images=images[200:240], labels=others)
    np.savez(home / "grey.npz", images=np.full((24, 8, 8), 7, np.uint8), labels=np.array(AB))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        quick = {"budget": "10steps", "tracker": "none"}
        hs.pretrain("unlabeled.txt", out="run", encoder="light", **quick)
        hs.pretrain("pictures.npz", out="seeing", batch_size=16, **quick)
        for name, value in (("diverged", np.nan), ("collapsed", 0.0)):
            spoiled(Path(shutil.copytree("run", name)), value)
            Path(name, "encoder", "SHA256SUMS").unlink()
        yield home


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def write(path: Path, head: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def spoiled(run: Path, value: float) -> None:
    """Give every weight of a run one value."""
    for path in (run / "encoder").rglob("*.safetensors"):
        weights = load_file(path)
        filled = {
            name: np.full_like(each, value) if each.dtype.kind == "f" else each
            for name, each in weights.items()
        }
        save_file(filled, path)


def shell(command: str) -> tuple[int, str]:
    """Run one command line; return its exit code and all that it printed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = CliRunner().invoke(app, command.split())
    shown = [each for each in caught if issubclass(each.category, (UserWarning, RuntimeWarning))]
    assert [str(each.message) for each in shown] == []
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def evaluated(options: str, run: str = "run") -> tuple[int, str]:
    return shell(
        f"evaluate {run} --labels 4,all --seeds 2 --published off --out page.html --overwrite "
        f"--train {options}"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("one_class.csv", "one_class.csv: every labeled record has the label 'a'"),
        ("one_class.csv --test ab.csv", "one_class.csv: every labeled record has the label 'a'"),
        ("different.csv", "different.csv: each of its 10 labels occurs only once"),
        ("different.csv --folds 5", "different.csv: the label 'k0' has 1 record(s), fewer than"),
        ("floats.csv --task classification", "use --task regression if the labels are quantities"),
        (
            "floats.csv --task classification --test more_floats.csv",
            "name records of the same classes, or use --task regression",
        ),
        ("ab.csv --test all_unknown.csv", "all_unknown.csv: no record has a label that a training"),
        ("ab.csv --test empty.csv", "no record could be read from empty.csv"),
        ("ab.csv --test all_missing.csv", "all_missing.csv has no labels"),
        ("all_missing.csv", "all_missing.csv has no labels; name their column with --column"),
        ("five_each.csv --labels 3", "'labels': none of 4, 3 can be drawn"),
        ("words.csv --task regression", "words.csv: no label is a number, as a regression needs"),
        ("one_float.csv", "one_float.csv: all labels are equal"),
        ("floats.csv --test one_number.csv", "one_number.csv: it has one labeled record"),
        ("ab.csv --task similarity", "unclear which columns of ab.csv hold the two records"),
        ("scored.csv --task similarity", "unclear which column of scored.csv holds the score"),
        (
            "unscored.csv --task similarity --label-column opinion",
            "unscored.csv: no score of a pair is a number",
        ),
        (
            "one_of_several.csv --task multilabel",
            "0 label(s) can be tested; two or more are needed",
        ),
        ("different.csv --task retrieval", "no record has another that is relevant to it"),
        ("different.csv --task clustering", "each of the 10 records has a label of its own"),
        ("one_class.csv --task clustering", "each of the 12 records has the label 'a'"),
        ("different.csv --task fewshot", "0 class(es) have the 6 records that 5 shots need"),
    ],
)
def test_labels_that_cannot_be_measured_are_refused(options: str, sentence: str) -> None:
    if "--labels 3" in options:
        code, output = shell(f"evaluate run --labels 4,3 --train {options.split()[0]}")
    else:
        code, output = evaluated(options)
    assert code == 1, output
    assert sentence in output
    assert output.count("error: ") == 1
    assert output.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            "ab.csv --test unknown.csv",
            "3 of 15 records of unknown.csv have a label that no training record has, and were "
            "left out: 'c' (2), 'd' (1).",
        ),
        ("ab.csv --test one_class.csv", "every tested record has the label 'a'"),
        ("ab.csv --test one_record.csv", "only 1 labeled record can be tested"),
        ("ab.csv --test ab.csv", "ab.csv is given as --train and as --test"),
        ("ab.csv --test ab.csv", "100.0% of the test texts occur among the labeled ones"),
        ("different.csv --test different_test.csv", "4 labels are too few for 10 different ones"),
        ("spelled.csv", "spelled.csv: 'Pos' and 'pos' differ only in case, spaces"),
        ("numbers.csv", "numbers.csv: '01' and '1' differ only in case, spaces or the writing"),
        ("characters.csv", "4 classes"),
        ("some_missing.csv", "3 records were set aside ("),
        ("rare.csv", "rare.csv: the class 'z' has a single record"),
        ("ab.csv --shifted unknown.csv", "3 of 15 records of unknown.csv have a label"),
        ("ab.csv --task retrieval --test unknown.csv", "3 of 15 records were no queries"),
        ("many.csv --folds 2 --alternatives-budget 1s", "accuracy on 300 records of 150 classes"),
    ],
)
def test_doubtful_labels_are_measured_with_a_note(options: str, sentence: str) -> None:
    code, output = evaluated(options)
    assert code == 0, output
    assert sentence in output


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ("digit.npz", 1, "digit.npz: every labeled record has the label '7'"),
        ("digits.npz --test digits_test.npz", 0, "were left out: 'three' ("),
        ("digits.npz --test digits.npz", 0, "of the test pictures occur among the labeled"),
        ("grey.npz --test grey.npz", 0, "pre-trained: every record has the same features"),
        ("grey.npz", 1, "no record can be held out: all records of each label are copies"),
    ],
)
def test_it_is_the_same_with_pictures(options: str, code: int, sentence: str) -> None:
    found, output = evaluated(options, "seeing")
    assert found == code, output
    assert sentence in output


@pytest.mark.parametrize("task", ["classification", "clustering", "retrieval", "fewshot"])
def test_features_that_are_all_the_same_are_noted(task: str) -> None:
    more = " --episodes 10" if task == "fewshot" else ""
    code, output = evaluated(f"ab.csv --task {task}{more}", "collapsed")
    assert code == 0, output
    assert "pre-trained: every record has the same features" in output


@pytest.mark.parametrize(
    "command",
    [
        "evaluate diverged --train ab.csv",
        "finetune diverged --out tuned --budget 5steps --train ab.csv",
        "label diverged --unlabeled unlabeled.txt --out next.csv",
    ],
)
def test_features_that_are_no_numbers_are_refused(command: str) -> None:
    code, output = shell(command)
    assert code == 1, output
    assert "error: the tensor embedding.weight in " in output
    assert "holds values that are not finite" in output


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ("one_class.csv", 1, "at least two labels, but only 'a' occurs"),
        (
            "different.csv",
            0,
            "10 labels and 0 names: none is held out, so that nothing is",
        ),
        ("floats.csv --task classification", 1, "use --task regression if the labels are quant"),
        ("one_of_several.csv --task multilabel", 1, "every training record has the same label(s)"),
        ("one_float.csv --task regression", 1, "two different numbers at least"),
        ("ab.csv --val all_unknown.csv", 1, "all_unknown.csv: no record has a label that a train"),
        ("ab.csv --val unknown.csv", 0, "were left out: 'c' (2), 'd' (1)."),
        ("ab.csv --val ab.csv", 0, "ab.csv is given as --train and as --val"),
        ("spelled.csv", 0, "'Pos' and 'pos' differ only in case"),
        ("rare.csv", 0, "rare.csv: the class 'z' has a single record"),
        ("many.csv", 0, "On 150 held-out records"),
    ],
)
def test_finetune_says_the_same(options: str, code: int, sentence: str, tmp_path: Path) -> None:
    found, output = shell(f"finetune run --budget 2steps --out {tmp_path / 'ft'} --train {options}")
    assert found == code, output
    assert sentence in output


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ("--labeled one_class.csv", 0, "5 records to label"),
        ("--labeled spelled.csv", 0, "spelled.csv: 'Pos' and 'pos' differ only in case"),
        ("--simulate floats.csv", 1, "floats.csv: every label occurs only once"),
    ],
)
def test_label_says_the_same(options: str, code: int, sentence: str, tmp_path: Path) -> None:
    out = tmp_path / "next.csv"
    found, output = shell(f"label run --unlabeled unlabeled.txt --count 5 --out {out} {options}")
    assert found == code, output
    assert sentence in output


def test_a_simulation_that_nobody_asked_for_stops_nothing(tmp_path: Path) -> None:
    rows: list[list[object]] = [[f"text {n} of its own kind", f"k{n}"] for n in range(400)]
    write(tmp_path / "half.csv", ["text", "label"], [*rows, ["unlabeled text", ""]])
    code, output = shell(
        f"label run --unlabeled {tmp_path / 'half.csv'} --count 1 --out {tmp_path / 'next.csv'}"
    )
    assert code == 0, output
    assert "The value of choosing could not be simulated: --unlabeled: every label" in output


def test_a_network_learns_from_one_record_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.downstream.scratch._steps", lambda encoder, labeled: 5)
    code, output = shell(
        "evaluate run --train five_each.csv --labels 10 --seeds 2 --from-scratch on "
        "--out page.html --overwrite"
    )
    assert code == 0, output
    assert "10 labels: " in output
