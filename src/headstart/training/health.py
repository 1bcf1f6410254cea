"""Is it learning? Label-free measures of the features, and the two alarms worth reading."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

#: Fewer rows or logged losses than these say nothing.
_FEWEST_ROWS = 8
_FEWEST_LOSSES = 20


def rank_me(features: Tensor) -> float:
    """Return the effective rank of ``features`` (N,D), between 1 and min(N,D).

    ``exp(-sum p log p)`` with p the singular values over their sum, plus 1e-7.
    Source: Garrido et al. 2023, "RankMe", equation 1.
    """
    singular = torch.linalg.svdvals(features.double())
    share = singular / singular.sum().clamp_min(1e-12) + 1e-7
    return math.exp(-(share * share.log()).sum().item())


def spread(features: Tensor) -> float:
    """Return the mean per-dimension standard deviation of L2-normalised ``features`` (N,D).

    Healthy near ``1/sqrt(D)``, 0 when all rows are alike (Chen & He 2021, "SimSiam", section 4.1).
    """
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    return unit.std(dim=0, unbiased=False).mean().item()


@dataclass
class Alarms:
    """Rings at most once for each trouble.

    Attributes:
        first_rank: effective rank before the first step.
        rung: the troubles already told.
    """

    first_rank: float | None = None
    rung: list[str] = field(default_factory=list)

    def collapse(self, rank: float, std: float, rows: int, width: int) -> str | None:
        """Return a warning if the features of ``rows`` rows have become alike."""
        if self.first_rank is None:
            self.first_rank = rank
        healthy = 1 / math.sqrt(width)
        alike = std < 0.02 * healthy
        narrow = rank < 0.1 * self.first_rank
        if rows < _FEWEST_ROWS or "collapse" in self.rung or not (alike or narrow):
            return None
        self.rung.append("collapse")
        return (
            f"The features are collapsing: their effective rank is {rank:.1f} (it was "
            f"{self.first_rank:.1f} untrained) and their spread is {std:.2g} (healthy: near "
            f"{healthy:.2g}); lower the learning rate, raise the batch size, or change the "
            "objective."
        )

    def plateau(
        self, losses: list[tuple[int, float]], progress: float, warmup: float
    ) -> str | None:
        """Return a warning if the loss of the last fifth of the steps is that of the fifth before.

        ``losses`` are (step, loss), oldest first. Told only when it is sure, noise considered, that
        the loss fell by less than 1 %, and only after the warm-up and before the last tenth of the
        run, while something can still be done about it.
        """
        window = len(losses) // 5
        if window < _FEWEST_LOSSES or "plateau" in self.rung:
            return None
        if not 2 * warmup + 0.1 < progress < 0.9:
            return None
        before = torch.tensor([loss for _, loss in losses[-2 * window : -window]]).double()
        lately = torch.tensor([loss for _, loss in losses[-window:]]).double()
        noise = ((before.var() + lately.var()) / window).sqrt().item()
        gain = (before.mean() - lately.mean()).item()
        if gain + 2 * noise > 0.01 * abs(before.mean().item()):
            return None
        self.rung.append("plateau")
        steps = losses[-1][0] - losses[-2 * window][0]
        return (
            f"The training loss has not moved for {steps} steps (it stays near "
            f"{lately.mean().item():.4g}): it has learned what it can, or it is stuck and another "
            "learning rate or a larger encoder would help."
        )
