"""In Python a message names keyword arguments and what was given, in the shell flags and files."""

from __future__ import annotations

import re

import pytest

import headstart as hs
from headstart.errors import HeadstartError
from headstart.verbs.wording import from_shell, worded

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
