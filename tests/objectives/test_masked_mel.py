"""Masked spectrograms: what is masked, and what the loss counts."""

from __future__ import annotations

import pytest
import torch

from headstart.encoders.mel_conv import MelConv, MelConvOptions
from headstart.objectives.masked_mel import MaskedMel, MaskedMelOptions
from headstart.seeding import generator


def objective(**options) -> MaskedMel:
    encoder = MelConv(MelConvOptions(widths=(16, 16, 16)), 8000).eval()
    return MaskedMel(encoder, None, MaskedMelOptions(**options))


def batch(*lengths: int) -> dict[str, torch.Tensor]:
    waveform = torch.zeros(len(lengths), 1, max(lengths))
    for seed, (row, length) in enumerate(zip(waveform, lengths, strict=True)):
        row[0, :length] = torch.randn(length, generator=generator(seed)) * 0.1
    return {"waveform": waveform, "lengths": torch.tensor(lengths)}


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8])
def test_a_share_of_the_real_blocks_is_masked(ratio: float) -> None:
    given = batch(8000, 2000)
    masked = objective(mask_ratio=ratio).corrupt(given, generator(0))["masked"]
    assert masked.shape == (2, 40, 100)
    assert float(masked[0].float().mean()) == pytest.approx(ratio, abs=0.06)
    assert not masked[1, :, 25:].any()
    again = objective(mask_ratio=ratio).corrupt(given, generator(0))["masked"]
    assert torch.equal(masked, again)


def test_of_the_shortest_recording_something_is_masked() -> None:
    masked = objective(mask_ratio=0.01).corrupt(batch(400, 8000), generator(0))["masked"]
    assert masked.flatten(1).any(1).all()


def test_the_loss_is_the_error_on_what_was_masked() -> None:
    found = objective()
    given = found.corrupt(batch(4000, 2500), generator(1))
    mel, frames = found.encoder.mel(given)
    seen = mel.clone()
    seen[given["masked"]] = 0
    drawn = found.head(found.encoder.map_of(seen, frames)[0].transpose(1, 2))
    total, count, wanted = 0.0, 0, []
    for row, band, frame in given["masked"].nonzero().tolist():
        value = drawn[row, frame // 2].view(2, 40)[frame % 2, band]
        total += float((value - mel[row, band, frame]) ** 2)
        wanted.append(float(mel[row, band, frame]))
        count += 1
    expected = total / count / float(torch.tensor(wanted).var(correction=0))
    assert float(found(given)["loss"].detach()) == pytest.approx(expected, rel=1e-3)


def test_the_network_does_not_see_what_was_masked() -> None:
    """Where all is masked, two recordings look alike."""
    found = objective()
    given = batch(4000, 4000)
    masked = torch.ones(2, 40, 50, dtype=torch.bool)
    mel, frames = found.encoder.mel(given)
    first, second = found.encoder.map_of(mel.masked_fill(masked, 0.0), frames)[0]
    torch.testing.assert_close(first, second)
