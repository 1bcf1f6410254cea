"""Folders for other libraries open in those alone, with the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import headstart as hs
from headstart.errors import HeadstartError

QUERIES = ["the sly fox", "a wolf that nobody saw"]


def test_transformers_opens_network_and_tokenizer(network: hs.Run, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    out = str(tmp_path / "x")
    found = network.export(format="transformers", out=out, quiet=True)
    inputs = AutoTokenizer.from_pretrained(out)(
        QUERIES, return_tensors="pt", padding=True, truncation=True, max_length=16
    )
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        tokens = AutoModel.from_pretrained(out)(**given).last_hidden_state
    mask = given["attention_mask"][:, :, None]
    vectors = (tokens * mask).sum(1) / mask.sum(1)
    assert vectors.numpy() == pytest.approx(network.encode(QUERIES), abs=1e-4)
    assert found.parity.overlap == 1.0


def test_sentence_transformers_opens_a_table_and_a_network(
    table: hs.Run, sentence_folder: Path, network: hs.Run, tmp_path: Path
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    out = tmp_path / "network"
    network.export(format="sentence-transformers", out=str(out), quiet=True)
    for run, folder in ((table, sentence_folder), (network, out)):
        model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
        assert model.encode(QUERIES) == pytest.approx(run.encode(QUERIES), abs=1e-4)


def test_timm_opens_its_networks(pictures: str, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    run = hs.pretrain(
        pictures,
        out=str(tmp_path / "conv"),
        encoder="conv",
        encoder_options={"widths": [8, 16], "depths": [1, 1], "smallest": 32},
        budget="1steps",
        length=16,
        tracker="none",
        start="none",
        quiet=True,
    )
    out = tmp_path / "x"
    found = run.export(format="timm", out=str(out), quiet=True)
    assert found.parity.cosine_least > 0.9999
    model = timm.create_model(f"local-dir:{out}", pretrained=True, num_classes=0)
    assert model.num_features == 16


def test_a_library_that_has_no_such_network_is_refused_with_what_has(
    table: hs.Run, convolutions: hs.Run, network: hs.Run, tmp_path: Path
) -> None:
    out = {"out": str(tmp_path / "x"), "quiet": True}
    for run, name, word in (
        (table, "timm", "networks of timm"),
        (table, "transformers", "networks of Transformers"),
        (network, "numpy", "one table of vectors"),
        (convolutions, "timm", "networks of timm"),
    ):
        with pytest.raises(HeadstartError, match=f"{word}.*take format='onnx'|{word}.*onnx"):
            run.export(format=name, **out)
    with pytest.raises(HeadstartError, match="has no 8 bits; take onnx or numpy"):
        network.export(format="transformers", quantize="int8", **out)
    assert not (tmp_path / "x").exists()
    assert np.isfinite(network.encode(QUERIES)).all()
