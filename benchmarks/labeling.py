"""Is choosing what to label better than labeling at random? On IMDb, banking77 and CIFAR-10.

A small encoder is pre-trained on the training records without labels, and ``headstart label``'s
simulation then hides their labels and asks for them in rounds: a fifth of the training records is
tested, and each repetition chooses among another part of the rest. Test files are not read. The
ways of choosing were picked on 8,000 training records of IMDb and of CIFAR-10 that are left out
here, and on those of banking77, which are too few to leave any out.

``--reach`` says instead how many labels each way needs to reach an accuracy, with the features of
all-MiniLM-L6-v2. ``uncertainty`` is what ``auto`` was before labels were spread: coverage, from 10
labels a class on weighted by a probe of the labels alone.
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
#: Accuracies to reach, and numbers of labels that are tried, with at most so many records.
LEVELS = (0.8, 0.85, 0.9)
REACH = {
    "banking77": ([77, 154, 231, 308, 385, 462, 616, 770, 1000, 1300], 7000),
    "imdb": ([4, 10, 20, 40, 80, 160], 4000),
    "phrasebank": ([6, 15, 30, 60, 120, 240], None),
    "cifar10": ([20, 50, 100, 200, 400, 800], 8000),
    "fashion_mnist": ([10, 20, 40, 80, 160, 320], 8000),
}


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


def reached(curve: np.ndarray, counts: list[int], level: float) -> float:
    """Return how many labels a rising curve (J,) needs for a level; inf where none is enough."""
    best = np.maximum.accumulate(curve)
    after = int((best >= level).argmax())
    if best[after] < level:
        return np.inf
    if after == 0:
        return counts[0]
    share = (level - best[after - 1]) / (best[after] - best[after - 1])
    low, high = np.log(counts[after - 1 : after + 1])
    return float(np.exp(low + share * (high - low)))


def reach(name: str, ways: list[str], seeds: int, counts: list[int], cache: Path | None) -> None:
    """Print the curve of each way, its gain over random choice, and the labels for each level."""
    from headstart.labeling.simulation import simulate

    found, labels = of_minilm(name, cache)
    most = REACH[name][1]
    first = None
    for way in ways:
        start = time.perf_counter()
        simulation = simulate(
            found[:most], labels[:most], counts[0], method=way, seeds=seeds, budgets=counts
        )
        results = simulation.results
        sides = [results.judged(n) for n in results.counts]
        # (J,R) accuracies after each number of labels, in each repetition
        ours, random = (np.stack([pair[side].by_draw for pair in sides]) for side in (0, 1))
        if first is None:
            first = ours
            levels = [f"{level:.0%}" for level in LEVELS]
            print("|", " | ".join(["way", *map(str, results.counts), "gain", *levels]), "|")
            print("|", " | ".join(["random", *_cells(random, list(results.counts))]), "|")
        print("|", " | ".join([way, *_cells(ours, list(results.counts), random)]), "|")
        seconds = time.perf_counter() - start
        print(f"{name}, {way}, {seconds:.0f} s: {simulation.headline}")
        if way != ways[0]:
            print(f"{way} gains {_gain(ours, first)} over {ways[0]}, paired", flush=True)


def _cells(curve: np.ndarray, counts: list[int], random: np.ndarray | None = None) -> list[str]:
    """Return the cells of a row, with 95% intervals over the repetitions, of a curve (J,R)."""
    from headstart.evaluation.metrics import t_half_width

    cells = [f"{100 * mean:.1f}" for mean in curve.mean(1)]
    cells.append("" if random is None else _gain(curve, random))
    for level in LEVELS:
        needed = np.array([reached(one, counts, level) for one in curve.T])
        known = np.isfinite(needed).all()
        cells.append(f"{needed.mean():.0f} ± {t_half_width(needed):.0f}" if known else "-")
    return cells


def _gain(curve: np.ndarray, other: np.ndarray) -> str:
    """Return what a curve (J,R) gains over another one in points, on average over the numbers."""
    from headstart.evaluation.metrics import t_half_width

    gain = 100 * (curve - other).mean(0)
    return f"{gain.mean():+.1f} ± {t_half_width(gain):.1f}"


def of_minilm(name: str, cache: Path | None) -> tuple[np.ndarray, list[str]]:
    """Return vectors (N,D) of training records in a random order; pictures have HOG and colours."""
    from few_label_heads import cached, of_pictures, of_texts

    texts = name in ("banking77", "imdb", "phrasebank")
    kind, make = ("MiniLM", of_texts) if texts else ("HOG", of_pictures)
    found = cached(cache, name, kind, make)
    order = np.random.default_rng(0).permutation(len(found.train))
    return found.train[order], [str(each) for each in found.classes[order]]


def source(name: str) -> str:
    """Return the training records of a data set, as the verbs take them."""
    file, mark, part = SETS[name][0].partition("#")
    return f"{data(*file.split('/'))}{mark}{part}"


def main() -> None:
    """Simulate each way on each data set, and print the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=list(SETS | REACH))
    parser.add_argument("--ways", nargs="+", default=["auto"])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--labels", nargs="+", type=int, help="other numbers of labels")
    parser.add_argument("--runs", help="folder with finished runs by the names of the data sets")
    parser.add_argument("--reach", action="store_true", help="labels that an accuracy needs")
    parser.add_argument("--cache", type=Path, help="a folder that keeps features of --reach")
    options = parser.parse_args()
    announce("Choosing what to label")
    names = options.data or list(REACH if options.reach else SETS)
    if not options.reach and (others := set(names) - set(SETS)):
        parser.error(f"{', '.join(sorted(others))}: only with --reach")
    if options.reach:
        for name in names:
            counts = options.labels or REACH[name][0]
            reach(name, options.ways, options.seeds, counts, options.cache)
        return
    import headstart as hs
    from headstart.labeling.simulation import simulate

    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
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
