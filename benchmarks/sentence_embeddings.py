"""Sentence embeddings on STS-B: SimCSE here and in sentence-transformers, and TSDAE.

Both sides begin with the same network, read the same sentences, and take as many steps of as many
texts; theirs is the library's documented unsupervised SimCSE, pairs ``(text, text)`` under
``MultipleNegativesRankingLoss`` with its own trainer. Once the start is MiniLM, once a small BERT
with random weights whose tokenizer was fitted to the sentences. Spearman's correlation of the
cosines with the scores of STS-B, percent, and the seconds of training, reading included. What is
chosen is chosen with ``--split dev``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from setting import announce, apart, data, minilm

#: Theirs for SimCSE (examples/sentence_transformer/unsupervised_learning/SimCSE in its repository).
THEIR_RATE, LENGTH = 5e-5, 32
SCRATCH = "scratch"
Timed = tuple[float, float]
Side = tuple[Callable[..., Timed], tuple[Any, ...]]


def sentences(count: int, seed: int) -> list[str]:
    """Return sentences of Wikipedia and IMDb and captions, as many of each, in random order."""
    from headstart.modalities.text.sentences import split_sentences

    def rows(*parts: str) -> list[dict[str, Any]]:
        with gzip.open(data(*parts), "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    draw = random.Random(seed)
    reviews = draw.sample(rows("imdb", "unsup.jsonl.gz"), max(1, count // 15))
    sources = [
        [row["text"] for row in rows("text_misc", "wiki_sentences_en.jsonl.gz")],
        [row["en"] for row in rows("multi30k", "train.jsonl.gz")],
        [part for row in reviews for part in split_sentences(row["text"].replace("<br />", " "))],
    ]
    share = -(-count // len(sources))
    found = [text for texts in sources for text in draw.sample(texts, min(share, len(texts)))]
    draw.shuffle(found)
    return [text for text in found if len(text.split()) > 2][:count]


def spearman(folder: str, split: str) -> float:
    """Return the correlation on a split of STS-B in percent, of a folder of either library."""
    from datasets import Dataset
    from scipy.stats import spearmanr

    from headstart.encoders.features import features
    from headstart.encoders.opening import open_encoder, open_processor

    lines = data("sts_en", f"stsb_{split}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    encoder, processor = open_encoder(folder), open_processor(folder)
    sides = []
    for name in ("s1", "s2"):
        texts = Dataset.from_dict({"text": [row[name] for row in rows]})
        side = features(encoder, processor, texts, length=128)
        sides.append(side / np.linalg.norm(side, axis=1, keepdims=True))
    cosines = (sides[0] * sides[1]).sum(1)
    return 100 * float(spearmanr(cosines, [row["score"] for row in rows]).statistic)


def untrained(texts: list[str], out: str, seed: int) -> None:
    """Write a small BERT that has learned nothing, with a tokenizer fitted to the texts."""
    from headstart.encoders.opening import create_encoder, save_encoder
    from headstart.modalities.text.processor import TextProcessor
    from headstart.modalities.text.tokenizers import fit_tokenizer

    tokenizer = fit_tokenizer(
        texts, kind="wordpiece", vocab_size=16_000, wrap=True, lowercase=True, length=LENGTH
    )
    processor = TextProcessor(tokenizer)
    options = {"layers": 4, "width": 256, "heads": 4, "dropout": 0.1}
    encoder = create_encoder("bert", options, processor, length=LENGTH, seed=seed)
    save_encoder(encoder, processor, Path(out), {"modality": "text", "length": LENGTH})


def theirs(
    start: str, texts: list[str], out: str, steps: int, batch: int, seed: int, rate: float
) -> Timed:
    """SimCSE as sentence-transformers documents it."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = SentenceTransformer(start, device="cpu")
    model.max_seq_length = LENGTH
    begin, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            folder,
            max_steps=steps,
            per_device_train_batch_size=batch,
            learning_rate=rate,
            warmup_steps=steps // 10,
            seed=seed,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict({"anchor": texts, "positive": texts}),
            loss=MultipleNegativesRankingLoss(model),
        ).train()
    spent = time.perf_counter() - begin, time.process_time() - busy
    model.save(out)
    return spent


