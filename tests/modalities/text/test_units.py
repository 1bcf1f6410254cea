"""Words from tokens, deletion of them, and the wide half's parts: all known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.deployment.deletion import SHARES, deletion
from headstart.downstream.wide import Wide, distinct
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.modalities.text.units import TextUnits, read, without, words
from headstart.pages.evidence import TextEvidence, Word

ENGLISH = ["the film wasn't good, not good at all", "a far-fetched but good plot!"] * 30
CHINESE = ["这个酒店很好", "服务不好, 价格贵"] * 30


def word_texts(text: str, kind: str, texts: list[str], size: int = 320) -> list[str]:
    tokenizer = fit_tokenizer(texts, kind=kind, vocab_size=size, lowercase=True)
    reading = read(TextProcessor(tokenizer), text, 99)
    found = words(text, reading)
    return [text[word.start : word.end] for word in found]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "word", "char"])
def test_tokens_of_any_kind_make_the_words_that_a_reader_sees(kind: str) -> None:
    found = word_texts("The film WASN'T good,  not at all!", kind, ENGLISH)
    assert found == ["The", "film", "WASN'T", "good", ",", "not", "at", "all", "!"]


def test_a_phrase_that_is_one_token_stays_together() -> None:
    random = np.random.default_rng(0)
    made = []
    for _ in range(400):
        drawn = list(random.choice(["alpha", "beta", "gamma", "delta", "sigma", "omega"], 40))
        drawn.insert(random.integers(40), "waste of time")
        made.append(" ".join(drawn))
    found = word_texts("Alpha  waste of time, beta", "superword", made, size=600)
    assert found == ["Alpha", "waste of time", ",", "beta"]


def test_chinese_is_parted_by_characters_or_tokens() -> None:
    assert word_texts("酒店很好", "char", CHINESE) == ["酒", "店", "很", "好"]
    parts = word_texts("酒店很好", "bpe", CHINESE)
    assert "".join(parts) == "酒店很好"


def test_what_lies_beyond_the_length_is_not_read() -> None:
    processor = TextProcessor(fit_tokenizer(ENGLISH, kind="word", vocab_size=99, lowercase=True))
    text = "the film was not good at all"
    reading = read(processor, text, 5)
    batch = processor.collate_texts([text], 5)
    assert torch.equal(reading.batch["input_ids"], batch["input_ids"])
    kept = words(text, reading)
    assert text[: reading.end].split() == [text[w.start : w.end] for w in kept]
    assert reading.end < len(text)


def test_the_words_hold_the_weights_of_all_their_tokens() -> None:
    tokenizer = fit_tokenizer(ENGLISH, kind="char", vocab_size=99, lowercase=True)
    units = TextUnits(TextProcessor(tokenizer), "good plot!", 99)
    weights = torch.arange(units.batch["mask"].shape[1], dtype=torch.float32)
    found = units.evidence(weights, "good", signed=True)
    assert units.count == len(found.words) == 3
    for word, weight in zip(found.words, found.weights, strict=True):
        assert weight == sum(weights[list(word.positions)].tolist())
    reading = read(TextProcessor(tokenizer), "good plot!", 99)
    inside = [p for p, (a, b) in enumerate(reading.spans) if b > a and not reading.special[p]]
    assert sorted(p for word in found.words for p in word.positions) == inside


def test_the_blank_text_has_masks_where_its_words_were() -> None:
    tokenizer = fit_tokenizer(ENGLISH, kind="word", vocab_size=99, lowercase=True)
    units = TextUnits(TextProcessor(tokenizer), "good plot", 99)
    ids, blank = units.batch["input_ids"][0].tolist(), units.blank["input_ids"][0].tolist()
    special = set(tokenizer.all_special_ids)
    assert blank == [i if i in special else tokenizer.mask_token_id for i in ids]
    assert units.without([{0}])["mask"].sum() == len(ids) - 1


def test_what_was_not_read_is_said_and_shown() -> None:
    processor = TextProcessor(fit_tokenizer(ENGLISH, kind="word", vocab_size=99, lowercase=True))
    units = TextUnits(processor, "the film was <b> not good at all", 5)
    assert "encoder takes 5 tokens" in units.notes[0]
    page = units.evidence(torch.ones(5), "good", signed=True).html()
    assert 'class="unread"' in page
    assert "<b>" not in page


def test_deleted_positions_leave_no_hole() -> None:
    batch = {"input_ids": torch.tensor([[5, 6, 7, 8]]), "mask": torch.ones(1, 4, dtype=torch.bool)}
    left = without(batch, [set(), {1, 2}, {0, 1, 2, 3}])
    assert left["input_ids"].tolist() == [[5, 6, 7, 8], [5, 8, 0, 0], [0, 0, 0, 0]]
    assert left["mask"].sum(1).tolist() == [4, 2, 0]


def test_the_parts_of_the_wide_half_add_up_to_its_scores() -> None:
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 9, (3, 12), generator=random)
    mask = torch.arange(12) < torch.tensor([[12], [7], [1]])
    batch = {"input_ids": ids, "mask": mask}
    known = distinct(batch)[1].unique()[::2].contiguous()
    wide = Wide(known, torch.randn(len(known), 3, generator=random)).eval()
    torch.nn.init.normal_(wide.scale, generator=random)
    parts = wide.parts(batch)
    torch.testing.assert_close(parts.sum(1), wide(batch))
    assert not parts[~mask].any()


def test_a_word_gets_exactly_its_own_share_of_the_wide_half() -> None:
    batch = {"input_ids": torch.tensor([[5, 6, 5]]), "mask": torch.ones(1, 3, dtype=torch.bool)}
    wide = Wide(torch.tensor([5, 6]), torch.tensor([[2.0], [3.0]])).eval()
    torch.nn.init.ones_(wide.scale)
    # Token 5 says 2 / sqrt(2) once, shared by its two occurrences.
    expected = torch.tensor([1.0, 3.0, 1.0]) / 2**0.5
    torch.testing.assert_close(wide.parts(batch)[0, :, 0], expected)


def test_deletion_takes_the_named_units_first_and_measures_the_area() -> None:
    gone: list[set[int]] = []

    def probability(dropped: list[set[int]]) -> np.ndarray:
        gone.extend(dropped)
        return np.array([0.0 if 7 in units else 1.0 for units in dropped])

    found = deletion(probability, [7, *range(7), *range(8, 20)], seed=0)
    assert found is not None
    assert found.counts == (1, 1, 2, 4, 10)
    assert gone[0] == set()
    assert gone[1:4] == [{7}, {7}, {7, 0}]
    assert found.before == 1.0
    assert found.named_drop == 1.0
    expected = np.mean([count / 20 for count in found.counts])
    assert found.random_drop == pytest.approx(expected, abs=0.12)
    assert len(found.named) == len(SHARES)
    assert deletion(probability, [], seed=0) is None


def test_a_word_is_named_once_among_the_strongest() -> None:
    parts = [Word(0, 4, ()), Word(5, 9, ()), Word(10, 14, ()), Word(15, 18, ())]
    found = TextEvidence("Firm firm deal bad", parts, [0.2, 0.3, 0.1, -1.0], 18, "up", True)
    assert found.strongest(1) == [("firm", 0.3), ("deal", 0.1)]
