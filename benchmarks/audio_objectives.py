"""Every objective of recordings for the same core-seconds, on the same network.

`mel_conv` learns from the 2,700 training clips of the Free Spoken Digit Dataset with each objective
at its defaults, until the process has used --seconds of CPU time; what is fitted before the first
step (units of HuBERT) counts. The vectors are frozen, and logistic regression sees ten labels a
digit of the official split; the draws of labels are the same for all. One seed, one process, one
thread. The untrained network, in evaluation mode, is the first row.

    python benchmarks/audio_objectives.py --seconds 90 --draws 3
    python benchmarks/audio_objectives.py --objectives simclr hubert
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from audio import Features, accuracy, digits, interval
from setting import announce

#: Rate of the clips, and hundredths of a second of a piece: 95% of them are no longer.
RATE, LENGTH = 8000, 64
HEAD = "logistic regression"


def objectives() -> list[str]:
    """Return the objectives that teach `mel_conv` on recordings, but for `distill`."""
    from headstart.modalities import MODALITIES
    from headstart.objectives import OBJECTIVES
    from headstart.objectives.needs import encoders_for

    audio = MODALITIES["audio"]()
    return [
        name
        for name, kind in OBJECTIVES.items()
        if name != "distill" and "mel_conv" in encoders_for(kind.needs, audio)
    ]


def taught(
    name: str, rows: Any, processor: Any, encoder: Any, seconds: float, seed: int
) -> tuple[Any, int]:
    """Return the encoder after so many core-seconds, and its steps."""
    from headstart.encoders import ENCODERS
    from headstart.objectives import OBJECTIVES
    from headstart.objectives.building import build_objective
    from headstart.seeding import generator, seeded

    kind, network = OBJECTIVES[name], ENCODERS["mel_conv"]
    size = kind.batch_size or network.batch_size
    rate = kind.learning_rate or network.learning_rate
    with seeded(seed, "heads"):
        options = {name: kind.default_options(len(rows), size)}
        objective = build_objective({name: 1.0}, options, encoder, processor)
    started = time.process_time()
    objective.begin(rows, seed)
    optimizer = torch.optim.AdamW(objective.parameter_groups(rate), weight_decay=0.01)
    peaks = [group["lr"] for group in optimizer.param_groups]
    rng, step = np.random.default_rng(seed), 0
    order = np.empty(0, dtype=int)
    objective.train()
    while (progress := (time.process_time() - started) / seconds) < 1:
        if len(order) < size:
            order = rng.permutation(len(rows))
        indices, order = order[:size], order[size:]
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            # Half a cosine after a short rise, as in the training of a run.
            group["lr"] = peak * min(progress / 0.05, 0.5 * (1 + math.cos(math.pi * progress)))
        with seeded(seed, "step", step):
            batch = objective.corrupt(rows.batch(np.sort(indices), 0), generator(seed, step))
            loss = objective(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
        step += 1
        objective.after_step(progress)
    return objective.encoder, step


def main() -> None:
    """Measure, and print a table for the README."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--objectives", nargs="*")
    chosen = parser.parse_args()

    from headstart.data.audit import Audit
    from headstart.encoders import ENCODERS
    from headstart.encoders.features import features
    from headstart.encoders.opening import create_encoder
    from headstart.modalities.audio.processor import AudioProcessor
    from headstart.modalities.audio.reading import Reading
    from headstart.modalities.audio.sound_file import write_sound_file

    torch.set_num_threads(1)
    announce(f"Objectives of recordings, {chosen.seconds:g} core-seconds each")
    records, meta = digits()
    y = np.array([int(row["label"]) for row in meta])
    tested = np.array([row["split"] == "test" for row in meta])
    processor = AudioProcessor(Reading(RATE), LENGTH)
    print(f"{ENCODERS['mel_conv'].about}\n")
    print("| objective | steps | accuracy, ten labels a digit |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_sound_file(
            Path(folder, "clips"),
            records.select(np.flatnonzero(~tested)),
            Audit(),
            rate=RATE,
            channel=None,
            trim=False,
            longest=processor.piece,
            overlap=0.25,
        )
        rows = processor.rows(Path(folder, "clips"), layout="documents", length=LENGTH, seed=0)
        for name in ["untrained", *(chosen.objectives or objectives())]:
            encoder: Any = create_encoder(
                "mel_conv", {}, processor, length=LENGTH, seed=chosen.seed
            )
            steps = 0
            if name != "untrained":
                encoder, steps = taught(name, rows, processor, encoder, chosen.seconds, chosen.seed)
            found = features(encoder.eval(), processor, records, length=LENGTH)
            given = Features(name, np.asarray(found), (HEAD,))
            known, held = np.flatnonzero(~tested), np.flatnonzero(tested)
            scores = [accuracy(given, HEAD, known, held, y, draw) for draw in range(chosen.draws)]
            print(f"| {name} | {steps:,} | {interval(scores)} |", flush=True)


if __name__ == "__main__":
    main()
