"""The recurrent network: its steps by hand, documents of a packed row apart, its folder."""

from __future__ import annotations

import runpy

import pytest
import torch

import headstart as hs
from headstart.encoders.opening import create_encoder, open_encoder
from headstart.encoders.visibility import causal, visibility
from headstart.errors import HeadstartError
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.objectives.causal import CausalModeling, CausalOptions
from headstart.seeding import generator

NAMES = [str(number) for number in range(9)]


def create(seed=0, **options):
    shape = {"layers": 1, "width": 8, "dropout": 0.0, **options}
    return create_encoder("gru", shape, ItemProcessor(NAMES), length=16, seed=seed).eval()


def packed():
    """Return a row of three documents, and one of a document and padding."""
    ids = torch.randint(3, 12, (2, 8), generator=generator(1))
    segments = torch.tensor([[1, 1, 1, 2, 3, 3, 3, 3], [1, 1, 1, 1, 1, 0, 0, 0]])
    return {"input_ids": ids * (segments > 0), "mask": segments > 0, "segments": segments}


def test_its_steps_are_those_of_the_paper_by_hand():
    encoder = create()
    ids = torch.tensor([[4, 7, 5]])
    batch = {"input_ids": ids, "mask": torch.ones(1, 3, dtype=torch.bool)}
    state, vectors, units = torch.zeros(8), encoder.table.weight[ids[0]], encoder.units
    for x in vectors:
        given = (units.weight_ih_l0 @ x + units.bias_ih_l0).chunk(3)
        kept = (units.weight_hh_l0 @ state + units.bias_hh_l0).chunk(3)
        reset, update = (given[0] + kept[0]).sigmoid(), (given[1] + kept[1]).sigmoid()
        new = (given[2] + reset * kept[2]).tanh()
        state = (1 - update) * new + update * state
    torch.testing.assert_close(encoder(batch).pooled[0], state)


@pytest.mark.parametrize("layers", [1, 2])
def test_documents_of_a_packed_row_do_not_see_each_other(layers):
    encoder, batch = create(layers=layers), packed()
    features = encoder(batch)
    seen = causal(visibility(batch), batch)
    again = encoder.contextualize(encoder.embed(batch), seen)
    torch.testing.assert_close(again[batch["mask"]], features.tokens[batch["mask"]])
    for row, begin, end in ((0, 0, 3), (0, 3, 4), (0, 4, 8), (1, 0, 5)):
        ids = batch["input_ids"][row : row + 1, begin:end]
        alone = encoder({"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)})
        torch.testing.assert_close(features.tokens[row, begin:end], alone.tokens[0])
    torch.testing.assert_close(features.pooled[1], features.tokens[1, 4])


def test_padding_at_the_right_changes_nothing():
    encoder = create()
    ids = torch.tensor([[5, 6, 0, 0], [3, 4, 5, 6]])
    features = encoder({"input_ids": ids, "mask": ids > 0})
    alone = encoder({"input_ids": ids[:1, :2], "mask": torch.ones(1, 2, dtype=torch.bool)})
    torch.testing.assert_close(features.pooled[0], alone.pooled[0])
    assert features.tokens.shape == (2, 4, 8)


def test_no_position_sees_those_to_its_right():
    encoder, batch = create(dropout=0.3), packed()
    vectors = encoder.embed(batch).detach().requires_grad_()
    encoder.from_vectors(vectors, batch).tokens[0, 5].sum().backward()
    moved = vectors.grad[0].abs().sum(1) > 0
    assert moved.tolist() == [False] * 4 + [True, True, False, False]


def test_in_half_precision_it_is_computed_in_single():
    encoder, batch = create(), packed()
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(batch).tokens
    torch.testing.assert_close(half, encoder(batch).tokens)


def test_it_learns_what_comes_next():
    processor, encoder = ItemProcessor(NAMES), create(width=32)
    objective = CausalModeling(encoder, processor, CausalOptions())
    optimizer = torch.optim.Adam(objective.parameters(), 0.02)
    draw = generator(0)
    start = torch.randint(0, 9, (64, 1), generator=draw)
    ids = 3 + (start + torch.arange(6) * 2) % 9  # each item is followed by the next but one
    batch = objective.corrupt({"input_ids": ids, "mask": torch.ones_like(ids) > 0}, draw)
    first = objective(batch)["loss"].item()
    for _ in range(60):
        optimizer.zero_grad()
        objective(batch)["loss"].backward()
        optimizer.step()
    assert objective(batch)["loss"].item() < 0.1 * first


def test_it_opens_by_the_lines_in_its_readme_and_here(tmp_path, monkeypatch):
    encoder, batch = create(layers=2), packed()
    encoder.save(tmp_path)
    lines = (tmp_path / "README.md").read_text().splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    "))
    (tmp_path / "open.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path("open.py")
    ids = batch["input_ids"][1:, :5]
    theirs = found["units"](found["table"](ids))[0]
    torch.testing.assert_close(theirs[:, -1], encoder(batch).pooled[1:])
    torch.testing.assert_close(open_encoder(tmp_path).eval()(batch).pooled, encoder(batch).pooled)
    fresh = encoder.untrained()
    assert not torch.equal(fresh.table.weight, encoder.table.weight)
    assert torch.equal(create(layers=2).table.weight, encoder.table.weight)


def test_a_damaged_folder_is_one_sentence(tmp_path):
    create().save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"odd")
    with pytest.raises(HeadstartError, match=r"recurrent network in .* cannot be read"):
        open_encoder(tmp_path)


def test_a_text_model_of_it_generates(tmp_path):
    lines = ["the cat sat on the mat", "a dog ran over the road"] * 40
    run = hs.pretrain(
        lines,
        out=tmp_path / "run",
        objective="clm",
        encoder="gru",
        encoder_options={"width": 16},
        length=16,
        budget="3steps",
        validation_share=0,
    )
    assert run.generate("the cat", tokens=4).startswith("the cat")
