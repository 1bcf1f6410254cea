"""The network of recordings: a record in a batch is as if alone, and its vector keeps the time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headstart.encoders.mel_conv import MelConv, MelConvOptions
from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.seeding import generator

RATE = 8000


def network(**options) -> MelConv:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MelConv(MelConvOptions(widths=(16, 24, 24), **options), RATE)


def batch(*lengths: int) -> dict[str, torch.Tensor]:
    waveform = torch.zeros(len(lengths), 1, max(lengths))
    for seed, (row, length) in enumerate(zip(waveform, lengths, strict=True)):
        row[0, :length] = torch.randn(length, generator=generator(seed)) * 0.1
    return {"waveform": waveform, "lengths": torch.tensor(lengths)}


@pytest.mark.parametrize("halved", [0, 1, 2])
def test_a_record_in_a_batch_is_as_if_alone(halved: int) -> None:
    encoder = network(halved=halved).eval()
    both, alone = batch(3000, 5170), batch(3000)
    found, single = encoder(both), encoder(alone)
    torch.testing.assert_close(found.pooled[:1], single.pooled, atol=1e-5, rtol=1e-4)
    count = single.tokens.shape[1]
    assert found.mask[0].sum() == count
    torch.testing.assert_close(found.tokens[:1, :count], single.tokens, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder.pool(both), found.pooled)
    assert found.pooled.shape == (2, encoder.width)
    assert encoder.width == 8 * 24


def test_padding_does_not_enter_the_statistics_of_batch_norm() -> None:
    first, second = network(), network()
    given = batch(3000, 3000)
    longer = {**given, "waveform": torch.nn.functional.pad(given["waveform"], (0, 4000))}
    first.pool(given)
    second.pool(longer)
    torch.testing.assert_close(first.norms[2].running_mean, second.norms[2].running_mean)


def test_the_loudness_of_a_recording_does_not_matter() -> None:
    encoder, given = network().eval(), batch(4000)
    louder = {**given, "waveform": given["waveform"] * 3}
    torch.testing.assert_close(encoder.pool(louder), encoder.pool(given), atol=1e-3, rtol=1e-2)


def test_when_something_happens_is_kept() -> None:
    encoder = network().eval()
    early, late = batch(8000), batch(8000)
    early["waveform"][:, :, 4000:] *= 0.01
    late["waveform"][:, :, :4000] *= 0.01
    apart = (encoder.pool(early) - encoder.pool(late)).norm()
    assert apart > 0.3 * encoder.pool(early).norm()


def test_it_is_saved_and_opened(tmp_path: Path) -> None:
    encoder, given = network().eval(), batch(4000, 2000)
    encoder.save(tmp_path)
    opened = MelConv.load(tmp_path).eval()
    torch.testing.assert_close(opened.pool(given), encoder.pool(given))
    assert opened.rate == RATE
    assert len(opened.layers()) == 4
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(HeadstartError, match="cannot be read"):
        MelConv.load(tmp_path)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(HeadstartError, match="must be odd"):
        create_encoder("mel_conv", {"kernel": 4}, None, length=100, seed=0)


def test_every_weight_gets_a_gradient() -> None:
    encoder = network()
    encoder.pool(batch(3000, 4000)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())
