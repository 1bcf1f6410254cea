"""In Python a message names keyword arguments and what was given, in the shell flags and files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.errors import HeadstartError
from headstart.verbs.wording import from_shell, note_records, noting_records, worded

TEXTS = [f"the {a} {b} sleeps" for a in ("red", "sly", "old") for b in ("fox", "hare")]


@pytest.mark.parametrize(
    ("shell", "python"),
    [
        ("check --column text=body.", 'check columns={"text": "body"}.'),
        ("name it with --column label=COLUMN (x)", 'name it with columns={"label": "COLUMN"} (x)'),
        ("check --column text='a b'.", 'check columns={"text": "a b"}.'),
        ("check --label-column.", "check label_column=."),
        ("choose another --out.", "choose another out=."),
        ("--overwrite or another --out", "overwrite=True or another out="),
        ("start it with --no-alternatives.", "start it with alternatives=False."),
        ("set --length 128 or less.", "set length=128 or less."),
        ("with --modality series or --modality map.", 'with modality="series" or modality="map".'),
        ("or use --task regression if so", 'or use task="regression" if so'),
        ("take --budget 4000steps", 'take budget="4000steps"'),
        ("--set mlm.mask=0.3: nothing", 'settings=["mlm.mask=0.3"]: nothing'),
        ("--set 'seed' must read", 'settings=["seed"] must read'),
        ("--val names no file", "val= names no file"),
        ("go on with `headstart finetune --resume --out x`.",) * 2,
        ("there is no --such thing",) * 2,
    ],
)
def test_flags_become_keyword_arguments(shell: str, python: str) -> None:
    assert worded(shell) == python
    with from_shell():
        assert worded(shell) == shell


def test_records_in_memory_are_called_what_they_were_given_as(
    tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"body": text, "stars": n, "id": n} for n, text in enumerate(TEXTS)]
    with pytest.raises(HeadstartError) as caught:
        hs.audit(rows, columns={"text": "boddy"})
    assert str(caught.value).startswith("the records given as 'sources' have no column 'boddy'")
    assert 'check columns={"text": "boddy"}' in str(caught.value)
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(HeadstartError, match="replace it with overwrite=True, or choose another "):
        hs.audit(rows, out=page)
    found = hs.audit([*rows, {"body": " "}, rows[0]], against=[rows[:2]], label_column="stars")
    assert not re.search("given-", capsys.readouterr().err + str(found))
    names = [name for pair in found.to_dict()["overlap"]["examples"] for name in pair]
    assert names[:2] == ["against.parquet:1", "sources.parquet:1"]


def test_records_are_called_so_by_a_method_and_by_a_verb_that_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = "runs/x.data/given-1/train.parquet"
    with noting_records():
        note_records(path, "train")
        assert worded(f"{tmp_path}/{path} has no labels.") == (
            "the records given as 'train' have no labels."
        )
    with pytest.raises(HeadstartError, match=r"no file or folder gone\.csv"):
        hs.audit(["gone.csv", "away.csv"])


@pytest.mark.parametrize("wrong", [{"config": 5}, {"settings": 5}, {"settings": [5]}])
def test_values_of_another_type_are_refused_in_a_sentence(wrong: dict[str, Any]) -> None:
    for verb in (lambda: hs.audit("x.txt", **wrong), lambda: hs.pretrain("x", out="y", **wrong)):
        with pytest.raises(HeadstartError, match=r"option '(config|settings)' must be"):
            verb()


def test_a_wrong_value_of_a_list_is_named_by_its_place() -> None:
    with pytest.raises(
        HeadstartError, match=r"^value 2 of 'inputs' must be a text \(given: None\)"
    ):
        hs.predict("run", "a text", None)


def test_one_setting_may_be_given_alone() -> None:
    with pytest.raises(HeadstartError, match="nosuch"):
        hs.audit("x.txt", settings="nosuch=1")
