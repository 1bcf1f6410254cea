"""Kill a training at sixty random points and compare every bit with one that never stopped.

Run it with ``python benchmarks/resume.py [KILLS]``. The default test suite does the same with about
twenty kills at chosen points.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "training"))


from kills import Kills, assert_same_bits, logged, saved

#: Options that change what must be restored.
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"workers": 2},
    {"accumulate": 3, "rows": 41},
    {"workers": 2, "accumulate": 2, "optimizer": {"name": "muon"}},
    {"patience": 3, "validate_steps": 3, "restore_best": True},
    {"world": 2, "rows": 40},
)
#: Where a process dies, and at most at which arrival.
PLACES = {
    "step": 12,
    "optimizer": 10,
    "validation": 8,
    "write": 4,
    "rename": 4,
    "renamed": 4,
    "forget": 4,
}


def main(wanted: int) -> int:
    """Print one line a setting; return the number of settings whose bits differ."""
    random = np.random.default_rng(0)
    different = total = 0
    with Kills() as kills, tempfile.TemporaryDirectory() as scratch:
        for number, setting in enumerate(SETTINGS):
            options = {"budget": "30steps", "checkpoint_steps": 3, **setting}
            whole, cut = Path(scratch, f"{number}-whole"), Path(scratch, f"{number}-cut")
            assert kills.train(whole, **options) == 0
            killed, share = 0, -(-wanted // len(SETTINGS))
            status = -9
            while killed < share and status == -9:
                index = str(random.choice(list(PLACES)))
                count = int(random.integers(1, PLACES[index] + 1))
                status = kills.train(cut, {"point": index, "count": count}, **options)
                killed += status == -9
                if status == 0:
                    # It came to its end first: begin another chain, and compare this one too.
                    different += not same(whole, cut)
                    cut, status = cut.with_name(cut.name + "+"), -9
            assert kills.train(cut, **options) == 0
            equal = same(whole, cut)
            different += not equal
            total += killed
            print(
                f"{setting or 'defaults'}: {killed} kills, {'same bits' if equal else 'DIFFERENT'}"
            )
    print(f"{total} kills, {different} different")
    return different


def same(whole: Path, cut: Path) -> bool:
    """Compare all logged values and the last checkpoint."""
    try:
        assert logged(whole) == logged(cut)
        assert_same_bits(saved(whole), saved(cut))
    except AssertionError:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60) > 0)
