"""`headstart update` on a stream of five domains, against three things that one may do instead.

Chinese reviews of five kinds of goods come one after the other, each with labels. After each of
them every side is tested on held-out reviews of all domains so far. All start with the same run:

- update: goes on with a replay of earlier records, and is taken only if nothing falls;
- plain: fine-tuned on the new records alone, and always taken;
- anew: fine-tuned from the pre-trained encoder on all records so far;
- left: the first run.

    python benchmarks/update_stream.py --budget 60steps
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from setting import announce, data

import headstart as hs

DOMAINS, TRAIN, TESTED = 5, 400, 200
LETTERS = 120


def drawn(folder: Path) -> list[str]:
    """Write the records of each domain to train_K.jsonl and test_K.jsonl; return their names."""
    by_domain: dict[str, list[dict[str, Any]]] = {}
    with gzip.open(
        data("online_shopping_10_cats") / "all.jsonl.gz", "rt", encoding="utf-8"
    ) as file:
        for line in file:
            row = json.loads(line)
            text = str(row.get("review") or row.get("text") or "")
            if len(text) > 5:
                kind = str(row.get("cat") or row.get("category"))
                label = ("bad", "good")[int(row["label"])]
                by_domain.setdefault(kind, []).append({"text": text[:LETTERS], "label": label})
    names = sorted(by_domain, key=lambda name: -len(by_domain[name]))[:DOMAINS]
    draw = random.Random(0)
    for number, name in enumerate(names):
        rows = draw.sample(by_domain[name], TRAIN + TESTED)
        for what, part in (("train", rows[:TRAIN]), ("test", rows[TRAIN:])):
            write(folder / f"{what}_{number}.jsonl", part)
    return names


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows to a file, and return it."""
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return file


def read(files: list[Path]) -> list[dict[str, Any]]:
    """Return the rows of several files."""
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def scores(run: Any, folder: Path, domains: int) -> list[float]:
    """Return the accuracy on each of the first domains."""
    found = []
    for number in range(domains):
        rows = read([folder / f"test_{number}.jsonl"])
        made = hs.predict(run, [row["text"] for row in rows], quiet=True)
        pairs = zip(made, rows, strict=True)
        found.append(float(np.mean([one["label"] == row["label"] for one, row in pairs])))
    return found


def main() -> None:
    """Measure all sides after each domain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="60steps")
    parser.add_argument("--pretraining", default="200steps")
    arguments = parser.parse_args()
    announce("a stream of five domains")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print("  domains:", ", ".join(drawn(folder)))
        texts = [{"text": row["text"]} for row in read([folder / "train_0.jsonl"])]
        common = {"budget": arguments.budget, "tracker": "none", "names": "off"}
        common |= {"alternatives": False, "quiet": True}
        base = hs.pretrain(
            write(folder / "texts.jsonl", texts),
            out=folder / "base",
            budget=arguments.pretraining,
            start="none",
            tracker="none",
            quiet=True,
        )
        # The held-out records of before are not those that the sides are tested on at the end.
        known = read([folder / "train_0.jsonl"])
        held = write(folder / "held.jsonl", known[:80])
        first = write(folder / "first.jsonl", known[80:])
        run: Any = hs.finetune(base, train=first, val=held, out=folder / "run", **common)
        plain: Any = run.folder
        took = dict.fromkeys(("update", "plain", "anew"), 0.0)
        left = hs.finetune(base, train=first, val=held, out=folder / "left", **common)
        for number in range(1, DOMAINS):
            new = folder / f"train_{number}.jsonl"
            started = time.monotonic()
            if number == 1:
                plain = left
            plain = hs.finetune(plain, train=new, out=folder / f"plain_{number}", **common)
            took["plain"] += time.monotonic() - started
            started = time.monotonic()
            report = hs.update(folder / "run", new=new, budget=arguments.budget, quiet=True)
            took["update"] += time.monotonic() - started
            started = time.monotonic()
            every = [first, *(folder / f"train_{each}.jsonl" for each in range(1, number + 1))]
            rows = write(folder / f"all_{number}.jsonl", read(every))
            anew = hs.finetune(base, train=rows, out=folder / f"anew_{number}", **common)
            took["anew"] += time.monotonic() - started
            print(f"\n  after domain {number + 1}: {report.said}")
            sides = {"update": folder / "run", "plain": plain, "anew": anew, "left": left}
            for name, side in sides.items():
                found = scores(side, folder, number + 1)
                before, now = float(np.mean(found[:-1])), found[-1]
                each = " ".join(f"{score:.1%}" for score in found)
                print(f"    {name:8} earlier {before:.1%}, new {now:.1%} ({each})", flush=True)
        print("\n  seconds:", ", ".join(f"{name} {value:.0f}" for name, value in took.items()))


if __name__ == "__main__":
    main()
