"""SimCLR images/s: headstart against lightly's documented loop, the same ResNet-18.

ResNet-18 with the CIFAR stem (SimCLR, appendix B.9), CIFAR-10, batches of 256, two views of 32
pixels. The other side is the tutorial of lightly as it stands: its ``SimCLRTransform`` on PIL
images, a ``DataLoader``, its ``NTXentLoss`` and projection head, SGD; it gets the better of no
workers and two. Both sides run in turn over the full path from the data to the step, and the first
steps are left out. Needs ``pip install lightly``.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from setting import announce, apart, data
from torch.utils.data import Dataset

BATCH, WARM = 256, 2


def ours(steps: int, folder: Path) -> float:
    """Return images/s of ``headstart pretrain --objective simclr --encoder resnet18``."""
    import headstart as hs

    run = hs.pretrain(
        f"{data('cifar10', 'cifar10_jpeg.npz')}#train",
        out=str(folder / f"run{time.time_ns()}"),
        objective="simclr",
        encoder="resnet18",
        encoder_options={"stem": "small"},
        objective_options={"simclr": {"side": 32}},
        batch_size=BATCH,
        budget=f"{steps}steps",
    )
    rows = [row for row in run.metrics() if "loss" in row]
    begin, end = rows[WARM], rows[-1]
    seconds = end["clock"]["seconds"] - begin["clock"]["seconds"]
    return (end["step"] - begin["step"]) * BATCH / seconds


class Pictures(Dataset):
    """CIFAR-10's training pictures as PIL images, decoded on demand."""

    def __init__(self, transform: Any) -> None:
        stored = np.load(data("cifar10", "cifar10_jpeg.npz"))
        self.content, self.offsets = stored["train_jpeg"], stored["train_offsets"]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Any:
        packed = self.content[self.offsets[index] : self.offsets[index + 1]].tobytes()
        return self.transform(Image.open(io.BytesIO(packed)).convert("RGB"))


def peer(steps: int, workers: int) -> float:
    """Return images/s of lightly's loop."""
    import torch
    import torchvision
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms.simclr_transform import SimCLRTransform
    from torch import nn

    resnet = torchvision.models.resnet18()
    resnet.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    resnet.maxpool = nn.Identity()
    backbone = nn.Sequential(*list(resnet.children())[:-1])
    head = SimCLRProjectionHead(512, 512, 128)
    loader = torch.utils.data.DataLoader(
        Pictures(SimCLRTransform(input_size=32, gaussian_blur=0.0)),
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
    )
    criterion = NTXentLoss()
    parameters = [*backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.06)
    began = 0.0
    for step, (first, second) in enumerate(islice(loader, WARM + steps)):
        if step == WARM:
            began = time.perf_counter()
        first = head(backbone(first).flatten(start_dim=1))
        second = head(backbone(second).flatten(start_dim=1))
        loss = criterion(first, second)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return steps * BATCH / (time.perf_counter() - began)


def main() -> None:
    """Run both sides in turn and print the ratio, pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=12, help="of ours; the peer takes a third")
    options = parser.parse_args()
    announce(f"SimCLR, ResNet-18 with CIFAR stem, CIFAR-10, batch {BATCH}: images/s")
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        for pair in range(options.pairs):
            fast = apart(ours, options.steps, Path(scratch))
            steps = max(2, options.steps // 3)
            slow = {workers: apart(peer, steps, workers) for workers in (0, 2)}
            best = max(slow.values())
            ratios.append(fast / best)
            print(
                f"pair {pair + 1}: headstart {fast:.1f}, lightly {slow[0]:.1f} (two workers "
                f"{slow[2]:.1f}): {fast / best:.2f}x",
                flush=True,
            )
    print(f"median ratio: {statistics.median(ratios):.2f}x")


if __name__ == "__main__":
    main()
