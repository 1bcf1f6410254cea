"""Label-free measures: what the features of unlabeled records tell of an encoder.

Every figure is read beside the one of the untrained encoder, never alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

#: LiDAR's delta, here a share of the mean variance, so that the scale of features does not count.
_RIDGE = 1e-4
#: Directions with less than this share of the largest variance are rounding.
_ROUNDING = 1e-10


def rank_me(features: Tensor) -> float:
    """Return the effective rank of ``features`` (N,D), between 1 and min(N,D).

    ``exp(-sum p log p)`` with p the singular values over their sum, plus 1e-7.
    Source: Garrido et al. 2023, "RankMe", equation 1.
    """
    return _entropy_rank(torch.linalg.svdvals(features.double()))


def spread(features: Tensor) -> float:
    """Return the mean per-dimension standard deviation of L2-normalised ``features`` (N,D).

    Healthy near ``1/sqrt(D)``, 0 when all rows are alike (Chen & He 2021, "SimSiam", section 4.1).
    """
    unit = F.normalize(features.double(), dim=1)
    return unit.std(dim=0, unbiased=False).mean().item()


def alpha_req(features: Tensor) -> float:
    """Return the decay of the covariance spectrum of ``features`` (N,D): its i-th value ~ i^-alpha.

    Near 1 is good; much more means that few directions hold everything, 0 that all are alike. The
    line through log value over log index is fitted over all indices that N rows can fill and that
    are more than rounding, the i-th weighing 1/i (the same weight for each octave), since least
    squares over equal weights would see the noisy tail alone. NaN where all rows are alike.
    Source: Agrawal et al. 2022, "alpha-ReQ", section 3; their fit leaves out the first and the last
    values by hand.
    """
    values = _variances(features)
    values = values[values > _ROUNDING * values.max().clamp_min(1e-300)]
    if len(values) < 3:
        return math.nan
    index = torch.arange(1, len(values) + 1, dtype=torch.float64)
    weight = index.reciprocal() / index.reciprocal().sum()
    x, y = index.log(), values.log()
    x, y = x - (weight * x).sum(), y - (weight * y).sum()
    return -((weight * x * y).sum() / (weight * x * x).sum()).item()


def alignment(views: Sequence[Tensor]) -> float:
    """Return ``E |x - y|^2`` over pairs of views (N,D) of the same records, on the sphere.

    0 is best, 2 what strangers have. Source: Wang & Isola 2020, section 4.1, alpha = 2.
    """
    units = torch.stack([F.normalize(view.double(), dim=1) for view in views])
    count = len(units)
    # The mean over pairs from the mean and the squares: sum_ij |x_i - x_j|^2 = 2 K sum |x - m|^2.
    within = (units - units.mean(0)).square().sum(2).mean().item()
    return 2 * within * count / (count - 1)


def uniformity(features: Tensor) -> float:
    """Return ``log E exp(-2 |x - x'|^2)`` over pairs of different rows (N,D), on the sphere.

    0 when all rows are alike, near -4 when they are spread evenly; it misses dimensional collapse.
    Source: Wang & Isola 2020, section 4.1, t = 2.
    """
    distances = torch.pdist(F.normalize(features.double(), dim=1)).square()
    return math.log(distances.mul(-2).exp().mean().item())


def lidar(views: Sequence[Tensor]) -> float:
    """Return the effective rank of what tells records apart beyond the views: at most N - 1.

    Each record is a class and its K views (N,D) are the members; the rank is the entropy of the
    eigenvalues of ``W^-1/2 B W^-1/2``, with B the covariance of the class means and W the mean
    covariance within a class plus a ridge of 1e-4 (here: of its mean variance, so that the scale
    of features does not count). NaN where all vectors are alike.
    Source: Thilak et al. 2024, "LiDAR", equations 1 to 4.
    """
    stacked = torch.stack([view.double() for view in views])
    means = stacked.mean(0)
    inner = (stacked - means).flatten(0, 1)
    within = inner.T @ inner / max(1, len(inner) - len(means))
    trace = within.diagonal().mean()
    centred = means - means.mean(0)
    if not float(centred.square().sum()) > 0:
        return math.nan
    # Where views agree to the last bit, the records' own variance sets the scale of the ridge.
    scale = trace if float(trace) > 0 else centred.square().mean()
    within = within + _RIDGE * scale * torch.eye(len(within), dtype=within.dtype)
    # The singular values of the whitened class means are the roots of the wanted eigenvalues.
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(within), centred.T, upper=False)
    return _entropy_rank(torch.linalg.svdvals(whitened).square())


def view_matching(first: Tensor, second: Tensor) -> float:
    """Return how well views (N,D) of the same N records find each other, by cosine: 0..1.

    The mean over both directions of one over the rank of a view's twin among the N views of the
    other kind. 1 is best; where all vectors are alike it is 1/N, by chance about ln(N)/N.
    """
    one, other = (F.normalize(view.double(), dim=1) for view in (first, second))
    similarity = one @ other.T
    if not bool(similarity.isfinite().all()):
        return math.nan
    own = similarity.diagonal()
    # What is as near as the twin stands before it, so that vectors that are all alike find nothing.
    ranks = torch.cat([(similarity >= own[:, None]).sum(1), (similarity >= own).sum(0)])
    return ranks.double().reciprocal().mean().item()


#: Records below which how the features lie says nothing.
FEWEST = 8


@dataclass(frozen=True)
class Look:
    """What one look at the fixed records found.

    The last four are for the alarms. Ranks are of vectors less their mean: unlike RankMe they do
    not fall when all that happens is that a common direction grows, as it does in transformers from
    their first steps on.

    Attributes:
        rows: records looked at.
        measures: what is logged, by name.
        rank: effective rank of the features.
        scatter: root mean square distance of a feature vector from the mean one.
        contrast: that over the root mean square length of a vector, between 0 and 1.
        task: rank and variance on the sphere (0..1) of what the pretext task itself compares, the
            vectors behind its projection, where it has one.
    """

    rows: int
    measures: dict[str, float]
    rank: float
    scatter: float
    contrast: float
    task: tuple[float, float] | None = None


def look(features: Tensor, views: Sequence[Tensor] = (), projections: Tensor | None = None) -> Look:
    """Measure ``features`` (N,D) of fixed records; fewer than 8 tell nothing (NaN).

    Args:
        views: K of (M,D), features of views of the same M records, for ``alignment`` and ``lidar``.
        projections: (N,P), what the pretext task compares.
    """
    features = features.double().cpu()
    length = features.square().sum(1).mean().sqrt().item()
    centred = features - features.mean(0)
    scatter = centred.square().sum(1).mean().sqrt().item()
    measures = {
        "effective_rank": rank_me(features),
        "spread": spread(features),
        "alpha_req": alpha_req(features),
        "uniformity": uniformity(features) if len(features) > 1 else math.nan,
    }
    if len(features) < FEWEST:
        measures = dict.fromkeys(measures, math.nan)
    if views:
        views = [view.cpu() for view in views]
        measures |= {"alignment": alignment(views), "lidar": lidar(views)}
    task = None
    if projections is not None:
        projections = projections.double().cpu()
        mean = F.normalize(projections, dim=1).mean(0)
        task = (
            rank_me(projections - projections.mean(0)),
            max(0.0, 1 - mean.square().sum().item()),
        )
    contrast = scatter / max(length, 1e-12)
    return Look(len(features), measures, rank_me(centred), scatter, contrast, task)


def _entropy_rank(values: Tensor) -> float:
    share = values / values.sum().clamp_min(1e-12) + 1e-7
    return math.exp(-(share * share.log()).sum().item())


def _variances(features: Tensor) -> Tensor:
    """Return the eigenvalues of the covariance, the largest first."""
    centred = features.double() - features.double().mean(0)
    return torch.linalg.svdvals(centred).square()[: max(1, len(centred) - 1)]
