"""An export works where headstart is not installed, and gives what the original gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.stored import check

Bare = Callable[..., list[dict[str, Any]]]
QUERIES = ["the sly fox", "a wolf that nobody saw"]


def test_texts_and_their_labels_need_a_tokenizer_and_a_runtime_alone(
    tuned: hs.Run, bare: Bare, tmp_path: Path
) -> None:
    out = tmp_path / "export"
    found = tuned.export(format="onnx", out=str(out), quiet=True)
    rows = bare(out, *QUERIES)
    assert np.array([row["vector"] for row in rows]) == pytest.approx(
        tuned.encode(QUERIES), abs=1e-5
    )
    ours = tuned.predict(*[QUERIES[0]], quiet=True) + tuned.predict(QUERIES[1], quiet=True)
    assert [row["label"] for row in rows] == [row["label"] for row in ours]
    assert [row["score"] for row in rows] == pytest.approx([row["score"] for row in ours], abs=1e-4)
    assert found.parity.overlap == 1.0
    assert found.parity.decisions == 1.0
    head = json.loads((out / "head.json").read_text())
    assert set(head["labels"]) == {"fox", "hare", "wolf"}
    assert "temperature" in head
    check(out)  # every file is listed, and as it was written
    card = (out / "README.md").read_text()
    for word in ("labeled.jsonl", "not evaluated", "Licence", "Limits", "torch"):
        assert word in card
    assert len((out / "example.py").read_text().splitlines()) < 35
    stored = json.loads((out / "export.json").read_text())
    assert stored["parity"]["overlap"] == 1.0


def test_a_table_is_read_by_numpy_and_in_8_bits_it_is_a_quarter(
    table: hs.Run, bare: Bare, tmp_path: Path
) -> None:
    whole = table.export(format="numpy", out=str(tmp_path / "whole"), quiet=True)
    small = table.export(
        format="numpy", quantize="int8", out=str(tmp_path / "small"), least_overlap=0.5, quiet=True
    )
    sizes = [each.out.joinpath("table.npy").stat().st_size - 128 for each in (whole, small)]
    assert sizes[1] == sizes[0] / 4
    assert small.parity.cosine_least > 0.999
    rows = bare(tmp_path / "small", *QUERIES)
    ours = table.encode(QUERIES)
    assert np.array([row["vector"] for row in rows]) == pytest.approx(ours, abs=0.02)


def test_a_transformer_in_8_bits_keeps_the_nearest(
    network: hs.Run, bare: Bare, tmp_path: Path
) -> None:
    out = tmp_path / "int8"
    found = network.export(
        format="onnx", quantize="int8", out=str(out), least_overlap=0.8, quiet=True
    )
    assert found.parity.overlap is not None
    assert found.parity.overlap >= 0.8
    import onnx

    kinds = {node.op_type for node in onnx.load(str(out / "model.onnx")).graph.node}
    assert kinds & {"MatMulInteger", "DynamicQuantizeMatMul"}
    (row,) = bare(out, QUERIES[0])
    ours = network.encode(QUERIES[:1])[0]
    other = np.array(row["vector"])
    assert other @ ours / np.linalg.norm(other) / np.linalg.norm(ours) > 0.99


def test_pictures_are_decoded_by_pillow_alone_and_convolutions_are_calibrated(
    convolutions: hs.Run, pictures: str, bare: Bare, tmp_path: Path
) -> None:
    out = tmp_path / "int8"
    found = convolutions.export(
        format="onnx", quantize="int8", out=str(out), least_overlap=0.7, quiet=True
    )
    assert found.parity.cosine_mean > 0.999
    import onnx

    kinds = {node.op_type for node in onnx.load(str(out / "model.onnx")).graph.node}
    assert "QuantizeLinear" in kinds
    names = ["big0.jpg", "0.png", "1.png"]  # one is drafted, and one is transparent
    files = [str(Path(pictures) / name) for name in names]
    rows = bare(out, *files)
    ours = hs.embed(convolutions, *files, quiet=True)
    assert np.array([row["vector"] for row in rows]) == pytest.approx(ours, abs=0.05)


def test_histories_are_read_by_the_names_of_their_items(
    shop: hs.Run, bare: Bare, tmp_path: Path
) -> None:
    out = tmp_path / "export"
    shop.export(format="onnx", out=str(out), quiet=True)
    rows = bare(out, '["i1", "i2", "i7"]', '["nobody knows this"]', '["i3"]')
    vectors = np.array([row["vector"] for row in rows])
    assert np.isfinite(vectors).all()
    (alone,) = bare(out, '["i3"]')  # beside longer ones it is the same
    assert vectors[2] == pytest.approx(np.array(alone["vector"]), abs=1e-5)


def test_the_shell_prints_the_comparison(table: hs.Run, tmp_path: Path) -> None:
    words = ["export", str(table.folder), "--format", "numpy", "--out", str(tmp_path / "x")]
    done = CliRunner().invoke(app, [*words, "--quiet"])
    assert done.exit_code == 0, done.output
    assert "ten nearest of each record are the same" in done.stdout
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 1
    assert "holds an export already; replace it with --overwrite" in again.stderr
    assert CliRunner().invoke(app, [*words, "--overwrite", "--quiet"]).exit_code == 0
    whole = CliRunner().invoke(app, [*words, "--overwrite", "--quiet", "--json"])
    assert json.loads(whole.stdout)["parity"]["records"] == 72
