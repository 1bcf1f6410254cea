"""Names in Chinese: a network pre-trained on plain text against the same one from fresh weights.

Pre-training reads text without tags (``zh_corpus``: news and shopping reviews), character by
character, less what also occurs in the test sentences, or nearly. Both networks are then fine-tuned
by ``headstart finetune --task tokens`` for the same number of steps; the fresh one at its own,
higher rate and without slower layers below. The weights kept are those with the lowest loss on the
development set. What is printed is the entity-level F1 of seqeval (percent) on the test set, which
nothing else has seen:

- ``weibo``: 1,350 posts, its own train, dev and test parts (eight labels, four of them for nouns);
- ``msra``: dh_msra's parts ``train`` and ``test``, without the test sentences that are in
  ``train``, too. The file msra_test is no test for it: 2,377 of its 3,442 sentences are in dh_msra.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from setting import announce, data

Row = dict[str, Any]


def read(*parts: str) -> list[Row]:
    """Return the tagged sentences of a file."""
    with gzip.open(data(*parts), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def msra() -> tuple[list[Row], list[Row]]:
    """Return the sentences of dh_msra to train on and to test with; none is in both."""
    rows = read("ner_zh", "dh_msra.jsonl.gz")
    train = [row for row in rows if row["split"] == "train"]
    seen = {"".join(row["tokens"]) for row in train}
    test = [row for row in rows if row["split"] == "test"]
    return train, [row for row in test if "".join(row["tokens"]) not in seen]


def parts(name: str, most: int) -> dict[str, list[Row]]:
    """Return the sentences of a data set as ``train`` (at most so many), ``dev`` and ``test``."""
    if name == "weibo":
        found = {
            part: read("ner_zh", f"weibo_{part}.jsonl.gz") for part in ("train", "dev", "test")
        }
        return {**found, "train": found["train"][:most]}
    train, test = msra()
    order = np.random.default_rng(0).permutation(len(train))
    dev, chosen = order[:500], order[500 : 500 + most]
    return {"train": [train[n] for n in chosen], "dev": [train[n] for n in dev], "test": test}


def write(path: Path, rows: list[Row]) -> None:
    """Write records, a line each."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def pretrained(folder: Path, tested: set[str], options: argparse.Namespace) -> str:
    """Pre-train on the plain text, less the texts that are tested, and return the run's folder."""
    import headstart as hs

    texts = folder.with_suffix(".jsonl")
    write(texts, [{"text": text} for text in sorted(tested)])
    run = hs.pretrain(
        *(str(path) for path in sorted(data("zh_corpus").glob("*.jsonl.gz"))),
        encoder=options.encoder,
        objective="mlm",
        budget=options.budget,
        remove_overlap=[str(texts)],
        settings=["text.tokenizer.kind=char", *options.set],
        tracker="none",
        out=str(folder),
    )
    return str(run.folder)


def untrained(start: str, folder: Path, seed: int) -> str:
    """Return a folder with the same network and tokenizer, and fresh weights."""
    from headstart.encoders.opening import (
        encoder_folder,
        open_encoder,
        open_processor,
        read_note,
        save_encoder,
    )
    from headstart.seeding import seeded

    home = encoder_folder(start)
    with seeded(seed, "scratch"):
        fresh = open_encoder(home).untrained()
    save_encoder(fresh, open_processor(home), folder, read_note(home))
    return str(folder)


def tuned(start: str, out: Path, *, fresh: bool, **options: Any) -> Any:
    """Fine-tune and return the run; a fresh network learns at the rates that suit it."""
    import headstart as hs
    from headstart.downstream.scratch import RATE
    from headstart.encoders.opening import encoder_folder, read_note

    if fresh:
        width = read_note(encoder_folder(start))["width"]
        rate = {"optimizer": {"learning_rate": RATE * 256 / max(256, width)}, "layer_decay": 1.0}
        options = {**options, **rate}
    return hs.finetune(start, out=str(out), patience=0, tracker="none", **options)


def main() -> None:
    """Pre-train once, fine-tune both networks on each set and seed, and print every score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["weibo", "msra"], help="weibo, msra")
    parser.add_argument("--run", help="a finished pre-training run; otherwise one is made")
    parser.add_argument("--budget", default="30min", help="of the pre-training, without --run")
    parser.add_argument("--encoder", default="modernbert")
    parser.add_argument("--set", action="append", default=[], help="options of the pre-training")
    parser.add_argument("--most", type=int, default=10_000, help="training sentences, at most")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    announce("Chinese names: entity-level F1 in percent")
    import headstart as hs
    from headstart.downstream.text.tokens import scores

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files: dict[str, dict[str, Path]] = {}
        truth: dict[str, list[list[str]]] = {}
        tested: set[str] = set()
        for name in options.sets:
            found = parts(name, options.most)
            files[name] = {part: folder / f"{name}_{part}.jsonl" for part in found}
            for part, rows in found.items():
                write(files[name][part], rows)
            truth[name] = [row["tags"] for row in found["test"]]
            tested |= {"".join(row["tokens"]) for row in found["test"]}
            print(name, ", ".join(f"{part} {len(rows):,}" for part, rows in found.items()))
        start = options.run or pretrained(folder / "start", tested, options)
        for name in options.sets:
            every: dict[str, list[float]] = {"pre-trained": [], "from scratch": []}
            for seed in range(options.seeds):
                fresh = untrained(start, folder / "fresh", seed)
                for way, origin in (("pre-trained", start), ("from scratch", fresh)):
                    run = tuned(
                        origin,
                        folder / "tuned",
                        fresh=way == "from scratch",
                        task="tokens",
                        train=str(files[name]["train"]),
                        val=str(files[name]["dev"]),
                        budget=f"{options.steps}steps",
                        validate_steps=max(20, options.steps // 8),
                        seed=seed,
                    )
                    tagged = hs.predict(str(run.folder), str(files[name]["test"]))
                    reached = scores(truth[name], [row["tags"] for row in tagged])
                    every[way].append(100 * reached["f1"])
                    told = ", ".join(f"{key} {100 * value:.1f}" for key, value in reached.items())
                    print(f"{name}, {way}, seed {seed}: {told}", flush=True)
                    shutil.rmtree(folder / "tuned")
                shutil.rmtree(fresh)
            for way, values in every.items():
                print(f"{name}, {way}: F1 {np.mean(values):.1f} over {len(values)} seed(s)")


if __name__ == "__main__":
    main()
