"""What pre-training writes into ``audit.json``, from reading to the end of training."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.errors import HeadstartError
from headstart.modalities.image import pixel_file

TEXTS = [
    f"the {a} {b} {c} over the {d} dog and to that house"
    for a in ("quick", "brown", "sly")
    for b in ("fox", "hare", "wolf", "old badger")
    for c in ("jumps", "leaps", "strolls")
    for d in ("lazy", "little sleeping")
]
SMALL: dict[str, Any] = {"encoder": "light", "budget": "3steps", "tracker": "none"}


def texts(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(rows))
    return str(path)


def audit_of(run: hs.Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.audit_file.read_text())
    return found


def test_the_audit_says_what_the_texts_are_like(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = texts(tmp_path / "a.txt", [*TEXTS, "", TEXTS[0]])
    found = audit_of(hs.pretrain(source, out=str(tmp_path / "run"), **SMALL))
    assert (found["kept"], found["duplicates"], found["blank"]) == (len(TEXTS) + 1, 1, 1)
    assert found["lengths"]["unit"] == "characters"
    assert found["quality"]["gopher.words"] == len(TEXTS) + 1
    assert "removed" not in found
    told = re.search(r"(\d+) texts and (\d+) held out; contrast on", capsys.readouterr().err)
    assert told is not None
    assert sum(map(int, told.groups())) == len(TEXTS) + 1


def test_what_tests_hold_is_left_out_and_the_verdict_knows(tmp_path: Path) -> None:
    source = texts(tmp_path / "a.txt", TEXTS)
    test = tmp_path / "test.jsonl"
    rows = [{"text": text, "label": str(n % 2)} for n, text in enumerate(TEXTS[:20])]
    test.write_text("\n".join(map(json.dumps, rows)))
    train = tmp_path / "train.jsonl"
    fresh = [{"text": text, "label": str(n % 2)} for n, text in enumerate(TEXTS[30:])]
    train.write_text("\n".join(map(json.dumps, fresh)))
    dirty = hs.pretrain(source, out=str(tmp_path / "dirty"), **SMALL)
    clean = hs.pretrain(source, out=str(tmp_path / "clean"), remove_overlap=[str(test)], **SMALL)
    found = audit_of(clean)
    removed = found["removed"]["overlap"]
    assert removed >= 20
    assert found["kept"] == clean.resolved["records"] == len(TEXTS) - removed
    for run, shared in ((dirty, True), (clean, False)):
        notes = run.evaluate(str(train), test=str(test), labels=["10"], seeds=2).notes
        assert any("also occur in the pre-training data" in note for note in notes) == shared


def test_texts_that_fail_a_rule_are_left_out(tmp_path: Path) -> None:
    source = texts(tmp_path / "a.txt", [*TEXTS, "{ code }", "{ more code }"])
    run = hs.pretrain(source, out=str(tmp_path / "run"), quality=["c4.brackets"], **SMALL)
    assert audit_of(run)["removed"] == {"c4.brackets": 2}
    assert run.resolved["records"] == len(TEXTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": ["gofer"]}, "did you mean 'gopher'"),
        ({"quality": ["gopher.words"]}, "none of the 72 records is left"),
        ({"remove_overlap": ["nowhere.txt"]}, r"there is no file or folder .*nowhere\.txt"),
    ],
)
def test_a_mistake_leaves_no_run_behind(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = texts(tmp_path / "a.txt", TEXTS)
    with pytest.raises(HeadstartError, match=message):
        hs.pretrain(source, out=str(tmp_path / "run"), **SMALL, **options)
    assert not (tmp_path / "run").exists()


def test_pictures_found_unreadable_only_in_training_are_added_to_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many images are decoded when they are met: what is bad comes out late."""
    monkeypatch.setattr(pixel_file, "PATIENCE", -1)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "PNG")
        data = file.getvalue() if number != 5 else file.getvalue()[:200]
        (folder / f"{number:02}.png").write_bytes(data)
    (folder / "notes.md").write_text("no picture")
    run = hs.pretrain(
        str(folder),
        out=str(tmp_path / "run"),
        encoder="plain",
        encoder_options={"widths": [8, 16], "pooled": [True, True]},
        budget="2epochs",
        batch_size=4,
        tracker="none",
    )
    found = audit_of(run)
    reasons = {row["where"]: row["reason"] for row in found["records"]}
    assert list(reasons) == ["photos/notes.md", "photos/05.png"]
    assert "cut short" in reasons["photos/05.png"]
    assert (found["kept"], found["quarantine"]) == (11, 2)
    assert found["lengths"]["unit"] == "pixels of the shorter side"


