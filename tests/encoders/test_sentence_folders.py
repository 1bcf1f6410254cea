"""A folder of sentence-transformers gives the vectors that sentence-transformers gives."""

from __future__ import annotations

import json

import pytest
import torch
from datasets import Dataset
from transformers import BertConfig, BertModel, BertTokenizerFast

from headstart.encoders.features import features
from headstart.encoders.opening import open_encoder, open_processor, read_note, save_encoder
from headstart.encoders.sentence_folders import Pooling, native_length
from headstart.errors import HeadstartError

TEXTS = ["a b c", "zebra zebra", "", "the quick brown fox " * 9]
RECORDS = Dataset.from_dict({"text": TEXTS})


@pytest.fixture
def bert(tmp_path):
    """A small BERT whose tokenizer was saved with a length to cut at and to fill up to."""
    letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    letters += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (tmp_path / "vocab.txt").write_text("\n".join(letters))
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    tokenizer.backend_tokenizer.enable_truncation(6)
    tokenizer.backend_tokenizer.enable_padding(length=6)
    folder = tmp_path / "bert"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def vectors(folder):
    length = read_note(folder)["length"]
    return features(
        open_encoder(folder), open_processor(folder), RECORDS, length=length, bf16=False
    )


@pytest.mark.parametrize(
    ("mode", "normalize"),
    [
        ("mean", True),
        ("cls", False),
        ("max", False),
        ("mean_sqrt_len_tokens", False),
        ("lasttoken", True),
        ("weightedmean", True),
    ],
)
def test_vectors_are_those_of_sentence_transformers_also_when_saved_again(
    bert, tmp_path, mode, normalize
):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import SentenceTransformer, models

    word = models.Transformer(str(bert), max_seq_length=32)
    modules = [word, models.Pooling(16, mode), *([models.Normalize()] if normalize else [])]
    model = SentenceTransformer(modules=modules, device="cpu")
    model.save(str(tmp_path / "theirs"))
    wanted = model.encode(TEXTS)
    assert vectors(tmp_path / "theirs") == pytest.approx(wanted, abs=1e-5)
    assert read_note(tmp_path / "theirs")["length"] == 32

    encoder, processor = open_encoder(tmp_path / "theirs"), open_processor(tmp_path / "theirs")
    save_encoder(encoder, processor, tmp_path / "ours", {"modality": "text", "length": 32})
    again = SentenceTransformer(str(tmp_path / "ours"), device="cpu")
    assert again.max_seq_length == 32
    assert again.encode(TEXTS) == pytest.approx(wanted, abs=1e-5)
    assert open_encoder(tmp_path / "ours").pooling == Pooling(mode, normalize)


def test_a_tokenizer_that_was_saved_with_a_length_cuts_and_fills_at_ours(bert):
    batch = open_processor(bert).collate_texts(["a b c", "zebra zebra"], 10)
    assert batch["mask"].sum(1).tolist() == [5, 10]
    assert batch["input_ids"].shape == (2, 10)


def test_a_folder_without_modules_is_pooled_by_the_mean(bert):
    assert open_encoder(bert).pooling == Pooling("mean", False)
    assert native_length(bert) is None


def test_layers_that_are_not_known_are_refused_by_name(bert):
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"}
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{kind}"}
        for path, kind in kinds.items()
    ]
    (bert / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(HeadstartError, match="made by Dense, which headstart does not know"):
        open_encoder(bert)


def theirs(folder, *modules):
    """Save a folder of sentence-transformers, and return a function that opens it."""
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(modules=list(modules), device="cpu").save(str(folder))
    return lambda: SentenceTransformer(str(folder), device="cpu")


def change(folder, name, **values):
    file = folder / name
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**known, **values}))


def test_what_a_folder_says_beside_its_modules_is_kept_or_refused(bert, tmp_path):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import models

    change(bert, "tokenizer.json", normalizer=None)
    change(bert, "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    folder = tmp_path / "theirs"
    open_theirs = theirs(folder, models.Transformer(str(bert)), models.Pooling(16))
    before = open_theirs().encode(["Zebra FOX"])
    change(folder, "sentence_bert_config.json", do_lower_case=True)
    wanted = open_theirs().encode(["Zebra FOX"])
    assert abs(wanted - before).max() > 1e-3
    batch = open_processor(folder).collate_texts(["Zebra FOX"], 32)
    pooled = open_encoder(folder).eval()(batch).pooled
    assert pooled.detach().numpy() == pytest.approx(wanted, abs=1e-5)

    settings = "config_sentence_transformers.json"
    change(folder, settings, prompts={"query": "query: "}, default_prompt_name=None)
    open_encoder(folder)
    change(folder, settings, default_prompt_name="query")
    with pytest.raises(HeadstartError, match="prompt 'query: ' before every text"):
        open_encoder(folder)
    change(folder, settings, default_prompt_name=None, truncate_dim=8)
    with pytest.raises(HeadstartError, match="cuts its vectors to 8 numbers"):
        open_encoder(folder)


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        ({"pooling_mode": ["mean", "cls"]}, "pooling mean with cls"),
        ({"pooling_mode": "attention"}, "pooling attention"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "mean with max"),
    ],
)
def test_poolings_that_are_not_known_are_refused_by_name(pooling, message, tmp_path):
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [{"path": p, "type": f"sentence_transformers.models.{k}"} for p, k in kinds.items()]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps(pooling))
    with pytest.raises(HeadstartError, match=message):
        Pooling.load(tmp_path)
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode_weightedmean_tokens": true}')
    assert Pooling.load(tmp_path) == Pooling("weightedmean")
    modules[1]["type"] = "their_code.Pooling"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(HeadstartError, match=r"made by their_code\.Pooling"):
        Pooling.load(tmp_path)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_static_table_gives_their_vectors_also_when_saved_again(bert, tmp_path, normalize):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers import models

    tokenizer = open_processor(bert).tokenizer.backend_tokenizer
    table = torch.randn(tokenizer.get_vocab_size(), 8, generator=torch.Generator().manual_seed(0))
    static = models.StaticEmbedding(tokenizer, embedding_weights=table.numpy())
    folder = tmp_path / "static"
    wanted = theirs(folder, static, *([models.Normalize()] if normalize else []))().encode(TEXTS)
    assert vectors(folder) == pytest.approx(wanted, abs=1e-5)
    note = {"modality": "text", "length": 8192}
    save_encoder(open_encoder(folder), open_processor(folder), tmp_path / "ours", note)
    assert vectors(tmp_path / "ours") == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    "mode", ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
)
def test_every_pooling_looks_at_real_positions_alone(mode):
    tokens = torch.tensor([[[1.0], [5.0], [9.0]], [[2.0], [4.0], [0.0]], [[7.0], [7.0], [7.0]]])
    mask = torch.tensor([[True, True, False], [False, True, True], [False, False, False]])
    wanted = {
        "mean": [3, 2],
        "cls": [1, 4],
        "max": [5, 4],
        "mean_sqrt_len_tokens": [6 / 2**0.5, 4 / 2**0.5],
        "weightedmean": [11 / 3, 4 / 3],
        "lasttoken": [5, 0],
    }[mode]
    found = Pooling(mode)(tokens, mask)
    assert found[:2, 0].tolist() == pytest.approx(wanted)
    assert found.isfinite().all()
