"""A chosen head on frozen features, as a part of a task's head that is saved with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize

from headstart.evaluation.heads.chosen import Chosen
from headstart.evaluation.heads.propagation import NEIGHBOURS, POWER
from headstart.evaluation.heads.sides import FLOOR, LinearSide, SpreadSide, View

#: The score of a class that a side has no example of.
_NEVER = -1e4


class Fused(nn.Module):
    """The mean log-probabilities of several sides, divided by a temperature.

    The counterpart of :class:`headstart.evaluation.heads.chosen.Chosen` in torch. Beliefs and the
    vectors of their records are kept in 16 bits: some 10 MB for 10,000 records.

    Args:
        sides: modules from features (B,D) to probabilities (B,K).
        temperature: of the probabilities.
    """

    def __init__(self, sides: Sequence[Linear | Spread], temperature: float = 1.0) -> None:
        super().__init__()
        self.sides = nn.ModuleList(sides)
        self.temperature = temperature

    @classmethod
    def of(cls, chosen: Chosen) -> Self:
        """Return that of a fitted head."""
        made = [_module(side, len(chosen.classes)) for side in chosen.sides]
        return cls(made, chosen.calibration.temperature)

    @classmethod
    def restored(cls, described: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """Return one of the shape that :meth:`described` says, to which the weights fit.

        Args:
            state: the weights, as ``sides.0.weight`` and so on.
        """
        sides: list[Linear | Spread] = []
        for number, each in enumerate(described["sides"]):
            view = View(tuple((int(a), int(b), float(weight)) for a, b, weight in each["view"]))
            prefix = f"sides.{number}."
            if each["kind"] == "spread":
                sides.append(Spread(view, state[f"{prefix}pool"], state[f"{prefix}beliefs"]))
            else:
                weight, bias = state[f"{prefix}weight"], state[f"{prefix}bias"]
                sides.append(Linear(view, bool(each["unit"]), weight, bias))
        return cls(sides, float(described["temperature"]))

    @property
    def keeps_records(self) -> bool:
        """Whether vectors of training records are a part of it."""
        return any(isinstance(side, Spread) for side in self.sides)

    def described(self) -> dict[str, Any]:
        """Return what :meth:`restored` needs beside the weights, as plain values."""
        return {
            "temperature": self.temperature,
            "sides": [cast("Linear | Spread", side).described() for side in self.sides],
        }

    def forward(self, features: Tensor) -> Tensor:
        """Return log-probabilities (B,K) of features (B,D)."""
        features = features.float()
        found = [side(features) for side in self.sides]
        if len(found) == 1:
            logs = torch.log(found[0].clamp(min=1e-12))
        else:
            count = found[0].shape[1]
            logs = torch.stack([torch.log((1 - FLOOR) * p + FLOOR / count) for p in found]).mean(0)
        return log_softmax(logs / self.temperature, dim=1)


class Linear(nn.Module):
    """The probabilities of a linear classifier.

    Args:
        view: of the features; ``unit``: whether it is at length 1.
        weight: (K,E) and bias: (K,).
    """

    def __init__(self, view: View, unit: bool, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.view, self.unit = view, unit
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    @classmethod
    def of(cls, side: LinearSide, count: int) -> Self:
        """Return that of a fitted side, for ``count`` classes."""
        fitted = side.fitted
        weight = torch.zeros(count, len(fitted.weights))
        bias = torch.full((count,), _NEVER)
        known = torch.from_numpy(fitted.classes)
        weight[known] = torch.from_numpy(fitted.weights.T.copy())
        bias[known] = torch.from_numpy(fitted.bias)
        return cls(side.view, fitted.unit, weight, bias)

    def described(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "linear", "unit": self.unit, "view": self.view.parts}

    def forward(self, features: Tensor) -> Tensor:
        """Return the probabilities (B,K) of features (B,D)."""
        rows = seen(self.view, features)
        scores = (normalize(rows) if self.unit else rows) @ self.weight.T + self.bias
        return scores.softmax(1)


class Spread(nn.Module):
    """The mean belief of the nearest records of a pool.

    Args:
        view: of the features.
        pool: (P,E) rows of length 1; beliefs: (P,K) class probabilities of each.
    """

    def __init__(self, view: View, pool: Tensor, beliefs: Tensor) -> None:
        super().__init__()
        self.view = view
        self.pool: Tensor
        self.beliefs: Tensor
        self.register_buffer("pool", pool.half())
        self.register_buffer("beliefs", beliefs.half())

    @classmethod
    def of(cls, side: SpreadSide) -> Self:
        """Return that of a fitted side."""
        beliefs = torch.from_numpy(side.beliefs)
        return cls(side.view, torch.from_numpy(side.graph.rows), beliefs)

    def described(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "spread", "view": self.view.parts}

    def forward(self, features: Tensor) -> Tensor:
        """Return the probabilities (B,K) of features (B,D)."""
        cosines = normalize(seen(self.view, features)) @ self.pool.float().T  # (B,P)
        near = cosines.topk(min(NEIGHBOURS, len(self.pool)), dim=1)
        weights = near.values.clamp(min=0) ** POWER
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
        return torch.einsum("bk,bkc->bc", weights, self.beliefs[near.indices].float())


def seen(view: View, features: Tensor) -> Tensor:
    """Return the rows (B,E) of a view of features (B,D), as :class:`View` does."""
    if not view.parts:
        return features
    return torch.cat(
        [weight * normalize(features[:, start:stop]) for start, stop, weight in view.parts], 1
    )


def _module(side: LinearSide | SpreadSide, count: int) -> Linear | Spread:
    return Spread.of(side) if isinstance(side, SpreadSide) else Linear.of(side, count)
