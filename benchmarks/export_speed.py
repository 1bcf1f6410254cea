"""Exports in ONNX Runtime against the same networks in torch: speed and size, one core each.

All-MiniLM-L6-v2 on one text of 32 tokens and on 16 of 128, a stack of convolutions on one picture
and on 32. The sides take turns in one process; the time is that of the processor, the least of
several. What int8 gives depends on the processor: its instructions are printed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from setting import announce, data, minilm

import headstart as hs
from headstart.deployment.exporting.onnx_graph import session_of
from headstart.encoders.opening import open_encoder


def least(work: Callable[[], Any], count: int) -> float:
    """Return the least processor time of some calls in milliseconds."""
    work()
    times = []
    for _ in range(count):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def compared(
    title: str,
    encoder: Any,
    files: dict[str, Path],
    batch: dict[str, torch.Tensor],
    feed: dict[str, np.ndarray],
    count: int,
) -> None:
    """Print the time of torch and of each graph for one batch, taking turns."""
    sessions = {name: session_of(file) for name, file in files.items()}
    found: dict[str, float] = {}
    with torch.inference_mode():
        for _ in range(2):
            theirs = least(lambda: encoder.pool(batch), count)
            found["torch"] = min(found.get("torch", np.inf), theirs)
            for name, session in sessions.items():
                once = least(partial(session.run, None, feed), count)
                found[name] = min(found.get(name, np.inf), once)
    ratios = [
        f"{name} {each:.1f} ms ({found['torch'] / each:.2f}x)" for name, each in found.items()
    ]
    print(f"{title}: {', '.join(ratios)}", flush=True)


def exported(run: str, inputs: list[str], folder: Path) -> dict[str, Path]:
    """Export in float32 and in int8; print sizes and the comparison on the records."""
    files = {}
    for weights in ("none", "int8"):
        out = folder / f"{Path(run).name}-{weights}"
        options: dict[str, Any] = {"format": "onnx", "quantize": weights, "compared": 400}
        found = hs.export(run, *inputs, out=str(out), least_overlap=0.5, quiet=True, **options)
        name = "float32" if weights == "none" else weights
        files[name] = out / "model.onnx"
        size = files[name].stat().st_size / 1e6
        print(f"  {name}: {size:.1f} MB; {'; '.join(found.parity.lines())}", flush=True)
    share = files["int8"].stat().st_size / files["float32"].stat().st_size
    print(f"  int8 is {share:.1%} of the size", flush=True)
    return files


def texts(folder: Path, calls: int) -> None:
    """Measure all-MiniLM-L6-v2 on short questions."""
    file = folder / "questions.jsonl"
    lines = data("banking77", "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{"text": json.loads(line)["text"]} for line in lines[:: len(lines) // 400]]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print("all-MiniLM-L6-v2")
    files = exported(str(minilm()), [str(file)], folder)
    encoder = open_encoder(minilm()).eval()
    rng = np.random.default_rng(0)
    for shape in ((1, 32), (16, 128)):
        ids = rng.integers(1000, 20000, shape)
        batch = {"input_ids": torch.from_numpy(ids), "mask": torch.ones(shape, dtype=torch.bool)}
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        title = f"  {shape[0]} x {shape[1]} tokens"
        compared(title, encoder, files, batch, feed, max(2, calls // shape[0]))


def pictures(folder: Path, calls: int) -> None:
    """Measure the default stack of convolutions, hardly trained, on coloured noise."""
    print("plain")
    from PIL import Image

    (folder / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for number in range(200):
        noise = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((32, 32)).save(folder / "pictures" / f"{number}.png")
    run = hs.pretrain(
        str(folder / "pictures"),
        out=str(folder / "plain"),
        encoder="plain",
        length=32,
        budget="20steps",
        start="none",
        tracker="none",
        quiet=True,
    )
    files = exported(str(run.folder), [], folder)
    encoder = open_encoder(run.encoder).eval()
    for count in (1, 32):
        pixels = rng.integers(0, 255, (count, 3, 32, 32), dtype=np.uint8)
        batch, feed = {"pixels": torch.from_numpy(pixels)}, {"pixels": pixels}
        compared(f"  {count} of 32 pixels", encoder, files, batch, feed, max(3, calls // count))


def main() -> None:
    """Print all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=30, help="Calls of a batch of one.")
    options = parser.parse_args()
    announce("export speed")
    flags = Path("/proc/cpuinfo").read_text()
    able = [word for word in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
            if f" {word}" in flags]  # fmt: skip
    print(f"instructions: {', '.join(able)}; one thread")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        texts(Path(folder), options.calls)
        pictures(Path(folder), options.calls)


if __name__ == "__main__":
    main()
