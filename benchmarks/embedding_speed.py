"""``headstart embed`` against ``SentenceTransformer.encode``: one model, one list of texts.

Both sides take turns, each in a process of its own, cut every text at the same token, and have
warmed up on 64 texts before the clock runs. Ours includes writing the file. The vectors must be
the same but for the rounding of bf16, which ours computes in where the processor is fast at it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from setting import announce, apart, data, minilm

WARM = 64


def theirs(model: str, texts: list[str], out: str) -> tuple[float, float]:
    """Write the vectors of ``encode``; return seconds and seconds of the processor."""
    from sentence_transformers import SentenceTransformer

    network = SentenceTransformer(model, device="cpu")
    network.encode(texts[:WARM])
    start, busy = time.perf_counter(), time.process_time()
    vectors = network.encode(texts)
    found = time.perf_counter() - start, time.process_time() - busy
    np.save(out, vectors)
    return found


def ours(model: str, texts: list[str], out: str) -> tuple[float, float]:
    """Write the vectors of ``headstart embed``; return the same."""
    import torch
    from datasets import Dataset

    from headstart.deployment.embed import embed
    from headstart.encoders.opening import open_encoder, open_processor, read_note
    from headstart.precision import precision, threads

    torch.set_num_threads(threads(0))
    encoder, processor = open_encoder(model), open_processor(model)
    length = int(read_note(model)["length"])
    records = Dataset.from_dict({"id": [str(index) for index in range(len(texts))], "text": texts})
    embed(encoder, processor, records.select(range(WARM)), Path(out), length=length)
    start, busy = time.perf_counter(), time.process_time()
    embed(encoder, processor, records, Path(out), length=length)
    found = time.perf_counter() - start, time.process_time() - busy
    print(f"  headstart: {length} tokens at most, {precision('auto')}", flush=True)
    return found


def tokens_differ(model: str, texts: list[str]) -> int:
    """Return how many texts the two sides cut into different tokens."""
    from sentence_transformers import SentenceTransformer

    from headstart.encoders.opening import open_processor, read_note

    network = SentenceTransformer(model, device="cpu")
    processor: Any = open_processor(model)
    rows = processor.cut(texts, int(read_note(model)["length"]))
    theirs = network.tokenizer(texts, truncation=True, max_length=network.max_seq_length)
    return sum(row != other for row, other in zip(rows, theirs["input_ids"], strict=True))


def main() -> None:
    """Print each pair of runs, their ratio, and how alike the vectors are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=2, help="How often both sides take their turn")
    parser.add_argument("--model", help="A folder of sentence-transformers; MiniLM by default")
    options = parser.parse_args()
    announce("embedding speed")
    model = options.model or str(minilm())
    with gzip.open(data("imdb", "test.jsonl.gz"), "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][:: max(1, 25_000 // options.texts)]
    texts = texts[: options.texts]
    some = texts[:200]
    print(
        f"{len(texts):,} IMDb texts; {tokens_differ(model, some)} of {len(some)} differ in tokens"
    )
    ratios, busy = [], []
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{name}.npy" for name in ("theirs", "ours")]
        for pair in range(1, options.pairs + 1):
            their, our = apart(theirs, model, texts, files[0]), apart(ours, model, texts, files[1])
            ratios.append(their[0] / our[0])
            busy.append(their[1] / our[1])
            print(
                f"pair {pair}: SentenceTransformer.encode {their[0]:.1f} s ({their[1]:.1f} s of "
                f"processor time), headstart {our[0]:.1f} s ({our[1]:.1f}): {ratios[-1]:.2f}x "
                f"({busy[-1]:.2f}x)",
                flush=True,
            )
        one, other = (np.load(file).astype(np.float64) for file in files)
    cosines = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    print(f"median ratio {median(ratios):.2f}x ({median(busy):.2f}x by processor time)")
    print(f"cosine between both sides' vectors: min {cosines.min():.5f}, mean {cosines.mean():.6f}")
    print(f"largest difference of a number: {np.abs(one - other).max():.4f}")


if __name__ == "__main__":
    main()
