"""TSDAE: which words go, that all goes through one vector, ties, and the loss by hand."""

from __future__ import annotations

import copy

import language
import lesson
import pytest
import torch
from frozen import recognised
from rewritten import Writing, row_of, spoken, texts
from transformers import BertConfig, BertLMHeadModel, BertModel, RobertaConfig, RobertaModel

from headstart.encoders.opening import create_encoder, open_encoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.errors import HeadstartError
from headstart.objectives.building import build_objective
from headstart.objectives.tsdae import TSDAE, sample_words
from headstart.seeding import generator

SIZE = {
    "vocab_size": 64,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
}


def make(ratio: float = 0.6, kind: str = "bert") -> TSDAE:
    torch.manual_seed(0)
    if kind == "bert":
        model = BertModel(BertConfig(**SIZE), add_pooling_layer=False)
    else:
        model = RobertaModel(RobertaConfig(**SIZE), add_pooling_layer=False)
    with torch.no_grad():  # far from uniform, so that what is seen shows
        for parameter in model.parameters():
            parameter.mul_(6 if parameter.ndim > 1 else 1)
    return TSDAE(TransformerEncoder(model), Writing, TSDAE.Options(delete_ratio=ratio)).eval()


def test_what_is_left_is_some_of_the_text_in_its_order_and_all_is_written():
    batch = texts(*range(1, 30))
    corrupted = lesson.pure(make(), batch)
    for row in range(29):
        left, text = row_of(corrupted, row), row_of(batch, row)
        assert row_of(corrupted, row, "written/") == text
        assert (left[0], left[-1]) == (text[0], text[-1])
        assert len(left) >= 3
        indices = [text.index(token) for token in left[1:-1]]
        assert indices == sorted(indices)


def test_of_all_words_60_percent_are_deleted_whole_and_one_stays():
    real = torch.arange(120) < torch.tensor([120, 110])[:, None].repeat(200, 1)
    starts = torch.arange(120) % 3 == 1  # a row begins inside of a word
    kept = sample_words(real, starts.expand_as(real), 0.4, generator(0))
    assert not (kept & ~real).any()
    words = kept[::2, 1:118].reshape(200, -1, 3)
    assert torch.equal(words.any(2), words.all(2))
    # 7,800 draws: three standard errors are 0.017. A script that keeps 60% would fail.
    assert abs(1 - words[:, :, 0].float().mean().item() - 0.6) < 0.017
    few = torch.arange(9) < torch.full((3000, 1), 2)
    kept = sample_words(few, torch.ones_like(few), 0.4, generator(1))
    counts = torch.bincount(kept.sum(1), minlength=3) / 3000
    torch.testing.assert_close(counts, torch.tensor([0, 0.84, 0.16]), atol=0.03, rtol=0)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_decoder_sees_the_text_through_the_pooled_vector_alone(kind):
    objective = make(kind=kind)
    vectors = objective.encoder.embed(texts(9, 9))
    seen = torch.randn(2, 16)
    decoded = objective.decoder(vectors, seen)
    other = objective.decoder(vectors, torch.stack([seen[0], -seen[1]]))
    torch.testing.assert_close(decoded[0], other[0])
    assert not torch.isclose(decoded[1], other[1], atol=1e-3).all(1).any()
    later = vectors.clone()
    later[:, 5:] += 1.0  # nothing looks to its right
    torch.testing.assert_close(objective.decoder(later, seen)[:, :5], decoded[:, :5])


def test_encoder_and_decoder_are_one_but_for_the_attention_to_the_vector():
    objective = make()
    ours = {id(p) for p in objective.encoder.parameters()}
    own = [n for n, p in objective.decoder.named_parameters() if id(p) not in ours]
    assert own
    assert all(".crossattention." in name for name in own)
    names = {id(p) for p in objective.decoder.parameters()}
    assert ours <= names
    # And after a step they still are.
    batch = objective.corrupt(texts(9, 14), generator(0))
    objective(batch)["loss"].backward()
    torch.optim.SGD([p for p in objective.parameters() if p.requires_grad], 0.1).step()
    layer = objective.decoder.network.encoder.layer[1].attention.self.query.weight
    assert torch.equal(layer, objective.encoder.model.encoder.layer[1].attention.self.query.weight)


