"""BERT and ALBERT whole: one pass, holes in the pair that is judged, and Transformers' loss."""

from __future__ import annotations

import json

import language
import lesson
import pytest
import torch
from frozen import cloze
from safetensors.torch import load_file
from test_sentences import DOCUMENTS, Processor, make_batch
from torch import nn
from transformers import BertConfig, BertForPreTraining

from headstart.encoders import Features
from headstart.encoders.opening import create_encoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.errors import HeadstartError
from headstart.objectives.bert import ALBERT, BERT
from headstart.objectives.building import build_objective
from headstart.seeding import generator


class ByFirstToken(nn.Module):
    """A network judged by the vector of [CLS], as in the paper; its passes are counted."""

    def __init__(self, network: TransformerEncoder) -> None:
        super().__init__()
        self.network, self.width = network, network.width
        self.passes = 0

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.network.token_embedding

    def forward(self, batch):
        self.passes += 1
        seen = self.network(batch)
        return Features(seen.tokens, seen.mask, seen.tokens[:, 0])


def published() -> BertForPreTraining:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=100,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-5,
        initializer_range=0.2,  # far from uniform, so that what it sees shows
    )
    return BertForPreTraining(config).eval()


def with_heads_of(theirs: BertForPreTraining, kind) -> BERT:
    """Return the objective on the network and the output layers of Transformers' own."""
    objective = kind(ByFirstToken(TransformerEncoder(theirs.bert)), Processor, kind.Options())
    masked_head, pairs_head = theirs.cls.predictions, theirs.cls.seq_relationship
    masked, pairs = objective.masked.head, objective.pairs.head
    masked.transform[0] = masked_head.transform.dense
    masked.transform[2] = masked_head.transform.LayerNorm
    masked.decoder = masked_head.decoder
    pairs[0], pairs[2] = theirs.bert.pooler.dense, pairs_head
    return objective


@pytest.mark.parametrize("kind", [BERT, ALBERT])
def test_loss_and_gradients_equal_those_of_transformers(kind):
    theirs = published()
    objective = with_heads_of(theirs, kind)
    batch = objective.corrupt(make_batch(*DOCUMENTS, [[95, 96], [97]], width=12), generator(1))
    assert set(batch["labels"].tolist()) == {0, 1}
    result = objective(batch)
    expected = theirs(
        input_ids=batch["input_ids"],
        attention_mask=batch["mask"].long(),
        token_type_ids=batch["token_types"],
        labels=batch["targets"],
        next_sentence_label=batch["labels"],
    ).loss
    lesson.same_gradients(result["loss"], expected, theirs)
    assert objective.encoder.passes == 1
    torch.testing.assert_close(result["loss"], result["masked"] + result["pairs"])


@pytest.mark.parametrize("kind", [BERT, ALBERT])
def test_holes_are_in_the_pair_that_is_classified(kind):
    objective = kind(ByFirstToken(TransformerEncoder(published().bert)), Processor, kind.Options())
    batch = make_batch(*DOCUMENTS, width=12)
    corrupted = lesson.pure(objective, batch)
    hidden = corrupted["targets"].ge(0)
    length = corrupted["mask"].sum(1)
    assert torch.equal(hidden.sum(1), (0.15 * length).round().long().clamp(min=1))
    whole = torch.where(hidden, corrupted["targets"], corrupted["input_ids"])
    pairs = objective.pairs.corrupt(batch, generator(5))
    assert torch.equal(whole, pairs["input_ids"])
    assert torch.equal(corrupted["labels"], pairs["labels"])


def test_whole_words_are_hidden_together_in_pairs_of_two_texts():
    options = BERT.Options(whole_word=True, mask_ratio=0.5, random=1.0)
    objective = BERT(ByFirstToken(TransformerEncoder(published().bert)), Processor, options)
    batch = make_batch(*DOCUMENTS, width=12)
    # Sentences have three tokens; the first two of each are one word.
    batch["word_starts"] = batch["input_ids"] % 10 % 3 != 1
    hidden = 0
    for seed in range(20):
        corrupted = objective.corrupt(batch, generator(seed))
        chosen = corrupted["targets"].ge(0)
        for row, column in chosen.nonzero().tolist():
            if corrupted["targets"][row, column] % 10 % 3 == 0:
                assert chosen[row, column + 1]
                hidden += 1
    assert hidden > 50


def test_one_sentence_has_holes_and_in_albert_no_label():
    objective = ALBERT(
        ByFirstToken(TransformerEncoder(published().bert)), Processor, ALBERT.Options()
    )
    corrupted = objective.corrupt(make_batch([[11, 12, 13]], [[21, 22]]), generator(0))
    assert corrupted["labels"].tolist() == [-100, -100]
    result = objective(corrupted)
    assert result["pairs"].item() == 0.0
    assert result["loss"].item() == result["masked"].item() > 0


@pytest.mark.parametrize("name", ["bert", "albert"])
@pytest.mark.parametrize("encoder", ["bert", "modernbert"])
def test_every_parameter_moves(name, encoder):
    assert language.without_gradient(language.build({name: 1.0}, encoder)) == []


def test_what_is_saved_is_the_head_of_a_masked_model(text_processor, tmp_path):
    size = {"layers": 1, "width": 16, "heads": 2}
    encoder = create_encoder("bert", size, text_processor, length=32, seed=0)
    objective = build_objective({"bert": 1.0}, {}, encoder, text_processor)
    objective.save_head(tmp_path)
    assert json.loads((tmp_path / "head.json").read_text())["objective"] == "mlm"
    alone = build_objective({"mlm": 1.0}, {}, encoder, text_processor)
    found = alone.head.load_state_dict(load_file(tmp_path / "head.safetensors"), strict=False)
    assert (found.missing_keys, found.unexpected_keys) == (["decoder.weight"], [])


def test_other_networks_are_refused_with_the_names_of_those_that_can(text_processor):
    light = create_encoder("light", {"width": 8}, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"'bert' needs order.*modernbert, bert"):
        build_objective({"bert": 1.0}, {}, light, text_processor)


@pytest.mark.parametrize("name", ["bert", "albert"])
def test_on_unseen_articles_features_tell_more_of_what_was_hidden(name):
    objective = language.build({name: 1.0}, "bert", ngrams=(2,))
    assert language.learns(objective, 120, rate=5e-3, measure=cloze) > 0.03
