"""How fast a published encoder is here: measured once for a machine and its weights."""

from __future__ import annotations

import json
import os

import pytest
import torch
from transformers import BertConfig, BertModel

from headstart.encoders.published import Found, Published, described
from headstart.evaluation import speed
from headstart.modalities.text.tokenizers import fit_tokenizer


@pytest.fixture
def bert(tmp_path, monkeypatch) -> Published:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(speed, "_SECONDS", 0.01)
    folder = tmp_path / "bert"
    tokenizer = fit_tokenizer(["a small text"] * 3, kind="bpe", vocab_size=300)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return described("bert", folder, "folder")


def test_it_is_measured_once_for_these_weights(bert):
    said: list[str] = []
    first = speed.speeds((bert,), said.append)
    assert first["bert"] > 0
    assert speed.speeds((bert,), said.append) == first
    assert said == ["measuring bert"]
    assert speed.speeds((bert,)) == first
    os.utime(bert.folder / "model.safetensors", ns=(1, 1))
    assert speed.speeds((bert,)) == {}  # other weights, and nothing is measured without a word


def test_what_cannot_be_run_has_no_speed_and_a_broken_cache_is_none(bert, tmp_path):
    file = tmp_path / "cache" / "headstart" / "speeds.json"
    file.parent.mkdir(parents=True)
    file.write_text("[1, 2")
    (bert.folder / "model.safetensors").write_bytes(b"no tensors")
    assert speed.speeds((bert,), print) == {}


def test_the_list_shows_it_beside_size_and_licence(bert):
    found = Found((bert,), {}, {"bert": 1234.5})
    head, row = str(found).splitlines()
    assert head.split()[-2:] == ["records/s", "from"]
    assert row.split()[-2:] == ["1,234", "folder"]
    assert str(Found((bert,), {})).splitlines()[1].split()[-2] == "?"
    assert json.loads(json.dumps(found.summary()["starts"][0], default=str))[
        "records_per_second"
    ] == pytest.approx(1234.5)


def test_pictures_are_measured_in_the_size_of_the_encoder(tmp_path, monkeypatch):
    from headstart.encoders.opening import create_encoder, save_encoder
    from headstart.modalities.image.processor import ImageProcessor

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(speed, "_SECONDS", 0.01)
    encoder = create_encoder("conv", {}, None, length=32, seed=0)
    save_encoder(
        encoder, ImageProcessor(32), tmp_path / "conv", {"modality": "image", "length": 32}
    )
    found = Published("conv", tmp_path / "conv", "folder", "image")
    assert speed.speeds((found,), print)["conv"] > 0
