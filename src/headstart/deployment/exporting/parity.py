"""Whether an export gives what the original does, measured on the user's own records.

A difference of numbers alone says little: users compare vectors with each other, and decide by
scores. So the ten nearest of each record are compared, too, and the decisions of the head.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.vectors import unit_length
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.deployment.exporting import Outputs
    from headstart.downstream.portable import PortableHead

#: Nearest records that are compared.
NEAREST = 10
#: Bounds of a float32 export: differences are rounding.
COSINE, OVERLAP, RELATIVE = 0.9999, 0.99, 1e-2
#: Fewest records whose nearest say anything.
FEWEST = 50
#: Fewest labeled records by which a classifier is judged.
LABELED = 100
#: Cosines that two orders of nearest records may differ by and still be ties.
_TIE = 1e-5
_BLOCK = 512


@dataclass(frozen=True)
class Parity:
    """The export beside the original.

    Attributes:
        records: how many were compared.
        largest_difference: of a number of the vectors, and relative to their mean length.
        cosine: mean and least, between both vectors of a record.
        overlap: share of the nearest of each record that are the same; None with too few records.
        decisions: share of records of which the head predicts the same; None without a head.
        largest_score_difference: of a probability; None without a head.
        accuracy: of the original and of the export where records have labels: of the head, or of a
            classifier on the original's vectors of other records; with the 95% interval of the
            original.
    """

    records: int
    largest_difference: float
    relative_difference: float
    cosine_mean: float
    cosine_least: float
    overlap: float | None
    decisions: float | None = None
    largest_score_difference: float | None = None
    accuracy: tuple[float, float] | None = None
    interval: tuple[float, float] | None = None

    def summary(self) -> dict[str, Any]:
        """Return plain values, without what was not measured."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def lines(self) -> list[str]:
        """Return what was measured in words."""
        found = [
            f"largest difference of a number {self.largest_difference:.2g}",
            f"cosine {self.cosine_mean:.6f} on average, {self.cosine_least:.6f} at least",
        ]
        if self.overlap is not None:
            found.append(f"{self.overlap:.1%} of the ten nearest of each record are the same")
        if self.decisions is not None:
            found.append(f"the head predicts the same for {self.decisions:.1%} of them")
        if self.accuracy is not None and self.interval is not None:
            ours, theirs = self.accuracy
            low, high = self.interval
            found.append(
                f"accuracy {theirs:.1%}, of the original {ours:.1%} [{low:.1%}, {high:.1%}]"
            )
        return found

    def check(self, *, rounded: bool, least_overlap: float) -> None:
        """Refuse an export that gives something else than the original.

        Args:
            rounded: whether it is in 8 bits, so that numbers may differ.

        Raises:
            HeadstartError: a bound is not kept; the message has both numbers.
        """
        wanted = least_overlap if rounded else OVERLAP
        if not rounded and (self.cosine_least < COSINE or self.relative_difference > RELATIVE):
            raise _refused(
                f"its vectors differ from the original's (cosine {self.cosine_least:.5f}, least "
                f"allowed {COSINE})",
                "take another --format",
            )
        if rounded and self.overlap is None:
            raise _refused(
                f"in 8 bits the nearest records are compared, and {self.records} are too few",
                f"name {FEWEST} records or more after the run",
            )
        if self.overlap is not None and self.overlap < wanted:
            raise _refused(
                f"only {self.overlap:.1%} of the ten nearest records stay the same, of "
                f"{wanted:.0%} wanted",
                "leave out --quantize, or lower --least-overlap"
                if rounded
                else "take another --format",
            )
        if self.accuracy is not None and self.interval is not None:
            theirs, low = self.accuracy[1], self.interval[0]
            if theirs < low:
                raise _refused(
                    f"its accuracy is {theirs:.1%}, below the interval of the original's, "
                    f"{low:.1%} to {self.interval[1]:.1%}",
                    "leave out --quantize",
                )


