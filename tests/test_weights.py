"""Weights are loaded whole or not at all: no tensor is left to chance."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertModel, ViTConfig, ViTModel

from headstart import weights
from headstart.encoders.opening import open_encoder
from headstart.errors import HeadstartError

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 32}  # fmt: skip
BERT = {"vocab_size": 64, **SMALL}
QUERY = "encoder.layer.1.attention.self.query.weight"


@pytest.fixture
def bert(tmp_path):
    torch.manual_seed(0)
    BertModel(BertConfig(**BERT)).save_pretrained(tmp_path)
    return tmp_path


def edit(folder, change):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def refusal(folder):
    with pytest.raises(HeadstartError) as error:
        open_encoder(folder)
    assert len(str(error.value)) <= 300 + len(str(folder))
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop(QUERY), f"lacks the tensor {QUERY};"),
        (
            lambda s: [s.pop(n) for n in list(s) if ".1.attention.self" in n],
            "lacks the tensor encoder.layer.1.attention.self.key.bias and 5 more",
        ),
        (lambda s: s.update({QUERY: torch.ones(8, 16)}), f"{QUERY} has the shape 8x16"),
        (lambda s: s[QUERY].view(-1)[3].fill_(torch.nan), f"{QUERY} in .* are not finite"),
        (lambda s: s[QUERY].view(-1)[3].fill_(torch.inf), "not finite"),
        (
            lambda s: s.update({"encoder.layer.2.output.dense.bias": torch.ones(16)}),
            "has the tensor encoder.layer.2.output.dense.bias, for which the network has no place",
        ),
        (
            lambda s: s.update({"encoder.layer.0.adapter.weight": torch.ones(4)}),
            "adapter.weight, for which",
        ),
    ],
)
def test_weights_that_are_not_the_networks_are_refused_by_name(change, message, bert):
    edit(bert, change)
    with pytest.raises(HeadstartError, match=message):
        open_encoder(bert)


def test_poolers_heads_and_old_buffers_make_no_difference(bert, tmp_path):
    wanted = open_encoder(bert).eval()
    edit(bert, lambda s: [s.pop(n) for n in list(s) if n.startswith("pooler")])
    edit(bert, lambda s: s.update({
        "cls.predictions.bias": torch.ones(64), "classifier.weight": torch.ones(2, 16),
        "embeddings.position_ids": torch.arange(512)[None],
    }))  # fmt: skip
    ids = torch.arange(5, 12)[None]
    batch = {"input_ids": ids, "mask": ids > 0}
    torch.testing.assert_close(open_encoder(bert).eval()(batch).pooled, wanted(batch).pooled)
    headed = tmp_path / "headed"
    BertForMaskedLM(BertConfig(**BERT)).save_pretrained(headed)
    open_encoder(headed)
    edit(headed, lambda s: s.pop(f"bert.{QUERY}"))
    assert f"lacks the tensor {QUERY}" in refusal(headed)


def test_a_file_that_is_cut_short_is_named(bert):
    file = bert / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "model.safetensors cannot be read" in refusal(bert)
    file.write_bytes(b"")
    assert "model.safetensors cannot be read" in refusal(bert)


def test_a_part_that_is_missing_is_named(bert):
    (bert / "model.safetensors").unlink()
    BertModel(BertConfig(**BERT)).save_pretrained(bert, max_shard_size="10KB")
    parts = sorted(bert.glob("model-*.safetensors"))
    assert len(parts) > 1
    open_encoder(bert)
    parts[1].unlink()
    assert f"lacks {parts[1].name}" in refusal(bert)


def test_a_pickle_is_not_opened_and_a_sentence_says_what_to_do(bert):
    torch.save(load_file(bert / "model.safetensors"), bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    message = refusal(bert)
    assert "pickle" in message
    assert "save_pretrained" in message


def test_code_of_others_is_never_run(bert):
    config = json.loads((bert / "config.json").read_text())
    own = {**config, "model_type": "their_bert", "auto_map": {"AutoModel": "code.TheirBert"}}
    (bert / "code.py").write_text("raise SystemExit('ran')\n")
    (bert / "config.json").write_text(json.dumps(own))
    assert "'their_bert' that needs Python code of its own, which is never run" in refusal(bert)
    (bert / "config.json").write_text(json.dumps({**config, "auto_map": own["auto_map"]}))
    assert type(open_encoder(bert).model) is BertModel


def test_quantised_weights_are_refused(bert):
    config = json.loads((bert / "config.json").read_text())
    quantised = {"quant_method": "gptq", "bits": 4}
    (bert / "config.json").write_text(json.dumps({**config, "quantization_config": quantised}))
    assert "quantised weights" in refusal(bert)


def test_weights_beyond_the_memory_are_refused_before_they_are_loaded(bert, monkeypatch):
    monkeypatch.setattr(weights, "free_memory", lambda: 1000)
    monkeypatch.setattr(BertModel, "from_pretrained", lambda *given: pytest.fail("loaded"))
    assert "GiB are free; choose a smaller network" in refusal(bert)


def test_free_memory_is_a_number_of_bytes_here():
    free = weights.free_memory()
    assert free is None or 2**20 < free < 2**50


def test_a_tokenizer_with_more_tokens_than_the_table_is_refused(bert):
    vocabulary = {f"token{n}": n for n in range(70)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "token0"}
    text = json.dumps({"version": "1.0", "added_tokens": [], "model": model})
    (bert / "tokenizer.json").write_text(text)
    assert "has ids up to 69, and the network's table has 64 tokens" in refusal(bert)


def test_fewer_positions_than_asked_for_are_refused(bert):
    config = {**BERT, "max_position_embeddings": 100}
    BertModel(BertConfig(**config)).save_pretrained(bert)
    with pytest.raises(HeadstartError, match="has 100 positions, fewer than the 128 tokens"):
        open_encoder(bert, length=128)
    assert open_encoder(bert, length=100).limit == 100


# -- images --------------------------------------------------------------------------------------


def test_image_networks_of_transformers_are_loaded_whole_too(tmp_path):
    ViTModel(ViTConfig(image_size=32, patch_size=8, **SMALL)).save_pretrained(tmp_path)
    open_encoder(tmp_path)
    edit(tmp_path, lambda s: s.pop("embeddings.position_embeddings"))
    assert "lacks the tensor embeddings.position_embeddings" in refusal(tmp_path)


@pytest.mark.parametrize("classes", [0, 10])
def test_image_networks_of_timm_are_loaded_whole_too(classes, tmp_path):
    timm = pytest.importorskip("timm", reason="the extra `images` is not installed")
    from timm.models import save_for_hf

    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2,
        num_classes=classes,
    )  # fmt: skip
    arguments = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    save_for_hf(model, tmp_path, model_args=arguments, safe_serialization=True)
    (tmp_path / "pytorch_model.bin").unlink(missing_ok=True)
    encoder = open_encoder(tmp_path).eval()
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(model.pretrained_cfg[k])[:, None, None] for k in ("mean", "std"))
    model.eval().reset_classifier(0)
    with torch.no_grad():
        wanted = model((pixels - mean) / std)
        torch.testing.assert_close(encoder({"pixels": pixels}).pooled, wanted)
    edit(tmp_path, lambda s: s["blocks.0.attn.qkv.weight"].view(-1)[0].fill_(torch.nan))
    assert "blocks.0.attn.qkv.weight" in refusal(tmp_path)
    edit(tmp_path, lambda s: s.pop("blocks.0.attn.qkv.weight"))
    assert "lacks the tensor blocks.0.attn.qkv.weight" in refusal(tmp_path)
