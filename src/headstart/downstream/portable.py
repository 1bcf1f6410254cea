"""A head that leaves this library: a network on pooled vectors, and how its scores are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

#: Python that reads the scores of one record, in the example of an export.
CLASS = """\
    row["label"] = HEAD["labels"][int(scores[n].argmax())]
    row["score"] = float(scores[n].max())
"""
CLASSES = """\
    pairs = zip(HEAD["labels"], scores[n].tolist(), HEAD["thresholds"])
    row["labels"] = [label for label, score, least in pairs if score >= least]
"""
VALUE = """\
    row["value"] = float(scores[n][0])
"""


@dataclass(frozen=True)
class PortableHead:
    """A head as a network whose steps depend on shapes alone.

    Attributes:
        network: from pooled vectors (B,D) to scores (B,K).
        about: what the scores mean, for ``head.json``: ``task``, ``labels`` and so on.
        code: the lines of Python that put them into the ``row`` of record ``n``.
        decided: from scores (N,K) to what is predicted of each record, (N,) or (N,K), so that two
            heads can be compared; numbers are compared as they are.
        limits: what it does otherwise than in this library, in sentences.
    """

    network: nn.Module
    about: Mapping[str, Any]
    code: str
    decided: Callable[[np.ndarray], np.ndarray]
    limits: tuple[str, ...] = field(default=())


def of_classes(
    task: str,
    labels: list[str],
    logits: Callable[[Tensor], Tensor],
    head: nn.Module,
    *,
    temperature: float = 1.0,
    limits: tuple[str, ...] = (),
) -> PortableHead:
    """Return a head whose scores are the probabilities of classes, of which one is right.

    Args:
        logits: a method of ``head``, from vectors (B,D) to scores (B,K) before the softmax.
        temperature: that the logits were divided by, for the record.
    """
    about = {"task": task, "labels": labels, "temperature": temperature, "scores": "probabilities"}
    network = Activated(head, logits, lambda found: found.softmax(1))
    return PortableHead(network, about, CLASS, lambda scores: scores.argmax(1), limits)


class Activated(nn.Module):
    """A method of a head, followed by an activation."""

    def __init__(
        self,
        head: nn.Module,
        scores: Callable[[Tensor], Tensor],
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.head = head
        self._scores, self._activation = scores, activation

    def forward(self, vectors: Tensor) -> Tensor:
        """Return scores (B,K) of vectors (B,D)."""
        return self._activation(self._scores(vectors).float())
