"""A tokenizer that is opened without Transformers reads and writes as it does with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from headstart.errors import HeadstartError
from headstart.modalities.text.fitting import load_processor
from headstart.modalities.text.processor import vocabulary_of
from headstart.modalities.text.stored_tokenizer import StoredTokenizer
from headstart.modalities.text.tokenizers import fit_tokenizer, word_start_table

TEXTS = ["The quick brown fox's 7/10 jump!!", "酒店的房间很干净", "Straße İstanbul e\u0301tude 🙂"]


def saved(folder: Path, kind: str, **options: int) -> Path:
    """Return a folder with a tokenizer as an encoder keeps it."""
    fitted = fit_tokenizer(TEXTS * 20, kind=kind, vocab_size=300, lowercase=True, **options)
    fitted.save_pretrained(folder)
    (folder / "headstart.json").write_text("{}")
    return folder


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "superword", "word", "char"])
def test_it_is_the_tokenizer_that_transformers_opens(kind: str, tmp_path: Path) -> None:
    sentinels = 3 if kind == "unigram" else 0
    folder = saved(tmp_path, kind, sentinels=sentinels)
    ours, whole = StoredTokenizer.open(folder), AutoTokenizer.from_pretrained(folder)
    assert ours is not None
    assert ours.backend_tokenizer.to_str() == whole.backend_tokenizer.to_str()
    mine, its = vocabulary_of(ours), vocabulary_of(whole)
    assert len(mine.sentinel_ids) == sentinels
    for name in vars(its).keys() - {"counts"}:
        assert getattr(mine, name) == getattr(its, name), name
    assert word_start_table(ours) == word_start_table(whole)
    rows = [each.ids for each in ours.backend_tokenizer.encode_batch(TEXTS)]
    for skipped in (False, True):
        expected = whole.batch_decode(rows, skip_special_tokens=skipped)
        assert ours.batch_decode(rows, skip_special_tokens=skipped) == expected


def test_saved_again_it_is_the_same(tmp_path: Path) -> None:
    folder, again = saved(tmp_path / "first", "word"), tmp_path / "again"
    processor = load_processor(folder)
    assert isinstance(processor.tokenizer, StoredTokenizer)
    processor.tokenizer.save_pretrained(again)
    first, second = (AutoTokenizer.from_pretrained(each) for each in (folder, again))
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
    assert (first.special_tokens_map, first.model_max_length) == (
        second.special_tokens_map,
        second.model_max_length,
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"tokenizer_class": "BertTokenizer"},
        {"add_bos_token": True},
        {"mask_token": {"content": "[MASK]", "lstrip": True}},
        {"clean_up_tokenization_spaces": True},
    ],
)
def test_what_transformers_alone_knows_is_left_to_it(changed: dict, tmp_path: Path) -> None:
    folder = saved(tmp_path, "wordpiece")
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | changed))
    assert StoredTokenizer.open(folder) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"pad_token": "[NEW]"},
        {"mask_token": "[NEW]"},
        {"mask_token": ""},
        {"mask_token": "quick"},  # a word, which no text could hold any longer
        {"extra_special_tokens": ["quick"]},
        {"extra_special_tokens": {"image_token": "[MASK]"}},
    ],
)
def test_tokens_that_the_file_does_not_have_as_special_are_left_to_transformers(
    changed: dict, tmp_path: Path
) -> None:
    folder = saved(tmp_path, "wordpiece")
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | changed))
    assert StoredTokenizer.open(folder) is None
    if all(changed.values()):
        whole = AutoTokenizer.from_pretrained(folder)
        texts = ["quick [NEW] fox", "[MASK] [SEP]"]
        assert load_processor(folder).encode_ids(texts) == whole(texts)["input_ids"]


@pytest.mark.parametrize("special", [True, False])
def test_a_file_without_its_special_tokens_is_left_to_transformers(
    special: bool, tmp_path: Path
) -> None:
    folder = saved(tmp_path, "bpe")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    for token in content["added_tokens"]:
        token["special"] = False
    file.write_text(json.dumps(content if special else {**content, "added_tokens": []}))
    assert StoredTokenizer.open(folder) is None


@pytest.mark.parametrize("name", ["special_tokens_map.json", "added_tokens.json"])
def test_files_of_earlier_versions_are_left_to_transformers(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path, "word")
    (folder / name).write_text("{}")
    assert StoredTokenizer.open(folder) is None


def test_a_damaged_one_is_one_sentence(tmp_path: Path) -> None:
    folder = saved(tmp_path, "word")
    (folder / "tokenizer.json").write_text('{"model": 1}')
    with pytest.raises(HeadstartError, match="no tokenizer can be read"):
        load_processor(folder)
