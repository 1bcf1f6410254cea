"""A data set in parts is not read as one where its labels count."""

from __future__ import annotations

import tarfile
import time
import zipfile
from pathlib import Path

import pytest

import headstart as hs
from headstart.data.parts import check_one_part
from headstart.errors import HeadstartError


def made(folder: Path, *files: str) -> str:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text,label\na,b\n")
    return str(folder)


@pytest.mark.parametrize(
    ("files", "first"),
    [
        (("train/1.png", "valid/1.png", "test/1.png"), "train"),
        (("train.csv", "test.csv", "README.md"), "train.csv"),
        (("images/train2017/1.png", "images/val2017/1.png"), "images/train2017"),
        (("data/train-0-of-2.csv", "data/test-0-of-1.csv"), "data/train-0-of-2.csv"),
    ],
)
def test_parts_are_listed_with_a_remedy(tmp_path: Path, files: tuple[str, ...], first: str) -> None:
    source = made(tmp_path, *files)
    with pytest.raises(HeadstartError) as refusal:
        check_one_part(source, "--train")
    assert str(refusal.value).endswith(f"/{first}.")
    assert "with --train, such as /" in str(refusal.value)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in files:
            archive.writestr(name, "")
    with pytest.raises(HeadstartError, match=f"unpack it .* such as {first}"):
        check_one_part(str(tmp_path / "all.zip"), "--train")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as packed:
        for name in files:
            packed.add(Path(source, name), name)
    with pytest.raises(HeadstartError, match=f"unpack it .* such as {first}"):
        check_one_part(str(tmp_path / "all.tar.gz"), "--train")


def test_the_folder_of_a_part_is_named_before_the_list_of_its_pictures(tmp_path: Path) -> None:
    source = made(tmp_path, "train.txt", "val.txt", "images/1.png")
    with pytest.raises(HeadstartError, match=r"such as \S+/train\.txt"):
        check_one_part(source, "--train")
    made(tmp_path, "images/train/1.png", "images/val/2.png")
    with pytest.raises(HeadstartError, match=r"such as \S+/images/train\."):
        check_one_part(source, "--train")


def test_a_zip_of_many_classes_is_looked_at_in_no_time(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for number in range(12_000):
            archive.writestr(f"class {number // 4}/{number}.png", "")
    start = time.process_time()
    check_one_part(str(tmp_path / "all.zip"), "--train")
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "files",
    [
        ("train/1.png", "car/1.png"),
        ("spam/train.txt", "ham/test.txt"),
        ("trainer.csv", "testy.csv"),
    ],
)
def test_other_names_are_no_parts(tmp_path: Path, files: tuple[str, ...]) -> None:
    check_one_part(made(tmp_path, *files), "--train")


def test_a_pattern_may_not_match_several_parts(tmp_path: Path) -> None:
    source = made(tmp_path, "train.csv", "test.csv", "more.csv")
    check_one_part(f"{source}/tr*.csv", "--train")
    with pytest.raises(HeadstartError, match=r"has the parts train\.csv, test\.csv"):
        check_one_part(f"{source}/*.csv", "--train")


@pytest.mark.parametrize(
    "verb",
    [
        lambda source: hs.evaluate("run", train=source),
        lambda source: hs.evaluate("run", train="labeled.csv", test=source),
        lambda source: hs.finetune("run", train=source, out="out", task="detection"),
        lambda source: hs.finetune("run", train="labeled.csv", val=source, out="out"),
        lambda source: hs.compare("run", "other", train=source),
        lambda source: hs.label("run", unlabeled="pool.txt", simulate=source),
    ],
)
def test_every_verb_that_reads_labels_refuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: object
) -> None:
    monkeypatch.chdir(tmp_path)
    source = made(tmp_path / "set", "train/a.csv", "test/b.csv")
    with pytest.raises(HeadstartError, match="has the parts train, test"):
        verb(source)  # type: ignore[operator]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pattern", ["*/*/*.csv", "**/*.csv", "t*/pos/*.csv"])
def test_parts_may_lie_above_the_files_of_a_pattern(tmp_path: Path, pattern: str) -> None:
    source = made(tmp_path, "train/pos/1.csv", "test/pos/1.csv", "train/neg/1.csv")
    check_one_part(f"{source}/train/*/*.csv", "--train")
    with pytest.raises(HeadstartError, match=r"has the parts train, test.*such as \S+/train\.$"):
        check_one_part(f"{source}/{pattern}", "--train")
