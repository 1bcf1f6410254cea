"""Loading images/s from folders of JPEG files: headstart against torchvision's ImageFolder.

Two folders: CIFAR-10's training pictures as 50,000 small files, with SimCLR's views of small
pictures (crop and resize, flip, colour jitter, grey), and 364 photos of 640 x 480, three times
each, at 224 pixels with crop and flip. Headstart's first epoch begins with listing the folder and
decodes what it meets; the later ones find it decoded. The other side is ``ImageFolder`` with
torchvision's own transforms and a ``DataLoader``; it gets the better of no workers and two.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from setting import announce, apart, data

BATCH, EPOCHS = 256, 3


def small_files(folder: Path) -> Path:
    """Write CIFAR-10's training pictures as files, one folder a class."""
    stored = np.load(data("cifar10", "cifar10_jpeg.npz"))
    content, offsets, labels = (stored[f"train_{name}"] for name in ("jpeg", "offsets", "labels"))
    for label in np.unique(labels):
        (folder / str(label)).mkdir(parents=True)
    for index, label in enumerate(labels):
        packed = content[offsets[index] : offsets[index + 1]].tobytes()
        (folder / str(label) / f"{index}.jpg").write_bytes(packed)
    return folder


def photos(folder: Path) -> Path:
    """Copy the photos of blood cells, three times each."""
    (folder / "cells").mkdir(parents=True)
    for photo in sorted(data("bccd", "images").iterdir()):
        for copy in range(3):
            shutil.copy(photo, folder / "cells" / f"{photo.stem}-{copy}{photo.suffix}")
    return folder


def ours(source: Path, side: int, kind: str) -> list[float]:
    """Return images/s of each epoch; the first begins with listing the folder."""
    from headstart.config import PretrainConfig
    from headstart.data.audit import Audit
    from headstart.modalities.opening import open_modality
    from headstart.seeding import generator
    from headstart.training.loader import NumberedBatches, ResumableLoader

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        config = PretrainConfig(sources=[str(source)], out=str(Path(scratch, "run")))
        modality, audit = open_modality("image"), Audit()
        processor: Any
        records = modality.read(config.sources, config, audit, Path(scratch, "records"))
        processor = modality.fit(records, config, None, side)
        modality.prepare(records, processor, Path(scratch, "rows"), audit, learn=True)
        rows = processor.rows(Path(scratch, "rows"), layout="documents", length=side, seed=0)
        batches = NumberedBatches(rows, BATCH, seed=0)
        speeds = []
        loader = iter(ResumableLoader(batches, EPOCHS * batches.per_epoch, workers=0))
        for _ in range(EPOCHS):
            seen = 0
            for _ in range(batches.per_epoch):
                number, batch = next(loader)
                seen += len(processor.augment(batch, generator(0, number), kind)["pixels"])
            speeds.append(seen / (time.perf_counter() - began))
            began = time.perf_counter()
    return speeds


def peer(source: Path, side: int, kind: str, workers: int) -> float:
    """Return images/s of an epoch of torchvision's ImageFolder."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [
        transforms.RandomResizedCrop(side, scale=(0.2, 1.0)),
        transforms.RandomHorizontalFlip(),
    ]
    if kind == "simclr":
        jitter = transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)
        steps += [transforms.RandomApply([jitter], p=0.8), transforms.RandomGrayscale(0.2)]
    folder = ImageFolder(str(source), transforms.Compose([*steps, transforms.ToTensor()]))
    loader = DataLoader(folder, BATCH, shuffle=True, drop_last=True, num_workers=workers)
    began, seen = time.perf_counter(), 0
    for pixels, _ in loader:
        seen += len(pixels)
    return seen / (time.perf_counter() - began)


def main() -> None:
    """Run both sides in turn on both folders and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2)
    options = parser.parse_args()
    announce("Loading pictures from JPEG files: images/s")
    with tempfile.TemporaryDirectory() as scratch:
        for name, source, side, kind in (
            ("50,000 small files, SimCLR views", small_files(Path(scratch, "small")), 32, "simclr"),
            ("1,092 photos at 224, crop and flip", photos(Path(scratch, "photos")), 224, "weak"),
        ):
            ratios = []
            for pair in range(options.pairs):
                first, *later = apart(ours, source, side, kind)
                slow = {workers: apart(peer, source, side, kind, workers) for workers in (0, 2)}
                best = max(slow.values())
                ratios.append((first / best, statistics.mean(later) / best))
                print(
                    f"{name}, pair {pair + 1}: headstart {first:,.0f} in the first epoch, "
                    f"{statistics.mean(later):,.0f} later; ImageFolder {slow[0]:,.0f} (two workers "
                    f"{slow[2]:,.0f}): {ratios[-1][0]:.1f}x, {ratios[-1][1]:.1f}x",
                    flush=True,
                )


if __name__ == "__main__":
    main()
