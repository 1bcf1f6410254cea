"""Numeric precision and number of threads for this machine."""

from __future__ import annotations

import os

import torch


def precision(wanted: str) -> str:
    """Return ``"bf16"`` or ``"fp32"``; ``"auto"`` chooses bf16 if the hardware supports it.

    A CPU without AVX-512 BF16 or AMX only emulates bf16, and is slower with it.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def threads(workers: int, processes: int = 1) -> int:
    """Return the number of compute threads of each process.

    Loader workers are mostly idle, so together they get one core if there are more than two.
    ``OMP_NUM_THREADS`` takes precedence.
    """
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if workers and cores > 2:
        cores -= 1
    return max(1, cores // processes)
