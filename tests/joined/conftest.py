"""Lets the tests of this folder share :mod:`tiny_start`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
