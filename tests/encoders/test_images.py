"""What all encoders of images promise: pixels in either form, vectors on a square grid."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers
from torch import nn

from headstart.downstream.layers import frozen_modules, layer_groups
from headstart.encoders.images import ImageInput, grid_tokens, parts_by_depth
from headstart.encoders.opening import create_encoder, open_encoder, save_encoder
from headstart.errors import HeadstartError
from headstart.seeding import generator

pytest.importorskip("timm", reason="the extra `images` is not installed")

SMALL_VIT = {"layers": 2, "width": 24, "heads": 3}
TINY = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}

#: name: (encoder or Transformers' class and configuration, its options, tokens, width, layers)
OURS = {
    "conv": ("conv", {"widths": [8, 16], "depths": [1, 2]}, 64, 16, 4),
    "vit": ("vit", SMALL_VIT, 64, 24, 3),
    "vit with a class token for a vector": ("vit", {**SMALL_VIT, "pool": "class"}, 64, 24, 3),
    "resnet18 with a small stem": (
        "resnet18",
        {"stem": "small", "channels": [4, 8, 8, 16], "layers": [1, 1, 1, 1]},
        16,
        16,
        5,
    ),
    "vit with registers": (
        "vit_tiny_patch16_224",
        {
            "depth": 2,
            "embed_dim": 24,
            "patch_size": 8,
            "reg_tokens": 2,
            "no_embed_class": True,
            "pre_norm": True,
        },
        16,
        24,
        3,
    ),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"depths": [1, 1, 1, 1], "embed_dim": 8, "num_heads": [1, 1, 1, 1]},
        1,
        64,
        5,
    ),
    "mobilenet, whose head is wider": ("mobilenetv3_small_050", {}, 1, 288, None),
}
THEIRS = {
    "ViT": ("ViT", TINY, 16, 24, 4),
    "Dinov2WithRegisters": ("Dinov2WithRegisters", TINY, 16, 24, 4),
    "DeiT": ("DeiT", TINY, 16, 24, 4),
    "ResNet": (
        "ResNet",
        {
            "embedding_size": 8,
            "hidden_sizes": [8, 16],
            "depths": [1, 4],
            "layer_type": "basic",
            "image_size": 32,
        },
        16,
        16,
        3,
    ),
    "ConvNext": (
        "ConvNext",
        {"hidden_sizes": [8, 8, 8, 16], "depths": [1, 1, 1, 1], "image_size": 32},
        1,
        16,
        5,
    ),
}
ALL = {**OURS, **THEIRS}
PATCHED = ["vit", "vit with a class token for a vector", "vit with registers"]
PATCHED += ["ViT", "Dinov2WithRegisters"]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Return each encoder, made once."""
    made = {}
    for case, (name, options, *_) in OURS.items():
        made[case] = create_encoder(name, options, None, length=32, seed=0)
    for case, (name, options, *_) in THEIRS.items():
        folder = tmp_path_factory.mktemp("theirs")
        config = getattr(transformers, f"{name}Config")(**options)
        torch.manual_seed(0)
        getattr(transformers, f"{name}Model")(config).save_pretrained(folder)
        made[case] = open_encoder(folder)
    return {case: encoder.eval() for case, encoder in made.items()}


def pixels(count=2, side=32):
    drawn = torch.randint(0, 256, (count, 3, side, side), generator=generator(side))
    return {"pixels": drawn.to(torch.uint8)}


@pytest.mark.parametrize("case", ALL)
def test_features_lie_on_a_square_grid(case, encoders):
    *_, count, width, layers = ALL[case]
    encoder = encoders[case]
    features = encoder(pixels())
    assert features.tokens.shape == (2, count, width)
    assert features.mask.shape == (2, count)
    assert features.mask.all()
    assert features.pooled.shape == (2, width)
    assert features.pooled.dtype == torch.float32
    assert encoder.width == width
    assert {"maps", "grid"} <= encoder.provides
    assert ("patches" in encoder.provides) == (case in PATCHED)
    torch.testing.assert_close(encoder.pool(pixels()), features.pooled)
    assert layers is None or len(encoder.layers()) == layers


