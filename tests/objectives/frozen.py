"""What frozen features of unseen articles encode: masked or replaced tokens, noisy texts."""

from __future__ import annotations

from typing import Any

import language
import numpy as np
import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.objectives.masked import choose
from headstart.seeding import generator
from headstart.training.health import view_matching

#: Batches of articles, and rows of each.
PARTS, ROWS = 8, 64


def sample_positions(batch: Batch, *seed: int) -> Tensor:
    """Return (B,T) bool, True at 15% of the tokens."""
    return choose(batch, language.processor().vocabulary, 0.15, False, generator(*seed))


@torch.no_grad()
def cloze(objective: Any, hidden: int | None = None) -> float:
    """Return how well a linear probe distinguishes the masked tokens, the eight most frequent.

    It sees the encoder's vectors at their positions; the baseline is the largest share.

    Args:
        hidden: the id at their positions, [MASK] by default.
    """
    if hidden is None:
        hidden = language.processor().vocabulary.mask_id
    objective.eval()
    seen, truth = [], []
    for part in range(PARTS):
        batch = language.unseen("documents", range(ROWS * part, ROWS * (part + 1)))
        ids, holes = batch["input_ids"], sample_positions(batch, part)
        read = objective.encoder({**batch, "input_ids": ids.masked_fill(holes, hidden)})
        seen.append(read.tokens[holes])
        truth.append(ids[holes])
    vectors, labels = torch.cat(seen).float().numpy(), torch.cat(truth).numpy()
    kept = np.isin(labels, np.argsort(-np.bincount(labels))[:8])
    return language.probe(vectors[kept], labels[kept])


@torch.no_grad()
def forgeries(objective: Any) -> float:
    """Return how well a linear probe detects replaced tokens; the baseline is half.

    Replacements are tokens from elsewhere in the text, so that only the context reveals them.
    """
    objective.eval()
    seen, truth = [], []
    for part in range(PARTS):
        batch = language.unseen("documents", range(ROWS * part, ROWS * (part + 1)))
        ids, forged = batch["input_ids"].clone(), sample_positions(batch, part)
        true = sample_positions(batch, part, 1) & ~forged
        moved = ids[forged]
        ids[forged] = moved[torch.randperm(len(moved), generator=generator(part, 2))]
        read = objective.encoder({**batch, "input_ids": ids})
        for indices, label in ((forged, 1), (true, 0)):
            seen.append(read.tokens[indices])
            truth.append(torch.full((int(indices.sum()),), label))
    order = np.random.default_rng(0).permutation(sum(map(len, truth)))
    return language.probe(torch.cat(seen).float().numpy()[order], torch.cat(truth).numpy()[order])


@torch.no_grad()
def recognised(objective: Any) -> float:
    """Return how well texts that the objective corrupted twice find each other, 0..1."""
    objective.eval()
    sides: list[list[Tensor]] = [[], []]
    for part in range(6):
        batch = language.unseen(objective.layout, range(50 * part, 50 * part + 50))
        for side, found in enumerate(sides):
            read = objective.corrupt(batch, generator(part, side))
            found.append(objective.encoder.pool({n: read[n] for n in ("input_ids", "mask")}))
    return view_matching(torch.cat(sides[0]), torch.cat(sides[1]))
