"""The module without tests that stands beside this one can be imported by those tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("soundfile", reason="the extra `audio` is not installed")
pytest.importorskip("jiwer", reason="the extra `audio` is not installed")
sys.path.insert(0, str(Path(__file__).parent))