def test_loss_and_gradients_equal_those_of_transformers_row_by_row():
    objective = make()
    batch = objective.corrupt(texts(12, 25, 7, 1), generator(3))
    config = copy.deepcopy(objective.decoder.network.config)
    theirs = BertLMHeadModel(config).eval()
    theirs.bert = objective.decoder.network
    head = theirs.cls.predictions
    head.transform.dense, head.transform.LayerNorm = (
        objective.head.transform[0],
        (objective.head.transform[2]),
    )
    head.decoder = objective.head.decoder
    total, count = 0.0, 0
    for row in range(4):
        read, all_of_it = (torch.tensor([row_of(batch, row, n)]) for n in ("", "written/"))
        pooled = objective.encoder.model(read).last_hidden_state.mean(1, keepdim=True)
        # Transformers shifts the labels by itself.
        loss = theirs(all_of_it, encoder_hidden_states=pooled, labels=all_of_it).loss
        total, count = total + loss * (all_of_it.shape[1] - 1), count + all_of_it.shape[1] - 1
    moving = torch.nn.ModuleList([objective.encoder, objective.head])
    lesson.same_gradients(objective(batch)["loss"], total / count, moving)


def test_a_folder_of_transformers_is_gone_on_from_and_saved_without_the_decoder(
    tmp_path, text_processor
):
    size = {"layers": 1, "width": 16, "heads": 2}
    create_encoder("bert", size, text_processor, length=32, seed=0).save(tmp_path / "start")
    encoder = open_encoder(tmp_path / "start")
    objective = build_objective({"tsdae": 1.0}, {}, encoder, text_processor)
    before = encoder.token_embedding.weight.detach().clone()
    batch = text_processor.collate_texts(["the quick brown fox", "a lazy dog"], 32)
    batch["word_starts"] = torch.ones_like(batch["mask"])
    objective(objective.corrupt(batch, generator(0)))["loss"].backward()
    torch.optim.SGD(encoder.parameters(), 1.0).step()
    encoder.save(tmp_path / "end")
    after = open_encoder(tmp_path / "end")
    assert isinstance(after, TransformerEncoder)
    assert after.state_dict().keys() == open_encoder(tmp_path / "start").state_dict().keys()
    assert not torch.equal(after.token_embedding.weight, before)


def test_others_are_refused_with_the_names_of_those_that_can(text_processor):
    size = {"layers": 1, "width": 16, "heads": 2}
    modern = create_encoder("modernbert", size, text_processor, length=32, seed=0)
    with pytest.raises(HeadstartError, match=r"needs cross attention.*\(encoders that can: bert\)"):
        build_objective({"tsdae": 1.0}, {}, modern, text_processor)


def test_every_parameter_moves_but_what_asks_a_single_vector():
    unused = language.without_gradient(language.build({"tsdae": 1.0}, "bert"))
    assert unused
    assert all(
        ".crossattention.self.query." in n or ".crossattention.self.key." in n for n in unused
    )


def test_on_unseen_articles_it_learns_to_write_and_from_the_vector():
    objective = language.build({"tsdae": 1.0}, "bert")
    before = spoken(objective)
    language.teach(objective, 250, rate=1e-2)
    after, unread = spoken(objective), spoken(objective, unread=True)
    print(f"tsdae: {before:.3f} untrained, {after:.3f}; with another text's vector {unread:.3f}")
    assert after < before - 1.0
    assert after < unread - 0.02


def test_unseen_articles_damaged_in_two_ways_find_each_other_by_what_the_vector_must_say():
    def found(of_another: int) -> float:
        """Train each text to be written from the vector of the text so many rows further on."""
        objective = language.build({"tsdae": 1.0}, "bert")
        corrupt = objective.corrupt
        objective.corrupt = lambda batch, drawn: {
            name: rows if name.startswith("written/") else rows.roll(of_another, 0)
            for name, rows in corrupt(batch, drawn).items()
        }
        language.teach(objective, 500, count=16, rate=1e-2)
        objective.corrupt = corrupt
        return recognised(objective)

    own, other = found(0), found(1)
    print(f"tsdae: {own:.3f} find their own; {other:.3f} where vectors were of another text")
    assert own > other + 0.03
