"""Text: tokenizers, token files and rows."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer

from headstart.config import PretrainConfig, load
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.opening import open_modality
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.modalities.tokens.token_file import PackedRows, TokenFile
from headstart.modalities.tokens.tokenizer_defaults import TokenizerDefaults
from headstart.seeding import generator

ENGLISH = [
    "The quick brown fox jumps over the lazy dog.",
    "Pack my box with five dozen liquor jugs!",
    "How vexingly quick daft zebras jump; the dog is unimpressed.",
    "Sphinx of black quartz, judge my vow.",
] * 10
CHINESE = ["酒店的房间很干净，服务也很好。", "早餐一般，但是位置不错，交通方便。"] * 10
KINDS = ["bpe", "wordpiece", "unigram", "word", "char"]


def records(texts):
    return Dataset.from_dict({"id": [str(i) for i in range(len(texts))], "text": texts})


def processor(texts=ENGLISH, kind="bpe", vocab_size=400, **options):
    return TextProcessor(fit_tokenizer(texts, kind=kind, vocab_size=vocab_size, **options))


def prepared(texts, folder, *, layout, length, **options):
    made = processor(texts, **options)
    TextModality().prepare(records(texts), made, folder, Audit(), learn=True)
    return made, made.rows(folder, layout=layout, length=length, seed=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_every_family_gives_back_what_it_read(kind, texts):
    tokenizer = fit_tokenizer(texts, kind=kind, vocab_size=500)
    ids = tokenizer(texts[0])["input_ids"]
    assert ids[0] == tokenizer.cls_token_id
    assert ids[-1] == tokenizer.sep_token_id
    assert tokenizer.unk_token_id not in ids
    text = tokenizer.decode(ids, skip_special_tokens=True)
    squeeze = str.maketrans("", "", " ")
    assert text.translate(squeeze) == texts[0].translate(squeeze)


@pytest.mark.parametrize("kind", [*KINDS, "superword"])
def test_a_family_fitted_again_gives_every_entry_the_same_number(kind):
    first, *others = (fit_tokenizer(ENGLISH + CHINESE, kind=kind, vocab_size=300) for _ in range(4))
    for other in others:
        assert other.get_vocab() == first.get_vocab()
        assert other.backend_tokenizer.to_str() == first.backend_tokenizer.to_str()


def test_of_an_alphabet_that_was_given_to_the_trainer_no_letter_is_special():
    tokenizer = fit_tokenizer(ENGLISH, kind="wordpiece", vocab_size=300)
    assert set(tokenizer.get_added_vocab()) == {"[PAD]", "[UNK]", "[MASK]", "[CLS]", "[SEP]"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_processor_opens_with_auto_tokenizer_and_gives_the_same_ids(kind, tmp_path):
    made = processor(kind=kind)
    made.vocabulary.counts[7] = 99
    made.save(tmp_path)
    again = TextModality().load(tmp_path)
    assert again.encode_ids(ENGLISH[:4]) == made.encode_ids(ENGLISH[:4])
    assert (
        AutoTokenizer.from_pretrained(tmp_path)(ENGLISH[0])["input_ids"]
        == made.encode_ids(ENGLISH[:1])[0]
    )
    assert again.vocabulary.counts[7] == 99


def test_the_encoders_wishes_hold_until_the_user_says_otherwise():
    defaults = TokenizerDefaults(kind="word", vocab_size=30, lowercase=True)
    config = load(PretrainConfig, sources=["x"], out="y")
    modality = open_modality("text", {"text": {"tokenizer": {"kind": "char"}}})
    fitted = TextModality().fit(records(ENGLISH), config, defaults, 64)
    assert "quick" in fitted.tokenizer.get_vocab()
    assert len(fitted.tokenizer) == 30
    assert "quick" not in modality.fit(records(ENGLISH), config, defaults, 64).tokenizer.get_vocab()


def test_a_patient_tokenizer_is_taken_where_there_is_one_and_it_pays():
    config = load(PretrainConfig, sources=["x"], out="y")
    patient = TokenizerDefaults(kind="char", vocab_size=60)
    defaults = TokenizerDefaults(kind="word", vocab_size=30, patient=patient)

    def fitted(defaults, patient):
        made = TextModality().fit(records(ENGLISH), config, defaults, 64, patient=patient)
        return made.tokenizer.get_vocab()

    assert "quick" in fitted(defaults, False)
    assert "quick" not in fitted(defaults, True)
    assert "quick" in fitted(TokenizerDefaults(kind="word", vocab_size=30), True)


@pytest.mark.parametrize("options", [{}, {"kind": "char"}, {"sentinels": 3}, {"wrap": False}])
def test_the_modality_says_all_that_a_processor_may_provide(options):
    assert processor(**options).provides <= TextModality.provides


def test_text_without_spaces_gets_the_tokenizer_that_the_encoder_wishes_for_it():
    runs = TokenizerDefaults(kind="bpe", vocab_size=300, wrap=False)
    defaults = TokenizerDefaults(kind="word", vocab_size=40, wrap=False, unspaced=runs)
    config = load(PretrainConfig, sources=["x"], out="y")
    plain = TextModality()
    modality = open_modality("text", {"text": {"tokenizer": {"kind": "word"}}})
    chinese = ["我爱北京", "他爱北京", "北京很大"] * 4

    def pieces(texts, modality):
        fitted = modality.fit(records(texts), config, defaults, 64)
        return len(fitted.encode_ids(["我爱北京"])[0])

    assert pieces(chinese, plain) < 4
    assert pieces(chinese, modality) == 4
    assert "quick" in plain.fit(records(ENGLISH), config, defaults, 64).tokenizer.get_vocab()


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_word_starts_mark_the_first_token_of_each_word(kind):
    made = processor(kind=kind, vocab_size=300)
    ids = made.tokenizer("the quick brown fox", add_special_tokens=False)["input_ids"]
    words = []
    for token, start in zip(
        made.tokenizer.convert_ids_to_tokens(ids), made.word_starts[ids], strict=True
    ):
        plain = token.replace("##", "").replace("Ġ", "").replace("▁", "")
        words = [*words, plain] if start else [*words[:-1], words[-1] + plain]
    assert [word for word in words if word] == ["the", "quick", "brown", "fox"]


# -- packed rows ---------------------------------------------------------------------------------


def test_packed_rows_are_the_running_text_cut_by_arithmetic(tmp_path):
    made, rows = prepared(ENGLISH, tmp_path / "t", layout="packed", length=16)
    running = [token for ids in made.encode_ids(ENGLISH) for token in ids]
    batch = rows.batch(np.arange(len(rows)), epoch=0)
    assert batch["mask"].all()
    flat = batch["input_ids"].flatten().tolist()
    assert any(running[cut : cut + len(flat)] == flat for cut in range(33))
    assert len(flat) >= len(running) - 32


def test_segments_and_positions_follow_the_documents(tmp_path):
    made, rows = prepared(ENGLISH, tmp_path / "t", layout="packed", length=32)
    batch = rows.batch(np.arange(len(rows)), epoch=3)
    begins = batch["input_ids"] == made.tokenizer.cls_token_id
    for row in range(len(rows)):
        segment, position = 1, 0
        for index in range(32):
            if begins[row, index] and index:
                segment, position = segment + 1, 0
            assert batch["segments"][row, index] == segment
            assert batch["positions"][row, index] == position
            position += 1


def test_the_cut_moves_with_the_epoch_and_not_with_the_place(tmp_path):
    _, rows = prepared(ENGLISH, tmp_path / "t", layout="packed", length=16)
    epochs = [rows.batch(np.array([0]), epoch)["input_ids"].tolist() for epoch in range(6)]
    assert len({str(e) for e in epochs}) > 1
    together = rows.batch(np.array([4, 1]), 2)["input_ids"]
    assert torch.equal(together[1], rows.batch(np.array([1]), 2)["input_ids"][0])


def test_a_corpus_shorter_than_a_row_is_one_short_row(tmp_path):
    _, rows = prepared(["a few words"], tmp_path / "t", layout="packed", length=512)
    assert len(rows) == 1
    assert rows.batch(np.array([0]), 0)["mask"].all()


def test_a_large_vocabulary_is_stored_whole(tmp_path):
    from headstart.modalities.tokens.token_file import write_token_file

    ids = np.array([5, 70_000, 12])
    write_token_file(tmp_path / "t", [(ids, None)], vocab_size=80_000)
    assert TokenFile.open(tmp_path / "t").tokens.tolist() == ids.tolist()


# -- one document a row --------------------------------------------------------------------------


def test_a_document_row_is_the_document_padded(tmp_path):
    made, rows = prepared(ENGLISH, tmp_path / "t", layout="documents", length=64)
    batch = rows.batch(np.array([0, 2]), 0)
    for row, text in enumerate((ENGLISH[0], ENGLISH[2])):
        real = batch["input_ids"][row][batch["mask"][row]]
        assert real.tolist() == made.encode_ids([text])[0]
        assert (batch["input_ids"][row][~batch["mask"][row]] == made.vocabulary.pad_id).all()


def test_a_long_document_gives_windows_that_move_and_are_closed(tmp_path):
    text = " ".join(ENGLISH)
    made, rows = prepared([text], tmp_path / "t", layout="documents", length=16)
    seen = set()
    for epoch in range(20):
        ids = rows.batch(np.array([0]), epoch)["input_ids"][0]
        assert len(ids) == 16
        assert ids[0] == made.tokenizer.cls_token_id
        assert ids[-1] == made.tokenizer.sep_token_id
        seen.add(tuple(ids.tolist()))
    assert len(seen) > 10
    again = rows.batch(np.array([0]), 19)["input_ids"][0]
    assert tuple(again.tolist()) in seen


def test_collate_cuts_pads_and_keeps_the_closing_token():
    made = processor()
    batch = made.collate_texts([" ".join(ENGLISH), "a dog"], length=12)
    assert batch["input_ids"].shape == (2, 12)
    assert batch["input_ids"][0, -1] == made.tokenizer.sep_token_id
    assert batch["mask"].sum(1).tolist() == [12, len(made.encode_ids(["a dog"])[0])]


def test_blank_sources_are_refused(tmp_path):
    with pytest.raises(HeadstartError, match="no tokens"):
        prepared([""] * 3, tmp_path / "t", layout="packed", length=8, wrap=False)


def test_an_encoder_folder_without_tokenizer_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(HeadstartError, match="no tokenizer can be read"):
        TextModality().load(tmp_path)
    # From its settings alone a tokenizer would be built that knows no word.
    settings = {"tokenizer_class": "BertTokenizer", "unk_token": "[UNK]", "pad_token": "[PAD]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(HeadstartError, match="no tokens but special ones"):
        TextModality().load(tmp_path)


# -- views ---------------------------------------------------------------------------------------


def test_halves_are_the_two_halves():
    made = processor()
    batch = made.collate_texts(ENGLISH[:3], 64)
    first, second = made.views(batch, generator(0), "halves")
    for row in range(3):
        whole = batch["input_ids"][row][batch["mask"][row]].tolist()
        parts = [v["input_ids"][row][v["mask"][row]].tolist() for v in (first, second)]
        assert parts[0] + parts[1] == whole
        assert len(parts[0]) == len(whole) // 2


def test_disjoint_views_share_no_token_and_lose_none():
    made = processor()
    batch = made.collate_texts([" ".join(ENGLISH[:12])] * 40, 512)
    first, second = made.views(batch, generator(0), "disjoint")
    whole = set(batch["input_ids"][0][batch["mask"][0]].tolist())
    for row in range(40):
        ours, theirs = (set(v["input_ids"][row][v["mask"][row]].tolist()) for v in (first, second))
        assert not ours & theirs
        assert ours | theirs == whole
    sizes = first["mask"].sum(1)
    assert sizes.min() < sizes.max()


def test_words_numbers_and_signs_are_tokens_of_their_own():
    texts = ["I don't like it!!! 7/10 <br /> 酒店 no"] * 3
    tokenizer = fit_tokenizer(texts, kind="word", vocab_size=60, lowercase=True, wrap=False)
    expected = ["i", "don't", "like", "it", "!!!", "7/10", "酒", "店", "no"]
    assert tokenizer.tokenize(texts[0]) == expected


def test_crops_are_windows_of_the_text_and_differ():
    made = processor()
    batch = made.collate_texts(ENGLISH[:3] * 30, 64)
    views = made.views(batch, generator(0), "crops")
    for row in range(90):
        whole = str(batch["input_ids"][row].tolist())[1:-1]
        for view in views:
            crop = view["input_ids"][row][view["mask"][row]].tolist()
            assert str(crop)[1:-1] in whole
    assert not torch.equal(views[0]["mask"].sum(1), views[1]["mask"].sum(1))


def test_unknown_views_are_refused():
    made = processor()
    with pytest.raises(HeadstartError, match="did you mean 'halves'"):
        made.views(made.collate_texts(["a"], 8), generator(0), "halvs")


# -- Chinese -------------------------------------------------------------------------------------


def test_chinese_words_come_from_the_segmenter(tmp_path):
    pytest.importorskip("jieba", reason="the extra `chinese` is not installed")
    config = load(
        PretrainConfig,
        sources=["x"],
        out="y",
        objective="mlm",
        objective_options={"mlm": {"whole_word": True}},
    )
    defaults = TokenizerDefaults(kind="wordpiece", vocab_size=200)
    made = TextModality().fit(records(CHINESE), config, defaults, 64)
    assert made.segmenter == "jieba"
    TextModality().prepare(records(CHINESE), made, tmp_path / "t", Audit(), learn=True)
    batch = made.rows(tmp_path / "t", layout="documents", length=64, seed=0).batch(np.array([0]), 0)
    tokens = made.tokenizer.convert_ids_to_tokens(batch["input_ids"][0])
    words: list[str] = []
    for token, start in zip(tokens[1:-1], batch["word_starts"][0, 1:-1], strict=True):
        words = [*words, token] if start else [*words[:-1], words[-1] + token]
    assert words[:4] == ["酒店", "的", "房间", "很"]


@pytest.mark.parametrize(
    "texts",
    [ENGLISH, ["ห้องพักสะอาดมาก อาหารอร่อย"] * 40, ["ホテルの部屋はきれいです。"] * 40],
    ids=["english", "thai", "japanese"],
)
def test_what_is_not_chinese_needs_no_segmenter(texts):
    config = load(
        PretrainConfig,
        sources=["x"],
        out="y",
        objective_options={"mlm": {"whole_word": True}},
    )
    made = TextModality().fit(records(texts), config, TokenizerDefaults(), 64)
    assert made.segmenter == "none"


def test_packed_rows_read_nothing_but_what_is_asked_for(tmp_path):
    """Ten times the corpus must cost the same memory a batch: rows are found by arithmetic."""
    _, rows = prepared(ENGLISH * 20, tmp_path / "t", layout="packed", length=16)
    assert isinstance(rows, PackedRows)
    assert isinstance(rows.file.tokens, np.memmap)
    assert isinstance(rows.file.offsets, np.memmap)
    sent = pickle.dumps(rows)
    assert len(sent) < 10_000
    again = pickle.loads(sent).batch(np.array([3]), 1)
    assert torch.equal(again["input_ids"], rows.batch(np.array([3]), 1)["input_ids"])


def test_chunks_are_dealt_whole_and_share_nothing():
    made = processor()
    batch = made.collate_texts([" ".join(ENGLISH), "a dog"], 512)
    first, second = made.views(batch, generator(0), "chunks")
    assert torch.equal(first["mask"] | second["mask"], batch["mask"])
    assert not (first["mask"] & second["mask"]).any()
    # Changes of side come at least a chunk apart, and a short text is halved.
    length = int(batch["mask"][0].sum())
    changes = (first["mask"][0, 1:length] != first["mask"][0, : length - 1]).nonzero().flatten()
    assert len(changes) > 2
    assert (changes.diff() % 20 == 0).all()
    assert first["mask"][1].sum() == batch["mask"][1].sum() // 2
    again = made.views(batch, generator(1), "chunks")[0]
    assert not torch.equal(again["mask"], first["mask"])


def test_the_code_of_a_tokenizer_is_never_run_whatever_is_answered(tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w')\nfrom transformers import PreTrainedTokenizerFast as Own\n"
    (tmp_path / "own.py").write_text(code)
    settings = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": [None, "own.Own"]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(HeadstartError, match="no tokenizer can be read"):
        TextModality().load(tmp_path)
    assert not ran.exists()
