"""Encoders: isolation of packed documents, saving in their ecosystems' formats, starting points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, GPT2Config, GPT2Model

from headstart.encoders.light import LightEncoder, sif_weights
from headstart.encoders.ngrams import NgramEmbedding
from headstart.encoders.opening import create_encoder, open_encoder, read_note, save_encoder
from headstart.encoders.visibility import causal, visibility
from headstart.errors import HeadstartError
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.seeding import generator

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs",
    "how vexingly quick daft zebras jump",
]
NAMES = ["light", "modernbert", "bert", "gpt"]
SMALL = {"layers": 2, "width": 32, "heads": 2}


@pytest.fixture(scope="module")
def processor():
    made = TextProcessor(fit_tokenizer(TEXTS * 5, kind="wordpiece", vocab_size=90, wrap=False))
    counts = np.arange(1, made.vocabulary.size + 1)
    made.vocabulary = replace(made.vocabulary, counts=counts)
    return made


def create(name, processor, seed=0):
    options = {"width": 32} if name == "light" else SMALL
    return create_encoder(name, options, processor, length=64, seed=seed).eval()


@pytest.mark.parametrize("name", NAMES)
def test_a_document_in_a_packed_row_sees_only_itself(name, processor):
    """Its vectors are those it has alone, and its gradient reaches no other document."""
    encoder = create(name, processor)
    ids = torch.randint(5, 60, (1, 24), generator=generator(0))
    mask = torch.ones(1, 24, dtype=torch.bool)
    segments = torch.tensor([[1] * 10 + [2] * 14])
    positions = torch.cat([torch.arange(10), torch.arange(14)])[None]
    packed = {"input_ids": ids, "mask": mask, "segments": segments, "positions": positions}
    alone = {"input_ids": ids[:, 10:], "mask": mask[:, 10:]}

    def contextual(batch):
        vectors = encoder.embed(batch).detach().requires_grad_()
        out = encoder.contextualize(vectors, visibility(batch), batch.get("positions"))
        return vectors, out

    inputs, outputs = contextual(packed)
    torch.testing.assert_close(outputs[:, 10:], contextual(alone)[1], rtol=1e-4, atol=1e-5)
    outputs[:, 10:].square().sum().backward()
    assert not inputs.grad[:, :10].any()
    assert inputs.grad[:, 10:].any()


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name, processor):
    encoder = create(name, processor)
    together = encoder(processor.collate_texts(TEXTS, 64)).pooled
    for row, text in enumerate(TEXTS):
        alone = encoder(processor.collate_texts([text], 64)).pooled[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-5)


def test_visibility_is_none_only_where_all_see_all():
    mask = torch.ones(2, 3, dtype=torch.bool)
    assert visibility({"mask": mask}) is None
    padded = mask.clone()
    padded[1, 2] = False
    seen = visibility({"mask": padded})
    assert seen[0].all()
    assert seen[1].tolist() == [[True, True, False], [True, True, False], [True, True, True]]
    assert causal(None, {"mask": mask})[0].tolist() == torch.ones(3, 3).tril().bool().tolist()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone(name, processor):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one, two, other = (create(name, processor, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [e.token_embedding.weight for e in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", NAMES)
def test_an_encoder_reopens_with_the_same_vectors(name, processor, tmp_path):
    encoder = create(name, processor)
    save_encoder(encoder, processor, tmp_path, {"modality": "text", "length": 64})
    again = open_encoder(tmp_path).eval()
    batch = processor.collate_texts(TEXTS, 64)
    torch.testing.assert_close(again(batch).pooled, encoder(batch).pooled)
    assert again.provides == encoder.provides
    assert read_note(tmp_path)["length"] == 64


@pytest.mark.parametrize("name", ["modernbert", "bert", "gpt"])
def test_auto_model_opens_what_was_saved_and_its_mean_is_our_vector(name, processor, tmp_path):
    encoder = create(name, processor)
    save_encoder(encoder, processor, tmp_path, {"modality": "text", "length": 64})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path).eval()
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
    weight = inputs["attention_mask"][:, :, None]
    mean = (states * weight).sum(1) / weight.sum(1)
    ours = encoder(processor.collate_texts(TEXTS, 64)).pooled
    torch.testing.assert_close(mean, ours, rtol=1e-4, atol=1e-5)


def test_sentence_transformers_opens_the_light_encoder_with_equal_vectors(processor, tmp_path):
    package = pytest.importorskip(
        "sentence_transformers", reason="the extra `sentence` is not installed"
    )
    encoder = create("light", processor)
    encoder.centre.normal_(generator=generator(1))
    save_encoder(encoder, processor, tmp_path, {"modality": "text", "length": 64})
    theirs = package.SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS)
    ours = encoder(processor.collate_texts(TEXTS, 64)).pooled
    np.testing.assert_allclose(theirs, ours.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_light_encoder_is_the_sif_weighted_mean_by_hand():
    weights = sif_weights(np.array([1, 3, 6]), a=0.5)
    np.testing.assert_allclose(weights, [0.5 / 0.6, 0.5 / 0.8, 0.5 / 1.1], rtol=1e-6)
    encoder = LightEncoder(weights, 2).eval()
    with torch.no_grad():
        encoder.embedding.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [2, 2]]))
    encoder.centre.copy_(torch.tensor([0.1, 0.2]))
    batch = {
        "input_ids": torch.tensor([[1, 2, 0]]),
        "mask": torch.tensor([[True, True, False]]),
    }
    expected = (weights[1] * torch.tensor([0.0, 1]) + weights[2] * torch.tensor([2.0, 2])) / 2
    torch.testing.assert_close(encoder.pool(batch)[0], expected - torch.tensor([0.1, 0.2]))


def test_the_light_context_is_the_mean_of_the_neighbours_in_the_window():
    encoder = LightEncoder(torch.ones(9), 1, window=1)
    tokens = torch.tensor([[[1.0], [2.0], [4.0]]])
    out = encoder.contextualize(tokens, None)
    assert out.flatten().tolist() == [1 + 2, 2 + 2.5, 4 + 2]


def test_an_untrained_encoder_has_the_same_shape_and_other_weights(processor):
    for name in NAMES:
        encoder = create(name, processor)
        fresh = encoder.untrained()
        assert [p.shape for p in fresh.parameters()] == [p.shape for p in encoder.parameters()]
        assert not torch.equal(fresh.token_embedding.weight, encoder.token_embedding.weight)


def test_any_transformers_folder_is_a_starting_point(processor, tmp_path):
    GPT2Model(GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=2)).save_pretrained(tmp_path)
    encoder = open_encoder(tmp_path)
    assert "causal" in encoder.provides
    assert encoder(processor.collate_texts(TEXTS, 64)).pooled.shape == (3, 32)
    assert len(encoder.layers()) == 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("modernbrt", {}, "did you mean 'modernbert'"),
        ("modernbert", {"widht": 3}, "did you mean 'width'"),
        ("modernbert", {"width": 30, "heads": 4}, "cannot be divided"),
        ("light", {"width": 0}, r"encoder\.width"),
    ],
)
def test_a_slip_is_answered_in_a_sentence(name, options, message, processor):
    with pytest.raises(HeadstartError, match=message):
        create_encoder(name, options, processor, length=64, seed=0)


def test_a_folder_that_holds_no_encoder_is_refused(tmp_path):
    with pytest.raises(HeadstartError, match="is no run and holds no encoder"):
        open_encoder(tmp_path)


def test_a_run_whose_training_has_not_finished_says_how_to_go_on(tmp_path):
    (tmp_path / "config.yaml").write_text("{verb: pretrain, options: {}, resolved: {}}")
    with pytest.raises(HeadstartError, match="has not finished; go on with `headstart pretrain"):
        open_encoder(tmp_path)


@pytest.mark.parametrize("path", ["/no/such/folder", "no/such/folder", "./runs"])
def test_a_path_where_nothing_lies_is_not_looked_for_on_the_hub(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the demo makes ./runs where the tests are run
    with pytest.raises(HeadstartError, match="there is no such folder; check the path"):
        open_encoder(path)


# -- n-grams -------------------------------------------------------------------------------------


def test_a_mistyped_run_is_answered_with_the_nearest_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "reviews").mkdir(parents=True)
    (tmp_path / "runs" / "reviews" / "config.yaml").write_text("")
    with pytest.raises(HeadstartError, match="no such folder; did you mean 'reviews'"):
        open_encoder("runs/reviws")
    with pytest.raises(HeadstartError, match="no published encoder of that name on this machine"):
        open_encoder("reviws")


def test_ngram_vectors_are_looked_up_by_hand():
    ngrams = NgramEmbedding((2, 3), 4, buckets=50).eval()
    ids = torch.tensor([[7, 8, 9, 7, 8]])
    batch = {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}
    two, three = (ngrams._buckets(ids, order)[0] for order in (2, 3))
    assert two[1] == two[4]  # the same pair, 7 8
    tables = [table.weight for table in ngrams.tables]
    expected = torch.stack(
        [
            torch.zeros(4),
            tables[0][two[1]],
            tables[0][two[2]] + tables[1][three[2]],
            tables[0][two[3]] + tables[1][three[3]],
            tables[0][two[4]] + tables[1][three[4]],
        ]
    )
    torch.testing.assert_close(ngrams(batch)[0], expected)


def test_an_ngram_looks_neither_right_nor_into_another_document():
    ngrams = NgramEmbedding((2, 4), 4).eval()
    ids = torch.randint(0, 60, (1, 12), generator=generator(0))
    segments = torch.tensor([[1] * 5 + [2] * 7])
    batch = {"input_ids": ids, "mask": ids >= 0, "segments": segments}
    changed = ids.clone()
    changed[0, 4] += 1
    after = ngrams({**batch, "input_ids": changed})
    same = (after == ngrams(batch)).all(2)[0]
    assert same[:4].all()
    assert not same[4]
    assert same[5:].all()


def test_an_encoder_with_ngrams_is_saved_and_opened_whole(processor, tmp_path):
    options = {**SMALL, "ngrams": [2, 3]}
    encoder = create_encoder("gpt", options, processor, length=64, seed=0).eval()
    save_encoder(encoder, processor, tmp_path, {"modality": "text", "length": 64})
    batch = processor.collate_texts(TEXTS, 64)
    torch.testing.assert_close(open_encoder(tmp_path).eval()(batch).pooled, encoder(batch).pooled)


# -- attention -----------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", ["block", "none"])
@pytest.mark.parametrize("name", ["modernbert", "bert", "gpt"])
def test_attention_in_bf16_gives_what_the_fused_one_gives(name, masked, processor):
    encoder = create(name, processor)
    ids = torch.randint(5, 60, (2, 16), generator=generator(0))
    batch = {"input_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}
    if masked == "block":
        batch["segments"] = torch.tensor([[1] * 6 + [2] * 10] * 2)
    gradients, outputs = [], []
    weight = torch.randn(2, 16, 32, generator=generator(1))
    for implementation in ("headstart", "sdpa"):
        encoder.model.set_attn_implementation(implementation)
        with torch.autocast("cpu", torch.bfloat16):
            out = encoder.contextualize(encoder.embed(batch), visibility(batch))
        encoder.zero_grad()
        (out.float() * weight).sum().backward()
        outputs.append(out.detach().float())
        gradients.append(encoder.token_embedding.weight.grad.clone())
    torch.testing.assert_close(*outputs, rtol=0.05, atol=0.05)
    torch.testing.assert_close(*gradients, rtol=0.1, atol=0.1 * float(gradients[1].abs().max()))


@pytest.mark.parametrize("name", ["photos", "notes.txt", "runs"])
def test_a_folder_or_file_without_an_encoder_is_called_so(name, tmp_path):
    path = tmp_path / name
    if path.suffix:
        path.write_text("a")
    else:
        (path / "below").mkdir(parents=True)
        (path / "1.png").write_bytes(b"")
    with pytest.raises(HeadstartError, match=rf"{name} is no run and holds no encoder; name a run"):
        open_encoder(path)
