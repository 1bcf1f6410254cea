"""Training a network of items: a target at every position, packed, against padded prefixes.

An epoch of Beauty without the last two items of each user; one network (causal transformer, 2
layers, width 64, 50 items), optimizer and full cross-entropy for all. The usual way makes every
prefix of a sequence a sample, padded to 50, with a loss at its last position alone. Here whole
sequences are packed into rows, each position has a target, and beside the full loss there is a
sampled one whose negatives all positions of a batch share. All read the same targets once an epoch.

The ways take steps in turn until the time is up; an epoch is its number of steps times the median
step, in which making the batch, forward, backward, clipping and optimizer are counted.

With ``--to-ndcg`` they train in turns of some seconds, and what counts is the training time after
which the NDCG@10 of what validates (the second last item of 3,000 users, all items ranked, seen
ones removed) first reaches each bound.

    python benchmarks/recommendation_speed.py --seconds 120 --floors
    python benchmarks/recommendation_speed.py --to-ndcg 0.02 0.03 0.04 --rows 16 --seconds 3600
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from setting import announce, data
from torch import Tensor

from headstart.modalities.interactions.rankers.tuning import Validation

LENGTH, WIDTH, LAYERS, HEADS = 50, 64, 2, 2
#: Rows of 50 items a batch, prefixes a batch of the usual way, steps before the clock runs.
ROWS, PREFIXES, WARM = 64, 256, 2
FLOORS = {"packed": 4.0, "packed, shared negatives": 20.0}
USUAL = "padded prefixes"
#: Users whose second last item validates.
VALIDATED = 3000


def catalogue(name: str, folder: Path) -> tuple[Any, Any, Validation]:
    """Return the processor of a file of sequences, its stored training part, what validates."""
    from headstart.config import SourceOptions
    from headstart.data.audit import Audit
    from headstart.data.target_ranks import select
    from headstart.downstream.interactions.split import divided
    from headstart.modalities.interactions.modality import InteractionsModality
    from headstart.modalities.interactions.processor import ItemProcessor
    from headstart.modalities.tokens.token_file import TokenFile

    modality = InteractionsModality()
    source = str(data("amazon_seq", f"{name}.txt.gz"))
    every = modality.read([source], SourceOptions(), Audit(), folder)
    records = modality.trained_on(every)
    processor = ItemProcessor.fitted(records)
    modality.prepare(records, processor, folder / "train", Audit(), learn=True)
    where = divided(every, processor, modality.options).validating
    some = np.random.default_rng(0).permutation(len(where.items))[:VALIDATED]
    validation = Validation(
        select(where.histories, some.tolist()), where.items[some], len(processor.names)
    )
    return processor, TokenFile.open(folder / "train"), validation


class Way:
    """One way of training: a network with its optimizer, whose steps are timed."""

    def __init__(self, name: str, processor: Any, options: dict[str, Any], epoch: int) -> None:
        from headstart.config import OptimizerOptions
        from headstart.encoders.opening import create_encoder
        from headstart.objectives.building import build_objective
        from headstart.seeding import seeded
        from headstart.training.optimizers import build

        sizes = {"layers": LAYERS, "width": WIDTH, "heads": HEADS}
        encoder = create_encoder("gpt", sizes, processor, length=LENGTH, seed=0)
        with seeded(0, "heads"):
            self.objective: Any = build_objective(
                {"clm": 1.0}, {"clm": options}, encoder, processor
            )
        self.optimizer = build(self.objective, OptimizerOptions(), 1e-3, keep_rows=True)
        self.name, self.epoch, self.processor = name, epoch, processor
        self.seconds: list[float] = []

    def step(
        self, make: Callable[[], dict[str, Tensor]], loss: Callable[[Any, Any], Tensor]
    ) -> None:
        """Take a step and note what it took."""
        from headstart.training.clipping import clip

        began = time.perf_counter()
        batch = make()
        self.optimizer.zero_grad()
        value = loss(self.objective, batch)
        value.backward()
        clip(self.objective.parameters(), 1.0)
        self.optimizer.step()
        self.seconds.append(time.perf_counter() - began)

    def ndcg(self, validation: Validation) -> float:
        """Return the NDCG@10 of what validates."""
        from headstart.downstream.interactions.network import NetworkRanker

        encoder, head = self.objective.encoder, self.objective.head
        ranker = NetworkRanker(encoder, head, self.processor, LENGTH, is_causal=True)
        found = validation.score(ranker)
        self.objective.train()
        return found

    def whole(self) -> float:
        """Return the seconds of an epoch."""
        return self.epoch * statistics.median(self.seconds[WARM:])


def prefixes(file: Any) -> Iterator[dict[str, Tensor]]:
    """Yield batches of prefixes padded to 50, with the item that comes next, without end."""
    offsets = file.offsets
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    ends = np.arange(len(file.tokens))
    ends = ends[ends > offsets[owner]]  # the first item of a user has nothing before it
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(ends)
        for start in range(0, len(order) - PREFIXES + 1, PREFIXES):
            chosen = order[start : start + PREFIXES]
            lengths = np.minimum(chosen - offsets[owner[chosen]], LENGTH)
            column = np.arange(LENGTH)
            mask = column < lengths[:, None]
            index = np.where(mask, (chosen - lengths)[:, None] + column, 0)
            ids = np.where(mask, file.tokens[index].astype(np.int64), 0)
            yield {
                "input_ids": torch.from_numpy(ids),
                "mask": torch.from_numpy(mask),
                "last": torch.from_numpy(lengths - 1),
                "next": torch.from_numpy(file.tokens[chosen].astype(np.int64)),
            }


def rows_of(packed: Any, rows: int) -> Iterator[dict[str, Tensor]]:
    """Yield batches of packed rows, without end."""
    rng, epoch = np.random.default_rng(0), 0
    while True:
        order = rng.permutation(len(packed))
        for start in range(0, max(1, len(order) - rows + 1), rows):
            yield packed.batch(order[start : start + rows], epoch)
        epoch += 1


def at_last(objective: Any, batch: dict[str, Tensor]) -> Tensor:
    """Return the loss of the usual way: at the last position of each row."""
    from headstart.encoders.visibility import causal, visibility
    from headstart.objectives.losses import token_loss

    vectors = objective.encoder.embed(batch)
    tokens = objective.encoder.contextualize(vectors, causal(visibility(batch), batch))
    last = tokens[torch.arange(len(tokens)), batch["last"]]
    return token_loss(objective.head(last), batch["next"])["loss"]


def at_all(draws: torch.Generator) -> Callable[[Any, dict[str, Tensor]], Tensor]:
    """Return the loss at all positions."""

    def loss(objective: Any, batch: dict[str, Tensor]) -> Tensor:
        found: Tensor = objective(objective.corrupt(batch, draws))["loss"]
        return found

    return loss


Turns = dict[str, tuple[Way, Callable[[], None]]]


def epochs(ways: Turns, seconds: float) -> bool:
    """Print what an epoch of each way takes; return whether the ratios reach the floors."""
    began, rounds = time.monotonic(), 0
    while rounds <= WARM + 2 or time.monotonic() - began < seconds:
        for _, step in ways.values():
            step()
        rounds += 1
    theirs = ways[USUAL][0].whole()
    print(f"{rounds - WARM} rounds\n")
    good = True
    for name, (way, _) in ways.items():
        ratio, floor = theirs / way.whole(), FLOORS.get(name, 0.0)
        good &= ratio >= floor
        each = 1000 * statistics.median(way.seconds[WARM:])
        figures = f"{way.whole():8.2f} s an epoch ({way.epoch} steps of {each:.0f} ms)"
        print(f"{name:<26}{figures}" + (f"  {ratio:6.1f}x (floor {floor:g}x)" if floor else ""))
    return good


def until(
    ways: Turns, bounds: list[float], validation: Validation, seconds: float, each_turn: float
) -> None:
    """Print the training time of each way until what validates reaches each bound.

    Args:
        each_turn: seconds of training between two looks.
    """
    began = time.monotonic()
    reached: dict[str, dict[float, float]] = {name: {} for name in ways}
    while time.monotonic() - began < seconds:
        left = {name: each for name, each in ways.items() if len(reached[name]) < len(bounds)}
        if not left:
            break
        for name, (way, step) in left.items():
            turn = sum(way.seconds) + each_turn
            while sum(way.seconds) < turn:
                step()
            found, spent = way.ndcg(validation), sum(way.seconds)
            print(f"{name:<26}{spent:7.0f} s, {len(way.seconds):,} steps: {found:.4f}", flush=True)
            for bound in bounds:
                if found >= bound:
                    reached[name].setdefault(bound, spent)
    print()
    for bound in bounds:
        theirs = reached[USUAL].get(bound)
        for name, each in reached.items():
            own = each.get(bound)
            ratio = f"{theirs / own:6.1f}x" if own and theirs else ""
            took = "not reached" if own is None else f"{own:.0f} s"
            print(f"NDCG@10 {bound:g}  {name:<26}{took:>12}  {ratio}")


def main() -> None:
    """Take steps of each way in turn, and print what an epoch, or a quality, takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="bound of the whole measurement")
    parser.add_argument("--set", default="Beauty", help="Beauty or Toys_and_Games")
    parser.add_argument("--negatives", type=int, default=1024)
    parser.add_argument("--rows", type=int, default=ROWS, help="of 50 items, of a packed batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--to-ndcg", type=float, nargs="+", help="bounds of what validates")
    parser.add_argument("--turn", type=float, default=4.0, help="seconds between two looks")
    parser.add_argument("--floors", action="store_true", help="end with 1 below 4x and 20x")
    options = parser.parse_args()
    announce(f"{options.set}: a causal network of items, {LAYERS} layers x {WIDTH}")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        processor, file, validation = catalogue(options.set, Path(scratch))
        packed = processor.rows(Path(scratch) / "train", layout="packed", length=LENGTH, seed=0)
        events, users = len(file.tokens), len(file.offsets) - 1
        print(f"{users:,} users, {events:,} events, {len(processor.names):,} items", flush=True)
        draws, per_epoch = torch.Generator().manual_seed(0), -(-len(packed) // options.rows)
        sampled = {"loss": "sampled", "negatives": options.negatives}
        ways: Turns = {}
        rows = options.rows
        for name, chosen, count, batches, loss in (
            (USUAL, {}, -(-(events - users) // PREFIXES), prefixes(file), at_last),
            ("packed", {"loss": "full"}, per_epoch, rows_of(packed, rows), at_all(draws)),
            (
                "packed, shared negatives",
                sampled,
                per_epoch,
                rows_of(packed, options.rows),
                at_all(draws),
            ),
        ):
            way = Way(name, processor, chosen, count)
            ways[name] = way, partial(way.step, partial(next, batches), loss)
        if options.to_ndcg:
            until(ways, sorted(options.to_ndcg), validation, options.seconds, options.turn)
        elif not epochs(ways, options.seconds) and options.floors:
            sys.exit(1)


if __name__ == "__main__":
    main()
