"""Labeled sentences that a tiny encoder can tell apart, and what reads them."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer

WORDS = {
    "fruit": ["apple", "pear", "plum", "cherry", "grape", "lemon"],
    "tool": ["hammer", "saw", "drill", "wrench", "chisel", "file"],
    "bird": ["robin", "wren", "finch", "heron", "swift", "crow"],
}
FILLER = ["the", "a", "of", "and", "with", "some", "old", "new", "big", "small"]


def make_records(per_class: dict[str, int], seed: int = 0) -> Dataset:
    """Sentences of filler with one telling word each, in random order."""
    random = np.random.default_rng(seed)
    rows = []
    for label, count in per_class.items():
        for _ in range(count):
            words = list(random.choice(FILLER, random.integers(3, 9)))
            words.insert(random.integers(len(words)), random.choice(WORDS[label]))
            rows.append({"text": " ".join(words), "label": label})
    order = random.permutation(len(rows))
    return Dataset.from_list([{"id": f"s:{n}", **rows[index]} for n, index in enumerate(order)])


def make_processor() -> TextProcessor:
    texts = [" ".join(FILLER), *(" ".join(words) for words in WORDS.values())] * 2
    return TextProcessor(fit_tokenizer(texts, kind="word", vocab_size=100, lowercase=True))
