"""A processor fitted to a few sentences, shared by the tests of objectives.

The modules without tests that stand beside this one can be imported by those tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

SENTENCES = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs and be quick about it",
    "how vexingly quick daft zebras jump over the lazy fox",
    "a wizard's job is to vex chumps quickly in fog, said the dog",
] * 8


@pytest.fixture(scope="session")
def text_processor():
    from headstart.modalities.text.processor import TextProcessor
    from headstart.modalities.text.tokenizers import fit_tokenizer

    return TextProcessor(fit_tokenizer(SENTENCES, kind="wordpiece", vocab_size=90, lowercase=True))
