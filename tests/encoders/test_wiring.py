"""Networks of Transformers give the vectors of their own forward pass, whatever they are."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, BertConfig, BertModel

from headstart.encoders.documents import apart, documents_of
from headstart.encoders.tied import TiedDecoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.encoders.visibility import causal, prefixed, visibility
from headstart.encoders.wiring import ask
from headstart.errors import HeadstartError
from headstart.objectives.heads import TokenHead

LENGTHS = (9, 3, 6)
#: Sizes by the names that configurations have for them.
SIZES = {
    "vocab_size": 64, "max_position_embeddings": 40, "pad_token_id": 1, "bos_token_id": 0,
    "eos_token_id": 2, "head_dim": 8, "num_key_value_heads": 2, "sliding_window": 3,
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "emb_dim", "word_embed_proj_dim"), 16),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_heads", "num_heads"), 2),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "hidden_dim"), 32),
}  # fmt: skip

#: What each is told by: a mask of several documents, one document a row, or rows of one length.
BOTH_WAYS = {
    "bert": "whole", "roberta": "whole", "xlm-roberta": "whole", "mpnet": "whole",
    "distilbert": "whole", "albert": "whole", "electra": "whole", "modernbert": "whole",
    "nomic_bert": "whole", "big_bird": "whole", "rembert": "whole", "deberta": "rows",
    "deberta-v2": "rows", "xlm": "rows", "roformer": "rows", "longformer": "rows",
    "fnet": "alone", "convbert": "alone",
}  # fmt: skip
TO_THE_LEFT = {
    "gpt2": "whole", "gpt_neox": "whole", "llama": "whole", "mistral": "whole", "mixtral": "whole",
    "olmo": "whole", "olmo2": "whole", "gemma": "whole", "gemma2": "whole", "gemma3_text": "whole",
    "granite": "whole", "falcon": "whole", "qwen2": "whole", "qwen3": "whole", "phi3": "whole",
    "smollm3": "whole", "glm": "whole", "stablelm": "whole", "starcoder2": "whole", "mpt": "whole",
    "opt": "rows", "bloom": "rows", "openai-gpt": "rows", "llama4_text": "rows", "mamba": "rows",
}  # fmt: skip
REFUSED = {
    "esm": "does not compute its vectors from its table of tokens alone",
    "ibert": "does not compute its vectors from its table of tokens alone",
    "clip_text_model": "does not compute its vectors from its table of tokens alone",
    "bros": "does not read token ids alone",
    "lxmert": "does not read token ids alone",
}
OTHER = {
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "electra": {"embedding_size": 8}, "albert": {"embedding_size": 8},
    "convbert": {"embedding_size": 16}, "rembert": {"input_embedding_size": 8},
    "longformer": {"attention_window": [4, 4]}, "modernbert": {"local_attention": 6},
    "openai-gpt": {"n_layer": 2}, "mixtral": {"num_local_experts": 2},
    "llama4_text": {"attention_chunk_size": 4, "intermediate_size_mlp": 32},
}  # fmt: skip


def network(kind, **changes):
    """A tiny random network; its weights are large, so that every token counts."""
    base = type(AutoConfig.for_model(kind))
    known, names = base().to_dict(), getattr(base, "attribute_map", {})
    options = {
        names.get(name, name): value
        for name, value in {**SIZES, **OTHER.get(kind, {}), **changes}.items()
        if names.get(name, name) in known
    }
    torch.manual_seed(0)
    model = AutoModel.from_config(base(**options)).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "norm" not in name.lower():
                weight.normal_(0, 0.25)
    return model.eval()


def own(model, ids):
    return model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]


def padded(texts, *, left=False):
    longest = max(LENGTHS)
    ids = torch.ones(len(texts), longest, dtype=torch.long)
    mask = torch.zeros(len(texts), longest, dtype=torch.bool)
    for row, text in enumerate(texts):
        where = slice(longest - len(text), None) if left else slice(len(text))
        ids[row, where], mask[row, where] = text, True
    return {"input_ids": ids, "mask": mask}


def packed(texts):
    lengths = torch.tensor([len(text) for text in texts])
    ids = torch.nn.functional.pad(torch.cat(texts), (0, 2), value=1)[None]
    segments = torch.repeat_interleave(torch.arange(1, len(texts) + 1), lengths)[None]
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    return {
        "input_ids": ids,
        "mask": torch.arange(ids.shape[1])[None] < lengths.sum(),
        "segments": torch.nn.functional.pad(segments, (0, 2), value=len(texts)),
        "positions": torch.nn.functional.pad(positions, (0, 2)),
    }


@pytest.mark.parametrize("kind", [*BOTH_WAYS, *TO_THE_LEFT])
def test_a_text_has_the_vectors_of_the_networks_own_forward_pass(kind):
    model = network(kind)
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(3, 64, (n,), generator=generator) for n in LENGTHS]
    with torch.no_grad():
        wanted = [own(model, text[None]) for text in texts]
        encoder = TransformerEncoder(model)
        found = [encoder(padded([text])).tokens[0, : len(text)] for text in texts]
        after = encoder(padded(texts))
        before = encoder(padded(texts, left=True))
        row = encoder(packed(texts)).tokens[0]
    size = max(float(vectors.abs().max()) for vectors in wanted)

    def same(ours, theirs):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * size)

    for number, (text, vectors) in enumerate(zip(texts, wanted, strict=True)):
        same(found[number], vectors)
        same(after.tokens[number, : len(text)], vectors)
        same(after.pooled[number], vectors.mean(0))
        same(before.tokens[number, -len(text) :], vectors)
        begin = sum(LENGTHS[:number])
        same(row[begin : begin + len(text)], vectors)
    assert encoder.is_causal == (kind in TO_THE_LEFT)
    expected = {**BOTH_WAYS, **TO_THE_LEFT}[kind]
    assert encoder.wiring.whole if expected == "whole" else encoder.wiring.mask == expected
    assert ("visibility" in encoder.provides) == (expected == "whole" or kind in TO_THE_LEFT)


@pytest.mark.parametrize("kind", list(REFUSED))
def test_a_network_that_cannot_be_one_is_refused_in_a_sentence(kind):
    with pytest.raises(HeadstartError, match=REFUSED[kind]) as error:
        TransformerEncoder(network(kind))
    assert len(str(error.value)) <= 300


@pytest.mark.parametrize(
    ("kind", "limit"),
    [("bert", 40), ("roberta", 38), ("mpnet", 38), ("opt", 40), ("llama", None), ("bloom", None)],
)
def test_the_number_of_positions_is_asked_too(kind, limit):
    assert ask(network(kind)).limit == limit


def test_more_tokens_than_positions_are_refused_with_what_to_do():
    encoder = TransformerEncoder(network("bert"))
    ids = torch.full((1, 41), 5)
    with pytest.raises(HeadstartError, match=r"has 40 positions.*--length 40 or less"):
        encoder({"input_ids": ids, "mask": ids > 0})


def test_asking_changes_nothing():
    model = network("bert", hidden_dropout_prob=0.5).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    wiring = ask(model)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    mistral = network("mistral", sliding_window=7)
    assert ask(mistral).windows == "all"
    assert mistral.config.sliding_window == 7
    assert wiring.windows == "none"


def test_values_that_are_not_finite_are_refused():
    model = network("bert")
    with torch.no_grad():
        model.encoder.layer[0].output.dense.bias[3] = float("nan")
    with pytest.raises(HeadstartError, match="gives values that are not finite"):
        TransformerEncoder(model)


def test_a_network_that_draws_at_random_is_refused():
    model = network("bert")
    noise = torch.nn.Dropout(0.5)
    model.embeddings.register_forward_hook(lambda *given: noise.train()(given[-1]))
    with pytest.raises(HeadstartError, match="different vectors each time"):
        TransformerEncoder(model)


@pytest.mark.parametrize("transform", [True, False])
def test_a_table_narrower_than_the_vectors_still_makes_an_output_layer(transform):
    encoder = TransformerEncoder(network("electra"))
    assert encoder.width == 16
    assert encoder.token_embedding.embedding_dim == 8
    head = TokenHead(encoder.token_embedding, encoder.width, transform=transform)
    ids = torch.randint(3, 64, (2, 5))
    assert head(encoder({"input_ids": ids, "mask": ids > 0}).tokens).shape == (2, 5, 64)


# -- documents apart -----------------------------------------------------------------------------


def test_documents_are_found_in_what_sees_what():
    segments = torch.tensor([[1, 1, 2, 3, 3, 3, 3]])
    mask = torch.tensor([[True, True, True, True, True, False, False]])
    seen = visibility({"mask": mask, "segments": segments})
    assert documents_of(seen, causal=False).tolist() == [[1, 1, 2, 3, 3, -1, -1]]
    assert documents_of(causal(seen, {"mask": mask}), causal=True)[0, :5].tolist() == [
        1,
        1,
        2,
        3,
        3,
    ]
    rows = torch.tensor([[[True, True, False]], [[False, True, True]]])
    assert (documents_of(rows, causal=False) >= 0).tolist() == rows[:, 0].tolist()


@pytest.mark.parametrize("segments", [True, False])
@pytest.mark.parametrize("form", ["both ways", "whole, to the left", "to the left"])
def test_tokens_that_were_left_out_belong_to_no_document(form, segments):
    mask = torch.tensor([[True, False, True, True, False, True, True, True, False, False]])
    batch = {"mask": mask}
    wanted = [1, -1, 1, 1, -1, 1, 1, 1, -1, -1]
    if segments:
        batch["segments"] = torch.tensor([[1] * 4 + [2] * 6])
        wanted = [1, -1, 1, 1, None, 2, 2, 2, -1, -1]
    seen = visibility(batch)
    if form == "to the left":
        seen = causal(seen, batch)
    found = documents_of(seen, causal=form != "both ways")[0].tolist()
    # What comes before or after all tokens of a causal document cannot be seen by them.
    known = range(8) if form != "both ways" else range(10)
    numbers = {number: rank for rank, number in enumerate(sorted({found[0], found[2], found[5]}))}
    for at in known:
        if wanted[at] is None:
            assert found[at] not in (found[3], found[5]) or found[at] == -1
        elif wanted[at] == -1:
            assert found[at] == -1
        else:
            assert numbers[found[at]] == wanted[at] - 1


def test_a_document_that_is_not_to_see_itself_whole_is_refused():
    left = torch.ones(1, 4, 4, dtype=torch.bool).tril()
    with pytest.raises(HeadstartError, match="choose another objective"):
        documents_of(prefixed(None, torch.tensor([[True, True, False, False]])), causal=False)
    assert documents_of(left, causal=True).tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("together", [True, False])
def test_each_document_is_run_in_a_row_of_its_own_and_gradients_come_back(together):
    calls = []

    def run(vectors, mask):
        calls.append(mask.sum(1).tolist())
        return vectors.cumsum(1)

    tokens = torch.arange(1.0, 9).view(2, 4, 1).requires_grad_()
    documents = torch.tensor([[0, 0, 0, 1], [-1, 0, 0, -1]])
    out = apart(run, tokens, documents, padded=together)
    assert out[..., 0].tolist() == [[1, 3, 6, 4], [0, 6, 13, 0]]
    assert calls == ([[3, 1, 2]] if together else [[1], [2], [3]])
    out.sum().backward()
    assert tokens.grad[..., 0].tolist() == [[3, 2, 1, 1], [0, 2, 1, 0]]


# -- speed ---------------------------------------------------------------------------------------


def test_asking_takes_a_few_short_forward_passes():
    calls = []
    model = BertModel(BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1,
                                 num_attention_heads=2, intermediate_size=32))  # fmt: skip
    model.register_forward_pre_hook(
        lambda module, given, named: calls.append(next(iter(named.values())).shape[:2].numel()),
        with_kwargs=True,
    )
    ask(model)
    assert len(calls) <= 25
    assert max(calls) <= 32


@pytest.mark.parametrize(("name", "able"), [("data2vec-text", True), ("mpnet", False)])
def test_whether_blocks_can_have_cross_attention_is_found_by_building_one(name, able):
    config = AutoConfig.for_model(name, **SIZES)
    encoder = TransformerEncoder(AutoModel.from_config(config, add_pooling_layer=False))
    assert ("cross_attention" in encoder.provides) is able
    if able:
        vectors = encoder.embed({"input_ids": torch.tensor([[5, 6, 7]])})
        decoder = TiedDecoder(encoder.model).eval()
        one, other = (decoder(vectors, torch.full((1, 16), value)) for value in (0.0, 3.0))
        assert not torch.allclose(one, other)


def test_a_copy_in_another_process_attends_as_the_first(tmp_path: Path) -> None:
    """Training in several processes hands the network over; there nothing is imported yet."""
    torch.manual_seed(0)
    config = BertConfig(
        **{name: SIZES[name] for name in ("vocab_size", "hidden_size")},
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    encoder = TransformerEncoder(BertModel(config, add_pooling_layer=False)).eval()
    batch = {"input_ids": torch.tensor([[5, 6, 7]]), "mask": torch.ones(1, 3, dtype=torch.bool)}
    with torch.no_grad():
        expected = encoder(batch).pooled
    (tmp_path / "copy").write_bytes(pickle.dumps((encoder, batch)))
    code = (
        "import pickle, sys, torch\n"
        "encoder, batch = pickle.load(open(sys.argv[1], 'rb'))\n"
        "with torch.no_grad(): print(encoder(batch).pooled.tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "copy")], capture_output=True, text=True
    )
    assert not done.stderr
    assert torch.allclose(torch.tensor(json.loads(done.stdout)), expected, atol=1e-6)
