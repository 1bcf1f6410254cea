"""WaveNet: the convolutions written out, no look to the right, its folder, and its steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headstart.encoders.opening import create_encoder
from headstart.encoders.wavenet import WaveNet, WaveNetOptions
from headstart.encoders.wavenet_steps import WaveNetSteps
from headstart.errors import HeadstartError
from headstart.modalities.mu_law import encode

SHAPE = {"channels": 4, "width": 8, "kernel": 2, "layers": 3, "stacks": 2}


def network(**options) -> WaveNet:
    torch.manual_seed(0)
    return WaveNet(WaveNetOptions(**{**SHAPE, **options}), 8000).eval()


def batch(*lengths: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    waveform = torch.zeros(len(lengths), 1, max(lengths))
    for row, length in zip(waveform, lengths, strict=True):
        row[0, :length] = torch.randn(length, generator=random) * 0.1
    return {"waveform": waveform, "lengths": torch.tensor(lengths)}


def written_out(encoder: WaveNet, codes: Tensor) -> Tensor:
    """Return the vectors (T,D) of codes (T,), sample by sample, as the paper has them."""
    zero = torch.zeros(encoder.width)

    def convolved(layer: nn.Conv1d, values: list[Tensor], time: int) -> Tensor:
        (taps,), (apart,) = layer.kernel_size, layer.dilation
        total = layer.bias.clone()
        for tap in range(taps):
            at = time - (taps - 1 - tap) * apart
            if at >= 0:
                total = total + layer.weight[:, :, tap] @ values[at]
        return total

    times = range(len(codes))
    table = [encoder.table.weight[code] for code in codes.tolist()]
    x = [convolved(encoder.front, table, time) for time in times]
    skips = [zero] * len(codes)
    for block in encoder.blocks:
        gated = [convolved(block.gated, x, time).chunk(2) for time in times]
        both = [
            convolved(block.narrow, [value.tanh() * gate.sigmoid()], 0) for value, gate in gated
        ]
        channels = len(x[0])
        x = [before + found[:channels] for before, found in zip(x, both, strict=True)]
        skips = [before + found[channels:] for before, found in zip(skips, both, strict=True)]
    ends = [convolved(encoder.hidden, [each.relu()], 0).relu() for each in skips]
    return torch.stack([convolved(encoder.last, [each], 0) for each in ends])


@pytest.mark.parametrize("kernel", [2, 3])
def test_vectors_are_those_of_the_paper_written_out(kernel: int) -> None:
    encoder, given = network(kernel=kernel), batch(40)
    with torch.no_grad():
        found = encoder(given).tokens[0]
        expected = written_out(encoder, encode(given["waveform"][0, 0]))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_changed_sample_changes_nothing_before_it_and_nothing_beyond_its_reach() -> None:
    encoder, given = network(), batch(80)
    assert encoder.reach == 2 + 2 * (1 + 2 + 4)
    changed = {**given, "waveform": given["waveform"].clone()}
    changed["waveform"][0, 0, 30] += 0.5
    with torch.no_grad():
        one, other = encoder(given).tokens[0], encoder(changed).tokens[0]
    moved = (one != other).any(1).nonzero().squeeze(1).tolist()
    assert moved[0] == 30
    assert moved[-1] == 30 + encoder.reach - 1


def test_a_recording_in_a_batch_is_as_if_alone() -> None:
    encoder, whole = network(), batch(90, 41)
    alone = {"waveform": whole["waveform"][1:, :, :41], "lengths": torch.tensor([41])}
    with torch.no_grad():
        found, expected = encoder(whole), encoder(alone)
    torch.testing.assert_close(found.tokens[1:, :41], expected.tokens)
    torch.testing.assert_close(found.pooled[1:], expected.pooled)
    assert found.mask.sum(1).tolist() == [90, 41]


def test_a_folder_opens_as_the_same_network(tmp_path) -> None:
    encoder = network(kernel=3)
    encoder.save(tmp_path)
    again = WaveNet.load(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(encoder(batch(50)).tokens, again(batch(50)).tokens)
    assert again.untrained().options == encoder.options
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(HeadstartError, match="cannot be read"):
        WaveNet.load(tmp_path)
    with pytest.raises(HeadstartError, match=r"encoder\.kernel"):
        create_encoder("wavenet", {"kernel": 1}, None, length=10, seed=0)
    with pytest.raises(HeadstartError, match=r"kernel 16 and 12 layers look [\d,]+ samples back"):
        create_encoder("wavenet", {"kernel": 16, "layers": 12}, None, length=10, seed=0)


@pytest.mark.parametrize("shape", [{}, {"kernel": 3, "layers": 2}, {"kernel": 5, "stacks": 1}])
def test_step_by_step_scores_are_those_of_the_whole(shape: dict[str, int]) -> None:
    encoder, decoder = network(**shape), nn.Linear(8, 256)
    ids = torch.randint(256, (3, 2 * encoder.reach), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = decoder(encoder.contextualize(encoder.embed({"input_ids": ids}), None))
    steps = WaveNetSteps(encoder, decoder, 3)
    found = np.stack([steps.next(codes) for codes in ids.T.numpy()], 1)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
