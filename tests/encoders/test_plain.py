"""The plain stack of convolutions: its shape, its folder, and its own gradient."""

from __future__ import annotations

import runpy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from headstart.encoders.opening import create_encoder, open_encoder, read_note
from headstart.encoders.wide_conv import WideConv
from headstart.errors import HeadstartError
from headstart.seeding import generator

SMALL = {"widths": [4, 8, 8], "pooled": [True, False, True]}


def create(options=SMALL, length=32, seed=0):
    return create_encoder("plain", options, None, length=length, seed=seed).eval()


def drawn(side=32):
    pixels = torch.randint(0, 256, (2, 3, side, side), generator=generator(side))
    return {"pixels": pixels.to(torch.uint8)}


def test_it_is_the_stack_by_hand():
    encoder = create()
    x = encoder.input(drawn()["pixels"])
    for layer, pooled in zip(encoder.layers(), SMALL["pooled"], strict=True):
        x = F.conv2d(x, layer[0].weight, padding=1)
        x = F.max_pool2d(x, 2) if pooled else x
        x = layer[-2](x).relu()
    features = encoder(drawn())
    torch.testing.assert_close(features.pooled, x.mean((2, 3)))
    torch.testing.assert_close(features.tokens, x.flatten(2).mT)
    torch.testing.assert_close(encoder.pool(drawn()), features.pooled)
    assert features.tokens.shape == (2, 64, 8)
    assert create(length=48)(drawn(48)).tokens.shape == (2, 144, 8)


def test_layers_hold_every_parameter_once():
    encoder = create()
    held = [id(p) for layer in encoder.layers() for p in layer.parameters()]
    assert sorted(held) == sorted(id(p) for p in encoder.parameters())
    assert len(encoder.layers()) == 3


def test_its_maps_are_one_per_size_from_fine_to_coarse():
    maps = create().maps(torch.zeros(2, 3, 32, 48))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 16, 24), (8, 8, 12)]


def test_it_opens_by_the_lines_in_its_readme_and_here(tmp_path, monkeypatch):
    encoder = create()
    encoder.model[2].running_mean.fill_(0.3)
    encoder.save(tmp_path)
    lines = (tmp_path / "README.md").read_text().splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    "))
    (tmp_path / "open.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    model = runpy.run_path("open.py")["model"].eval()
    expected = encoder(drawn()).pooled
    theirs = model(encoder.input(drawn()["pixels"])).mean((2, 3))
    torch.testing.assert_close(theirs, expected)
    torch.testing.assert_close(open_encoder(tmp_path).eval()(drawn()).pooled, expected)
    assert read_note(tmp_path) == {"modality": "image", "length": 32}
    assert open_encoder(tmp_path, length=64).size == 64


def test_an_untrained_one_has_the_same_shape_and_other_weights():
    encoder = create()
    fresh = encoder.untrained()
    assert [p.shape for p in fresh.parameters()] == [p.shape for p in encoder.parameters()]
    assert not torch.equal(fresh.model[0].weight, encoder.model[0].weight)
    assert torch.equal(create().model[0].weight, encoder.model[0].weight)


def test_a_wide_convolution_has_the_values_and_gradients_of_a_plain_one():
    torch.manual_seed(0)
    wide = WideConv(8, 256, 3, padding=1, bias=False)
    plain = nn.Conv2d(8, 256, 3, padding=1, bias=False)
    plain.load_state_dict(wide.state_dict())
    x = torch.randn(3, 8, 6, 5)
    weight = torch.randn(3, 256, 6, 5)
    inputs, outputs = [], []
    for conv in (wide, plain):
        inputs.append(x.clone().requires_grad_())
        with torch.autocast("cpu", torch.bfloat16):
            outputs.append(conv(inputs[-1]))
        (outputs[-1].float() * weight).sum().backward()
    assert outputs[0].grad_fn.name().startswith("_WideConv")
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=0.02, atol=0.05)
    # bf16 keeps 8 bits of what is summed over 90 positions.
    error = (wide.weight.grad - plain.weight.grad).norm() / plain.weight.grad.norm()
    assert error < 0.01


@pytest.mark.parametrize(
    ("options", "length", "message"),
    [
        ({"widths": [8]}, 32, "lists of the same length"),
        ({"width": 8}, 32, "did you mean 'widths'"),
        (SMALL, 2, "cannot take pictures of 2 pixels"),
    ],
)
def test_a_slip_is_answered_in_a_sentence(options, length, message):
    with pytest.raises(HeadstartError, match=message):
        create(options, length)


def test_a_damaged_folder_is_refused_in_a_sentence(tmp_path):
    create().save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(HeadstartError, match=r"plain network in .* cannot be read"):
        open_encoder(tmp_path)