@pytest.mark.parametrize("case", ALL)
def test_bytes_and_floats_are_the_same_picture(case, encoders):
    batch = pixels()
    floats = {"pixels": batch["pixels"].float() / 255}
    torch.testing.assert_close(encoders[case](batch).pooled, encoders[case](floats).pooled)


@pytest.mark.parametrize("case", [case for case in ALL if case not in ("swin",)])
def test_other_sizes_go_in_too(case, encoders):
    features = encoders[case](pixels(side=64))
    assert round(features.tokens.shape[1] ** 0.5) ** 2 == features.tokens.shape[1]
    assert features.tokens.shape[1] > ALL[case][2]


@pytest.mark.parametrize("case", ALL)
def test_bf16_gives_nearly_the_same_and_gradients_reach_every_parameter(case, encoders):
    encoder = copy.deepcopy(encoders[case]).train()
    exact = encoders[case](pixels()).pooled.detach()
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoders[case](pixels()).pooled
        features = encoder(pixels(4))
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1 * float(exact.abs().max()))
    (features.tokens.float().square().mean() + features.pooled.square().mean()).backward()
    moving = {name for name, p in encoder.named_parameters() if p.requires_grad}
    reached = {name for name, p in encoder.named_parameters() if p.grad is not None}
    assert reached <= moving
    if case.startswith("mobilenet"):
        return  # The head that is left out stays as it is.
    assert reached == moving


@pytest.mark.parametrize("case", ALL)
def test_layers_hold_every_parameter_once_from_the_stem_up(case, encoders):
    encoder = encoders[case]
    layers = encoder.layers()
    held = [id(p) for layer in layers for p in layer.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in encoder.parameters()}
    first = next(iter(encoder.model.named_parameters()))[1]
    assert id(first) in {id(p) for p in layers[0].parameters()}


def test_layers_freeze_and_learn_at_their_own_rates(encoders):
    encoder = copy.deepcopy(encoders["conv"])
    for module in frozen_modules(encoder, "1"):
        module.requires_grad_(False).eval()
    groups = layer_groups(encoder, 1.0, 0.5)
    assert [group["lr"] for group in groups] == [0.5, 1.0]
    assert not encoder.model.layer1.training
    assert sum(len(group["params"]) for group in groups) == len(
        list(encoder.model.layer2.parameters())
    )


@pytest.mark.parametrize("case", ALL)
def test_an_untrained_encoder_has_the_same_shape_and_other_weights(case, encoders):
    encoder = encoders[case]
    fresh = encoder.untrained().eval()
    assert [p.shape for p in fresh.parameters()] == [p.shape for p in encoder.parameters()]
    assert not torch.allclose(fresh.pool(pixels()), encoder.pool(pixels()), atol=1e-4)
    assert (fresh.size, fresh.input.scale) == (encoder.size, encoder.input.scale)


@pytest.mark.parametrize("case", ALL)
def test_an_encoder_reopens_with_the_same_vectors(case, encoders, tmp_path):
    class Processor:
        def save(self, folder):
            pass

    encoder = encoders[case]
    note = {"modality": "image", "length": 32}
    save_encoder(encoder, Processor(), tmp_path, note)
    again = open_encoder(tmp_path).eval()
    assert type(again) is type(encoder)
    assert again.size == 32
    assert again.provides == encoder.provides
    torch.testing.assert_close(again(pixels()).pooled, encoder(pixels()).pooled)
    assert not list(tmp_path.glob("*.bin"))


# -- patches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [32, 48])
@pytest.mark.parametrize("case", PATCHED)
def test_all_patches_in_context_are_the_tokens(case, side, encoders):
    encoder, batch = encoders[case], pixels(side=side)
    tokens = encoder.contextualize(encoder.embed(batch), None)
    torch.testing.assert_close(tokens, encoder(batch).tokens)


