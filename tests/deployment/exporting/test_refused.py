"""What cannot be exported is one sentence before anything is written, and nothing is left."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.deployment.exporting import export as exporting
from headstart.errors import HeadstartError


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "onx"}, "unknown export format 'onx'; did you mean 'onnx'"),
        ({"head": "on"}, "knows no labels"),
        ({"least_overlap": 1.5}, "least_overlap"),
    ],
)
def test_wrong_options_are_refused(
    options: dict[str, Any], message: str, table: hs.Run, tmp_path: Path
) -> None:
    with pytest.raises(HeadstartError, match=message):
        table.export(**{"format": "numpy", **options}, out=str(tmp_path / "x"), quiet=True)
    assert left_in(tmp_path) == []


def test_an_encoder_alone_needs_records_and_has_no_head(table: hs.Run, tmp_path: Path) -> None:
    folder, out = str(table.encoder), str(tmp_path / "x")
    with pytest.raises(HeadstartError, match="is an encoder without its records; name some"):
        hs.export(folder, format="numpy", out=out, quiet=True)
    with pytest.raises(HeadstartError, match="needs a fine-tuned run"):
        hs.export(folder, ["the fox"] * 3, format="numpy", head="on", out=out, quiet=True)
    assert hs.export(folder, ["the fox", "a wolf"], format="numpy", out=out, quiet=True)


def test_a_head_that_counts_sequences_is_refused_and_can_be_left_out(
    table: hs.Run, labeled: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"budget": "1steps", "tracker": "none", "alternatives": False}
    run = hs.finetune(
        table, train=labeled, out=str(tmp_path / "wide"), wide="on", quiet=True, **options
    )
    out = tmp_path / "x"
    with pytest.raises(HeadstartError, match="counts sequences of tokens"):
        run.export(format="numpy", out=str(out), quiet=True)
    assert not out.exists()
    run.export(format="numpy", head="off", out=str(out), quiet=True)
    assert not (out / "head.json").exists()


def test_a_table_holds_one_encoder_and_parts_are_exported_alone(
    table: hs.Run, labeled: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"encoder_options": {"width": 16}, "tracker": "none", "length": 16}
    joined = hs.pretrain(
        labeled,
        out=str(tmp_path / "joined"),
        start=str(table.encoder),
        budget="1steps",
        quiet=True,
        **options,
    )
    with pytest.raises(HeadstartError, match=r"side by side .*onnx.* encoder/NAME"):
        joined.export(format="numpy", out=str(tmp_path / "x"), quiet=True)
    part = joined.encoder / "pre-trained"
    found = hs.export(part, labeled, format="numpy", out=str(tmp_path / "x"), quiet=True)
    assert found.parity.overlap == 1.0


def test_what_lies_at_out_is_never_overwritten(table: hs.Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(HeadstartError, match="is a folder with files in it"):
            table.export(format="numpy", out=str(mine), overwrite=overwrite, quiet=True)
    with pytest.raises(HeadstartError):
        table.export(format="numpy", out=str(table.encoder), overwrite=True, quiet=True)
    assert left_in(mine) == ["letter.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_an_export_that_is_cut_off_leaves_nothing(
    error: BaseException, table: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(exporting, "seal", cut)
    with pytest.raises((HeadstartError, KeyboardInterrupt)):
        table.export(format="numpy", out=str(tmp_path / "x"), quiet=True)
    assert left_in(tmp_path) == []


def test_an_export_that_reads_otherwise_is_refused(
    table: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "headstart.modalities.text.portable._CODE",
        "def read(texts):\n    ids = np.ones((len(texts), 1), np.int64)\n"
        '    return {"input_ids": ids, "attention_mask": ids}\n',
    )
    with pytest.raises(HeadstartError, match="its example reads records otherwise"):
        table.export(format="numpy", out=str(tmp_path / "x"), quiet=True)
    monkeypatch.setattr("headstart.modalities.text.portable._CODE", "import nothing_like_this\n")
    with pytest.raises(HeadstartError, match=r"its example fails .*nothing_like_this"):
        table.export(format="numpy", out=str(tmp_path / "x"), quiet=True)
    assert left_in(tmp_path) == []


def test_half_an_export_says_what_is_missing(sentence_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    shutil.copytree(sentence_folder, out)
    assert hs.embed(out, ["the fox"], quiet=True).shape == (1, 16)
    (out / "model.safetensors").unlink()
    with pytest.raises(HeadstartError, match=r"model\.safetensors is missing; restore it"):
        hs.embed(out, ["the fox"], quiet=True)


def test_a_missing_package_is_named_with_its_extra(
    network: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(HeadstartError, match=r"pip install headstart\[export\]"):
        network.export(format="onnx", out=str(tmp_path / "x"), quiet=True)