def compared(
    ours: Outputs,
    theirs: Outputs,
    head: PortableHead | None,
    labels: list[str] | None,
    seed: int = 0,
) -> Parity:
    """Return the differences of two outputs for the same records.

    Args:
        labels: of the records, where they have one each.
    """
    one, other = ours.vectors.astype(np.float64), theirs.vectors.astype(np.float64)
    if not np.isfinite(other).all():
        raise _refused("it gives values that are not finite", "take another --format")
    difference = float(np.abs(one - other).max())
    length = float(np.linalg.norm(one, axis=1).mean()) or 1.0
    units = unit_length(one), unit_length(other)
    is_blank = ~one.any(1) & ~other.any(1)
    cosines = np.where(is_blank, 1.0, (units[0] * units[1]).sum(1))
    decisions = score_difference = None
    if head is not None and ours.scores is not None and theirs.scores is not None:
        decided = head.decided(ours.scores), head.decided(theirs.scores)
        decisions = same_decisions(*decided)
        score_difference = float(np.abs(ours.scores - theirs.scores).max())
    accuracy, interval = _accuracy(ours, theirs, head, labels, seed)
    return Parity(
        len(one),
        difference,
        difference / length,
        float(cosines.mean()),
        float(cosines.min()),
        overlap(*units) if len(one) >= FEWEST else None,
        decisions,
        score_difference,
        accuracy,
        interval,
    )


def same_decisions(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of records of which two heads predict the same, (N,) or (N,K) each."""
    if np.issubdtype(one.dtype, np.floating):
        same = np.isclose(one, other, rtol=0.02, atol=1e-3)
    else:
        same = one == other
    return float(same.reshape(len(same), -1).all(1).mean())


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of the nearest in ``one`` that are among the nearest in ``other``.

    Both are vectors (N,D) of length 1. What is as near as the tenth, up to rounding, counts as one
    of the nearest.
    """
    found = []
    for start in range(0, len(one), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(one)))
        first, second = one[rows] @ one.T, other[rows] @ other.T
        for cosines in (first, second):
            cosines[np.arange(len(rows)), rows] = -np.inf
        chosen = np.argpartition(-second, NEAREST, axis=1)[:, :NEAREST]
        bound = np.partition(first, -NEAREST, axis=1)[:, -NEAREST]
        kept = np.take_along_axis(first, chosen, 1) >= bound[:, None] - _TIE
        found.append(kept.mean(1))
    return float(np.concatenate(found).mean())


def _accuracy(
    ours: Outputs,
    theirs: Outputs,
    head: PortableHead | None,
    labels: list[str] | None,
    seed: int,
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return the accuracy of both, and the interval of the first."""
    if labels is None or len(labels) < LABELED:
        return None, None
    known = None if head is None else head.about.get("labels")
    truth = np.array(labels)
    if known is not None and head is not None and ours.scores is not None:
        assert theirs.scores is not None
        names = np.array(known)
        decided = head.decided(ours.scores), head.decided(theirs.scores)
        if decided[0].ndim != 1:
            return None, None
        right = [names[each] == truth for each in decided]
    elif head is None and 1 < len(set(labels)) <= len(labels) // 2:
        right = _probed(ours.vectors, theirs.vectors, truth, seed)
    else:
        return None, None
    one, other = (float(each.mean()) for each in right)
    return (one, other), _wilson(one, len(right[0]))


def _probed(one: np.ndarray, other: np.ndarray, truth: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return which records a classifier gets right that saw the original's other half."""
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = np.random.default_rng(seed).permutation(len(truth))
    fitted, held = order[::2], order[1::2]
    if len(set(truth[fitted])) < 2:
        return [np.ones(1), np.ones(1)]
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe.fit(one[fitted], truth[fitted])
    return [probe.predict(each[held]) == truth[held] for each in (one, other)]


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927)."""
    z = 1.96
    middle = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    below = 1 + z * z / count
    return float((middle - half) / below), float((middle + half) / below)


def _refused(what: str, remedy: str) -> HeadstartError:
    return HeadstartError(f"the export is refused: {what}; {remedy}.")
