"""The labels of one fit: what is fitted to them, and to them without each fold."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import NamedTuple

import numpy as np

from headstart.evaluation.heads.chosen import HeldOut
from headstart.evaluation.heads.folds import deal, divide
from headstart.evaluation.heads.linear import Choice
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.propagation import ALPHA, POOL, Graph, believed_of
from headstart.evaluation.heads.sides import (
    MEANS,
    REGRESSION,
    SPREAD,
    LinearSide,
    Names,
    Side,
    SpreadSide,
    View,
    fused,
    nearest_mean,
)

#: Parts of the labels that are no folds: those that do not decide, and the class names.
REST, NAMES = -1, -2


class Spec(NamedTuple):
    """A side to fit.

    Attributes:
        kind: of side; named: whether it has the class names.
        scale: of class means.
        share: of a record's belief that comes from its neighbours.
    """

    kind: str
    view: View
    named: bool
    scale: float = 1.0
    share: float = ALPHA


class Tried(NamedTuple):
    """Sums over the held-out labels of each fold: log losses, and how many are right."""

    losses: list[float]
    right: list[int]


class Everything:
    """What is known without labels: the features of all records, and the class names.

    What depends on a view alone is computed once, for all fits.

    Args:
        features: (N,D) of all training records.
        names: class names, if there are any.
        first: so many of the first rows are always in the graph.
        regression: of the features as they are, which others may fit as well.
    """

    def __init__(
        self,
        features: np.ndarray,
        names: Names | None,
        first: int,
        regression: LogisticRegression | None = None,
    ) -> None:
        self.records, self.names = len(features), names
        self._features = features
        rows = np.arange(len(features))
        if len(rows) > POOL:
            drawn = np.random.Generator(np.random.PCG64(0)).permutation(rows[first:])
            rows = np.concatenate([rows[:first], drawn])[:POOL]
        self._pool = rows
        self._regressions: dict[View, LogisticRegression] = {}
        if regression is not None:
            self._regressions[View()] = regression
        self._graphs: dict[View, Graph] = {}

    def regression(self, view: View) -> LogisticRegression:
        """Return logistic regression on a view."""
        if view not in self._regressions:
            found = LogisticRegression(view(self._features), standardised=view.standardised)
            self._regressions[view] = found
        return self._regressions[view]

    def graph(self, view: View) -> Graph:
        """Return the graph of a view: first the class names, then the records."""
        if view not in self._graphs:
            rows = view(self._features[self._pool])
            if self.names is not None:
                rows = np.concatenate([view(self.names.rows), rows])
            self._graphs[view] = Graph(rows)
        return self._graphs[view]


class Labels:
    """The labels of one fit: what is fitted to them, and to them without each fold.

    Args:
        known: what is known without them.
        train: (n,D) of ``classes`` (n,); groups: (n,) records that no fold divides.
        rng: deals the folds.

    Attributes:
        classes: (K,) of the labels and of the names.
        codes, named_codes: (n,) and (J,) the columns of labels and of names.
        folds: (m,) the fold of each label that decides; None where none can be held out.
    """

    def __init__(
        self,
        known: Everything,
        train: np.ndarray,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None,
    ) -> None:
        self.train, self.names = train, known.names
        named = classes[:0] if known.names is None else known.names.classes
        self.classes = np.union1d(classes, named)
        self.codes = np.searchsorted(self.classes, classes)
        self.named_codes = np.searchsorted(self.classes, named)
        self._known, self._groups = known, groups
        self._rng, self._state = rng, rng.bit_generator.state
        self.folds: np.ndarray | None = None
        self._decide = np.arange(len(classes))
        if len(np.unique(classes)) > 1:
            division = divide(self.codes, rng, groups)
            self.folds = division.parts
            self._decide = division.of(self._decide)
        self._in_more_folds = False
        self._choices: dict[View, Choice] = {}
        self._at: dict[View, np.ndarray] = {}
        self._masses: dict[tuple[View, float, int], np.ndarray] = {}
        self._probabilities: dict[Spec, np.ndarray] = {}

    @property
    def named(self) -> bool:
        """Whether there are class names."""
        return self.names is not None

    # -- fitted to all ---------------------------------------------------------------------------

    def sides(self, specs: Sequence[Spec]) -> tuple[Side, ...]:
        """Return the sides, fitted to all labels."""
        return tuple(self._side(spec) for spec in specs)

    def coverage(self, view: View, named: bool) -> float:
        """Return how evenly the labels, and the names, reach the records."""
        names = np.arange(len(self.named_codes) if named else 0)
        return self._known.graph(view).coverage(np.concatenate([names, self._sources(view)]))

    def _side(self, spec: Spec, without: int | None = None) -> Side:
        """Return a side that is fitted to all labels, or to those outside of one fold."""
        view, parts = spec.view, [each for part, each in self._parts.items() if part != without]
        chosen = np.sort(np.concatenate(parts))
        codes = self.codes[chosen]
        if spec.kind == MEANS:
            return LinearSide(view, nearest_mean(view(self.train[chosen]), codes, spec.scale))
        if spec.named:
            codes = np.concatenate([self.named_codes, codes])
        if spec.kind == SPREAD:
            pieces = [*([NAMES] if spec.named else []), *self._parts]
            mass = np.sum([self._mass(spec, each) for each in pieces if each != without], axis=0)
            return SpreadSide(view, self._known.graph(view), believed_of(mass, codes))
        regression = self._known.regression(view)
        if without is None and not spec.named and len(np.unique(codes)) > 1:
            return LinearSide(view, regression.fit(*self._arguments(view)))
        rows = view(self.train[chosen])
        if spec.named and self.names is not None:
            rows = np.concatenate([view(self.names.rows), rows])
        return LinearSide(view, regression.fit_like(self._choice(view), rows, codes))

    @cached_property
    def _parts(self) -> dict[int, np.ndarray]:
        """The labels of each fold, and those that do not decide."""
        if self.folds is None:
            return {REST: self._decide}
        rest = np.setdiff1d(np.arange(len(self.codes)), self._decide)
        folds = {int(part): self._decide[self.folds == part] for part in np.unique(self.folds)}
        return {**folds, REST: rest}

    def _mass(self, spec: Spec, part: int) -> np.ndarray:
        """Return what reaches the records (P,K) of the labels of one part, or of the names.

        It is linear in the labels, so that no sum over parts needs the graph again.
        """
        view, share = spec.view, spec.share
        if (view, share, part) not in self._masses:
            if part == NAMES:
                sources, codes = np.arange(len(self.named_codes)), self.named_codes
            else:
                chosen = self._parts[part]
                sources, codes = self._sources(view)[chosen], self.codes[chosen]
            graph = self._known.graph(view)
            mass = graph.mass(sources, codes, len(self.classes), share)
            self._masses[view, share, part] = mass
        return self._masses[view, share, part]

    def _choice(self, view: View) -> Choice:
        """Return the scaling and the penalty that all logistic regressions of a view have."""
        if view not in self._choices:
            self._choices[view] = self._known.regression(view).choose(*self._arguments(view))
        return self._choices[view]

    def _arguments(
        self, view: View
    ) -> tuple[np.ndarray, np.ndarray, np.random.Generator, np.ndarray | None]:
        """Return what a logistic regression of a view is fitted to."""
        rows, codes, groups = self.train, self.codes, self._groups
        if len(np.unique(codes)) < 2:
            assert self.names is not None
            rows = np.concatenate([self.names.rows, rows])
            codes, groups = np.concatenate([self.named_codes, codes]), None
        self._rng.bit_generator.state = self._state  # the same folds for all
        return view(rows), codes, self._rng, groups

    def _sources(self, view: View) -> np.ndarray:
        """Return the records (n,) of the graph where the labels stand."""
        if view not in self._at:
            self._at[view] = self._known.graph(view).sources(view(self.train))
        return self._at[view]

    # -- held out --------------------------------------------------------------------------------

    def in_folds(self, count: int) -> Labels:
        """Return the same labels in up to ``count`` folds, with the settings that were chosen.

        What is fitted without a small fold is as sure as what is fitted to all.
        """
        self._rng.bit_generator.state = self._state
        found = copy(self)
        groups = None if self._groups is None else self._groups[self._decide]
        found.folds = deal(self.codes[self._decide], count, self._rng, groups)
        found._in_more_folds, found._masses, found._probabilities = True, {}, {}
        for derived in ("_parts", "_seen", "_scored"):
            found.__dict__.pop(derived, None)
        return found

    def held(self, specs: Sequence[Spec]) -> HeldOut:
        """Return the labels that decide, each while it is held out."""
        assert self.folds is not None
        logs = fused([self._out_of_fold(spec) for spec in specs])
        codes = np.where(self._scored, self.codes[self._decide], -1)
        return HeldOut(self._decide, logs, codes, self.folds)

    def tried(self, specs: Sequence[Spec]) -> Tried:
        """Return how the mean of some sides does on each fold.

        Labels of a class that no other fold has are wrong, and have no loss.
        """
        _, logs, codes, parts = self.held(specs)
        right = logs.argmax(1) == codes
        losses = np.where(codes >= 0, -logs[np.arange(len(codes)), codes], 0)
        each = np.unique(parts)
        return Tried(
            [float(losses[parts == part].sum()) for part in each],
            [int(right[parts == part].sum()) for part in each],
        )

    @cached_property
    def _seen(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Which labels (m,) each fold holds out, and which classes (K,) the other labels have."""
        count, found = len(self.classes), {}
        total = np.bincount(self.codes, minlength=count)
        for part in self._parts.keys() - {REST}:
            own = np.bincount(self.codes[self._parts[part]], minlength=count)
            found[part] = np.asarray(self.folds == part), total > own
        return found

    @cached_property
    def _scored(self) -> np.ndarray:
        """Which of the labels that decide (m,) are of a class that another fold has."""
        codes = self.codes[self._decide]
        found = np.zeros(len(codes), dtype=bool)
        for held, seen in self._seen.values():
            found[held] = seen[codes[held]]
        return found

    def _out_of_fold(self, spec: Spec) -> np.ndarray:
        """Return the probabilities (m,K) of the classes that the other folds have."""
        if spec not in self._probabilities:
            found = np.zeros((len(self._decide), len(self.classes)), dtype=np.float32)
            if spec.kind == REGRESSION and not spec.named and not self._in_more_folds:
                # Its setting was chosen in the same folds, and what they held out was kept.
                held_out = self._choice(spec.view).held
                assert held_out is not None
                found[:, np.unique(self.codes)[: held_out.shape[1]]] = held_out
                self._probabilities[spec] = found
                return found
            for part, (held, seen) in self._seen.items():
                side = self._side(spec, without=part)
                rows = side.probabilities(self.train[self._decide[held]], len(seen)) * seen
                found[held] = rows / np.maximum(rows.sum(1, keepdims=True), 1e-12)
            self._probabilities[spec] = found
        return self._probabilities[spec]
