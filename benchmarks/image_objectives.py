"""Objective x result on CIFAR-10: every objective for pictures against its untrained encoder.

Each is pre-trained on the 50,000 training pictures for three minutes, on the same encoder where
possible (what works on patches has another), and judged on the 10,000 test pictures by the weighted
nearest neighbours (k = 200, all training pictures as the bank) and by a logistic regression on
1,000 labels a class.

Three minutes are turned into steps once, at the start. On a machine that does other things
besides, give the steps that an idle one takes: ``--steps FILE`` names a JSON object from objective
to steps.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from setting import announce, data

LABELS = 10_000
#: Learns from the encoder that another row of the table trained.
TAUGHT, TEACHER = "distill", "simclr"


def objectives() -> list[str]:
    """Return every objective that pictures can serve."""
    from headstart.modalities.image.modality import ImageModality
    from headstart.objectives.needs import objectives_within

    names = objectives_within(ImageModality.provides | {"patches", "grid"})
    return sorted(names, key=lambda name: name == TAUGHT)


def extracted(
    encoder: Any, processor: Any, length: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the frozen features (N,D) and the classes (N,) of ``train`` and ``test``."""
    from headstart.config import SourceOptions
    from headstart.data.audit import Audit
    from headstart.encoders.features import features
    from headstart.modalities.opening import open_modality

    stored = data("cifar10", "cifar10_jpeg.npz")
    modality = open_modality("image")
    vectors, classes = {}, {}
    for part in ("train", "test"):
        records = modality.read([f"{stored}#{part}"], SourceOptions(), Audit())
        vectors[part] = features(encoder, processor, records, length=length, batch_size=256)
        classes[part] = np.unique(records["label"], return_inverse=True)[1]
    return vectors, classes


def judged(encoder: Any, processor: Any, length: int, seed: int) -> dict[str, float]:
    """Return the accuracies in % of an encoder's frozen features."""
    from headstart.evaluation.heads import HEADS

    vectors, classes = extracted(encoder, processor, length)
    rng = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            rng.permutation(np.flatnonzero(classes["train"] == label))[: LABELS // 10]
            for label in range(10)
        ]
    )
    everything = np.arange(len(classes["train"]))

    def accuracy(name: str, rows: np.ndarray) -> float:
        head = HEADS[name](vectors["train"])
        fitted = head.fit(vectors["train"][rows], classes["train"][rows], rng)
        return 100 * float((fitted.predict(vectors["test"]) == classes["test"]).mean())

    return {
        "kNN": accuracy("kNN", everything),
        "linear": accuracy("logistic regression", drawn),
    }


def digest(encoder: torch.nn.Module) -> str:
    """Return a name for the encoder's weights: most objectives start from the same."""
    known = hashlib.sha256()
    for name, values in encoder.state_dict().items():
        known.update(name.encode())
        known.update(values.float().numpy().tobytes())
    return known.hexdigest()


def main() -> None:
    """Train and judge one objective after the other, printing a row of the table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="objectives; all by default")
    parser.add_argument("--budget", default="3min")
    parser.add_argument("--steps", type=Path, help="JSON: steps of each objective, as measured")
    parser.add_argument("--encoder", default="plain", help="of those that need no patches")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--teacher", type=Path, help=f"where the run of {TEACHER} goes or is")
    options = parser.parse_args()
    announce(f"Objective x result, CIFAR-10, {options.budget} each, seed {options.seed}")
    import headstart as hs
    from headstart.encoders.opening import open_encoder, open_processor, read_note
    from headstart.evaluation.frozen_encoders import untrained
    from headstart.objectives import OBJECTIVES

    steps = json.loads(options.steps.read_text()) if options.steps else {}
    known: dict[tuple[int, str], dict[str, float]] = {}
    print("| objective | encoder | steps | kNN | untrained | linear | untrained |", flush=True)
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        teacher = options.teacher or Path(scratch, TEACHER)
        for name in options.names or objectives():
            out = teacher if name == TEACHER else Path(scratch, name)
            settings = [f"{TAUGHT}.teacher={teacher}"] if name == TAUGHT else None
            run = hs.pretrain(
                f"{data('cifar10', 'cifar10_jpeg.npz')}#train",
                out=str(out),
                budget=f"{steps[name]}steps" if name in steps else options.budget,
                objective=name,
                encoder="auto" if "patches" in OBJECTIVES[name].needs else options.encoder,
                tracker="none",
                seed=options.seed,
                settings=settings,
            )
            folder = run.require_encoder()
            encoder, processor = open_encoder(folder), open_processor(folder)
            length = int(read_note(folder)["length"])
            ours = judged(encoder, processor, length, options.seed)
            start = untrained(encoder, options.seed)
            same = length, digest(start)
            known[same] = known.get(same) or judged(start, processor, length, options.seed)
            fresh = known[same]
            cells = [f"{side[how]:.1f}" for how in ("kNN", "linear") for side in (ours, fresh)]
            plan = run.resolved["plan"]
            row = [name, plan["encoder"], f"{run.resolved['steps']:,}", *cells]
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
