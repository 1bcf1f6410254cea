"""The map of the tested records: do those of one class lie together?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from headstart.evaluation.projection import FEWEST, flat_map, nearest
from headstart.evaluation.report.figures import ours
from headstart.evaluation.samples import Samples
from headstart.pages.markup import Markup, cut, tag
from headstart.pages.scatter import MOST_GROUPS, Spot, scatter

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Results

#: Records on the map.
MOST = 2000
#: Bytes of their pictures.
ROOM = 1_400_000
_NEIGHBOURS = 10
_LETTERS = 40
#: Shares of the way from chance to perfect from which on neighbours are called of one label.
_APART, _TOGETHER = 0.1, 0.4


def section(results: Results, samples: Samples | None) -> Markup:
    """Draw the map, one mark a record, coloured by label where there are some."""
    if samples is None or len(samples) < FEWEST:
        return Markup("")
    indices = samples.sample(MOST)
    vectors = samples.vectors[indices]
    flat = flat_map(vectors, samples.seed)
    shown = samples.show(indices, room=ROOM)
    labels = [preview.label for preview in shown]
    groups = _groups(labels)
    numbers = {name: number for number, name in enumerate(groups)}
    guesses = predicted(results, len(samples))
    spots = []
    for index, (x, y), preview in zip(indices, flat, shown, strict=True):
        guess = guesses[index] if guesses else ""
        wrong = bool(guess) and guess != preview.label
        heading = cut(preview.label, _LETTERS)
        if guess:
            heading += f" · predicted {cut(guess, _LETTERS)}{' ✗' if wrong else ' ✓'}"
        spots.append(
            Spot(
                float(x),
                float(y),
                numbers.get(preview.label, -1),
                heading or "record",
                preview.text,
                preview.address,
                wrong,
            )
        )
    words = "Point at a mark, tap it, or use the arrow keys: its record is shown here."
    drawn = scatter(
        _finding(vectors, labels), spots, [cut(x, _LETTERS) for x in groups], hint=words
    )
    ring = " A ring marks a wrong prediction." if guesses else ""
    return tag(
        "section",
        tag("h2", "Map of the tested records", id="map"),
        drawn,
        tag(
            "p",
            f"{len(indices):,} of {len(samples):,} tested records, placed by t-SNE of the "
            "pre-trained vectors by cosine: near marks are alike, the distance between groups and "
            f"the axes mean nothing.{ring}",
            class_="small",
        ),
    )


def predicted(results: Results, records: int) -> list[str]:
    """Return the predicted label (N,) of each record in the last draw of the most labels, or []."""
    outcome = ours(results)
    if results.task != "classification" or outcome is None or outcome.predictions is None:
        return []
    row = np.asarray(outcome.predictions[-1])
    if row.ndim != 1 or len(row) != records or row.dtype.kind not in "iu":
        return []
    return [results.classes[index] for index in row]


def _groups(labels: list[str]) -> list[str]:
    """Return the labels that get a colour: all, or the commonest where they are too many."""
    counts = Counter(label for label in labels if label)
    if len(counts) <= MOST_GROUPS:
        return sorted(counts)
    if all(count < FEWEST for count in counts.values()):
        return []
    return sorted(name for name, _ in counts.most_common(MOST_GROUPS // 2))


def _finding(vectors: np.ndarray, labels: list[str]) -> str:
    counts = Counter(labels)
    if not any(labels) or len(counts) > len(labels) / 3:
        return "What lies near is alike to the encoder"
    near, _ = nearest(vectors, np.arange(len(vectors)), min(_NEIGHBOURS, len(vectors) - 1))
    names = np.array(labels)
    share = float((names[near] == names[:, None]).mean())
    chance = sum(n * (n - 1) for n in counts.values()) / (len(labels) * (len(labels) - 1))
    beyond = (share - chance) / (1 - chance)
    verdict = "Records of one label lie together" if beyond > _TOGETHER else "Labels are mixed"
    if _APART < beyond <= _TOGETHER:
        verdict = "Records of one label lie together in part"
    return (
        f"{verdict}: {share:.0%} of a record's {near.shape[1]} nearest share its label "
        f"(by chance {chance:.0%})"
    )