@pytest.mark.parametrize("case", PATCHED)
def test_a_subset_of_the_patches_keeps_its_positions(case, encoders):
    """Against a naive computation: the network's own embedding with the hidden rows cut out."""
    encoder, batch = encoders[case], pixels()
    vectors = encoder.embed(batch)
    indices = torch.stack([torch.randperm(vectors.shape[1])[:5] for _ in range(2)])
    chosen = vectors.gather(1, indices[:, :, None].expand(-1, -1, vectors.shape[2]))
    ours = encoder.contextualize(chosen, None, indices)
    model, x = encoder.model, encoder.input(batch["pixels"])
    if hasattr(model, "patch_embed"):
        prefix = model.num_prefix_tokens
        whole = model._pos_embed(model.patch_embed(x))
    else:
        prefix = encoder._prefix
        whole = model.embeddings(x)
    for row in range(2):
        kept = torch.cat([whole[row, :prefix], whole[row, prefix:][indices[row]]])[None]
        if hasattr(model, "patch_embed"):
            kept = model.norm_pre(kept)
            for block in model.blocks:
                kept = block(kept)
            expected = model.norm(kept)
        else:
            for block in encoder._blocks()[1]:
                kept = block(kept, None)
            expected = model.layernorm(kept)
        torch.testing.assert_close(ours[row], expected[0, prefix:])


@pytest.mark.parametrize("case", ["vit", "ViT"])
def test_the_grid_of_another_size_is_given_or_follows_from_the_size(case, encoders):
    encoder, batch = copy.deepcopy(encoders[case]), pixels(side=48)
    vectors = encoder.embed(batch)
    count = vectors.shape[1]
    indices = torch.arange(count).expand(2, -1)
    expected = encoder(batch).tokens
    resampled = encoder.contextualize(vectors, None, indices, grid=round(count**0.5))
    torch.testing.assert_close(resampled, expected)
    encoder.size = 48
    torch.testing.assert_close(encoder.contextualize(vectors, None, indices), expected)


def test_patches_in_another_order_give_the_same_vectors_in_that_order(encoders):
    encoder = encoders["vit"]
    vectors = encoder.embed(pixels())
    order = torch.randperm(vectors.shape[1])
    shuffled = encoder.contextualize(vectors[:, order], None, order.expand(2, -1))
    straight = encoder.contextualize(vectors, None)
    torch.testing.assert_close(shuffled, straight[:, order], rtol=1e-4, atol=1e-5)


def test_patches_know_no_visibility(encoders):
    vectors = encoders["vit"].embed(pixels())
    seen = torch.ones(2, 64, 64, dtype=torch.bool)
    with pytest.raises(HeadstartError, match="all patches see each other"):
        encoders["vit"].contextualize(vectors, seen)


# -- the parts -----------------------------------------------------------------------------------


def test_pixels_are_normalised_and_enlarged_by_hand():
    enter = ImageInput((0.5, 0.0, 0.25), (0.5, 1.0, 0.25))
    batch = torch.tensor([255, 51, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    torch.testing.assert_close(enter(batch).flatten(), torch.tensor([1.0, 0.2, -1.0]))
    assert ImageInput([0.5] * 3, [0.5] * 3, 2.0)(torch.zeros(1, 3, 5, 5)).shape[-1] == 10
    assert ImageInput([0.5] * 3, [0.5] * 3, 1.0, 8)(torch.zeros(1, 3, 9, 9)).shape[-1] == 16
    assert enter.bfloat16()(batch).dtype == torch.bfloat16
    assert not enter.state_dict()


def test_maps_become_vectors_row_by_row():
    first, last = torch.arange(12.0).view(1, 3, 2, 2), torch.arange(12.0).view(1, 2, 2, 3)
    assert grid_tokens(first)[0].tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    assert grid_tokens(last, channels=3)[0].tolist() == last.view(4, 3).tolist()
    assert grid_tokens(last.view(1, 4, 3), prefix=1)[0].tolist() == last.view(4, 3)[1:].tolist()


def test_parts_by_depth_keep_together_what_lies_at_one_depth():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1))
            self.stem = nn.Linear(2, 2)
            self.block = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
            self.scale = nn.Parameter(torch.ones(1))

    net = Net()
    depths = {n: 0 if n.startswith(("token", "stem")) else 3 for n, _ in net.named_parameters()}
    first, last = parts_by_depth(net, depths)
    assert {id(p) for p in first.parameters()} == {
        id(p) for p in (net.token, *net.stem.parameters())
    }
    assert {id(p) for p in last.parameters()} == {
        id(p) for p in (net.scale, *net.block.parameters())
    }
    assert net.block in list(last.children())
