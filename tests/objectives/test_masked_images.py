"""MAE and SimMIM: what is hidden, what the encoder sees, the losses by hand, and they learn."""

from __future__ import annotations

import pytest
import torch
from pretext import (
    TinyViT,
    build,
    images,
    neighbours,
    pure,
    same_gradients,
    teach,
    without_gradient,
)

from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.masked_images import MAE, SimMIM, nearest_divisor, sincos_positions
from headstart.seeding import generator


def test_three_quarters_are_dropped_anew_for_each_picture():
    objective = build(MAE, TinyViT(side=32), size=32)
    kept = objective.corrupt({"pixels": images(32)[:50]}, generator(0))["kept"]
    assert kept.shape == (50, 16)
    assert all(len(row.unique()) == 16 for row in kept)
    assert torch.bincount(kept.flatten(), minlength=64).min() > 0
    assert len({tuple(row.tolist()) for row in kept.sort(1).values}) == 50


def test_the_encoder_sees_the_kept_patches_at_their_places_and_nothing_else():
    objective = build(MAE, TinyViT())
    seen = []
    contextualize = objective.encoder.contextualize

    def watch(tokens, visibility, positions=None):
        seen.append((tokens, visibility, positions))
        return contextualize(tokens, visibility, positions)

    objective.encoder.contextualize = watch
    batch = objective.corrupt({"pixels": images(16)[:3]}, generator(1))
    objective(batch)
    ((tokens, visibility, positions),) = seen
    assert visibility is None
    assert torch.equal(positions, batch["kept"])
    every = objective.encoder.embed(batch)
    for row in range(3):
        assert torch.equal(tokens[row], every[row][batch["kept"][row]])


def test_corruption_is_a_function_of_the_generator_and_leaves_the_batch_alone():
    pure(build(MAE, TinyViT()))
    pure(build(SimMIM, TinyViT()))


@pytest.mark.parametrize("normalize", [True, False])
def test_loss_and_gradients_of_mae_equal_the_definition_written_out(normalize):
    objective = build(MAE, TinyViT(width=16), normalize=normalize, depth=1)
    pixels = torch.rand(2, 3, 16, 16, generator=generator(2))
    batch = {"pixels": pixels, "kept": torch.tensor([[0, 5, 10, 15], [3, 2, 9, 8]])}
    tokens = objective.encoder.embed(batch)
    losses = []
    for row in range(2):
        kept = batch["kept"][row]
        vectors = objective.encoder.contextualize(tokens[row, kept][None], None, kept[None])[0]
        narrow = dict(zip(kept.tolist(), objective.narrow(vectors), strict=True))
        line = [narrow.get(index, objective.mask_token) for index in range(16)]
        hidden = torch.stack(line)[None] + sincos_positions(4, line[0].shape[0])
        for block in objective.blocks:
            hidden = block(hidden)
        drawn = objective.head(objective.norm(hidden))[0]
        for index in range(16):
            if index in narrow:
                continue
            top, left = 4 * (index // 4), 4 * (index % 4)
            own = pixels[row, :, top : top + 4, left : left + 4].permute(1, 2, 0).flatten()
            if normalize:
                own = (own - own.mean()) / (own.var() + 1e-6).sqrt()
            losses.append(((drawn[index] - own) ** 2).mean())
    assert len(losses) == 24
    same_gradients(objective(batch)["loss"], torch.stack(losses).mean(), objective, 10)


def test_simmim_hides_units_of_a_sixth_of_the_side():
    assert nearest_divisor(14, 14 / 6) == 2  # 32 of 224 pixels in patches of 16
    assert nearest_divisor(12, 2) == 2  # 32 of 192
    objective = build(SimMIM, TinyViT(side=32), size=32, unit=2)
    hidden = objective.corrupt({"pixels": images(32)[:20]}, generator(3))["hidden"]
    assert hidden.shape == (20, 64)
    assert (hidden.sum(1) == 4 * 10).all()  # ceil(0.6 x 16) units of four patches
    units = hidden.view(20, 4, 2, 4, 2)
    assert (units.all(4).all(2) == units.any(4).any(2)).all()
    assert hidden.any(0).all()


def test_loss_and_gradients_of_simmim_equal_the_definition_written_out():
    objective = build(SimMIM, TinyViT(width=16))
    pixels = torch.rand(2, 3, 16, 16, generator=generator(4))
    hidden = torch.rand(2, 16, generator=generator(5)) < 0.5
    tokens = objective.encoder.embed({"pixels": pixels}).clone()
    for row, index in hidden.nonzero().tolist():
        tokens[row, index] = objective.mask_token
    drawn = objective.head(objective.encoder.contextualize(tokens, None))
    terms = []
    for row, index in hidden.nonzero().tolist():
        top, left = 4 * (index // 4), 4 * (index % 4)
        own = pixels[row, :, top : top + 4, left : left + 4].permute(1, 2, 0).flatten()
        terms += list((drawn[row, index] - own).abs())
    loss = objective({"pixels": pixels, "hidden": hidden})["loss"]
    same_gradients(loss, torch.stack(terms).mean(), objective, 10)
    restored = objective.restore(pixels, hidden)
    row, index = (~hidden).nonzero()[0].tolist()
    top, left = 4 * (index // 4), 4 * (index % 4)
    square = (row, slice(None), slice(top, top + 4), slice(left, left + 4))
    assert torch.equal(restored[square], pixels[square])


@pytest.mark.parametrize(("kind", "hidden"), [(MAE, 12), (SimMIM, 10)])
def test_the_report_shows_what_the_encoder_sees(kind, hidden):
    objective = build(kind, TinyViT())
    pixels = torch.rand(3, 3, 16, 16, generator=generator(6)) / 3
    batch = {**objective.corrupt({"pixels": images(16)[:3]}, generator(7)), "pixels": pixels}
    seen = objective.preview_images(batch)["seen"]
    grey = seen == 0.5
    assert grey.sum().item() == 3 * hidden * 48
    assert torch.equal(seen[~grey], pixels[~grey])


def test_every_parameter_moves():
    assert without_gradient(build(MAE, TinyViT())) == []
    assert without_gradient(build(SimMIM, TinyViT())) == []


def test_encoders_without_patches_are_refused_in_a_sentence():
    from pretext import NarrowConv, PixelStub

    for name in ("mae", "simmim"):
        with pytest.raises(HeadstartError, match=f"'{name}' needs patches"):
            build_objective({name: 1.0}, {}, NarrowConv(), PixelStub())
    with pytest.raises(HeadstartError, match="multiple of the encoder's patch of 4"):
        build(MAE, TinyViT(), size=18)


@pytest.mark.parametrize(("kind", "steps"), [(MAE, 300), (SimMIM, 200)])
def test_it_learns(kind, steps):
    options = {"depth": 1} if kind is MAE else {}
    objective = build(kind, TinyViT(), **options)
    history = teach(objective, steps, rows=128, rate=2e-3)
    assert history["loss"][-1] < history["loss"][0] / 1.8
    assert neighbours(objective.encoder) > neighbours(TinyViT()) + 0.03
