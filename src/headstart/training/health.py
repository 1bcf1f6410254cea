"""Label-free measures of an encoder, from the features of unlabeled records.

Each value is to be compared with that of the untrained encoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

#: LiDAR's delta, relative to the mean variance, so that the scale of features is irrelevant.
_RIDGE = 1e-4
#: Directions with less than this share of the largest variance are rounding errors.
_ROUNDING = 1e-10


def rank_me(features: Tensor) -> float:
    """Return the effective rank of ``features`` (N,D), between 1 and min(N,D).

    ``exp(-sum p log p)`` with p the singular values over their sum, plus 1e-7.
    Source: Garrido et al. 2023, "RankMe", equation 1, https://arxiv.org/abs/2210.02885.

    Example::

        rank_me(torch.randn(256, 64))  # close to 64
    """
    return _entropy_rank(torch.linalg.svdvals(features.double()))


def spread(features: Tensor) -> float:
    """Return the mean per-dimension standard deviation of L2-normalised ``features`` (N,D).

    Near ``1/sqrt(D)`` without collapse, 0 if all rows are equal.
    Source: Chen & He 2021, "SimSiam", section 4.1, https://arxiv.org/abs/2011.10566.
    """
    unit = F.normalize(features.double(), dim=1)
    return unit.std(dim=0, unbiased=False).mean().item()


def alpha_req(features: Tensor) -> float:
    """Return the decay of the covariance spectrum of ``features`` (N,D): its i-th value ~ i^-alpha.

    Near 1 is best; larger values mean that few directions dominate, 0 that all are equal. The line
    through log value over log index is fitted over all indices that N rows can fill and that exceed
    rounding errors, the i-th with weight 1/i (equal weight for each octave), since with equal
    weights the noisy tail would dominate. NaN if all rows are equal.
    Source: Agrawal et al. 2022, "alpha-ReQ", section 3; they exclude the first and last values by
    hand.
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

    0 is best; unrelated vectors have 2. Source: Wang & Isola 2020, section 4.1, alpha = 2,
    https://arxiv.org/abs/2005.10242.
    """
    units = torch.stack([F.normalize(view.double(), dim=1) for view in views])
    count = len(units)
    # The mean over pairs from the mean and the squares: sum_ij |x_i - x_j|^2 = 2 K sum |x - m|^2.
    within = (units - units.mean(0)).square().sum(2).mean().item()
    return 2 * within * count / (count - 1)


def uniformity(features: Tensor) -> float:
    """Return ``log E exp(-2 |x - x'|^2)`` over pairs of different rows (N,D), on the sphere.

    0 if all rows are equal, near -4 if they are uniform; it misses dimensional collapse.
    Source: Wang & Isola 2020, section 4.1, t = 2.
    """
    distances = torch.pdist(F.normalize(features.double(), dim=1)).square()
    return math.log(distances.mul(-2).exp().mean().item())


def lidar(views: Sequence[Tensor]) -> float:
    """Return the effective rank of the variance between records beyond that of views, up to N - 1.

    Each record is a class and its K views (N,D) are the members; the rank is that of the
    eigenvalues of ``W^-1/2 B W^-1/2``, with B the covariance of the class means and W the mean
    covariance within a class plus a ridge of 1e-4 (here relative to its mean variance, so that the
    scale of features is irrelevant). NaN if all vectors are equal.
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
    # If views are identical, the variance between records sets the scale of the ridge.
    scale = trace if float(trace) > 0 else centred.square().mean()
    within = within + _RIDGE * scale * torch.eye(len(within), dtype=within.dtype)
    # The singular values of the whitened class means are the roots of the eigenvalues.
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(within), centred.T, upper=False)
    return _entropy_rank(torch.linalg.svdvals(whitened).square())


def view_matching(first: Tensor, second: Tensor) -> float:
    """Return the mean reciprocal rank at which views (N,D) of N records retrieve each other: 0..1.

    The rank is that of a view's counterpart among the N views of the other kind, by cosine; the
    mean is over both directions. 1 is best; equal vectors have 1/N, random ones about ln(N)/N.
    """
    one, other = (F.normalize(view.double(), dim=1) for view in (first, second))
    similarity = one @ other.T
    if not bool(similarity.isfinite().all()):
        return math.nan
    own = similarity.diagonal()
    # Ties rank before the counterpart, so that equal vectors match nothing.
    ranks = torch.cat([(similarity >= own[:, None]).sum(1), (similarity >= own).sum(0)])
    return ranks.double().reciprocal().mean().item()


#: Minimum number of records for these measures.
FEWEST = 8


@dataclass(frozen=True)
class Snapshot:
    """Measures of the watched records at one step.

    The last four are for the alarms. Ranks are of centred vectors: unlike RankMe they do not fall
    when only a common direction grows, as it does in transformers from their first steps on.

    Attributes:
        rows: number of records.
        measures: logged values by name.
        rank: effective rank of the features.
        scatter: root mean square distance of the features from their mean.
        contrast: scatter over the root mean square norm, between 0 and 1.
        task: rank and variance on the sphere (0..1) of the objective's projections, if any.
    """

    rows: int
    measures: dict[str, float]
    rank: float
    scatter: float
    contrast: float
    task: tuple[float, float] | None = None


def measure(
    features: Tensor, views: Sequence[Tensor] = (), projections: Tensor | None = None
) -> Snapshot:
    """Measure ``features`` (N,D) of the watched records; NaN for fewer than 8.

    Args:
        views: K times (M,D), features of views of the same M records, for ``alignment`` and
            ``lidar``.
        projections: (N,P), the vectors that the pretext task compares.
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
    return Snapshot(len(features), measures, rank_me(centred), scatter, contrast, task)


def _entropy_rank(values: Tensor) -> float:
    share = values / values.sum().clamp_min(1e-12) + 1e-7
    return math.exp(-(share * share.log()).sum().item())


def _variances(features: Tensor) -> Tensor:
    """Return the eigenvalues of the covariance, in descending order."""
    centred = features.double() - features.double().mean(0)
    return torch.linalg.svdvals(centred).square()[: max(1, len(centred) - 1)]
