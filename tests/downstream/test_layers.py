"""Freezing and layer-wise rates, against what they must be by hand."""

from __future__ import annotations

import pytest

from headstart.downstream.layers import frozen_modules, layer_groups
from headstart.errors import HeadstartError


def test_freezing_takes_the_embeddings_and_the_first_layers(transformer):
    embeddings, first, second, _ = transformer.layers()
    assert frozen_modules(transformer, "none") == []
    assert frozen_modules(transformer, "all") == [transformer]
    assert frozen_modules(transformer, "0") == [embeddings]
    assert frozen_modules(transformer, "2") == [embeddings, first, second]


@pytest.mark.parametrize("freeze", ["some", "-1", "1.5", "", "9" * 5000])
def test_an_unknown_freeze_says_what_to_write(transformer, freeze):
    with pytest.raises(HeadstartError, match="write all, none, or the number of layers"):
        frozen_modules(transformer, freeze)


def test_freezing_more_layers_than_there_are_names_how_many_there_are(transformer):
    assert len(frozen_modules(transformer, "3")) == 4
    with pytest.raises(HeadstartError, match=r"freeze=4 .* \(3 above its embeddings\)"):
        frozen_modules(transformer, "4")


def test_each_layer_learns_slower_than_the_one_above_it(transformer):
    groups = layer_groups(transformer, 1e-3, 0.5)
    rate_of = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    rates = [{rate_of[p] for p in layer.parameters()} for layer in transformer.layers()]
    assert rates == [{0.125e-3}, {0.25e-3}, {0.5e-3}, {1e-3}]
    assert {rate_of[p] for p in transformer.model.final_norm.parameters()} == {1e-3}


def test_every_parameter_that_learns_is_in_one_group(transformer):
    transformer.layers()[1].requires_grad_(False)
    listed = [p for group in layer_groups(transformer, 1e-3, 0.9) for p in group["params"]]
    wanted = [p for p in transformer.parameters() if p.requires_grad]
    assert len(listed) == len(set(listed)) == len(wanted)
    assert set(listed) == set(wanted)
