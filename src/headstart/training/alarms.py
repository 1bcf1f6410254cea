"""Alarms in words while a run can still be helped, each once, with what to do.

Thresholds are ratios to the untrained encoder, noise is considered, and what is seen once must be
seen again at the next look: ``benchmarks/alarms.py`` shows that each rings when its trouble is
caused and stays silent on sound runs of every objective.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from headstart.batch import Batch
from headstart.training.health import FEWEST, Look

#: Fewer rows or logged losses than these say nothing.
_FEWEST_LOSSES = 20
#: Collapse is judged from this share of the run on, or this step: untrained projections are nearly
#: alike at first, and come apart in the first steps.
_FROM, _FROM_STEP = 0.15, 500
#: Looks in a row that must find a collapse.
_LOOKS = 2
#: Of the untrained figures: below these the features have become alike, or fill few directions.
#: Sound runs stay above 0.12 and 0.75, the projections of theirs above 0.5 (of the rank).
_ALIKE, _NARROW = 0.05, 0.25
#: Variance of projections on the sphere (0..1) below which nothing is left to compare.
_POINT = 0.01
#: A loss so many times the one at the start has diverged; GAN and MoCo rise by half in health.
_DIVERGED = 2.5
#: Weights that walk at random with steps of so much of their first size have no sound rate: after
#: t steps they are 1 + 0.3 sqrt(t) times as large. Sound runs stay below half of it.
_STRIDE = 0.3
#: Entropy of a contrastive task's choices, of 1: below it the first steps taught next to nothing.
_SURE = 0.01
#: Micro-batches in a row that are the same.
_REPEATS = 10
#: Of all that was gained, the share in the last quarter from which more time is advised.
_STILL = 0.05
#: Validations over the best one, by this share of it, that mean overfitting.
_ABOVE, _ABOVE_COUNT = 0.02, 3

_LOWER = "lower the learning rate (by ten), raise the batch size, or take another objective"


@dataclass(frozen=True)
class Alarm:
    """A trouble, and a sentence on it that ends with what to do."""

    kind: str
    message: str


@dataclass
class Alarms:
    """Rings at most once for each trouble; its fields are plain values, for the checkpoint.

    Attributes:
        first: rank, scatter and contrast of the untrained features, then rank and variance of its
            projections, if any.
        found: for each kind of collapse, the looks in a row that found it.
        sizes: norms of the weights at the start.
        rung: the kinds already told.
        batch: a fingerprint of the last micro-batch.
        repeats: how many were the same before it.
    """

    first: list[float] | None = None
    found: dict[str, int] = field(default_factory=dict)
    sizes: list[float] | None = None
    rung: list[str] = field(default_factory=list)
    batch: int = 0
    repeats: int = 0

    # -- the features ------------------------------------------------------------------------

    def collapse(self, look: Look, progress: float, step: int) -> list[Alarm]:
        """Return what is wrong with the features, found by this look and the one before.

        A complete collapse makes all records alike; a dimensional one leaves few directions (Jing
        et al. 2022). Two-view objectives collapse in their projections first, often there alone:
        without its stop-gradient BYOL's features keep most of their rank.
        """
        if self.first is None:
            self.first = [look.rank, look.scatter, look.contrast, *(look.task or ())]
        if look.rows < FEWEST or (progress < _FROM and step < _FROM_STEP):
            return []
        rank, scatter, contrast, *task = self.first
        # Scatter too, or a growing common direction would do; but not where the scale explodes.
        alike = look.contrast < _ALIKE * contrast
        alike &= look.scatter < 2 * _ALIKE * scatter or look.contrast < 0.1 * _ALIKE * contrast
        narrow = look.rank < _NARROW * rank
        point = line = False
        if look.task and task:
            point = look.task[1] < min(_POINT, 0.5 * task[1])
            line = look.task[0] < _NARROW * task[0]
        rings: list[Alarm] = []
        if self._again("collapse", alike or point):
            what = (
                f"all records look alike to the encoder (their contrast is {look.contrast:.2g}, "
                f"it was {contrast:.2g} untrained)"
                if alike
                else "the pretext task finds all records alike (its projections vary by "
                f"{look.task[1] if look.task else 0:.2g} of 1)"
            )
            rings += self._ring("collapse", f"The features are collapsing: {what}; {_LOWER}.")
        if self._again("dimensional collapse", narrow or line) and "collapse" not in self.rung:
            now, before, what = (
                (look.rank, rank, "features")
                if narrow or not look.task
                else (look.task[0], task[0], "projections")
            )
            rings += self._ring(
                "dimensional collapse",
                f"The {what} are collapsing into few directions: without their mean {now:.1f} are "
                f"in use ({before:.1f} untrained); unless the records are of so few kinds, "
                f"{_LOWER}.",
            )
        return rings

    def _again(self, kind: str, found: bool) -> bool:
        self.found[kind] = self.found.get(kind, 0) + 1 if found else 0
        return self.found[kind] >= _LOOKS

    # -- the weights -------------------------------------------------------------------------

    def growth(self, sizes: Sequence[float], step: int) -> list[Alarm]:
        """Return a warning if the weights grew faster than any sound rate makes them.

        Networks with normalisation survive a rate that is far too high: the first steps blow their
        weights up, and then the same steps are small beside them (van Laarhoven 2017). They may go
        on learning, but from noise instead of from their initialisation.

        Args:
            sizes: norms of the weight matrices, in the same order at every look.
        """
        if self.sizes is None:
            self.sizes = list(sizes)
        grown = [now / then for now, then in zip(sizes, self.sizes, strict=True) if then > 0]
        if not grown or step == 0:
            return []
        typical = _median(grown)
        if not self._again("growth", not typical <= 1 + _STRIDE * math.sqrt(step)):
            return []
        return self._ring(
            "growth",
            f"The weights are {typical:.1f} times as large as at the start after {step} steps: "
            "what they began with is gone; lower the learning rate (by ten or more).",
        )

    # -- the loss ----------------------------------------------------------------------------

    def divergence(self, losses: Sequence[float], validation: Sequence[float]) -> list[Alarm]:
        """Return a warning if the loss is far above the one at the start, before it is NaN.

        The medians of five logged losses are compared, so that a single bad batch is no alarm.

        Args:
            losses: of training, oldest first.
            validation: the same of validation; the first is the untrained network's.
        """
        if len(losses) < 2 * 5:
            return []
        start, now = _median(losses[:5]), _median(losses[-5:])
        # A queue of negatives is empty at first, and the loss with it.
        limit = _DIVERGED * max([abs(start), *(abs(value) for value in validation[:1])])
        late = len(validation) > 1 and validation[-1] > 2 * limit
        if now <= limit and not late:
            return []
        which, shown = ("training", now) if now > limit else ("validation", validation[-1])
        return self._ring(
            "divergence",
            f"The {which} loss diverges: it is {shown:.3g}, and was {start:.3g} at the start; "
            "lower the learning rate (by ten), or warm up for longer.",
        )

    def not_finite(self, reason: str) -> list[Alarm]:
        """Return the alarm of a run that had to stop."""
        return self._ring("divergence", f"The training diverged: {reason}")

    def plateau(
        self, rows: Sequence[dict[str, Any]], progress: float, warmup: float
    ) -> list[Alarm]:
        """Return a warning if nothing that is logged moved in the last fifth of the steps.

        Told only when it is sure, noise considered, that the loss fell by less than 1% from the
        fifth before, while no other scalar of the objective and no measure of the features moved
        by as much (the loss of two players or of a moving target says little), and only after
        the warm-up and before the last tenth of the run, while something can still be done.
        """
        logged = [row for row in rows if row.get("loss") is not None]
        window = len(logged) // 5
        if window < _FEWEST_LOSSES or not 2 * warmup + 0.1 < progress < 0.9:
            return []
        before, lately = logged[-2 * window : -window], logged[-window:]
        first, middle = before[0]["step"], lately[0]["step"]
        mean, gain, noise = _change(before, lately, "loss")
        if gain + 2 * noise > 0.01 * abs(mean):
            return []
        for name in set(lately[-1]) - {"step", "clock", "loss", "grad_norm", "learning_rate"}:
            about, moved, unsure = _change(before, lately, name)
            if abs(moved) - 2 * unsure > 0.01 * abs(about):
                return []
        looks = [row for row in rows if row["step"] >= first and "effective_rank" in row]
        earlier = [row for row in looks if row["step"] < middle]
        for name in ("effective_rank", "validation_loss"):
            old = [row[name] for row in earlier if row.get(name) is not None]
            new = [row[name] for row in looks[len(earlier) :] if row.get(name) is not None]
            if old and new and abs(_mean(new) - _mean(old)) > 0.01 * abs(_mean(old)):
                return []
        return self._ring(
            "plateau",
            f"The training loss has not moved for {lately[-1]['step'] - first} steps (it stays "
            f"near {_mean([row['loss'] for row in lately]):.4g}): it has learned what it can, or "
            "it is stuck and another learning rate or a larger encoder would help.",
        )

    def temperature(self, rows: Sequence[dict[str, Any]], progress: float) -> list[Alarm]:
        """Return a warning if a contrastive loss is deaf at its temperature.

        Objectives with a temperature log the entropy of their choices as a share of even odds. Too
        hot, it stays at 1 whatever is learned; too cold, it is near 0 from the first steps: where
        the choices are wrong the largest error alone has all the gradient, where they are right
        there is next to none.
        """
        logged = [row for row in rows if row.get("loss") is not None]
        for name in [key for key in (logged[-1] if logged else {}) if _is_entropy(key)]:
            early, late = logged[: max(5, len(logged) // 10)], logged[-10:]
            loss = name.removesuffix("entropy") + "loss"
            if len(logged) < _FEWEST_LOSSES // 2:
                continue
            sure, error = (_mean([row[key] for row in early]) for key in (name, loss))
            if sure < 0.1 < 1 < error:
                return self._ring(
                    "temperature",
                    "The temperature is far too low: the task is sure of its choices, and wrong, "
                    "before it has learned anything; raise it (0.05 to 0.5 are usual).",
                )
            if sure < _SURE:
                return self._ring(
                    "temperature",
                    f"The task is sure of its choices from the first steps (its loss is "
                    f"{error:.2g}), so that next to nothing is learned from them: raise the "
                    "temperature (0.05 to 0.5 are usual); if it is not lower, the task is solved "
                    "already, and stronger views or larger batches make it harder.",
                )
            if progress > 0.3 and min(row[name] for row in late) > 1 - 1e-4:
                return self._ring(
                    "temperature",
                    "The task tells nothing apart: all its choices are equally likely; lower the "
                    "temperature (0.05 to 0.5 are usual) if it is higher, else the features are "
                    "alike and a lower learning rate or other views would help.",
                )
        return []

    # -- the data ----------------------------------------------------------------------------

    def saw(self, batch: Batch) -> list[Alarm]:
        """Return a warning if the last ten micro-batches were one and the same."""
        mark = 0
        for name in sorted(name for name, tensor in batch.items() if tensor.ndim):
            row = batch[name][0].detach().cpu().contiguous()
            mark = zlib.crc32(row.numpy().tobytes(), mark)
        self.repeats = self.repeats + 1 if mark == self.batch else 0
        self.batch = mark
        if self.repeats < _REPEATS:
            return []
        return self._ring(
            "frozen data",
            f"The last {_REPEATS} batches were one and the same: the data are frozen, and it is "
            "overfitting one batch; look at the sources (are all records alike?) and at what "
            "reads them.",
        )

    def overfitting(self, rows: Sequence[dict[str, Any]]) -> list[Alarm]:
        """Return a warning if the training loss falls while the validation loss rises."""
        looks = [
            (row["step"], row["validation_loss"])
            for row in rows
            if row.get("validation_loss") is not None
        ]
        if len(looks) < 2 + _ABOVE_COUNT:
            return []
        best_step, best = min(looks[1:], key=lambda pair: pair[1])
        since = [loss for step, loss in looks if step > best_step]
        rise = _mean(since[-2:]) - best if since else 0.0
        if len(since) < _ABOVE_COUNT or min(since[-_ABOVE_COUNT:]) <= best + _ABOVE * abs(best):
            return []
        if rise <= 0.05 * (looks[0][1] - best):
            return []
        width = max(5, sum(best_step < row["step"] for row in rows) // 4)
        logged = [row for row in rows if row.get("loss") is not None]
        then = [row for row in logged if row["step"] <= best_step][-width:]
        if len(then) < 3:
            return []
        mean, fall, noise = _change(then, logged[-width:], "loss")
        # Where targets move (SimSiam, BYOL) validation may rise too, but not above the training.
        if fall - 2.5 * noise < 0.05 * abs(mean) or mean - fall > best - 0.05 * abs(best):
            return []
        return self._ring(
            "overfitting",
            f"It is overfitting the records: the validation loss was best at step "
            f"{best_step} ({best:.4g}) and is {since[-1]:.4g} now, while the training loss still "
            "falls; stop here (--patience with --keep best), give more data, or take a smaller "
            "encoder.",
        )

    # -- the end -----------------------------------------------------------------------------

    def still_improving(self, rows: Sequence[dict[str, Any]]) -> list[Alarm]:
        """Return the advice to give it more time, if the last quarter of the run still paid.

        That is: the validation loss (or, without one, the training loss) fell in that quarter by
        5% of all it fell, surely; or the effective rank rose by as much at every look.
        """
        name = "validation_loss" if any("validation_loss" in row for row in rows) else "loss"
        losses = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
        ranks = [(r["step"], -r["effective_rank"]) for r in rows if r.get("effective_rank")]
        parts = []
        if (share := _late_share(losses, steadily=name != "loss")) > _STILL:
            parts.append(f"{share:.0%} of what the {name.replace('_', ' ')} fell, it fell")
        if (share := _late_share(ranks, steadily=True)) > _STILL:
            parts.append(f"{share:.0%} of what the effective rank rose, it rose")
        if not parts or {"collapse", "divergence", "overfitting"} & set(self.rung):
            return []
        return self._ring(
            "still improving",
            f"It was still improving at the end ({' and '.join(parts)} in the last quarter of the "
            "run): give it more time with a longer --budget.",
        )

    def _ring(self, kind: str, message: str) -> list[Alarm]:
        if kind in self.rung:
            return []
        self.rung.append(kind)
        return [Alarm(kind, message)]


def _change(
    before: Sequence[dict[str, Any]], lately: Sequence[dict[str, Any]], name: str
) -> tuple[float, float, float]:
    """Return the mean before, how much it fell since, and the standard error of that."""
    old, new = (
        [float(row[name]) for row in part if row.get(name) is not None] for part in (before, lately)
    )
    if len(old) < 2 or len(new) < 2:
        return 0.0, 0.0, math.inf
    one, two = torch.tensor(old).double(), torch.tensor(new).double()
    noise = (one.var() / len(one) + two.var() / len(two)).sqrt().item()
    return one.mean().item(), (one.mean() - two.mean()).item(), noise


def _late_share(points: Sequence[tuple[int, float]], *, steadily: bool) -> float:
    """Return the share of all that a curve fell which it fell in its last quarter of steps.

    0 where that is not sure: where it did not fall at each of the last looks (``steadily``), or
    where the means of noisy points do not differ by three standard errors.
    """
    if len(points) < 5 or points[-1][0] <= points[0][0]:
        return 0.0
    edge = points[-1][0] - (points[-1][0] - points[0][0]) / 4
    late = [value for step, value in points if step >= edge]
    if steadily:
        if len(late) < 3 or any(b >= a for a, b in pairwise(late)):
            return 0.0
        whole, gain = points[0][1] - late[-1], late[0] - late[-1]
    else:
        part = len(late) // 3
        if part < 5:
            return 0.0
        ends = [[{"v": v} for v in values] for values in (late[:part], late[-part:])]
        _, gain, noise = _change(ends[0], ends[1], "v")
        if gain < 3 * noise:
            return 0.0
        whole = _median([value for _, value in points[:part]]) - _mean(late[-part:])
    return gain / whole if whole > 0 else 0.0


def _is_entropy(name: str) -> bool:
    return name == "entropy" or name.endswith("/entropy")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
