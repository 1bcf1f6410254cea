"""Random views of pictures a second: headstart against torchvision and kornia, on SimCLR's views.

The same steps with the same constants (crop, flip, jitter, grey, and blur at 224 px) on the same
bytes, on one machine in one run, in turn:

- ``torchvision``: the stock way, one picture at a time, PIL in and tensor out, as in the published
  loops of SimCLR, MoCo and lightly;
- ``torchvision v2``: one picture at a time on byte tensors;
- ``kornia``: the whole batch of float tensors, parameters for each sample;
- ``headstart``: the whole batch of bytes.

What is printed is views per CPU-second (over all threads, so that other work on the machine counts
little) and per second on the clock, the median of the rounds. Then the candidates' views are
compared: mean and spread of what comes out must be alike, and each step at given parameters must be
torchvision's. Needs ``pip install kornia torchvision``.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from setting import announce, data
from torch import Tensor

from headstart.modalities.image.recipes import SMALL, Recipe, kind_of
from headstart.modalities.image.views import render

View = Callable[[Tensor], Tensor]


def pictures(count: int, side: int) -> Tensor:
    """Return CIFAR-10 pictures (count,3,side,side) as bytes, enlarged where need be."""
    store = np.load(data("cifar10", "cifar10_jpeg.npz"))
    blob, offsets = store["train_jpeg"], store["train_offsets"]
    rows = []
    for i in np.random.default_rng(0).permutation(len(offsets) - 1)[:count]:
        image = Image.open(io.BytesIO(blob[offsets[i] : offsets[i + 1]].tobytes()))
        rows.append(np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous()


def kernel(side: int) -> int:
    return 2 * (side // 20) + 1


def stock(recipe: Recipe, side: int) -> View:
    """Return torchvision's transforms of one PIL picture at a time."""
    from torchvision import transforms as t

    chain = t.Compose(
        [
            t.RandomResizedCrop(side, scale=recipe.scale),
            t.RandomHorizontalFlip(recipe.flip),
            t.RandomApply([t.ColorJitter(*recipe.strength)], p=recipe.jitter),
            t.RandomGrayscale(recipe.grey),
            *([t.RandomApply([t.GaussianBlur(kernel(side), recipe.sigma)], recipe.blur)]
              if recipe.blur else []),
            t.ToTensor(),
        ]
    )  # fmt: skip

    def view(pixels: Tensor) -> Tensor:
        images = [Image.fromarray(p) for p in pixels.permute(0, 2, 3, 1).numpy()]
        return torch.stack([chain(image) for image in images])

    return view


def stock_tensors(recipe: Recipe, side: int) -> View:
    """Return torchvision v2's transforms of one byte tensor at a time."""
    from torchvision.transforms import v2 as t

    chain = t.Compose(
        [
            t.RandomResizedCrop(side, scale=recipe.scale, antialias=True),
            t.RandomHorizontalFlip(recipe.flip),
            t.RandomApply([t.ColorJitter(*recipe.strength)], p=recipe.jitter),
            t.RandomGrayscale(recipe.grey),
            *([t.RandomApply([t.GaussianBlur(kernel(side), recipe.sigma)], recipe.blur)]
              if recipe.blur else []),
            t.ToDtype(torch.float32, scale=True),
        ]
    )  # fmt: skip
    return lambda pixels: torch.stack([chain(picture) for picture in pixels])


def kornia_batch(recipe: Recipe, side: int) -> View:
    """Return kornia's transforms of a batch."""
    import kornia.augmentation as k

    steps = [
        k.RandomResizedCrop((side, side), scale=recipe.scale, p=1.0),
        k.RandomHorizontalFlip(recipe.flip),
        k.ColorJitter(*recipe.strength, p=recipe.jitter),
        k.RandomGrayscale(p=recipe.grey),
    ]
    if recipe.blur:
        steps.append(k.RandomGaussianBlur((kernel(side),) * 2, recipe.sigma, p=recipe.blur))
    chain = k.AugmentationSequential(*steps)
    return lambda pixels: chain(pixels.float() / 255)


def ours(recipe: Recipe, side: int) -> View:
    chance = torch.Generator().manual_seed(0)
    return lambda pixels: render(pixels, chance, recipe, side)


CONTENDERS = {
    "torchvision": stock,
    "torchvision v2": stock_tensors,
    "kornia": kornia_batch,
    "headstart": ours,
}


