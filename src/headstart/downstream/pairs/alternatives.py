"""What a user would take in place of a network of two towers, on the same training records.

Captions are vectors: of their characters, and of a published text encoder where one is installed.
A picture is placed among them by the captions of the pictures that look like it, or by ridge
regression from its features. Settings are chosen on a part of the training records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from headstart.batch import unit_pixels
from headstart.data.vectors import Matrix, unit_length
from headstart.downstream.pairs.ranks import Answers, ranks_of, recall
from headstart.modalities.image.hog import hog_and_colour
from headstart.modalities.image.processor import ImageProcessor
from headstart.modalities.pairs.captions import keys
from headstart.seeding import numbers

if TYPE_CHECKING:
    from datasets import Dataset

#: Side at which pictures are looked at, that of the grid of their colours, and bins of a channel.
SIDE, GRID, BINS = 32, 8, 8
#: Numbers of neighbours, and strengths of the ridge relative to the features' variance.
NEIGHBOURS, RIDGES = (1, 3, 10, 30), (0.01, 0.1, 1.0, 10.0)
#: Most training pictures that are compared with tested ones, and share that chooses settings.
MOST, CHOOSING = 50_000, 0.1
#: Tested pictures whose cosines with all of these are in memory at once.
AT_ONCE = 256
#: Most character n-grams.
FEATURES = 100_000
_CHUNK = 500


@dataclass(frozen=True)
class Placed:
    """An alternative: vectors whose products say which captions suit which pictures.

    Attributes:
        name: for tables.
        pictures, captions: (N,D) and (M,D), of the tested ones.
        settings: that were chosen.
    """

    name: str
    pictures: Matrix
    captions: Matrix
    settings: dict[str, float]


#: A name, and what turns texts into vectors (n,D) of length 1.
TextSpace = tuple[str, Callable[[list[str]], Matrix]]


def alternatives(
    train: Dataset, tested: Dataset, texts: Sequence[str], spaces: Sequence[TextSpace], seed: int
) -> Iterator[Placed]:
    """Yield every alternative.

    Args:
        train: pictures with captions that training saw.
        tested: pictures.
        texts: captions that they are searched in.
        spaces: published ones; that of characters is fitted here.
        seed: of the part that chooses settings.
    """
    if len(train) > MOST:
        train = train.select(np.sort(numbers(seed, "fitted").permutation(len(train))[:MOST]))
    known, asked = look_of(train), look_of(tested)
    centre, scale = known.mean(0), known.std(0) + 1e-6
    known, asked = unit_length((known - centre) / scale), unit_length((asked - centre) / scale)
    captions = [list(each) for each in train["captions"]]
    written = list(chain.from_iterable(captions))
    owners = np.repeat(np.arange(len(captions)), [len(each) for each in captions])
    held = chosen_pictures(captions, seed)
    for name, encode in (characters(written), *spaces):
        of_captions = encode(written)
        targets = averaged(of_captions, owners, len(captions))
        sought = encode(list(texts))
        check = Check(known, targets, of_captions, owners, written, held)
        count = max(NEIGHBOURS, key=partial(check.of, nearest))
        placed = nearest(known, targets, asked, count)
        label = f"captions of the {count} nearest pictures, {name}"
        yield Placed(label if count > 1 else f"caption of the nearest picture, {name}", placed,
                     sought, {"neighbours": count})  # fmt: skip
        if isinstance(targets, np.ndarray):
            strength = max(RIDGES, key=partial(check.of, ridge))
            regressed = ridge(known, targets, asked, strength)
            label = f"ridge from picture features to {name}"
            yield Placed(label, regressed, sought, {"ridge": strength})


def look_of(records: Dataset) -> np.ndarray:
    """Return what pictures look like (N,F): HOG and mean colours, a histogram, and small pixels."""
    reader, parts = ImageProcessor(SIDE), []
    for start in range(0, len(records), _CHUNK):
        some = records.select(range(start, min(start + _CHUNK, len(records))))
        pixels = reader.collate(some, SIDE)["pixels"]
        unit = unit_pixels(pixels)
        small = F.adaptive_avg_pool2d(unit, GRID).flatten(1)
        bins = F.one_hot((unit * (BINS - 1e-3)).long(), BINS).float().mean((2, 3)).flatten(1)
        blocks = [hog_and_colour(pixels), small, bins]
        # Each block has the same weight, whatever the number of its features.
        parts.append(torch.cat([each / each.shape[1] ** 0.5 for each in blocks], 1).numpy())
    return np.concatenate(parts).astype(np.float32)


def characters(texts: Sequence[str]) -> TextSpace:
    """Return TF-IDF of characters, fitted to captions."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    fitted = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, max_features=FEATURES
    ).fit(texts)
    return "character n-grams", fitted.transform


