"""Views of whole batches: pure, seeded, one draw a sample, and the papers' probabilities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headstart.errors import HeadstartError
from headstart.modalities.image import views as image_views
from headstart.modalities.image.recipes import KINDS, SMALL, Recipe, kind_of, local_side
from headstart.modalities.image.views import augment, render, views


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bytes_(count: int = 6, side: int = 16, seed: int = 0) -> Tensor:
    draw = torch.randint(0, 256, (count, 3, side, side), generator=generator(seed))
    return draw.to(torch.uint8)


EVERY = Recipe(
    (0.2, 1.0), flip=0.5, jitter=0.8, strength=(0.8, 0.8, 0.8, 0.2), grey=0.5, blur=0.5,
    solarize=0.5, erase=0.5,
)  # fmt: skip


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
@pytest.mark.parametrize("side", [16, 72])
def test_every_kind_gives_two_global_views_and_the_local_ones(kind: str, side: int) -> None:
    batch = {"pixels": bytes_(3, side), "labels": torch.arange(3)}
    made = views(batch, generator(), kind, side, local=2)
    assert [v["pixels"].shape[2] for v in made] == [side, side, *[local_side(side)] * 2]
    for view in made:
        pixels = view["pixels"]
        assert pixels.shape == (3, 3, pixels.shape[2], pixels.shape[2])
        assert pixels.dtype == torch.float32
        assert pixels.is_contiguous(memory_format=torch.channels_last)
        assert 0.0 <= pixels.min() <= pixels.max() <= 1.0


@pytest.mark.parametrize(("stored", "size"), [(20, 16), (16, 20), (80, 72), (1, 8), (3, 2)])
def test_pictures_of_any_stored_side_come_out_at_the_side_asked_for(stored: int, size: int) -> None:
    for kind in KINDS:
        pixels = augment({"pixels": bytes_(2, stored)}, generator(), kind, size)["pixels"]
        assert pixels.shape == (2, 3, size, size)
        assert pixels.isfinite().all()


def test_a_batch_may_be_empty() -> None:
    assert views({"pixels": bytes_(0)}, generator(), "simclr", 16)[0]["pixels"].shape[0] == 0


@pytest.mark.parametrize("side", [16, 72])
def test_the_same_seed_gives_the_same_bits_and_another_gives_others(side: int) -> None:
    pixels = bytes_(4, side)
    kept = pixels.clone()
    first, again = (render(pixels, generator(1), EVERY, side) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(pixels, kept)
    assert not torch.equal(first, render(pixels, generator(2), EVERY, side))
    one, two = views({"pixels": pixels}, generator(1), "simclr", side)
    assert not torch.equal(one["pixels"], two["pixels"])


def test_the_global_generator_is_not_touched() -> None:
    before = torch.get_rng_state()
    render(bytes_(), generator(), EVERY, 16)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("recipe", [EVERY, Recipe(shift=0.25), Recipe((0.2, 1.0))])
def test_samples_of_a_batch_get_different_views(recipe: Recipe) -> None:
    same = bytes_(1).expand(8, 3, 16, 16)
    made = render(same, generator(), recipe, 16)
    assert len(made.flatten(1).unique(dim=0)) >= 6


@pytest.mark.parametrize("side", [16, 72])
def test_a_sample_does_not_depend_on_what_the_others_show(side: int) -> None:
    pixels, other = bytes_(6, side), bytes_(6, side, seed=1)
    other[2] = pixels[2]
    made, with_others = (render(p, generator(3), EVERY, side) for p in (pixels, other))
    torch.testing.assert_close(made[2], with_others[2], atol=1e-6, rtol=0)


def test_the_size_of_the_portions_a_batch_is_worked_on_in_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = render(bytes_(), generator(), EVERY, 16)
    monkeypatch.setattr(image_views, "CACHE", 3 * 16 * 16 * 2)
    torch.testing.assert_close(render(bytes_(), generator(), EVERY, 16), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("side", [16, 72])
def test_bytes_and_floats_give_the_same_views(kind: str, side: int) -> None:
    # A smooth picture: a rounded level grows only as far as the colours are stretched.
    ramp = torch.linspace(40, 200, side)
    pixels = torch.stack(
        [ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None], 240 - ramp + 0 * ramp[:, None]]
    )
    pixels = pixels.to(torch.uint8).expand(4, 3, side, side)
    stored = views({"pixels": pixels}, generator(), kind, side)
    floats = views({"pixels": pixels / 255}, generator(), kind, side)
    for one, two in zip(stored, floats, strict=True):
        difference = (one["pixels"] - two["pixels"]).abs()
        assert difference.mean() < 2 / 255
        # solarization jumps at its threshold, and a level decides on which side a pixel lies
        assert difference.quantile(0.95) < 8 / 255


def test_flips_go_left_to_right_and_half_of_the_samples_are_flipped() -> None:
    pixels = torch.zeros(400, 3, 8, 8)
    pixels[:, :, :, 0], pixels[:, :, 0] = 1.0, 0.5
    made = render(pixels, generator(), Recipe(flip=0.5), 8)
    assert torch.allclose(made[:, :, 0, 1:-1], torch.tensor(0.5))  # the top stays the top
    flipped = made[:, 0, 4, -1] == 1.0
    assert ((made[:, 0, 4, 0] == 1.0) ^ flipped).all()
    assert 160 < flipped.sum() < 240


def test_identity_is_the_picture() -> None:
    for made in views({"pixels": bytes_()}, generator(), "identity", 16):
        torch.testing.assert_close(made["pixels"], bytes_() / 255)


def shares(recipe: Recipe, count: int = 600) -> dict[str, float]:
    """Return how often each step changed a picture, by leaving the others out."""
    # One bright red and one dark green half, so that no step leaves it as it is.
    pixels = torch.zeros(count, 3, 12, 12)
    pixels[:, 0, :, :6], pixels[:, 1, :, 6:], pixels[:, 2] = 0.9, 0.3, 0.1
    found = {}
    for name in ("flip", "jitter", "grey", "blur", "solarize", "erase"):
        lone = Recipe(strength=recipe.strength, **{name: getattr(recipe, name)})
        made = render(pixels, generator(), lone, 12)
        found[name] = ((made - pixels).abs().flatten(1).amax(1) > 0.01).float().mean().item()
    return found


@pytest.mark.parametrize(
    ("kind", "side", "view", "flip", "jitter", "grey", "blur", "solarize"),
    [
        ("simclr", 224, 0, 0.5, 0.8, 0.2, 0.5, 0.0),
        ("simclr", 32, 1, 0.5, 0.8, 0.2, 0.0, 0.0),
        ("auto", 32, 0, 0.5, 0.8, 0.2, 0.0, 0.0),
        ("moco", 224, 0, 0.5, 0.8, 0.2, 0.5, 0.0),
        ("byol", 224, 0, 0.5, 0.8, 0.2, 1.0, 0.0),
        ("byol", 224, 1, 0.5, 0.8, 0.2, 0.1, 0.2),
        ("byol", 32, 1, 0.5, 0.8, 0.2, 0.0, 0.2),
        ("dino", 224, 1, 0.5, 0.8, 0.2, 0.1, 0.2),
        ("dino", 224, 2, 0.5, 0.8, 0.2, 0.5, 0.0),
        ("weak", 224, 0, 0.5, 0.0, 0.0, 0.0, 0.0),
    ],
)
def test_steps_happen_as_often_as_the_paper_says(
    kind: str,
    side: int,
    view: int,
    flip: float,
    jitter: float,
    grey: float,
    blur: float,
    solarize: float,
) -> None:
    wanted = {"flip": flip, "jitter": jitter, "grey": grey, "blur": blur, "solarize": solarize}
    found = shares(kind_of(kind, side)[view])
    # Of 600 draws the share is off by less than 0.08 (4 standard errors); a blur of less than about
    # a fifth of a pixel (1 in 10) and a weak jitter leave no trace.
    for name, share in wanted.items():
        assert abs(found[name] - share) < (0.13 if name == "blur" else 0.08), (name, found[name])
    assert found["erase"] == 0.0


def test_crops_and_strengths_are_the_papers() -> None:
    first = {(kind, side): kind_of(kind, side).first for kind in KINDS for side in (32, 224)}
    assert first["simclr", 224].scale == (0.08, 1.0)
    assert first["simclr", 32].scale == first["moco", 224].scale == (0.2, 1.0)
    assert first["simclr", 224].strength == (0.8, 0.8, 0.8, 0.2)
    assert first["simclr", 32].strength == first["moco", 224].strength == (0.4, 0.4, 0.4, 0.1)
    assert first["byol", 224].strength == first["dino", 32].strength == (0.4, 0.4, 0.2, 0.1)
    assert first["dino", 224].scale == first["dino", 32].scale == (0.4, 1.0)
    assert kind_of("dino", 224).local.scale == (0.05, 0.4)
    assert kind_of("simclr", SMALL) != kind_of("simclr", SMALL + 1)


def test_jitter_factors_are_torchvisions_ranges() -> None:
    recipe = Recipe(jitter=1.0, strength=(0.8, 1.5, 0.4, 0.2))
    draw = image_views._draw(5000, 8, 8, 8, recipe, generator())
    ranges = {"brightness": (0.2, 1.8), "contrast": (0.0, 2.5), "saturation": (0.6, 1.4),
              "hue": (-0.2, 0.2)}  # fmt: skip
    for name, (low, high) in ranges.items():
        assert low <= draw[name].min() < low + 0.01
        assert high - 0.01 < draw[name].max() <= high


def test_local_crops_are_three_sevenths_of_the_side_and_fit_patches() -> None:
    assert [local_side(size) for size in (224, 96, 64, 32, 16, 8)] == [96, 40, 24, 12, 8, 8]


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(HeadstartError, match="did you mean 'simclr'"):
        views({"pixels": bytes_()}, generator(), "simcler", 16)
    with pytest.raises(HeadstartError, match="did you mean 'weak'"):
        augment({"pixels": bytes_()}, generator(), "weka", 16)


def test_away_from_the_cpu_nothing_asks_the_device_for_a_value() -> None:
    # Tensors on "meta" have no values, so that whatever would wait for a GPU fails here.
    for recipe in (EVERY, Recipe(shift=0.25), Recipe()):
        made = render(bytes_(4, 72).to("meta"), generator(), recipe, 72)
        assert made.shape == (4, 3, 72, 72)


def test_a_step_done_to_all_and_kept_for_some_is_the_step_done_to_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_indices = render(bytes_(), generator(), EVERY, 16)

    monkeypatch.setattr(image_views, "_where", image_views._everywhere)
    torch.testing.assert_close(
        render(bytes_(), generator(), EVERY, 16), by_indices, atol=1e-6, rtol=0
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_makes_views_without_leaving_it() -> None:
    on_gpu = torch.Generator("cuda").manual_seed(0)
    for made in views({"pixels": bytes_(4, 72).cuda()}, on_gpu, "byol", 72, local=1):
        assert made["pixels"].is_cuda
        assert 0.0 <= made["pixels"].min() <= made["pixels"].max() <= 1.0
