from __future__ import annotations

import sys
import time

import pytest

from headstart.training.usage import Usage


def test_processor_time_counts_work_and_not_waiting() -> None:
    usage = Usage()
    time.sleep(0.2)
    idle = usage.values()["cpu_seconds"]
    start = time.process_time()
    while time.process_time() - start < 0.1:
        pass
    assert idle < 0.1
    assert usage.values()["cpu_seconds"] - idle >= 0.1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports no peak")
def test_the_peak_of_memory_is_in_bytes_and_never_falls() -> None:
    usage = Usage()
    before = usage.values()["peak_memory"]
    block = b"x" * 2**27
    held = usage.values()["peak_memory"]
    del block
    assert 2**24 < before < 2**40
    assert usage.values()["peak_memory"] >= held >= before
