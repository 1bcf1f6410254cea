"""Alarms: plain sentences that report trouble while training, each once, with what to do.

Thresholds are ratios to the untrained encoder and account for noise, and a collapse must be found
twice in a row. ``benchmarks/alarms.py`` shows that each alarm rings when its cause is induced, and
that none rings on healthy runs of any objective.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from headstart.batch import Batch
from headstart.objectives import CHANCE
from headstart.training.health import FEWEST, Snapshot
from headstart.training.trends import change, late_share, mean, median, still_rises

#: Minimum number of logged losses for a statement.
_FEWEST_LOSSES = 20
#: Collapse is tested from this share of the run or this step on: untrained projections are nearly
#: equal and separate in the first steps.
_FROM, _FROM_STEP = 0.15, 500
#: Consecutive snapshots that must show a collapse.
_CONSECUTIVE = 2
#: Relative to the untrained encoder: below these the features are nearly equal, or span few
#: directions. Healthy runs stay above 0.12 and 0.75, their projections above 0.5 of the rank.
_ALIKE, _NARROW = 0.05, 0.25
#: Variance of projections on the sphere (0..1) below which nothing is left to compare.
_POINT = 0.01
#: A loss this many times the initial one has diverged; in healthy runs GAN and MoCo rise by half.
_DIVERGED = 2.5
#: Step size, relative to the initial weights, of a random walk that only too high a rate causes:
#: after t steps weights are 1 + 0.3 sqrt(t) times as large. Healthy runs stay below half of that.
_STRIDE = 0.3
#: Relative entropy of a contrastive task's choices below which the first steps teach nothing.
_SURE = 0.01
#: Consecutive identical micro-batches.
_REPEATS = 10
#: Optimizer steps below which next to nothing is learned.
_FEW_STEPS = 50
#: Share of the total gain in the last quarter from which more time is advised.
_IMPROVING = 0.05
#: Relative rise over the best validation loss, and number of validations, that mean overfitting.
_ABOVE, _ABOVE_COUNT = 0.02, 3

_LOWER = "lower the learning rate (by ten), raise the batch size, or take another objective"


@dataclass(frozen=True)
class Alarm:
    """A kind of trouble, and a sentence about it that ends with what to do."""

    kind: str
    message: str


@dataclass
class Alarms:
    """Rings at most once for each trouble; its fields are plain values, for the checkpoint.

    Attributes:
        first: rank, scatter and contrast of the untrained features, then rank and variance of the
            projections, if any.
        found: for each kind of collapse, the number of consecutive snapshots that show it.
        sizes: norms of the weights at the start.
        rung: the kinds already reported.
        batch: a checksum of the last micro-batch.
        repeats: number of identical micro-batches before it.
    """

    first: list[float] | None = None
    found: dict[str, int] = field(default_factory=dict)
    sizes: list[float] | None = None
    rung: list[str] = field(default_factory=list)
    batch: int = 0
    repeats: int = 0

    # -- the plan ----------------------------------------------------------------------------

    def few_steps(
        self, steps: int, epochs: float, minutes: float | None, *, capped: bool = False
    ) -> list[Alarm]:
        """Return an alarm if a budget gave so few steps that next to nothing can be learned.

        Args:
            epochs: how often the steps see each record.
            minutes: the budget, if it is in minutes.
            capped: whether the largest number of epochs made them few, and not the minutes.
        """
        timed = minutes is not None and not capped
        if steps >= _FEW_STEPS and not (timed and epochs < 1):
            return []
        if steps >= _FEW_STEPS:
            return self._ring(
                "few steps",
                f"The {steps:,} steps of the budget see {epochs:.0%} of the records, and none "
                "twice; a longer --budget sees more of them.",
            )
        if minutes is not None and not capped:
            cause = (
                f"one takes about {60 * minutes / steps:.2g} s here; give a longer --budget, or "
                "take a smaller encoder, --length or --batch-size"
            )
        else:
            often = "once" if 0.95 <= epochs < 1.05 else f"{epochs:.2g} times"
            other = "a --budget in steps" if capped else "a --budget of more epochs"
            cause = (
                f"they see each record {often} already; give more records, a smaller "
                f"--batch-size, or {other}"
            )
        return self._ring(
            "few steps",
            f"The budget gives {steps} step{'s' * (steps != 1)}, and fewer than {_FEW_STEPS} are "
            f"seldom enough: {cause}.",
        )

    # -- the features ------------------------------------------------------------------------

    def collapse(self, snapshot: Snapshot, progress: float, step: int) -> list[Alarm]:
        """Return alarms on collapsed features, found in this snapshot and the one before.

        A complete collapse maps all records to one point; a dimensional one leaves few directions
        (Jing et al. 2022). Two-view objectives collapse in their projections first, often only
        there: without stop-gradient BYOL's features keep most of their rank.
        """
        if self.first is None:
            self.first = [
                snapshot.rank,
                snapshot.scatter,
                snapshot.contrast,
                *(snapshot.task or ()),
            ]
        if snapshot.rows < FEWEST or (progress < _FROM and step < _FROM_STEP):
            return []
        rank, scatter, contrast, *task = self.first
        # Scatter too, since a growing common direction lowers contrast; unless the scale explodes.
        alike = snapshot.contrast < _ALIKE * contrast
        alike &= (
            snapshot.scatter < 2 * _ALIKE * scatter or snapshot.contrast < 0.1 * _ALIKE * contrast
        )
        narrow = snapshot.rank < _NARROW * rank
        point = line = False
        if snapshot.task and task:
            point = snapshot.task[1] < min(_POINT, 0.5 * task[1])
            line = snapshot.task[0] < _NARROW * task[0]
        rings: list[Alarm] = []
        if self._again("collapse", alike or point):
            what = (
                f"all records look alike to the encoder (their contrast is "
                f"{snapshot.contrast:.2g}, it was {contrast:.2g} untrained)"
                if alike
                else "the pretext task finds all records alike (its projections vary by "
                f"{snapshot.task[1] if snapshot.task else 0:.2g} of 1)"
            )
            rings += self._ring("collapse", f"The features are collapsing: {what}; {_LOWER}.")
        if self._again("dimensional collapse", narrow or line) and "collapse" not in self.rung:
            now, before, what = (
                (snapshot.rank, rank, "features")
                if narrow or not snapshot.task
                else (snapshot.task[0], task[0], "projections")
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
        return self.found[kind] >= _CONSECUTIVE

    # -- the weights -------------------------------------------------------------------------

    def growth(self, sizes: Sequence[float], step: int) -> list[Alarm]:
        """Return an alarm if the weights grew faster than at any reasonable learning rate.

        Networks with normalisation survive far too high a rate: the first steps inflate their
        weights, and later steps are relatively small (van Laarhoven 2017). They may go on
        learning, but from noise instead of their initialisation.

        Args:
            sizes: norms of the weight matrices, always in the same order.
        """
        if self.sizes is None:
            self.sizes = list(sizes)
        grown = [now / then for now, then in zip(sizes, self.sizes, strict=True) if then > 0]
        if not grown or step == 0:
            return []
        typical = median(grown)
        if not self._again("growth", not typical <= 1 + _STRIDE * math.sqrt(step)):
            return []
        return self._ring(
            "growth",
            f"The weights are {typical:.1f} times as large as at the start after {step} steps: "
            "what they began with is gone; lower the learning rate (by ten or more).",
        )

    # -- the loss ----------------------------------------------------------------------------

    def divergence(self, losses: Sequence[float], validation: Sequence[float]) -> list[Alarm]:
        """Return an alarm if the loss is far above the initial one, before it becomes NaN.

        Medians of five logged losses are compared, so that a single bad batch is no alarm.

        Args:
            losses: of training, oldest first.
            validation: the same of validation; the first is the untrained network's.
        """
        if len(losses) < 2 * 5:
            return []
        start, now = median(losses[:5]), median(losses[-5:])
        # While a queue of negatives is empty the loss is near 0.
        limit = _DIVERGED * max([abs(start), *(abs(value) for value in validation[:1])])
        late = len(validation) > 1 and validation[-1] > 2 * limit
        if now <= limit and not late:
            return []
        which, current = ("training", now) if now > limit else ("validation", validation[-1])
        return self._ring(
            "divergence",
            f"The {which} loss diverges: it is {current:.3g}, and was {start:.3g} at the start; "
            "lower the learning rate (by ten), or warm up for longer.",
        )

    def not_finite(self, reason: str) -> list[Alarm]:
        """Return the alarm of a run that was stopped by a value that is not finite."""
        return self._ring("divergence", f"The training diverged: {reason}")

    def plateau(
        self, rows: Sequence[dict[str, Any]], progress: float, warmup: float
    ) -> list[Alarm]:
        """Return an alarm if no logged value changed in the last fifth of the steps.

        The loss must have fallen by significantly less than 1% since the fifth before, and no other
        scalar of the objective and no measure of the features may have changed by as much, since
        the loss alone says little in adversarial training or with moving targets. It is tested
        after the warm-up and before the last tenth of the run, while it can still be acted on.
        """
        logged = [row for row in rows if row.get("loss") is not None]
        window = len(logged) // 5
        if window < _FEWEST_LOSSES or not 2 * warmup + 0.1 < progress < 0.9:
            return []
        before, lately = logged[-2 * window : -window], logged[-window:]
        first, middle = before[0]["step"], lately[0]["step"]
        level, gain, noise = change(before, lately, "loss")
        if gain + 2 * noise > 0.01 * abs(level):
            return []
        for name in set(lately[-1]) - {"step", "clock", "loss", "grad_norm", "learning_rate"}:
            if name.endswith(CHANCE):
                continue
            about, moved, unsure = change(before, lately, name)
            if abs(moved) - 2 * unsure > 0.01 * abs(about):
                return []
        validations = [row for row in rows if row["step"] >= first and "effective_rank" in row]
        earlier = [row for row in validations if row["step"] < middle]
        for name in ("effective_rank", "validation_loss"):
            old = [row[name] for row in earlier if row.get(name) is not None]
            new = [row[name] for row in validations[len(earlier) :] if row.get(name) is not None]
            if old and new and abs(mean(new) - mean(old)) > 0.01 * abs(mean(old)):
                return []
        return self._ring(
            "plateau",
            f"The training loss has not moved for {lately[-1]['step'] - first} steps (it stays "
            f"near {mean([row['loss'] for row in lately]):.4g}): it has learned what it can, or "
            "it is stuck and another learning rate or a larger encoder would help.",
        )

    def temperature(self, rows: Sequence[dict[str, Any]], progress: float) -> list[Alarm]:
        """Return an alarm if a contrastive loss has an unsuitable temperature.

        Objectives with a temperature log the entropy of their choices relative to the uniform's. If
        the temperature is too high it stays at 1; if too low it is near 0 from the first steps, so
        that the largest errors have all the gradient.
        """
        logged = [row for row in rows if row.get("loss") is not None]
        for name in [key for key in (logged[-1] if logged else {}) if _is_entropy(key)]:
            early, late = logged[: max(5, len(logged) // 10)], logged[-10:]
            loss = name.removesuffix("entropy") + "loss"
            if len(logged) < _FEWEST_LOSSES // 2:
                continue
            sure, error = (mean([row[key] for row in early]) for key in (name, loss))
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
        """Return an alarm if the last ten micro-batches were identical."""
        checksum = 0
        for name in sorted(name for name, tensor in batch.items() if tensor.ndim):
            row = batch[name][0].detach().cpu().contiguous()
            checksum = zlib.crc32(row.numpy().tobytes(), checksum)
        self.repeats = self.repeats + 1 if checksum == self.batch else 0
        self.batch = checksum
        if self.repeats < _REPEATS:
            return []
        return self._ring(
            "frozen data",
            f"The last {_REPEATS} batches were one and the same: the data are frozen, and it is "
            "overfitting one batch; look at the sources (are all records alike?) and at what "
            "reads them.",
        )

    def overfitting(self, rows: Sequence[dict[str, Any]]) -> list[Alarm]:
        """Return an alarm if the training loss falls and the validation loss (alone) rises."""
        validations = [
            (row["step"], row["validation_loss"])
            for row in rows
            if row.get("validation_loss") is not None
        ]
        if len(validations) < 2 + _ABOVE_COUNT:
            return []
        best_step, best = min(validations[1:], key=lambda pair: pair[1])
        since = [loss for step, loss in validations if step > best_step]
        if len(since) < _ABOVE_COUNT or min(since[-_ABOVE_COUNT:]) <= best + _ABOVE * abs(best):
            return []
        little = mean(since[-2:]) - best <= 0.05 * (validations[0][1] - best)
        if little or still_rises(rows, "validation_accuracy", best_step):
            return []
        width = max(5, sum(best_step < row["step"] for row in rows) // 4)
        logged = [row for row in rows if row.get("loss") is not None]
        then = [row for row in logged if row["step"] <= best_step][-width:]
        if len(then) < 3:
            return []
        level, fall, noise = change(then, logged[-width:], "loss")
        # With moving targets (SimSiam, BYOL) the validation loss may rise, but not above training.
        if fall - 2.5 * noise < 0.05 * abs(level) or level - fall > best - 0.05 * abs(best):
            return []
        return self._ring(
            "overfitting",
            f"It is overfitting the records: the validation loss was best at step "
            f"{best_step} ({best:.4g}) and is {since[-1]:.4g} now, while the training loss still "
            "falls; stop here (--patience with --keep best), give more data, or take a smaller "
            "encoder.",
        )

    # -- the end -----------------------------------------------------------------------------

    def still_improving(
        self, rows: Sequence[dict[str, Any]], *, capped: bool = False
    ) -> list[Alarm]:
        """Return the advice to train longer, if the last quarter of the run was worthwhile.

        That is: at least 5% of the total fall in the validation loss (or, without one, the training
        loss) was significantly in that quarter; or the effective rank rose by as much throughout.

        Args:
            capped: whether the run ended at its largest number of epochs, before its budget.
        """
        if capped:  # measured: further epochs over the same records do not help
            return []
        name = "validation_loss" if any("validation_loss" in row for row in rows) else "loss"
        losses = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
        ranks = [(r["step"], -r["effective_rank"]) for r in rows if r.get("effective_rank")]
        parts = []
        if (share := late_share(losses, steadily=name != "loss")) > _IMPROVING:
            parts.append(f"{share:.0%} of what the {name.replace('_', ' ')} fell, it fell")
        if (share := late_share(ranks, steadily=True)) > _IMPROVING:
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


def _is_entropy(name: str) -> bool:
    return name == "entropy" or name.endswith("/entropy")
