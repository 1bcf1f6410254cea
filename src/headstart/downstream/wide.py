"""The wide half of a head: a linear model over the token n-grams of a text, up to three tokens.

An encoder that averages has no word order and loses single words; with many labels a plain linear
model over n-grams beats it. So the head gets both (wide and deep, Cheng et al. 2016,
https://arxiv.org/abs/1606.07792), and the wide half starts from naive Bayes (Wang and Manning
2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.downstream.frozen import Pooler
    from headstart.downstream.rows import TargetRows

#: Peak rate of the scales, whatever the encoder's.
WIDE_RATE = 5e-2
#: Share of a text's n-grams that is dropped while training.
DROPOUT = 0.3
#: Longest n-gram, in tokens.
ORDER = 3
#: Fewest rows for which `auto` takes the wide half: 5,000 labels less the tenth held out. With
#: fewer it does harm (``docs/log.md``).
FEWEST = 4500
#: Most records that are counted, and most entries of the table of log-ratios.
_MANY, _MOST = 200_000, 2**25
_BATCH = 256
#: A key is a hash of 40 bits and, above it, the n-gram's length - 1; above both is the row.
_HASH, _KEY = 40, 42
_MULTIPLIER = 0x9E3779B97F


def is_wide(widen: str, encoder: Pooler, rows: TargetRows) -> bool:
    """Return whether a head on these rows gets a wide half.

    ``auto`` takes one where the encoder ignores order, the rows have tokens, and there are at least
    :data:`FEWEST` rows.

    Raises:
        HeadstartError: ``on``, but the rows have no tokens.
    """
    has_tokens = {"input_ids", "mask"} <= rows.names
    if widen == "on" and not has_tokens:
        raise HeadstartError(
            "wide=on needs records that are made of tokens, and these are not; use wide=auto or "
            "wide=off."
        )
    if widen != "auto":
        return widen == "on"
    return has_tokens and "order" not in encoder.provides and len(rows) >= FEWEST


class Wide(nn.Module):
    """Scores (B,classes) of the distinct token n-grams in each row.

    A score is the sum over the lengths of ``sum(scale * ratio) / sqrt(n)``, over the n known
    n-grams of that length in the row. The ratios are fixed; only the scale of each n-gram learns,
    so that a rare one cannot dominate.

    Args:
        known: (F,) int64, the sorted keys of the known n-grams.
        ratios: (F,classes) log-ratios of each.
        dropout: share of the n-grams that is dropped while training.
    """

    def __init__(self, known: Tensor, ratios: Tensor, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.dropout = dropout
        self.known: Tensor
        self.ratios: Tensor
        self.register_buffer("known", known)
        self.register_buffer("ratios", ratios.float())
        self.scale = nn.Parameter(torch.zeros(len(known)))

    @classmethod
    def fit(cls, rows: TargetRows, classes: int) -> Wide:
        """Count the n-grams that occur in two rows or more, and compute their log-ratios."""
        known, counts = count(rows, classes)
        ratios = np.empty(counts.shape)
        for order in range(ORDER):
            part = known >> _HASH == order
            ratios[part] = log_ratios(counts[part])
        return cls(torch.from_numpy(known), torch.from_numpy(ratios))

    def forward(self, batch: Batch) -> Tensor:
        """Return scores (B,classes) of ``input_ids`` and ``mask`` (B,T)."""
        count = len(batch["mask"])
        scores = self.ratios.new_zeros(count, self.ratios.shape[1])
        if not len(self.known):
            return scores
        row, key = distinct(batch)
        index = torch.searchsorted(self.known, key).clamp(max=len(self.known) - 1)
        chosen = self.known[index] == key
        if self.training and self.dropout:
            chosen &= torch.rand(len(key), device=key.device) >= self.dropout
        row, index = row[chosen], index[chosen]
        bag = ORDER * row + (self.known[index] >> _HASH)
        size = torch.bincount(bag, minlength=ORDER * count)
        share = self.scale[index] / size[bag].sqrt()
        return scores.index_add(0, row, share[:, None] * self.ratios[index])

    def parts(self, batch: Batch) -> Tensor:
        """Return what each position adds to the scores (B,T,classes); their sum over T is all.

        An n-gram counts once, however often it occurs: its score is divided evenly among its
        occurrences, and among the tokens of each.
        """
        found = self.ratios.new_zeros(*batch["mask"].shape, self.ratios.shape[1])
        if not len(self.known):
            return found
        for length, (key, real) in enumerate(_runs(batch), start=1):
            index = torch.searchsorted(self.known, key).clamp(max=len(self.known) - 1)
            row, start = torch.nonzero(real & (self.known[index] == key), as_tuple=True)
            index = index[row, start]
            pairs = torch.stack([row, index], 1)
            one, which, often = pairs.unique(dim=0, return_inverse=True, return_counts=True)
            size = torch.bincount(one[:, 0], minlength=len(found))
            share = self.scale[index] / size[row].sqrt() / often[which] / length
            for offset in range(length):
                score = share[:, None] * self.ratios[index]
                found.index_put_((row, start + offset), score, accumulate=True)
        return found


def distinct(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the distinct n-grams of one to three tokens in each row: rows (n,) and keys (n,).

    They are sorted by row, then key. The key of a single token is its id; longer n-grams have
    hashes of 40 bits, with hardly any collisions among millions.
    """
    row = torch.arange(len(batch["mask"]), device=batch["mask"].device)[:, None] << _KEY
    both = torch.unique(torch.cat([(key + row)[real] for key, real in _runs(batch)]))
    return both >> _KEY, both & ((1 << _KEY) - 1)


def _runs(batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield keys and masks (B,T), (B,T-1), ... of the n-grams that start at each position."""
    ids, mask = batch["input_ids"], batch["mask"]
    key, real = ids, mask
    for order in range(ORDER):
        if order:
            key = (key[:, :-1] * _MULTIPLIER + ids[:, order:] + 1) & ((1 << _HASH) - 1)
            real = real[:, :-1] & mask[:, order:]
        yield key + (order << _HASH), real


def count(rows: TargetRows, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys (F,) that occur in two rows or more, and in how many of each class (F,C).

    Of very many rows an even sample is counted, and of very many keys the most frequent are kept.
    """
    indices = np.linspace(0, len(rows) - 1, min(len(rows), _MANY)).round().astype(np.int64)
    keys, owners = [], []
    for start in range(0, len(indices), _BATCH):
        batch = rows.batch(indices[start : start + _BATCH], epoch=0)
        row, key = distinct(batch)
        keys.append(key.numpy())
        owners.append(batch["labels"][row].numpy())
    found, index = np.unique(np.concatenate(keys), return_inverse=True)
    flat = np.bincount(index * classes + np.concatenate(owners), minlength=len(found) * classes)
    counts = flat.reshape(-1, classes)
    total = counts.sum(1)
    often = np.flatnonzero(total >= 2)
    most = _MOST // classes
    if len(often) > most:
        often = np.sort(often[np.argsort(-total[often], kind="stable")[:most]])
    return found[often], counts[often]


def log_ratios(counts: np.ndarray) -> np.ndarray:
    """Return naive Bayes' ``log p(feature | class)`` (F,C), centred over the classes.

    With two classes the columns differ by the log-count ratio of Wang and Manning (2012,
    equation 1, alpha = 1), and each is half of it.
    """
    smooth = counts + 1.0
    logs = np.log(smooth / smooth.sum(0))
    return np.asarray(logs - logs.mean(1, keepdims=True))
