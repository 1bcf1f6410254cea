"""The most confused classes, with examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from headstart.evaluation.metrics import confusion
from headstart.evaluation.protocols import PROTOCOLS
from headstart.evaluation.report.figures import ours
from headstart.evaluation.samples import Samples
from headstart.pages.cards import card
from headstart.pages.heat import heat_table
from headstart.pages.markup import Markup, cut, tag

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Results
    from headstart.run import RunFolder

#: Maximum number of classes for the whole confusion matrix.
MOST_CLASSES = 20
PAIRS = 5
EXAMPLES = 3
#: Limit of all images together.
MAX_BYTES = 300_000
_SIDE = 72
_LETTERS = 40


def pairs(results: Results) -> list[tuple[int, int, float]]:
    """Return (class, predicted class, share of the class), the most confused first."""
    counts = _counts(results)
    if counts is None:
        return []
    sizes, cells = np.asarray(counts.sum(1)).ravel(), counts.tocoo()
    wrong = np.where(cells.row == cells.col, 0, cells.data)
    order = np.argsort(-wrong, kind="stable")[:PAIRS]
    found = zip(cells.row[order], cells.col[order], wrong[order], strict=True)
    return [(int(i), int(j), float(times / sizes[i])) for i, j, times in found if times]


def section(results: Results, samples: Samples | None) -> Markup:
    """Return the confusion matrix if there are few classes, and the worst pairs with examples."""
    counts, found = _counts(results), pairs(results)
    if counts is None or not found:
        return Markup("")
    names = results.classes
    first, second, share = found[0]
    title = (
        f"Most confused: {share:.0%} of “{cut(names[first], _LETTERS)}” are taken for "
        f"“{cut(names[second], _LETTERS)}”"
    )
    parts = []
    if len(names) <= MOST_CLASSES:
        shares = counts.toarray() / np.maximum(np.asarray(counts.sum(1)), 1)
        parts.append(heat_table(f"{title} (rows in %)", names, shares))
    else:
        parts.append(tag("p", tag("strong", title)))
    parts += _examples(results, samples, found)
    most = max(results.counts)
    words = f"By the pre-trained encoder with {most:,} labels, the test records of all draws."
    return tag(
        "section",
        tag("h2", "The most confused classes", id="confusions"),
        *parts,
        tag("p", words, class_="small"),
    )


def link(run: RunFolder | None) -> Markup:
    """Return a link to the page that fine-tuning wrote of each class, if there is one."""
    if run is None or not run.classes_file.is_file():
        return Markup("")
    name = "Each class of the fine-tuned run, with the records that it mistakes"
    return tag("p", tag("a", name, href=run.classes_file.resolve().as_uri()))


def _counts(results: Results) -> sparse.csr_matrix | None:
    """Return the confusions (K,K) of all draws."""
    outcome = ours(results)
    if outcome is None or outcome.predictions is None or not PROTOCOLS[results.task].classes:
        return None
    rows = np.asarray(outcome.predictions)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or results.truth.ndim != 1:
        return None
    return confusion(np.tile(results.truth, len(rows)), rows.ravel(), len(results.classes))


def _examples(
    results: Results, samples: Samples | None, found: list[tuple[int, int, float]]
) -> list[Markup]:
    outcome = ours(results)
    assert outcome is not None
    assert outcome.predictions is not None
    guesses = np.asarray(outcome.predictions)
    parts = []
    for is_, taken, share in found:
        name, other = (cut(results.classes[index], _LETTERS) for index in (is_, taken))
        head = tag("p", tag("strong", f"{name} → {other}"), f": {share:.1%} of the class")
        if samples is None or len(samples) != len(results.truth):
            parts.append(head)
            continue
        times = (guesses == taken).sum(0) * (results.truth == is_)
        where = np.argsort(-times, kind="stable")[: min(EXAMPLES, np.count_nonzero(times))]
        previews = samples.previews(where, max_bytes=MAX_BYTES // PAIRS, side=_SIDE)
        cards = [card(preview, f"taken for {other}", "bad") for preview in previews]
        parts.append(_pair(head, cards))
    return parts


def _pair(head: Markup, cards: list[Markup]) -> Markup:
    return tag("div", head, tag("ul", *cards, class_="row"), class_="pair")