def test_going_on_from_a_run_is_guarded_and_reports_what_it_kept(tmp_path: Path) -> None:
    source = texts(tmp_path / "a.txt", TEXTS)
    labels = tmp_path / "labeled.csv"
    rows = [f"{text},{'fox' in text}" for text in TEXTS]
    labels.write_text("\n".join(["text,label", *rows]))
    options: dict[str, Any] = {"tracker": "none", "objective": "mlm", "budget": "4steps"}
    size = {"layers": 1, "width": 8, "heads": 1}
    first = hs.pretrain(
        source, out=str(tmp_path / "first"), encoder="bert", encoder_options=size, **options
    )
    assert "kept" not in first.resolved
    assert not first.log_file.exists()  # nothing was logged
    goes_on = options | {"encoder": str(first.folder)}
    again = hs.pretrain(source, out=str(tmp_path / "again"), probe=str(labels), **goes_on)
    log = again.log_file.read_text()
    assert "Safeguards: only what is new learns for the first 10% of the steps" in log
    assert "by probe" in again.resolved["kept"]
    assert again.resolved["kept"] in log
    assert {"probe", "effective_rank"} <= again.metrics()[0].keys()
    # Without labels the halves of the texts decide.
    blind = hs.pretrain(source, out=str(tmp_path / "blind"), **goes_on)
    assert "by view_matching" in blind.resolved["kept"]
    bare = hs.pretrain(source, out=str(tmp_path / "bare"), safeguards="off", **goes_on)
    assert "kept" not in bare.resolved
    assert not bare.log_file.exists()
    assert not (bare.checkpoints / "start.ckpt").exists()


def test_labels_that_are_not_there_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    source = texts(tmp_path / "a.txt", TEXTS)
    with pytest.raises(HeadstartError, match="holds no labels"):
        hs.pretrain(source, out=str(tmp_path / "run"), probe=source, **SMALL)
    assert not (tmp_path / "run").exists()


def test_one_seed_is_one_run_whatever_the_order_of_hashes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headstart", "pretrain", texts(tmp_path / "a.txt", TEXTS)]
    command += ["--objective=mlm", "--encoder=modernbert", "--budget=3steps", "--tracker=none"]
    for setting in ("encoder.layers=1", "encoder.width=32", "encoder.heads=2"):
        command += ["--set", setting]
    command += ["--set", "text.tokenizer.kind=wordpiece", "--out"]
    found = []
    for hashes in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        out = tmp_path / hashes
        subprocess.run([*command, str(out)], env=environment, capture_output=True, check=True)
        found.append((out / "encoder" / "model.safetensors").read_bytes())
    assert found[0] == found[1]


def test_the_validation_part_divides_no_group_and_no_copies(tmp_path: Path) -> None:
    from headstart.config import PretrainConfig
    from headstart.data.audit import Audit
    from headstart.modalities.text.modality import TextModality
    from headstart.training.preparing import _held_out

    rows = [f'"{text}",a{number % 9}' for number, text in enumerate(TEXTS * 2)]
    source = texts(tmp_path / "a.csv", ["text,author", *rows])
    modality, audit = TextModality(), Audit()
    plan = PretrainConfig(sources=[source], out="run", validation_share=0.2)
    found = modality.read([source], plan, audit)
    kept, held = _held_out(found, plan, modality, audit)
    assert held["text"][:]
    assert not set(kept["text"]) & set(held["text"])

    plan = plan.model_copy(update={"group": "author"})
    found = modality.read([source], plan, audit := Audit())
    kept, held = _held_out(found, plan, modality, audit)
    assert held["text"][:]
    assert "9 groups by 'author'" in audit.notes[0]
    assert kept.column_names == ["id", "text"]
    one = found.select([0, len(TEXTS)])
    kept, held = _held_out(one, plan.model_copy(update={"group": None}), modality, audit)
    assert (len(kept), len(held)) == (2, 0)


def test_a_preview_shows_what_the_training_begins_with(tmp_path: Path) -> None:
    lines = [f"{text} {number}" for number in range(20) for text in TEXTS]
    source = texts(tmp_path / "a.txt", lines)
    small = {"objective": "mlm", "encoder_options": {"layers": 1, "width": 16, "heads": 2}}
    run = hs.pretrain(source, **small, out=tmp_path / "run", budget="1step", validation_share=0.01)
    shown = json.loads(run.words_file.read_text(encoding="utf-8"))["records"]
    assert hs.preview(source, **small, out=tmp_path / "preview.html").records == shown
