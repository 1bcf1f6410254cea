"""Labeled sentences that a tiny encoder can tell apart, and encoders to adapt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import ModernBertConfig, ModernBertModel

from headstart.encoders.light import LightEncoder
from headstart.encoders.transformer import TransformerEncoder
from headstart.modalities.text.processor import TextProcessor

sys.path.insert(0, str(Path(__file__).parent))  # what tests here share

from sentences import make_processor, make_records


@pytest.fixture(scope="session")
def records() -> Callable[..., Dataset]:
    return make_records


@pytest.fixture(scope="session")
def processor() -> TextProcessor:
    return make_processor()


@pytest.fixture
def light(processor: TextProcessor) -> LightEncoder:
    torch.manual_seed(0)
    return LightEncoder(torch.ones(processor.vocabulary.size), 16)


@pytest.fixture
def transformer(processor: TextProcessor) -> TransformerEncoder:
    torch.manual_seed(0)
    size = processor.vocabulary.size
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