def averaged(vectors: Matrix, owners: np.ndarray, count: int) -> Matrix:
    """Return the mean (count,D), of length 1, of the vectors (T,D) of each owner."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(owners), dtype=np.float32)
    sums = csr_matrix((ones, (owners, np.arange(len(owners)))), shape=(count, len(owners)))
    return unit_length(sums @ vectors)


def nearest(known: np.ndarray, targets: Matrix, asked: np.ndarray, count: int) -> Matrix:
    """Return the mean of the targets of the ``count`` nearest pictures, weighted by closeness."""
    from scipy.sparse import csr_matrix

    count = min(count, len(known))
    near = np.empty((len(asked), count), dtype=np.int64)
    weights = np.empty((len(asked), count), dtype=np.float32)
    for start in range(0, len(asked), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        cosines = asked[part] @ known.T
        near[part] = np.argpartition(cosines, -count, axis=1)[:, -count:]
        weights[part] = np.take_along_axis(cosines, near[part], 1).clip(1e-3) ** 3
    rows = np.repeat(np.arange(len(asked)), count)
    shape = (len(asked), len(known))
    return unit_length(csr_matrix((weights.ravel(), (rows, near.ravel())), shape=shape) @ targets)


def ridge(known: np.ndarray, targets: np.ndarray, asked: np.ndarray, strength: float) -> np.ndarray:
    """Return the targets of pictures by ridge regression on their features."""
    mean, centre = known.mean(0), targets.mean(0)
    seen = known - mean
    gram = seen.T @ seen
    penalty = strength * np.trace(gram) / len(gram) * np.eye(len(gram), dtype=gram.dtype)
    weights = np.linalg.solve(gram + penalty, seen.T @ (targets - centre))
    found: np.ndarray = unit_length((asked - mean) @ weights + centre)
    return found


def chosen_pictures(captions: Sequence[Sequence[str]], seed: int) -> np.ndarray:
    """Return which pictures (N,) bool choose settings; those of one first caption stay together."""
    first = keys([each[0] for each in captions])
    names, of = np.unique(first, return_inverse=True)
    drawn = numbers(seed, "choosing").permutation(len(names))[: max(1, int(len(names) * CHOOSING))]
    return np.isin(of, drawn)


@dataclass(frozen=True)
class Check:
    """How well settings do on the part of the training pictures that chooses them.

    Attributes:
        known, targets: of all training pictures.
        vectors, owners, texts: of all captions.
        held: which pictures choose.
    """

    known: np.ndarray
    targets: Matrix
    vectors: Matrix
    owners: np.ndarray
    texts: Sequence[str]
    held: np.ndarray

    def of(self, place: Callable[..., Matrix], setting: float) -> float:
        """Return the recall among ten of the held pictures' captions, placed with a setting."""
        rest = ~self.held
        if not rest.any() or not self.held.any():
            return 0.0
        targets = self.targets[np.flatnonzero(rest)]
        placed = place(self.known[rest], targets, self.known[self.held], setting)
        mine = np.flatnonzero(self.held[self.owners])
        number = np.cumsum(self.held) - 1
        known = keys([self.texts[index] for index in mine.tolist()])
        _, first, same = np.unique(known, return_index=True, return_inverse=True)
        pairs = np.unique(np.stack([number[self.owners[mine]], same], 1), axis=0)
        answers = Answers(pairs[:, 0], pairs[:, 1], (int(self.held.sum()), len(first)))
        return float(recall(ranks_of(placed, self.vectors[mine[first]], answers), 10).mean())
