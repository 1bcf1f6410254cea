"""Large blocks are kept by the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from headstart.training.memory import keep_buffers
if "keep" in sys.argv:
    assert keep_buffers()
def fill():
    torch.ones(2**24).sum()
for _ in range(5):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_a_large_block_is_handed_out_again_without_fresh_pages() -> None:
    def faults(*arguments: str) -> int:
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
        )
        return int(run.stdout)

    kept, mapped = faults("keep"), faults()
    if mapped < 1000:
        pytest.skip("this allocator keeps large blocks by itself")
    assert kept < mapped / 2  # other allocations may interfere occasionally
