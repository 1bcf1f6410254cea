"""Speech recognition: strings of digits, and telephone prompts with and without pre-training.

Strings of two to five digits are concatenated from clips of one speaker: training strings from the
2,700 training clips, test strings from the 300 official test clips (other takes of the same six
speakers). The prompts are 458 recordings of one speaker to learn from and 40 to choose the weights
by; test prompts whose words occur in the training are left out. Beside the recogniser stands the
transcript of the nearest training recording (DTW of cepstra).

    python benchmarks/speech.py --on digits --steps 700
    python benchmarks/speech.py --on prompts --steps 1200 --pretrain 150steps
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from setting import announce
from spoken import prompts, strings

#: Strings of digits to learn from, to choose the weights by, and to test on.
TRAIN, VAL, TEST = 2000, 100, 300


def recognised(run: Path, out: Path, tables: tuple[Path, Path, Path], options: Any) -> None:
    """Fine-tune an encoder on the first table, and print its rates on the last."""
    import headstart as hs
    from headstart.downstream.audio.alphabet import folded
    from headstart.downstream.audio.error_rates import error_rates

    train, val, test = map(str, tables)
    started = time.process_time()
    tuned = hs.finetune(
        str(run),
        task="ctc",
        train=train,
        val=val,
        out=str(out),
        budget=f"{options.steps}steps",
        alternatives=False,
        task_options={"ctc": {"layers": options.layers, "width": options.width}},
    )
    seconds = time.process_time() - started
    for beams in (1, 16):
        started = time.process_time()
        rows = hs.predict(str(tuned.folder), test, beams=beams, quiet=True)
        took = time.process_time() - started
        told = [folded(row["record"]["transcript"]) for row in rows]
        rates = error_rates([row["text"] for row in rows], told)
        how = "greedy" if beams == 1 else f"{beams} beams, character model"
        said = ", ".join(
            f"{name} {100 * rate.mean:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"
            for name, rate in rates.items()
            if name != "accuracy"
        )
        print(f"{out.name}, {how}: {said} ({seconds:.0f} s to learn, {took:.0f} s to predict)")


def nearest(train: Path, test: Path) -> None:
    """Print the rates of the transcripts of the nearest training recordings."""
    from headstart.config import FinetuneConfig
    from headstart.data.audit import Audit
    from headstart.downstream.audio.error_rates import error_rates
    from headstart.downstream.audio.nearest_recording import nearest_recordings
    from headstart.downstream.audio.transcripts import read_transcribed
    from headstart.modalities.audio.modality import AudioModality
    from headstart.modalities.audio.reading import Reading

    read = []
    for table in (train, test):
        config = FinetuneConfig(run="none", train=str(table), out="none", task="ctc")
        read.append(read_transcribed(str(table), config, "", AudioModality(), Audit()))
    found = nearest_recordings(read[0], read[1], Reading(8000))
    rates = error_rates([read[0]["label"][index] for index in found], list(read[1]["label"]))
    print(f"nearest recording (DTW): cer {100 * rates['cer'].mean:.1f}, ", end="")
    print(f"wer {100 * rates['wer'].mean:.1f}")


def main() -> None:
    """Measure, and print lines for the README."""
    import headstart as hs

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--on", choices=("digits", "prompts"), default="digits")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--objective", default="simclr")
    parser.add_argument("--pretrain", default="", help="budget of a pre-training; empty for none")
    chosen = parser.parse_args()
    announce(f"Speech recognition: {chosen.on}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if chosen.on == "digits":
            tables = (
                strings(place, "train", TRAIN, 1),
                strings(place, "train", VAL, 3),
                strings(place, "test", TEST, 2),
            )
        else:
            tables = prompts(place)
        nearest(tables[0], tables[2])
        budgets = {"from scratch": "1steps", "pre-trained": chosen.pretrain}
        for name, budget in budgets.items():
            if not budget:
                continue
            run = hs.pretrain(
                str(tables[0]),
                out=str(place / f"encoder {name}"),
                objective=chosen.objective,
                budget=budget,
                start="none",
                tracker="none",
                quiet=True,
            )
            recognised(Path(run.folder), place / name, tables, chosen)


if __name__ == "__main__":
    main()
