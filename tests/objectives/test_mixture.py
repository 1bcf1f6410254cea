"""Mixtures: sums, turns and learned weights; and ratios that move over the run."""

from __future__ import annotations

import copy
import math

import language
import lesson
import paired
import pytest
import torch

from headstart.config import PretrainConfig, load
from headstart.encoders import ENCODERS
from headstart.encoders.opening import create_encoder, kind_of
from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.masked import MaskedModeling, MaskedOptions
from headstart.seeding import generator
from headstart.verbs.learning import pretrain_sections


@pytest.fixture
def make(text_processor):
    def make(weights: dict[str, float], **options):
        size = {"layers": 1, "width": 16, "heads": 2}
        encoder = create_encoder("bert", size, text_processor, length=32, seed=0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return build_objective(weights, options, encoder, text_processor)

    return make


@pytest.fixture
def batch(text_processor):
    made = text_processor.collate_texts(["the quick brown fox jumps", "the lazy dog said it"], 32)
    return {**made, "word_starts": torch.ones_like(made["mask"])}


def acting(mixture, batch, steps: int) -> list[str]:
    names = []
    for step in range(steps):
        corrupted = mixture.corrupt(batch, generator(step))
        (name,) = {key.partition("/")[0] for key in corrupted} - {"mask"}
        result = mixture(corrupted)
        torch.testing.assert_close(result["loss"], result[f"{name}/loss"])
        names.append(name)
        mixture.after_step((step + 1) / steps)
    return names


def test_by_turns_each_acts_as_often_as_its_weight_says(make, batch):
    two = make({"mlm": 1.0, "word_order": 1.0}, mixture={"combine": "turns"})
    assert acting(two, batch, 6) == ["mlm", "word_order"] * 3
    three = make({"mlm": 3.0, "word_order": 1.0}, mixture={"combine": "turns"})
    names = acting(three, batch, 12)
    assert names.count("mlm") == 9
    assert "mlm mlm mlm mlm" not in " ".join(names)


def test_turns_go_on_where_a_checkpoint_left_them(make, batch):
    options = {"mixture": {"combine": "turns"}}
    one = make({"mlm": 2.0, "word_order": 1.0}, **options)
    names = acting(one, batch, 9)
    begun = make({"mlm": 2.0, "word_order": 1.0}, **options)
    acting(begun, batch, 4)
    other = make({"mlm": 2.0, "word_order": 1.0}, **options)
    other.load_state_dict(begun.state_dict())
    assert acting(other, batch, 5) == names[4:]


def test_in_validation_all_act_however_they_are_mixed(make, batch):
    mixed = make({"mlm": 2.0, "word_order": 1.0}, mixture={"combine": "turns"}).eval()
    result = mixed(mixed.corrupt(batch, generator(0)))
    expected = 2 * result["mlm/loss"] + result["word_order/loss"]
    torch.testing.assert_close(result["loss"], expected)


def test_learned_weights_begin_at_the_given_ones_and_follow_the_formula(make, batch):
    mixed = make({"mlm": 2.0, "word_order": 0.5}, mixture={"combine": "uncertainty"})
    result = mixed(mixed.corrupt(batch, generator(0)))
    losses = [result["mlm/loss"], result["word_order/loss"]]
    s = [-math.log(2.0), -math.log(0.5)]
    expected = sum(math.exp(-a) * loss + a for a, loss in zip(s, losses, strict=True))
    torch.testing.assert_close(result["loss"], expected)
    torch.testing.assert_close(result["mlm/weight"].item(), 2.0)
    (gradient,) = torch.autograd.grad(result["loss"], [mixed.log_variance])
    by_hand = torch.stack([1 - math.exp(-a) * loss for a, loss in zip(s, losses, strict=True)])
    torch.testing.assert_close(gradient, by_hand.detach())


def test_a_loss_that_stays_high_loses_weight(make, batch):
    mixed = make({"mlm": 1.0, "word_order": 1.0}, mixture={"combine": "uncertainty"})
    optimizer = torch.optim.SGD([mixed.log_variance], 0.5)
    corrupted = mixed.corrupt(batch, generator(0))
    for _ in range(60):
        optimizer.zero_grad()
        result = mixed(corrupted)
        result["loss"].backward()
        optimizer.step()
    # At rest exp(-s) L = 1: the weight is one over the loss.
    assert result["mlm/weight"].item() == pytest.approx(1 / result["mlm/loss"].item(), rel=0.02)


def test_mixture_options_are_for_several_and_checked(make):
    with pytest.raises(HeadstartError, match="this run has one"):
        make({"mlm": 1.0}, mixture={"combine": "turns"})
    with pytest.raises(HeadstartError, match=r"mixture\.combine.*'sum'"):
        make({"mlm": 1.0, "word_order": 1.0}, mixture={"combine": "turn"})
    with pytest.raises(HeadstartError, match="did you mean 'combine'"):
        make({"mlm": 1.0, "word_order": 1.0}, mixture={"combin": "turns"})


def test_the_shell_s_settings_reach_mixtures_and_courses():
    config = load(
        PretrainConfig,
        settings=["mixture.combine=turns", "mlm.mask_ratio=0.15..0.4", "encoder.width=8"],
        sections=pretrain_sections(),
        sources=["x"],
        out="y",
    )
    assert config.objective_options == {
        "mixture": {"combine": "turns"},
        "mlm": {"mask_ratio": "0.15..0.4"},
    }
    assert config.encoder_options == {"width": 8}


# -- ratios that move ----------------------------------------------------------------------------


def test_a_ratio_moves_over_the_run_and_validation_sees_its_end(make, text_processor):
    objective = make({"mlm": 1.0}, mlm={"mask_ratio": "0.1..0.5"})
    ids = torch.full((4, 20), text_processor.encode_ids(["fox"])[0][1])
    batch = {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}

    def hidden() -> list[int]:
        return (objective.corrupt(batch, generator(0))["targets"] >= 0).sum(1).unique().tolist()

    assert hidden() == [2]
    objective.after_step(0.5)
    assert hidden() == [6]
    state = copy.deepcopy(objective.state_dict())
    objective.after_step(1.0)
    assert hidden() == [10]
    objective.load_state_dict(state)  # a checkpoint remembers how far it is
    assert hidden() == [6]
    objective.eval()
    assert hidden() == [10]


@pytest.mark.parametrize("text", ["0.1..1.2", "0..0.5", "a..b", "0.1...", "1.5"])
def test_what_is_no_ratio_is_refused(make, text):
    with pytest.raises(HeadstartError, match=r"mlm\.mask_ratio.*(share)"):
        make({"mlm": 1.0}, mlm={"mask_ratio": text})


def test_a_number_stays_a_number():
    options = MaskedOptions(mask_ratio=0.3)
    assert options.mask_ratio == 0.3
    assert options.model_dump()["mask_ratio"] == 0.3
    assert MaskedOptions(mask_ratio="0.15..0.4").model_dump()["mask_ratio"] == "0.15..0.4"
    assert MaskedModeling.Options().mask_ratio == 0.15


# -- who can serve whom --------------------------------------------------------------------------


SMALL = {"layers": 1, "heads": 2, "width": 16, "dropout": 0.1}
SIZES = {
    "light": {"width": 16},
    "gru": {"width": 16},
    "conv": {},
    "plain": {},
    "mel_conv": {},
    "wav2vec2": {**SMALL, "channels": 8},
    "conformer": SMALL,
    "conv_tasnet": {},
    "wavenet": {},
    "vit": {**SMALL, "width": 8},
    "towers": {},
}


@pytest.mark.parametrize("name", list(ENCODERS))
def test_what_is_said_of_an_encoder_is_what_it_provides(name, text_processor):
    kind, size = ENCODERS[name], SIZES.get(name, SMALL)
    if name == "towers":
        text_processor = paired.processor()
    encoder = create_encoder(name, size, text_processor, length=32, seed=0)
    assert encoder.provides == kind.provides
    assert encoder.reads == kind.reads


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "mixer_s32_224"])
def test_what_is_said_of_a_network_of_timm_it_provides_but_for_dropout(name):
    encoder = create_encoder(name, {}, None, length=32, seed=0)
    assert encoder.provides | {"dropout"} == kind_of(name).provides


def test_a_refusal_names_the_encoders_that_can(text_processor):
    light = create_encoder("light", {"width": 16}, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"encoders that can: modernbert, bert\)"):
        build_objective({"electra": 1.0}, {}, light, text_processor)


def test_a_batch_is_shared_and_each_member_corrupts_it_alone():
    mixed = language.build({"mlm": 1.0, "nsp": 1.0, "electra": 0.02})
    batch = language.rows("documents", range(6))
    corrupted = lesson.pure(mixed, batch)
    assert {key.partition("/")[0] for key in corrupted} == {"mask", "mlm", "nsp", "electra"}
    result = mixed(corrupted)
    expected = result["mlm/loss"] + result["nsp/loss"] + 0.02 * result["electra/loss"]
    torch.testing.assert_close(result["loss"], expected)