def speeds(pixels: Tensor, views: dict[str, View], rounds: int) -> None:
    """Print views a second of each candidate, all in turn in every round."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in views}
    for turn in range(rounds + 1):
        for name, view in views.items():
            cpu, clock = time.process_time(), time.perf_counter()
            view(pixels)
            if turn:  # the first is to warm up
                times[name].append((time.process_time() - cpu, time.perf_counter() - clock))
    cpus, clocks = (
        {n: len(pixels) / statistics.median(t[i] for t in rows) for n, rows in times.items()}
        for i in (0, 1)
    )
    print("| candidate | views / CPU-second | views / second | headstart is faster by |")
    print("|---|---|---|---|")
    for name in views:
        ratio = cpus["headstart"] / cpus[name]
        print(f"| {name} | {cpus[name]:,.0f} | {clocks[name]:,.0f} | {ratio:.1f}x |")


def likeness(pixels: Tensor, views: dict[str, View], rounds: int) -> None:
    """Print what the views of each candidate are like, over many draws."""
    print("\n| views of | mean | contrast | colourfulness | sharpness | left-right |")
    print("|---|---|---|---|---|---|")
    for name, view in views.items():
        sums = torch.zeros(5, dtype=torch.float64)
        for _ in range(rounds):
            made = view(pixels).double()
            grey = made.mean(1)
            sums += torch.stack(
                [
                    made.mean(),
                    grey.flatten(1).std(1).mean(),
                    (made.amax(1) - made.amin(1)).mean(),
                    grey.diff(dim=2).abs().mean(),
                    (grey - grey.flip(2)).abs().mean(),
                ]
            )
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in sums / rounds) + " |")


def exactness(pixels: Tensor) -> None:
    """Print the largest difference of each step from torchvision's at the same parameters."""
    from torchvision.transforms.v2 import functional as f

    from headstart.modalities.image import colour as c
    from headstart.modalities.image import geometry as g

    floats = pixels[:32].float() / 255
    chance = torch.Generator().manual_seed(0)
    count, side = len(floats), floats.shape[2]
    factor = torch.rand(count, generator=chance) * 1.6 + 0.2
    turn = torch.rand(count, generator=chance) - 0.5
    boxes = g.draw_boxes(count, side, side, (0.08, 1.0), (0.75, 4 / 3), chance)
    still = torch.zeros(count, dtype=torch.bool)
    pairs = {
        "crop": (
            g.crop_resize(floats, boxes, still, side),
            lambda i: f.resized_crop(floats[i], *boxes[i].tolist(), [side, side], antialias=True),
        ),
        "brightness": (
            c.brightness_(floats.clone(), factor),
            lambda i: f.adjust_brightness(floats[i], float(factor[i])),
        ),
        "contrast": (
            c.contrast_(floats.clone(), factor),
            lambda i: f.adjust_contrast(floats[i], float(factor[i])),
        ),
        "saturation": (
            c.saturation_(floats.clone(), factor),
            lambda i: f.adjust_saturation(floats[i], float(factor[i])),
        ),
        "hue": (c.hue_(floats.clone(), turn), lambda i: f.adjust_hue(floats[i], float(turn[i]))),
        "blur": (
            g.blur_(floats.clone(), factor, kernel(side) // 2),
            lambda i: f.gaussian_blur(floats[i], [kernel(side)] * 2, [float(factor[i])]),
        ),
    }
    print("\nLargest difference from torchvision at the same parameters, in levels of 255:")
    for name, (done, reference) in pairs.items():
        expected = torch.stack([reference(i) for i in range(count)])
        print(f"  {name}: {float((done - expected).abs().max()) * 255:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=8, help="rounds of the comparison of views")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    announce(f"views a second, {options.threads} thread(s)")
    for side, count in ((32, 256), (224, 64)):
        recipe = kind_of("simclr", side).first
        pixels = pictures(count, side)
        views = {name: make(recipe, side) for name, make in CONTENDERS.items()}
        blur = "no blur" if side <= SMALL else "with blur"
        print(f"\n## {count} pictures of {side} x {side}, {blur}\n")
        torch.manual_seed(0)
        speeds(pixels, views, options.rounds)
        if options.draws:
            likeness(pixels, views, options.draws)
            exactness(pixels)


if __name__ == "__main__":
    main()
