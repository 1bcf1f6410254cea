"""How many records a second an encoder turns into vectors on this machine, measured once.

It is the network alone, on records of a fixed size, so that encoders can be compared before there
are records of one's own. What a candidate of a verdict takes is measured on the records themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from headstart.encoders import TokenEncoder
from headstart.encoders.published import Published
from headstart.encoders.recordings import WaveformEncoder
from headstart.errors import HeadstartError
from headstart.files import cache_home, write_json
from headstart.modalities.spectra import step_of

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.encoders import Encoder

#: Tokens of a record; of pictures one counts, in the size that the encoder was trained on.
TOKENS = 32
#: Records in a batch, and seconds of measuring.
_BATCH, _SECONDS = 16, 1.0
#: Megabytes of weights that are opened for it; more would take too long for a list.
_MOST = 1500


def speeds(
    encoders: tuple[Published, ...], say: Callable[[str], None] | None = None
) -> dict[str, float]:
    """Return the records a second of encoders by name, of those that can be run.

    They are kept in ``$XDG_CACHE_HOME/headstart/speeds.json``, for this machine and these weights.

    Args:
        say: called before each that is measured, which takes some seconds; without it none is.
    """
    file = cache_home() / "speeds.json"
    kept = known(file)
    found, new = {}, False
    for each in encoders:
        key = _key(each)
        if say and key not in kept and each.megabytes <= _MOST:
            say(f"measuring {each.name}")
            with suppress(HeadstartError, RuntimeError, OSError):
                kept[key], new = round(_measured(each), 1), True
        if key in kept:
            found[each.name] = kept[key]
    if new:
        with suppress(OSError, HeadstartError):  # a list is no reason to fail
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, kept)
    return found


def known(file: Path) -> dict[str, float]:
    """Return the speeds in a file; {} where there is none that can be read."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def rate(work: Callable[[], object], count: int, seconds: float = _SECONDS) -> float:
    """Return how many records a second ``work`` handles, which takes ``count`` each time.

    The first call, which is slow, is not counted; the fastest is, since others share the machine.
    """
    begun = time.perf_counter()
    work()
    best = time.perf_counter() - begun
    while time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return count / max(best, 1e-9)


def _measured(each: Published) -> float:
    from headstart.encoders.opening import open_encoder, read_note
    from headstart.precision import precision

    encoder = open_encoder(each.folder).eval()
    batch = _batch(encoder, int(read_note(each.folder)["length"]))
    fast = precision("auto") == "bf16"
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
        return rate(lambda: encoder.pool(batch), _BATCH)


def _batch(encoder: Encoder, length: int) -> Batch:
    """Return records of ids, of pixels, or of sound."""
    if isinstance(encoder, WaveformEncoder):
        samples = length * step_of(encoder.rate)
        draw = torch.Generator().manual_seed(0)
        waveform = torch.randn(_BATCH, 1, samples, generator=draw) / 10
        return {encoder.reads: waveform, "lengths": torch.full((_BATCH,), samples)}
    if isinstance(encoder, TokenEncoder):
        size = (_BATCH, min(TOKENS, length))
        draw = torch.Generator().manual_seed(0)
        ids = torch.randint(encoder.token_embedding.num_embeddings, size, generator=draw)
        return {encoder.reads: ids, "mask": torch.ones(size, dtype=torch.bool)}
    return {encoder.reads: torch.zeros(_BATCH, 3, length, length)}


def _key(each: Published) -> str:
    """Return what a speed depends on: weights, machine and library."""
    files = sorted(each.folder.rglob("*.safetensors"))
    states = [(file.name, file.stat()) for file in files]
    stamps = [f"{name}:{state.st_size}:{state.st_mtime_ns}" for name, state in states]
    machine = [platform.node(), platform.machine(), str(os.cpu_count()), torch.__version__]
    parts = [str(each.folder), *stamps, *machine, str(torch.get_num_threads())]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
