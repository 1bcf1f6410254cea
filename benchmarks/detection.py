"""Detection of blood cells (BCCD) on two cores: what the unlabeled pictures are worth.

The same small network, detector, schedule and labeled pictures twice: with the encoder pre-trained
by SimCLR on the training pictures without their boxes, and from nothing. The labeled pictures, the
first weights and the order are drawn anew for each seed, for both sides alike; each side takes of
the learning rates the one that is best on the validation pictures, and is measured on the test
pictures (72) that neither saw.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from setting import announce, data


def parts(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Lay the pictures out beside their boxes, and return the records of each official part."""
    shutil.copytree(data("bccd", "images"), folder / "images")
    lines = data("bccd", "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, list[dict[str, Any]]] = {"train": [], "val": [], "test": []}
    for row in map(json.loads, lines):
        found[row["split"]].append(row)
    (folder / "unlabeled").mkdir()
    for row in found["train"]:
        name = Path(row["file"]).name
        shutil.copy(folder / "images" / name, folder / "unlabeled" / name)
    return found


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write records as lines and return the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def fresh(encoder: str, seed: int, folder: Path) -> str:
    """Save the same network with fresh weights, and return its folder."""
    from headstart.encoders.opening import (
        encoder_folder,
        open_encoder,
        open_processor,
        read_note,
        save_encoder,
    )

    trained = encoder_folder(encoder)
    torch.manual_seed(seed)
    network: Any = open_encoder(trained).untrained()
    folder.mkdir()
    save_encoder(network, open_processor(trained), folder, read_note(trained))
    return str(folder)


def tested(run: Any, source: str) -> Mapping[str, Any]:
    """Return the scores of a fine-tuned run on other records."""
    from headstart.data.audit import Audit
    from headstart.downstream.predict import open_head
    from headstart.encoders.opening import open_encoder, open_processor
    from headstart.modalities.image.annotations import read_boxes

    head = open_head(run)
    rows = head.rows(open_processor(run.encoder), read_boxes(source, Audit()), 0)
    return head.measure(open_encoder(run.encoder), rows)


def main() -> None:
    """Pre-train once, then fine-tune both sides for each number of pictures and each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pretrain", default="5min", help="budget of the pre-training")
    parser.add_argument("--finetune", default="300steps", help="budget of each fine-tuning")
    parser.add_argument("--encoder", default="conv")
    parser.add_argument("--length", type=int, default=256, help="longer side while detecting")
    parser.add_argument("--pictures", nargs="+", type=int, default=[20, 205])
    parser.add_argument("--rates", nargs="+", type=float, default=[1e-3])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tested", type=int, default=72, help="test pictures; fewer for a try")
    options = parser.parse_args()
    announce("Detection on BCCD: pre-trained without labels, and from scratch")
    import headstart as hs
    from headstart.evaluation.metrics import t_half_width

    scores: dict[tuple[int, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        records = parts(folder)
        test = write(folder / "test.jsonl", records["test"][: options.tested])
        val = write(folder / "val.jsonl", records["val"][: options.tested])
        began = time.perf_counter()
        pretrained = hs.pretrain(
            str(folder / "unlabeled"),
            out=str(folder / "pretrained"),
            objective="simclr",
            encoder=options.encoder,
            budget=options.pretrain,
        )
        steps = pretrained.resolved["steps"]
        print(f"pre-trained: {steps} steps in {time.perf_counter() - began:.0f} s", flush=True)
        for seed in range(options.seeds):
            sides = {
                "pre-trained": str(pretrained.folder),
                "from scratch": fresh(str(pretrained.folder), seed, folder / f"fresh-{seed}"),
            }
            order = np.random.default_rng(seed).permutation(len(records["train"]))
            for count in options.images:
                chosen = [records["train"][index] for index in order[:count]]
                train = write(folder / "train.jsonl", chosen)
                for side, start in sides.items():
                    runs = []
                    for rate in options.rates:
                        began = time.perf_counter()
                        run = hs.finetune(
                            start,
                            train=train,
                            val=val,
                            task="detection",
                            out=str(folder / f"{side}-{seed}-{count}-{rate}"),
                            budget=options.finetune,
                            length=options.length,
                            seed=seed,
                            tracker="none",
                            settings=[f"optimizer.learning_rate={rate}"],
                        )
                        seconds = time.perf_counter() - began
                        runs.append(run)
                        score = run.resolved["scores"]["map"]
                        told = f"seed {seed}, {count:3} pictures, {side:12}, rate {rate:g}"
                        print(f"{told}: val mAP {score:.3f}, {seconds:.0f} s", flush=True)
                    best = max(runs, key=lambda run: run.resolved["scores"]["map"])
                    found = tested(best, test)
                    scores.setdefault((count, side), []).append((found["map"], found["map50"]))

    print(f"\n{'pictures':>8}  {'encoder':12}  {'mAP':>14}  {'mAP50':>14}   (test, 95% intervals)")
    for (count, side), values in sorted(scores.items()):
        mean, half = np.mean(values, 0), t_half_width(np.array(values))
        shown = [f"{m:.3f} ± {h:.3f}" for m, h in zip(mean, half, strict=True)]
        print(f"{count:8}  {side:12}  {shown[0]:>14}  {shown[1]:>14}")
    for count in options.images:
        gains = np.array(scores[count, "pre-trained"]) - np.array(scores[count, "from scratch"])
        mean, half = gains.mean(0), t_half_width(gains)
        print(f"{count} pictures, gain in mAP: {mean[0]:+.3f} ± {half[0]:.3f}")


if __name__ == "__main__":
    main()