def ours(
    start: str,
    texts: list[str],
    out: str,
    steps: int,
    batch: int,
    seed: int,
    objective: str,
    settings: list[str],
) -> Timed:
    """``headstart pretrain`` with this objective and its defaults."""
    import headstart as hs

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "sentences.jsonl"
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        begin, busy = time.perf_counter(), time.process_time()
        run = hs.pretrain(
            str(source),
            out=f"{folder}/run",
            encoder=start,
            objective=objective,
            settings=settings,
            budget=f"{steps}steps",
            batch_size=batch,
            length=LENGTH,
            seed=seed,
            validation_share=0.0,
            tracker="none",
        )
        spent = time.perf_counter() - begin, time.process_time() - busy
        run.encoder.rename(out)
    return spent


def table(options: argparse.Namespace, folder: Path, starts: list[str]) -> None:
    """Train every side from every start with every seed, and print a row for each."""
    for start in starts:
        # A network that knows nothing yet has nothing to guard; SimCSE then has the same rate as
        # theirs, which on MiniLM is left to the defaults.
        free = ["safeguards=off"] if start == SCRATCH else []
        same = [*free, f"optimizer.learning_rate={options.rate}"] if free else []
        sides: dict[str, Side] = {
            "sentence-transformers SimCSE": (theirs, (options.rate,)),
            "headstart SimCSE": (ours, ("simcse", [*same, *options.set])),
            "headstart TSDAE": (ours, ("tsdae", free)),
        }
        chosen = {name: side for name, side in sides.items() if (options.only or "") in name}
        scores: dict[str, list[float]] = {name: [] for name in chosen}
        for seed in range(options.seeds):
            texts = sentences(options.sentences, seed)
            begin = str(options.model or minilm())
            if start == SCRATCH:
                begin = str(folder / f"{SCRATCH}{seed}")
                apart(untrained, texts, begin, seed)
            before = apart(spearman, begin, options.split)
            print(f"\nfrom {start}, seed {seed}: {before:.2f} before", flush=True)
            for name, (side, more) in chosen.items():
                out = str(folder / f"{start} {seed} {name}")
                given = (begin, texts, out, options.steps, options.batch, seed, *more)
                wall, busy = apart(side, *given)
                found = apart(spearman, out, options.split)
                scores[name].append(found)
                print(
                    f"  {name:30} {found:6.2f} ({found - before:+.2f})  {wall:7.1f} s "
                    f"({busy:.1f} s of processor time)",
                    flush=True,
                )
        for name, found_ in scores.items():
            print(f"from {start}, mean of {len(found_)}: {name} {np.mean(found_):.2f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", choices=["minilm", SCRATCH, "both"], default="both")
    parser.add_argument("--split", choices=["dev", "test"], default="test")
    parser.add_argument("--sentences", type=int, default=64_000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rate", type=float, default=THEIR_RATE, help="Their learning rate")
    parser.add_argument("--set", action="append", default=[], help="Settings of our SimCSE")
    parser.add_argument("--only", help="Sides whose name holds this")
    parser.add_argument("--model", help="In place of MiniLM")
    options = parser.parse_args()
    announce("sentence embeddings")
    print(
        f"STS-B {options.split}, Spearman x 100; {options.steps} steps of {options.batch} of "
        f"{options.sentences:,} sentences, {LENGTH} tokens"
    )
    starts = ["minilm", SCRATCH] if options.start == "both" else [options.start]
    with tempfile.TemporaryDirectory() as folder:
        table(options, Path(folder), starts)


if __name__ == "__main__":
    main()
