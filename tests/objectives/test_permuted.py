"""Permuted LM: the order, what each stream may look at, and the loss against Transformers' own."""

from __future__ import annotations

import language
import lesson
import pytest
import torch
from tokens import Processor, make_batch
from transformers import AutoModel, XLNetConfig, XLNetLMHeadModel, XLNetModel

from headstart.encoders.opening import create_encoder, open_encoder
from headstart.encoders.xlnet import XLNetEncoder
from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.permuted import PermutedModeling
from headstart.seeding import generator


def config() -> XLNetConfig:
    return XLNetConfig(vocab_size=40, d_model=16, n_layer=2, n_head=2, d_inner=32, dropout=0.0)


@pytest.fixture
def objective() -> PermutedModeling:
    torch.manual_seed(0)
    encoder = XLNetEncoder(XLNetModel(config()))
    with torch.no_grad():  # far from uniform, so that what is seen shows
        for parameter in encoder.parameters():
            parameter.mul_(10 if parameter.ndim > 1 else 1)
    return PermutedModeling(encoder, Processor, PermutedModeling.Options()).eval()


@pytest.mark.parametrize("segments", [False, True])
def test_the_last_sixth_of_a_random_order_is_predicted(objective, segments):
    batch = make_batch(rows=60, length=36, segments=segments)
    corrupted = lesson.pure(objective, batch)
    assert torch.equal(corrupted["input_ids"], batch["input_ids"])  # nothing is ever hidden
    order, where = corrupted["order"], corrupted["where"]
    assert torch.equal(order.sort(1).values, torch.arange(36).expand(60, -1))
    length = batch["mask"].sum(1)
    assert torch.equal((where >= 0).sum(1), (length / 6).round().long())
    for row in range(60):
        indices = where[row][where[row] >= 0]
        assert order[row, indices].min() >= length[row] - len(indices)
        assert torch.equal(
            corrupted["targets"][row][where[row] >= 0], batch["input_ids"][row, indices]
        )
        assert (batch["input_ids"][row, indices] > 4).all()
        special = batch["mask"][row] & (batch["input_ids"][row] <= 4)
        assert order[row][special].max() < special.sum()


def test_of_512_tokens_85_are_predicted(objective):
    batch = make_batch(rows=2, length=512)
    batch["mask"][:] = True
    assert (objective.corrupt(batch, generator(0))["where"] >= 0).sum(1).tolist() == [85, 85]


def query_outputs(objective, batch) -> torch.Tensor:
    """Return the query stream (P,D) of the first row."""
    order = batch["order"]
    seen = order[:, None, :] < order[:, :, None]
    return objective.encoder.query(objective.encoder.embed(batch), seen, batch["where"])[0]


def test_a_target_is_predicted_from_the_tokens_before_it_in_the_order_and_from_no_other(objective):
    batch = {name: tensor[-1:] for name, tensor in make_batch(rows=2, length=18).items()}
    batch = objective.corrupt(batch, generator(1))
    before, order = query_outputs(objective, batch), batch["order"][0]
    for index in range(18):
        changed = batch["input_ids"].clone()
        changed[0, index] = 5 + (changed[0, index] + 7) % 35
        after = query_outputs(objective, {**batch, "input_ids": changed})
        for turn, target in enumerate(batch["where"][0].tolist()):
            same = torch.allclose(before[turn], after[turn], atol=1e-5)
            assert same == bool(order[index] >= order[target]), (index, target)


def test_loss_and_gradients_equal_those_of_transformers_with_masks_written_out(objective):
    batch = objective.corrupt(make_batch(rows=4, length=18, segments=True), generator(2))
    theirs = XLNetLMHeadModel(config()).eval()
    theirs.transformer = objective.encoder.model
    theirs.lm_loss.weight = objective.encoder.token_embedding.weight
    theirs.lm_loss.bias = objective.head.decoder.bias
    rows, count = batch["where"].shape
    hidden, mapping = torch.ones(rows, 18, 18), torch.zeros(rows, count, 18)
    for row in range(rows):
        for i in range(18):
            for j in range(18):
                earlier = batch["order"][row, j] < batch["order"][row, i]
                if earlier and batch["segments"][row, i] == batch["segments"][row, j]:
                    hidden[row, i, j] = 0
        for turn, index in enumerate(batch["where"][row].tolist()):
            if index >= 0:
                mapping[row, turn, index] = 1
    expected = theirs(
        batch["input_ids"], perm_mask=hidden, target_mapping=mapping, labels=batch["targets"]
    ).loss
    lesson.same_gradients(objective(batch)["loss"], expected, objective)


def test_a_token_that_could_see_nothing_is_no_target(objective):
    batch = make_batch(rows=50, length=24)
    batch["mask"][:] = True
    batch["input_ids"][batch["input_ids"] < 5] = 9
    batch["segments"] = torch.arange(24).expand(50, -1) // 2 + 1  # documents of two tokens
    corrupted = objective.corrupt(batch, generator(0))
    order = corrupted["order"]
    for row in range(50):
        for index in corrupted["where"][row].tolist():
            if index >= 0:
                neighbour = index + 1 if index % 2 == 0 else index - 1
                assert order[row, neighbour] < order[row, index]


def test_the_encoder_is_saved_for_transformers_and_opens_again(text_processor, tmp_path):
    options = {"layers": 1, "width": 16, "heads": 2}
    encoder = create_encoder("xlnet", options, text_processor, length=32, seed=0).eval()
    encoder.save(tmp_path)
    batch = text_processor.collate_texts(["the quick brown fox", "a dog"], 32)
    opened = open_encoder(tmp_path).eval()
    assert torch.equal(opened.pool(batch), encoder.pool(batch))
    theirs = AutoModel.from_pretrained(tmp_path).eval()
    ours = encoder(batch).tokens
    for row in range(2):
        alone = theirs(batch["input_ids"][row : row + 1, batch["mask"][row]]).last_hidden_state
        torch.testing.assert_close(ours[row, batch["mask"][row]], alone[0], rtol=1e-3, atol=1e-5)


def test_padding_changes_nothing(text_processor):
    options = {"layers": 2, "width": 16, "heads": 2}
    encoder = create_encoder("xlnet", options, text_processor, length=32, seed=0).eval()
    alone = encoder.pool(text_processor.collate_texts(["a dog"], 32))
    beside = encoder.pool(text_processor.collate_texts(["a dog", "the quick brown fox jumps"], 32))
    torch.testing.assert_close(alone[0], beside[0], rtol=1e-4, atol=1e-5)


def test_other_networks_are_refused_with_what_they_can_do(text_processor):
    options = {"layers": 1, "width": 16, "heads": 2}
    bert = create_encoder("bert", options, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"'plm' needs two streams.*xlnet"):
        build_objective({"plm": 1.0}, {}, bert, text_processor)
    for name in ("mlm", "clm", "word_order", "prefix", "contrast"):
        xlnet = create_encoder("xlnet", options, text_processor, length=32, seed=0)
        objective = build_objective({name: 1.0}, {}, xlnet, text_processor)
        batch = text_processor.collate_texts(["the quick brown fox jumps over it"] * 2, 32)
        loss = objective(objective.corrupt(batch, generator(0)))["loss"]
        assert loss.isfinite()


def test_on_unseen_articles_its_features_tell_more_than_untrained_ones():
    assert language.learns(language.build({"plm": 1.0}, "xlnet"), 250, rate=5e-3) > 0.05
