"""Labeled sentences, which the tests of labeling share with those of fine-tuning."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset

from headstart.modalities.text.processor import TextProcessor

sys.path.insert(0, str(Path(__file__).parents[1] / "downstream"))

from sentences import make_processor, make_records


@pytest.fixture(scope="session")
def records() -> Callable[..., Dataset]:
    return make_records


@pytest.fixture(scope="session")
def processor() -> TextProcessor:
    return make_processor()
