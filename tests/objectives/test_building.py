"""Mixtures: parsing, refusals, and the sum of losses."""

from __future__ import annotations

import pytest
import torch

from headstart.encoders.opening import create_encoder
from headstart.errors import HeadstartError
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import build_objective, parse_mixture
from headstart.seeding import generator


@pytest.fixture
def encoder(text_processor):
    options = {"layers": 1, "width": 16, "heads": 2, "dropout": 0.1}
    return create_encoder("bert", options, text_processor, length=32, seed=0)


def test_a_mixture_is_read_with_its_weights():
    assert parse_mixture("mlm") == {"mlm": 1.0}
    assert parse_mixture("mlm:1, simcse:0.1") == {"mlm": 1.0, "simcse": 0.1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlmm", "did you mean 'mlm'"),
        ("mlm:-1", "no positive weight"),
        ("mlm:x", "no positive weight"),
        ("mlm:nan", "no positive weight"),
        ("mlm,mlm", "named twice"),
    ],
)
def test_what_is_no_mixture_is_refused_in_a_sentence(text, message):
    with pytest.raises(HeadstartError, match=message):
        parse_mixture(text)


def test_options_are_checked_and_named(encoder, text_processor):
    with pytest.raises(HeadstartError, match="did you mean 'mask_ratio'"):
        build_objective({"mlm": 1.0}, {"mlm": {"mask_rate": 0.3}}, encoder, text_processor)
    with pytest.raises(HeadstartError, match=r"mlm\.mask_ratio.*less than 1"):
        build_objective({"mlm": 1.0}, {"mlm": {"mask_ratio": 1.5}}, encoder, text_processor)
    with pytest.raises(HeadstartError, match="not among the objectives"):
        build_objective({"mlm": 1.0}, {"clm": {}}, encoder, text_processor)


def test_a_causal_network_refuses_masked_modeling(text_processor):
    gpt = create_encoder(
        "gpt", {"layers": 1, "width": 16, "heads": 2}, text_processor, length=32, seed=0
    )
    with pytest.raises(HeadstartError, match=r"'mlm' needs bidirectional.*clm"):
        build_objective({"mlm": 1.0}, {}, gpt, text_processor)


def test_the_loss_of_a_mixture_is_the_weighted_sum_on_the_same_rows(encoder, text_processor):
    batch = text_processor.collate_texts(["the quick brown fox", "the lazy dog said it"], 32)
    batch["word_starts"] = torch.ones_like(batch["mask"])
    mixed = build_objective({"mlm": 1.0, "simcse": 0.1}, {}, encoder, text_processor).eval()
    assert mixed.layout == "documents"
    result = mixed(mixed.corrupt(batch, generator(0)))
    torch.testing.assert_close(result["loss"], result["mlm/loss"] + 0.1 * result["simcse/loss"])
    result["loss"].backward()
    names = dict(mixed.named_parameters())
    assert names["objectives.mlm.head.transform.0.weight"].grad.any()
    assert names["objectives.simcse.projection.0.weight"].grad.any()
    # One encoder, not two: it is counted once.
    assert sum("token_embedding" in n or "word_embeddings" in n for n in names) == 1


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_each_objective_documents_its_options(name):
    kind = OBJECTIVES[name]
    assert kind.__doc__
    assert kind.Options.__doc__
    assert all(field.description for field in kind.Options.model_fields.values())
