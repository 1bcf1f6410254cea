"""Labeled sentences that a tiny encoder can tell apart, and encoders to adapt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import ModernBertConfig, ModernBertModel

from headstart.encoders.light import LightEncoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer

sys.path.insert(0, str(Path(__file__).parent))  # what tests here share

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


@pytest.fixture(scope="session")
def records() -> Callable[..., Dataset]:
    return make_records


@pytest.fixture(scope="session")
def processor() -> TextProcessor:
    texts = [" ".join(FILLER), *(" ".join(words) for words in WORDS.values())] * 2
    return TextProcessor(fit_tokenizer(texts, kind="word", vocab_size=100, lowercase=True))


@pytest.fixture
def light(processor: TextProcessor) -> LightEncoder:
    torch.manual_seed(0)
    return LightEncoder(torch.ones(len(processor.tokenizer)), 16)


@pytest.fixture
def transformer(processor: TextProcessor) -> TransformerEncoder:
    torch.manual_seed(0)
    size = len(processor.tokenizer)
    return TransformerEncoder(
        ModernBertModel(
            ModernBertConfig(
                vocab_size=size,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=3,
                num_attention_heads=2,
                max_position_embeddings=64,
                layer_types=["full_attention"] * 3,
                mlp_dropout=0.1,
                pad_token_id=0,
                bos_token_id=None,
                eos_token_id=None,
                cls_token_id=None,
                sep_token_id=None,
            )
        )
    )
