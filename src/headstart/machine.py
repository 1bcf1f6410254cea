"""What this machine offers for training, with advice."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from headstart.version import __version__


def doctor(folder: str | Path = ".") -> dict[str, Any]:
    """Return the properties that matter for training, as plain values, with advice in sentences.

    Args:
        folder: where runs will be written; its disk is measured.

    Example::

        print(*hs.doctor()["advice"], sep="\n")
    """
    import torch

    from headstart.catalog import foreign
    from headstart.precision import precision, threads

    required, extras = _requirements()
    added = foreign()
    found: dict[str, Any] = {
        "headstart": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": _cores(),
        "threads": threads(workers=0),
        "memory_gb": _gigabytes(_memory()),
        "disk_free_gb": _gigabytes(shutil.disk_usage(folder).free),
        "bf16": precision("auto") == "bf16",
        "gpus": [
            {"name": gpu.name, "memory_gb": _gigabytes(gpu.total_memory)}
            for gpu in map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        ],
        "packages": {name: _version(name) for name in required},
        "extras": {extra: all(_version(name) for name in names) for extra, names in extras.items()},
        "added": {
            family: {line.name: line.package for line in found if not line.fault}
            for family, found in added.items()
        },
    }
    faults = [line.fault for found in added.values() for line in found if line.fault]
    return found | {"advice": _advice(found) + [f"{it[0].upper()}{it[1:]}" for it in faults]}


def _cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    """Bytes of memory, or of the container's share of it."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        return total


def _gigabytes(size: int) -> float:
    return round(size / 2**30, 1)


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Return the requirements of this package and of each of its extras."""
    required: list[str] = []
    extras: dict[str, list[str]] = {}
    try:
        lines = metadata.requires("headstart") or []
    except metadata.PackageNotFoundError:  # run from a source folder
        lines = []
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)", line)
        if name:
            (extras.setdefault(extra[1], []) if extra else required).append(name[0])
    return required, extras


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _advice(found: dict[str, Any]) -> list[str]:
    advice = []
    if not found["bf16"]:
        advice.append("This machine has no fast bf16: training runs in fp32, about half as fast.")
    if not found["gpus"]:
        advice.append(
            "There is no GPU: the light encoder is made for that; a deeper one needs an hour."
        )
    if found["threads"] < found["cores"]:
        advice.append(
            f"Only {found['threads']} of {found['cores']} cores compute: unset OMP_NUM_THREADS."
        )
    if found["memory_gb"] < 4:
        advice.append("Less than 4 GB of memory: take the light encoder and --batch-size 32.")
    if found["disk_free_gb"] < 2:
        advice.append(
            "Less than 2 GB of free disk: checkpoints may not fit; write --out elsewhere."
        )
    absent = [extra for extra, there in found["extras"].items() if not there and extra != "dev"]
    if absent:
        advice.append(f"Not installed: pip install 'headstart[{','.join(absent)}]' adds them.")
    return advice
