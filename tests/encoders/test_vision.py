"""Transformers' image networks: opened, trained on, saved for Transformers."""

from __future__ import annotations

import json

import pytest
import torch
import transformers

from headstart.encoders.opening import open_encoder, read_note
from headstart.errors import HeadstartError
from headstart.seeding import generator

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture
def vit(tmp_path):
    """Return the folder of a small ViT with an image processor of its own."""
    torch.manual_seed(0)
    folder = tmp_path / "vit"
    transformers.ViTModel(transformers.ViTConfig(**SMALL)).save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.4],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def drawn(side=32):
    pixels = torch.randint(0, 256, (2, 3, side, side), generator=generator(side))
    return {"pixels": pixels.to(torch.uint8)}


def test_auto_model_and_image_processor_open_what_was_saved_with_equal_vectors(vit, tmp_path):
    encoder = open_encoder(vit).eval()
    with torch.no_grad():
        encoder.model.layernorm.weight.add_(0.5)
    encoder.save(tmp_path / "saved")
    model = transformers.AutoModel.from_pretrained(tmp_path / "saved").eval()
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path / "saved")
    batch = drawn()
    inputs = processor(list(batch["pixels"]), return_tensors="pt")
    states = model(**inputs).last_hidden_state
    features = encoder(batch)
    torch.testing.assert_close(states[:, 0], features.pooled, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(states[:, 1:], features.tokens, rtol=1e-3, atol=1e-4)


def test_its_own_mean_and_deviation_are_used(vit):
    encoder = open_encoder(vit)
    assert encoder.input.mean.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
    assert encoder.input.std.flatten().tolist() == pytest.approx([0.2, 0.3, 0.4])


def test_a_foreign_folder_tells_its_modality_and_size(vit, tmp_path):
    assert read_note(vit) == {"modality": "image", "length": 32}
    bert = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    transformers.BertModel(bert).save_pretrained(tmp_path / "bert")
    assert read_note(tmp_path / "bert") == {"modality": "text", "length": 256}


def test_another_size_is_saved_for_the_next_user(vit, tmp_path):
    encoder = open_encoder(vit, length=48).eval()
    assert encoder.size == 48
    encoder.save(tmp_path / "saved")
    settings = json.loads((tmp_path / "saved" / "preprocessor_config.json").read_text())
    assert settings["size"] == {"height": 48, "width": 48}
    features = encoder(drawn(48))
    assert features.tokens.shape == (2, 36, 24)


def test_a_pooler_that_was_never_trained_plays_no_part(vit):
    encoder = open_encoder(vit)
    assert encoder.model.pooler is None
    assert encoder.untrained().model.pooler is None


def test_a_pickle_is_not_opened(vit):
    state = transformers.ViTModel(transformers.ViTConfig(**SMALL)).state_dict()
    (vit / "model.safetensors").unlink()
    torch.save(state, vit / "pytorch_model.bin")
    with pytest.raises(
        HeadstartError, match=r"pytorch_model.bin only, a pickle.*write model.safetensors"
    ):
        open_encoder(vit)


def test_pictures_too_small_for_the_network_are_refused(tmp_path):
    config = transformers.ConvNextConfig(hidden_sizes=[8] * 4, depths=[1] * 4)
    transformers.ConvNextModel(config).save_pretrained(tmp_path)
    with pytest.raises(HeadstartError, match="cannot take pictures of 3 pixels"):
        open_encoder(tmp_path, length=3)


@pytest.mark.parametrize(("name", "able"), [("ViTMSN", True), ("DeiT", False), ("Beit", False)])
def test_whether_patches_can_be_left_out_is_found_by_trying(tmp_path, name, able):
    config = getattr(transformers, f"{name}Config")(**SMALL)
    getattr(transformers, f"{name}Model")(config).save_pretrained(tmp_path)
    assert ("patches" in open_encoder(tmp_path).provides) is able
