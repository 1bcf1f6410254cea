"""Every image encoder shows its maps, from fine to coarse, of images of any shape."""

from __future__ import annotations

import pytest
import torch
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

from headstart.encoders.conv import CONV, ConvOptions
from headstart.encoders.timm_names import build
from headstart.encoders.vision import VisionEncoder
from headstart.encoders.vit import VIT, VitOptions

NORMAL = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def encoder(name):
    torch.manual_seed(0)
    if name == "conv":
        return CONV.create(ConvOptions(widths=(8, 16, 24), depths=(1, 1, 1)), None, 32)
    if name == "vit":
        return VIT.create(VitOptions(layers=2, width=24, heads=2, patch=16), None, 64)
    if name == "timm":
        return build("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}, 64)
    if name == "transformers resnet":
        shape = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
        return VisionEncoder(ResNetModel(ResNetConfig(**shape, layer_type="basic")), NORMAL, 64)
    shape = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = ViTConfig(**shape, intermediate_size=24, image_size=64, patch_size=16)
    return VisionEncoder(ViTModel(config), NORMAL, 64)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("conv", [(64, 32, 48), (8, 16, 24), (16, 8, 12), (24, 4, 6)]),
        ("vit", [(24, 4, 6)]),
        ("timm", [(8, 16, 24), (16, 8, 12), (24, 4, 6), (32, 2, 3)]),
        ("transformers resnet", [(8, 16, 24), (16, 8, 12), (24, 4, 6), (32, 2, 3)]),
        ("transformers vit", [(24, 4, 6)]),
    ],
)
def test_maps_go_from_fine_to_coarse_one_per_size(name, shapes):
    pixels = torch.randint(256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        maps = encoder(name).eval().maps(pixels)
    assert [tuple(found.shape[1:]) for found in maps] == shapes


@pytest.mark.parametrize("name", ["vit", "timm", "transformers resnet", "transformers vit"])
def test_the_last_map_of_a_square_picture_holds_the_tokens(name):
    network = encoder(name).eval()
    pixels = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        tokens = network({"pixels": pixels}).tokens
        last = network.maps(pixels)[-1]
    assert torch.allclose(last.flatten(2).mT, tokens, atol=1e-5)


def test_pictures_are_enlarged_to_whole_patches():
    with torch.no_grad():
        (found,) = encoder("vit").eval().maps(torch.zeros(1, 3, 60, 90))
    assert found.shape[2:] == (4, 6)
