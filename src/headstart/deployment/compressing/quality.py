"""How good vectors are that are to replace others: by labels where there are any."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from headstart.data.vectors import unit_length
from headstart.deployment.exporting.parity import LABELED, overlap, same_decisions

if TYPE_CHECKING:
    from headstart.downstream.portable import PortableHead


@dataclass(frozen=True)
class Quality:
    """A measure of vectors (N,D) of the same N records.

    Attributes:
        name: what is measured, in words.
        of: from vectors to a share in 0..1.
    """

    name: str
    of: Callable[[np.ndarray], float]


def quality(
    original: np.ndarray, head: PortableHead | None, labels: list[str] | None, seed: int
) -> Quality:
    """Return how vectors are judged.

    Args:
        original: (N,D) those that are to be replaced.
        head: that predicts from them; None of an encoder alone.
        labels: of the records, where they have one each.
    """
    if head is not None:
        decided, known = _decisions(head, original), head.about.get("labels")
        if labels is not None and known is not None and decided.ndim == 1:
            truth, names = np.array(labels), np.array(known)
            return Quality(
                "accuracy of the head",
                lambda vectors: float((names[_decisions(head, vectors)] == truth).mean()),
            )
        return Quality(
            "share of records of which the head predicts the same",
            lambda vectors: same_decisions(decided, _decisions(head, vectors)),
        )
    if labels is not None and len(labels) >= LABELED and 1 < len(set(labels)) <= len(labels) // 2:
        truth = np.array(labels)
        return Quality(
            "accuracy of a classifier on the vectors, fitted to the other half",
            lambda vectors: _probed(vectors, truth, seed),
        )
    units = unit_length(original.astype(np.float64))
    return Quality(
        "share of the ten nearest of each record that stay the same",
        lambda vectors: overlap(units, unit_length(vectors.astype(np.float64))),
    )


@torch.inference_mode()
def _decisions(head: PortableHead, vectors: np.ndarray) -> np.ndarray:
    network = head.network.eval()
    parts = [network(part) for part in torch.from_numpy(vectors).float().split(256)]
    return head.decided(torch.cat(parts).numpy())


def _probed(vectors: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """Return the accuracy of two classifiers, each fitted to the half that the other is asked."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = np.random.default_rng(seed).permutation(len(truth))
    halves, right = (order[::2], order[1::2]), 0
    for fitted, asked in (halves, halves[::-1]):
        if len(set(truth[fitted])) < 2:
            right += int((truth[asked] == truth[fitted][0]).sum())
            continue
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            probe.fit(vectors[fitted], truth[fitted])
        right += int((probe.predict(vectors[asked]) == truth[asked]).sum())
    return right / len(truth)
