"""Resource usage of training: processor time and memory."""

from __future__ import annotations

import sys
import time

import torch


class Usage:
    """Measures from its creation, once per session."""

    def __init__(self) -> None:
        self._start = time.process_time()

    def values(self) -> dict[str, float]:
        """Return ``cpu_seconds`` of all threads since the start, and ``peak_memory`` in bytes.

        With a GPU, ``peak_gpu_memory`` is the peak of its tensors. Windows reports no peak.
        """
        values = {"cpu_seconds": time.process_time() - self._start}
        if sys.platform != "win32":
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            # Linux counts in kibibytes, macOS in bytes.
            values["peak_memory"] = float(peak if sys.platform == "darwin" else peak * 1024)
        if torch.cuda.is_available():
            values["peak_gpu_memory"] = float(torch.cuda.max_memory_allocated())
        return values
