"""A causal language model of film reviews against n-grams, on the same tested tokens.

The training reviews of IMDb, without labels; perplexity of test reviews by ``headstart evaluate
--task perplexity``, whose alternative is modified Kneser-Ney on all pre-training tokens. A run that
was cut off goes on where it was::

    python benchmarks/language_model.py --steps 2500 --out runs/language_model
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from pathlib import Path

from setting import announce, data

SETTINGS = ["encoder.layers=4", "encoder.width=256", "encoder.ngrams=[2,3]"]


def main() -> None:
    """Pre-train, evaluate, and print the verdict with all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--texts", type=int, default=2000, help="number of tested reviews")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--out", type=Path, default=Path("runs/language_model"))
    options = parser.parse_args()
    announce(f"Causal language model, IMDb, {options.steps} steps")
    import headstart as hs

    started = time.perf_counter()
    run = hs.pretrain(
        *(str(data("imdb", f"{part}.jsonl.gz")) for part in ("unsup", "train")),
        out=str(options.out),
        objective="clm",
        budget=f"{options.steps}steps",
        seed=options.seed,
        resume=options.out.exists(),
        settings=[*SETTINGS, *options.settings],
    )
    print(f"pre-training: {time.perf_counter() - started:.0f} s", flush=True)
    with gzip.open(data("imdb", "test.jsonl.gz"), "rt", encoding="utf-8") as opened:
        texts = [json.loads(line)["text"] for line in opened]
    tested = random.Random(1).sample(texts, options.texts)
    source = options.out.with_suffix(".tested.jsonl")
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in tested))
    started = time.perf_counter()
    print(run.evaluate(str(source), task="perplexity"))
    print(f"evaluation: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
