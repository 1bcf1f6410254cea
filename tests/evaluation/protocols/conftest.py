"""The modules without tests that stand beside this one can be imported by those tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
