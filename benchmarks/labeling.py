"""Is choosing what to label better than labeling at random? On IMDb, banking77 and CIFAR-10.

A small encoder is pre-trained on the training records without labels, and ``headstart label``'s
simulation then hides their labels and asks for them in rounds: a fifth of the training records is
tested, and each repetition chooses among another part of the rest. Test files are not read. The
ways of choosing were picked on 8,000 training records of IMDb and of CIFAR-10 that are left out
here, and on those of banking77, which are too few to leave any out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from setting import announce, data

#: source, budget of the pre-training, numbers of labels: 2 to 40 a class, of many classes 1 to 10
SETS: dict[str, tuple[str, str, list[int]]] = {
    "imdb": ("imdb/train.jsonl.gz", "90s", [4, 10, 20, 40, 80]),
    "banking77": ("banking77/train.jsonl", "60s", [100, 200, 400, 800]),
    "cifar10": ("cifar10/cifar10_jpeg.npz#train", "4min", [20, 50, 100, 200, 400]),
}
#: Of a random order of the training records, those that ways of choosing were compared on, and the
#: most that are taken of the others.
PICKED_ON, RECORDS = slice(8000, 16_000), 17_000


def vectors(name: str, folder: str) -> tuple[np.ndarray, list[str]]:
    """Return vectors (N,D) and labels of training records that no way was picked on."""
    from headstart.config import SourceOptions
    from headstart.data.audit import Audit
    from headstart.encoders.features import features
    from headstart.encoders.opening import encoder_folder, open_encoder, open_processor, read_note
    from headstart.modalities.opening import open_modality

    encoder = encoder_folder(folder)
    note = read_note(encoder)
    records = open_modality(note["modality"]).read([source(name)], SourceOptions(), Audit())
    order = np.random.default_rng(0).permutation(len(records))
    indices = np.delete(order, PICKED_ON) if len(order) > RECORDS else order
    records = records.select(np.sort(indices[:RECORDS]))
    processor = open_processor(encoder)
    found = features(open_encoder(encoder), processor, records, length=int(note["length"]))
    return found, list(records["label"])


def source(name: str) -> str:
    """Return the training records of a data set, as the verbs take them."""
    file, mark, part = SETS[name][0].partition("#")
    return f"{data(*file.split('/'))}{mark}{part}"


def main() -> None:
    """Simulate each way on each data set, and print the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--ways", nargs="+", default=["auto"])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--labels", nargs="+", type=int, help="other numbers of labels")
    parser.add_argument("--runs", help="folder with finished runs by the names of the data sets")
    options = parser.parse_args()
    announce("Choosing what to label")
    import headstart as hs
    from headstart.labeling.simulation import simulate

    with tempfile.TemporaryDirectory() as scratch:
        for name in options.data:
            _, budget, usual = SETS[name]
            budgets = options.labels or usual
            folder = Path(options.runs or scratch, name)
            if not folder.is_dir():
                hs.pretrain(source(name), out=str(folder), budget=budget)
            found, labels = vectors(name, str(folder))
            for way in options.ways:
                start = time.perf_counter()
                simulation = simulate(
                    found, labels, budgets[0], method=way, seeds=options.seeds, budgets=budgets
                )
                seconds = time.perf_counter() - start
                print(f"\n{name}, {way}, {seconds:.0f} s: {simulation.headline}")
                print(*simulation.lines(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
