"""The head that uses everything there is, chosen inside the labels.

Logistic regression, the nearest class mean, class names as further examples, labels that spread
over the unlabeled records, and several blocks of features, alone, side by side or averaged: which
of these is best depends on the data. So each is cross-validated inside the drawn labels, and the
one with the lowest log loss is taken. Held-out labels stay among the records, unlabeled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from headstart.data.vectors import unit_length
from headstart.evaluation.heads.calibration import calibrated
from headstart.evaluation.heads.chosen import Chosen, Selection, Trial
from headstart.evaluation.heads.folds import cross_fitted
from headstart.evaluation.heads.labels import Everything, Labels, Spec
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.propagation import CLASSES, COVERAGE, FAR, MOST, is_few
from headstart.evaluation.heads.sides import MEANS, REGRESSION, SCALES, SPREAD, Names, View

#: Weights of the weaker block beside the stronger one.
WEIGHTS = (0.3, 0.5, 1.0)
#: Up to so many classes blocks are tried alone, at several weights and averaged; beyond, in the
#: proportions that they come in, as each try takes minutes.
BLOCKWISE = 100
#: Folds for the certainty of what was chosen. With the three or five that choose, a head of fewer
#: labels is less sure than the one that is kept, and too little is refused.
FOLDS = 10
#: Names of the candidates, and what each averages: kind of side, and whether it has the names.
NEAREST = "nearest class mean"
FORMS = {
    "logistic regression": ((REGRESSION, False),),
    NEAREST: ((MEANS, False),),
    "class names": ((REGRESSION, True),),
    "label propagation": ((REGRESSION, False), (SPREAD, False)),
    "class names + propagation": ((REGRESSION, True), (SPREAD, True)),
}


class Auto:
    """Chooses among what a few labels can be turned into, by cross-validation inside them.

    The candidates are those of :data:`FORMS`, on each block of the features, on all side by side
    with a few weights of the weaker one, and as the mean of the blocks' log-probabilities; with
    more than 100 classes on the features as they are. The lowest mean log loss of held-out labels
    decides, among the labels whose class another fold has; of equals the simpler one is taken.
    Where a class has a name and no label, only what has the names is tried, if they tell the other
    classes. Labels are spread only where they are few, reach enough of the records, and have at
    most 500 classes.

    Where each class has a single label nothing can be held out: class names are taken if they
    alone tell the labels' classes better than chance by two standard errors, and the labels are
    spread if they reach enough of the records.

    Args:
        features: (N,D) dense features of all training records, labeled or not; a random 20,000 of
            more are the graph, where a labeled one that is left out stands at the nearest.
        names: class names as examples, if there are any.
        blocks: name and width of each block of the features; one block by default.
        first: so many of the first rows are always in the graph.
        spreads: whether labels may be spread.
        regression: of the same features, if it is fitted to the same labels anyway.
        ten_folds: whether the labels are held out once more, a tenth at a time, for how sure the
            chosen head is: its temperature, and which records are unlike the labeled ones.

    Example::

        head = Auto(train, blocks=(("encoder", 384), ("LSA", 300)))
        chosen = head.fit(train[drawn], classes[drawn], rng)
        chosen.predict(test), chosen.selection
    """

    most_classes: ClassVar[int | None] = None

    def __init__(
        self,
        features: np.ndarray,
        *,
        names: Names | None = None,
        blocks: Sequence[tuple[str, int]] = (),
        first: int = 0,
        spreads: bool = True,
        regression: LogisticRegression | None = None,
        ten_folds: bool = False,
    ) -> None:
        self._known = Everything(np.asarray(features), names, first, regression)
        self._spreads, self._ten_folds = spreads, ten_folds
        ends = np.cumsum([width for _, width in blocks]).tolist()
        self._blocks = [View()]
        if len(blocks) > 1:
            self._blocks = [
                View(((end - width, end, 1.0),), name)
                for (name, width), end in zip(blocks, ends, strict=True)
            ]

    def fit(
        self,
        train: np.ndarray,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Chosen:
        """Choose and fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least.

        With names the labels may be of one class, or none at all.
        """
        labels = Labels(self._known, np.asarray(train), classes, rng, groups)
        return self._by_rule(labels) if labels.folds is None else self._by_folds(labels)

    def _by_folds(self, labels: Labels) -> Chosen:
        """Return the candidate with the lowest log loss of held-out labels."""
        left_out: list[str] = []
        candidates = list(self._candidates(labels, left_out))
        tried = [labels.tried(specs) for _, specs in candidates]
        losses, right = (np.array([getattr(each, name) for each in tried]) for name in _SUMS)
        best, total = cross_fitted(right, losses)
        name, specs = candidates[best]
        held = labels.held(specs)
        known = labels.in_folds(FOLDS).held(specs) if self._ten_folds else held
        scored, count = max(1, int((held.codes >= 0).sum())), len(held.codes)
        trials = [
            Trial(each, float(loss / scored), float(hits / count))
            for (each, _), loss, hits in zip(candidates, losses.sum(1), right.sum(1), strict=True)
        ]
        selection = Selection(
            name,
            f"lowest log loss of {scored:,} held-out labels",
            tuple(sorted(trials, key=lambda trial: trial.loss)),
            tuple(left_out),
        )
        return Chosen(
            labels.classes,
            labels.sides(specs),
            selection,
            total / count,
            known,
            calibrated(known.logs, known.codes),
        )

    def _by_rule(self, labels: Labels) -> Chosen:
        """Return what is safest where nothing can be held out."""
        left_out: list[str] = []
        view = View()  # of several blocks, all in the proportions that they come in
        named, reason, right = names_tell(labels, view)
        spread = self._may_spread(labels, view, named, left_out)
        name = {
            (False, False): "logistic regression",
            (False, True): "label propagation",
            (True, False): "class names",
            (True, True): "class names + propagation",
        }[named, spread]
        reach = "; the labels reach enough of the records" if spread else ""
        selection = Selection(name, reason + reach, (), tuple(left_out), right)
        specs = [Spec(kind, view, has) for kind, has in FORMS[name]]
        if spread and not len(labels.codes):
            specs = [Spec(SPREAD, view, named, share=FAR)]
        return Chosen(labels.classes, labels.sides(specs), selection)

    def _candidates(self, labels: Labels, left_out: list[str]) -> Iterator[tuple[str, list[Spec]]]:
        """Yield the name and the sides of each candidate, the simplest first."""
        blocks = self._blocks if len(labels.classes) <= BLOCKWISE else [View()]
        views = list(blocks)
        if len(blocks) > 1:

            def loss(view: View) -> float:
                return sum(labels.tried([Spec(REGRESSION, view, False)]).losses)

            strongest = sorted(blocks, key=loss)
            views.append(min((beside(strongest, weight) for weight in WEIGHTS), key=loss))
        spread = {view: self._may_spread(labels, view, False, left_out) for view in views}
        # A class that has a name alone is never predicted without it.
        all_named = len(labels.classes) > len(np.unique(labels.codes))
        all_named = all_named and names_tell(labels, views[-1])[0]
        for form, sides in FORMS.items():
            named = any(has for _, has in sides)
            if named > labels.named or named < all_named:
                continue
            able = [
                view for view in views if spread[view] or all(kind != SPREAD for kind, _ in sides)
            ]
            for view in able:
                specs = [Spec(kind, view, named) for kind, named in sides]
                if form == NEAREST:
                    scaled = [[Spec(MEANS, view, False, scale)] for scale in SCALES]
                    specs = min(scaled, key=lambda each: sum(labels.tried(each).losses))
                yield (f"{form} of {view.name}" if view.name else form), specs
            if 1 < len(blocks) < len(views) and form != NEAREST and set(blocks) <= set(able):
                averaged = [Spec(kind, view, named) for view in blocks for kind, named in sides]
                yield f"{form}, mean of {' and '.join(each.name for each in blocks)}", averaged

    def _may_spread(self, labels: Labels, view: View, named: bool, left_out: list[str]) -> bool:
        """Return whether labels may be spread on a view; if not, ``left_out`` says why."""
        if not self._spreads:
            return False
        why = ""
        if len(labels.classes) > CLASSES:
            why = f"labels of more than {CLASSES} classes are not spread"
        elif not is_few(len(labels.codes), self._known.records):
            why = f"only labels of at most a quarter of the records, and {MOST:,}, are spread"
        elif (reached := labels.coverage(view, named)) < COVERAGE:
            why = (
                "the labels reach too few of the unlabeled records to be spread (their median gets "
                f"{reached:.0%} of the mean), as if those were of another kind"
            )
        if why and why not in left_out:
            left_out.append(why)
        return not why


#: The sums over a fold that decide.
_SUMS = ("losses", "right")


def beside(strongest: Sequence[View], weight: float) -> View:
    """Return blocks side by side: the first with weight 1, the others with ``weight``."""
    parts = [
        (start, stop, weight if number else 1.0)
        for number, view in enumerate(strongest)
        for start, stop, _ in view.parts
    ]
    lighter = "" if weight == 1 else f"{weight:g} x "
    first, *others = (view.name for view in strongest)
    name = " + ".join([first, *(lighter + name for name in others)])
    return View(tuple(parts), name, standardised=weight == WEIGHTS[0])


def names_tell(labels: Labels, view: View) -> tuple[bool, str, tuple[bool, ...]]:
    """Return whether class names alone tell the labels' classes, why, and which of them."""
    alone = "no label can be held out, as each class has one"
    if labels.names is None:
        return False, alone, ()
    if len(np.unique(labels.codes)) < 2:
        of = "labels of one class" if len(labels.codes) else "no labels"
        return True, f"there are class names, and {of}", ()
    rows = unit_length(view(labels.names.rows))
    near = (unit_length(view(labels.train)) @ rows.T).argmax(1)
    told = labels.named_codes[near] == labels.codes
    right = float(told.mean())
    chance = 1 / len(labels.classes)
    bound = chance + 2 * float(np.sqrt(chance * (1 - chance) / len(labels.codes)))
    more = "more" if right > bound else "not clearly more"
    why = f"{alone}, and the nearest class name is right for {right:.0%} of them"
    return right > bound, f"{why}, {more} than chance", tuple(told.tolist())
