"""The tests of modalities share what writes and reads small sources with those of data."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
