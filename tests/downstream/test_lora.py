"""Low-rank pairs learn, everything else stays, and what is saved is a plain network."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from transformers import AutoModel

from headstart.config import FinetuneConfig
from headstart.downstream.finetune import finetune
from headstart.downstream.lora import add_lora
from headstart.downstream.predict import predict
from headstart.errors import HeadstartError
from headstart.run import RunFolder

pytest.importorskip("peft")
NOTE = {"modality": "text", "length": 16, "encoder": "tiny"}


def moved(encoder, before):
    return {
        name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize("freeze", ["none", "2"])
def test_only_linear_layers_above_the_frozen_ones_move_and_auto_model_opens_the_sum(
    transformer, processor, records, tmp_path, freeze
):
    before = copy.deepcopy(transformer.state_dict())
    options = FinetuneConfig(
        run="r",
        train="t",
        out=str(tmp_path / "o"),
        lora=2,
        freeze=freeze,
        budget="80steps",
        tracker="none",
        precision="fp32",
        optimizer={"learning_rate": 1e-2},
    )
    run = RunFolder.create(tmp_path / "o", "finetune", options)
    some = records({"fruit": 20, "tool": 20})
    finetune(transformer, processor, some, some, options, run, note=NOTE)
    assert set(transformer.state_dict()) == set(before)
    changed = moved(transformer, before)
    assert changed
    assert not any("embeddings" in name or "norm" in name for name in changed)
    if freeze == "2":
        assert {name.split(".")[2] for name in changed} == {"2"}
    opened = AutoModel.from_pretrained(run.encoder)
    for name, value in transformer.model.state_dict().items():
        assert torch.equal(value, opened.state_dict()[name]), name
    batch = processor.collate(some, 16)
    with torch.no_grad():
        wanted = opened(input_ids=batch["input_ids"], attention_mask=batch["mask"])
        found = transformer.eval()(batch).tokens
    mask = batch["mask"]
    assert torch.allclose(wanted.last_hidden_state[mask], found[mask], atol=1e-4)
    hits = [row["label"] for row in predict(run, some)]
    assert sum(a == b for a, b in zip(hits, some["label"], strict=True)) > 25


def test_the_pairs_start_as_nothing_and_are_added_when_merged(transformer, processor, records):
    batch = processor.collate(records({"fruit": 4}), 16)
    transformer.eval()
    with torch.no_grad():
        before = transformer.pool(batch)
        merge = add_lora(transformer, 2)
        assert torch.equal(transformer.pool(batch), before)
        few = sum(p.numel() for p in transformer.parameters() if p.requires_grad)
        assert 0 < few < 0.3 * sum(p.numel() for p in transformer.parameters())
        for name, parameter in transformer.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
        adapted = transformer.pool(batch)
        merge()
        assert not any("lora" in name for name in transformer.state_dict())
        assert not torch.allclose(adapted, before)
        assert torch.allclose(transformer.pool(batch), adapted, atol=1e-5)


def test_what_cannot_be_adapted_is_refused(light, transformer, monkeypatch):
    with pytest.raises(HeadstartError, match="linear layers above the embeddings"):
        add_lora(light, 4)
    with pytest.raises(HeadstartError, match="leave out one of the two"):
        add_lora(transformer, 4, freeze="all")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(HeadstartError, match=r"pip install 'headstart\[lora\]'"):
        add_lora(transformer, 4)
