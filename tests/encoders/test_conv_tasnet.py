"""Conv-TasNet: its signals, alone and in a batch, and its folder."""

from __future__ import annotations

import pytest
import torch

from headstart.encoders.conv_tasnet import ConvTasNet, ConvTasNetOptions
from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError

SHAPE = {"filters": 16, "kernel": 8, "bottleneck": 8, "hidden": 16, "layers": 2, "repeats": 2}


def network(**options) -> ConvTasNet:
    torch.manual_seed(0)
    return ConvTasNet(ConvTasNetOptions(**{**SHAPE, **options}), 8000).eval()


def batch(*lengths: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    waveform = torch.zeros(len(lengths), 1, max(lengths))
    for row, length in zip(waveform, lengths, strict=True):
        row[0, :length] = torch.randn(length, generator=random) * 0.1
    return {"waveform": waveform, "lengths": torch.tensor(lengths)}


@pytest.mark.parametrize("size", [97, 100, 104])
def test_signals_are_as_long_as_the_mixture(size: int) -> None:
    assert network(outputs=3).separate(batch(size)).shape == (1, 3, size)


def test_a_recording_in_a_batch_is_as_if_alone() -> None:
    encoder, whole = network(), batch(150, 61)
    alone = {"waveform": whole["waveform"][1:, :, :61], "lengths": torch.tensor([61])}
    with torch.no_grad():
        signals, features = encoder.separate(whole), encoder(whole)
        assert torch.allclose(signals[1:, :, :61], encoder.separate(alone), atol=1e-6)
        assert not signals[1, :, 61:].any()
        assert torch.allclose(features.pooled[1:], encoder(alone).pooled, atol=1e-6)
    assert features.mask.sum(1).tolist() == [39, 17]


def test_before_training_an_output_is_a_part_of_the_mixture() -> None:
    encoder, mixture = network(), batch(400)
    with torch.no_grad():
        encoder.masks.weight.zero_()
        encoder.masks.bias.zero_()  # masks of a half
        signals = encoder.separate(mixture)
    assert torch.allclose(2 * signals[0, 0], mixture["waveform"][0, 0], atol=1e-4)


def test_louder_mixtures_give_louder_signals() -> None:
    encoder, quiet = network(), batch(120)
    loud = {**quiet, "waveform": quiet["waveform"] * 10}
    with torch.no_grad():
        assert torch.allclose(encoder.separate(loud), 10 * encoder.separate(quiet), rtol=1e-3)


def test_silence_gives_finite_signals() -> None:
    silent = {"waveform": torch.zeros(1, 1, 90), "lengths": torch.tensor([90])}
    assert network().separate(silent).isfinite().all()


def test_a_folder_opens_as_the_same_network(tmp_path) -> None:
    encoder = network()
    encoder.give(4)
    encoder.save(tmp_path)
    again = ConvTasNet.load(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(encoder.separate(batch(80)), again.separate(batch(80)))
    assert again.untrained().outputs == 4
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(HeadstartError, match="cannot be read"):
        ConvTasNet.load(tmp_path)


def test_an_odd_filter_is_refused() -> None:
    with pytest.raises(HeadstartError, match="even"):
        create_encoder("conv_tasnet", {"kernel": 5}, None, length=100, seed=0)
