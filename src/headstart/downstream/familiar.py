"""Records unlike the labeled ones get no label: the part of a head that says which these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from headstart.errors import HeadstartError
from headstart.evaluation.heads.familiarity import NEAREST, SAME, Familiarity, bound

#: Letters of a known record that are shown.
_LETTERS = 160


class Familiar(nn.Module):
    """How much records are like the labeled ones; see :class:`Familiarity`.

    Args:
        state: ``bank`` (B,D), ``background`` (U,D), ``centre`` and ``scale`` (2 or 3,), ``scores``
            (n,).
        known: of each row of the bank the ``id``, the ``label`` and what can be shown.
    """

    def __init__(self, state: Mapping[str, Tensor], known: Sequence[Mapping[str, str]]) -> None:
        super().__init__()
        self.bank: Tensor
        self.background: Tensor
        self.centre: Tensor
        self.scale: Tensor
        self.scores: Tensor
        for name in ("bank", "background"):
            self.register_buffer(name, state[name].half())
        for name in ("centre", "scale", "scores"):
            self.register_buffer(name, state[name].float())
        self.known = [dict(each) for each in known]
        self._share, self._bound = 0.0, -np.inf

    @classmethod
    def of(cls, found: Familiarity, records: Sequence[Mapping[str, Any]], content: str) -> Self:
        """Return that of labels that were held out.

        Args:
            records: the labeled ones; content: the name of what they hold.
        """
        names = ("bank", "background", "centre", "scale", "scores")
        arrays = {name: getattr(found, name) for name in names}
        rows = (records[int(index)] for index in found.kept)
        known = [_shown(row, content) for row in rows]
        return cls({name: torch.from_numpy(np.asarray(a)) for name, a in arrays.items()}, known)

    def refuse(self, share: float) -> None:
        """Refuse so many of the records that are like the labeled ones.

        Raises:
            HeadstartError: too few labels were held out to tell.
        """
        found = bound(self.scores.numpy(), share)
        if found is None:
            count = len(self.scores)
            raise HeadstartError(
                f"--abstain {share:.1%}: of {count:,} labels that is less than one, or all of "
                f"them; take a share between {1 / max(count, 1):.1%} and "
                f"{1 - 1 / max(count, 2):.1%}, or label more."
            )
        self._share, self._bound = share, found

    def judged(
        self, rows: list[dict[str, Any]], logs: Tensor, features: Tensor
    ) -> list[dict[str, Any]]:
        """Return predictions of which those of unfamiliar records have no label, but a reason.

        Args:
            rows: predictions; logs: (B,K) their log-probabilities; features: (B,D).
        """
        unit = normalize(features.float())
        near = _nearest(unit, self.bank)
        found = [logs.max(1).values, near.values.mean(1)]
        if len(self.background):
            found.append(found[1] - _mean_of_others(unit, self.background))
        scores = ((torch.stack(found, dim=1) - self.centre) / self.scale).sum(1)
        return [
            row if score >= self._bound else {**row, **self._refused(cosine, index)}
            for row, score, cosine, index in zip(
                rows, scores.tolist(), near.values.tolist(), near.indices.tolist(), strict=True
            )
        ]

    def _refused(self, cosines: list[float], indices: list[int]) -> dict[str, Any]:
        return {
            "label": None,
            "reason": f"less like the labeled records than {1 - self._share:.0%} of these are",
            "nearest": [
                {**self.known[index], "cosine": round(cosine, 3)}
                for index, cosine in zip(indices, cosines, strict=True)
            ],
        }


def _nearest(unit: Tensor, bank: Tensor, count: int = NEAREST) -> Any:
    """Return cosines, 0 at least, and indices (B,count) of the nearest rows of a bank."""
    return (unit @ bank.float().T).clamp(min=0).topk(min(count, len(bank)), dim=1)


def _mean_of_others(unit: Tensor, bank: Tensor) -> Tensor:
    """Return the mean cosine (B,) to the three nearest others of a bank."""
    cosines = _nearest(unit, bank, NEAREST + 1).values
    if cosines.shape[1] == 1:  # there is no other
        return cosines[:, 0]
    is_first = cosines[:, 0] > SAME
    return torch.where(is_first, cosines[:, 1:].mean(1), cosines[:, :NEAREST].mean(1))


def _shown(record: Mapping[str, Any], content: str) -> dict[str, str]:
    value = record.get(content)
    shown = {content: value[:_LETTERS]} if isinstance(value, str) else {}
    return {"id": str(record["id"]), "label": str(record["label"]), **shown}
