"""The map of the tested records: are those of one class close together?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from headstart.evaluation.projection import FEWEST, flat_map, nearest
from headstart.evaluation.protocols import PROTOCOLS
from headstart.evaluation.report.figures import ours
from headstart.evaluation.samples import Samples
from headstart.pages.markup import Markup, cut, tag
from headstart.pages.scatter import MOST_GROUPS, Spot, scatter

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Results

#: Records on the map.
MOST = 2000
#: Limit of all images together.
MAX_BYTES = 1_400_000
_NEIGHBOURS = 10
_LETTERS = 40
#: Agreement of neighbours' labels, corrected for chance, above which clusters are weak or strong.
_WEAK, _STRONG = 0.1, 0.4


def section(results: Results, samples: Samples | None) -> Markup:
    """Return the map, with a mark per record, coloured by label if there are labels."""
    if samples is None or len(samples) < FEWEST:
        return Markup("")
    indices = samples.sample(MOST)
    vectors = samples.vectors[indices]
    flat = flat_map(vectors, samples.seed)
    previews = samples.previews(indices, max_bytes=MAX_BYTES)
    labels = [preview.label for preview in previews]
    groups = _groups(labels)
    numbers = {name: number for number, name in enumerate(groups)}
    guesses = predicted(results, len(samples))
    spots = []
    for index, (x, y), preview in zip(indices, flat, previews, strict=True):
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
    if outcome is None or outcome.predictions is None or not PROTOCOLS[results.task].classes:
        return []
    row = np.asarray(outcome.predictions[-1])
    if row.ndim != 1 or len(row) != records or row.dtype.kind not in "iu":
        return []
    return [results.classes[index] for index in row]


def _groups(labels: list[str]) -> list[str]:
    """Return the labels that get a colour: all, or the most common if there are too many."""
    counts = Counter(label for label in labels if label)
    if len(counts) <= MOST_GROUPS:
        return sorted(counts)
    if all(count < FEWEST for count in counts.values()):
        return []
    return sorted(name for name, _ in counts.most_common(MOST_GROUPS // 2))


def _finding(vectors: np.ndarray, labels: list[str]) -> str:
    counts = Counter(labels)
    if not any(labels) or not 1 < len(counts) <= len(labels) / 3:
        return "What lies near is alike to the encoder"
    near, _ = nearest(vectors, np.arange(len(vectors)), min(_NEIGHBOURS, len(vectors) - 1))
    names = np.array(labels)
    share = float((names[near] == names[:, None]).mean())
    expected = sum(n * (n - 1) for n in counts.values()) / (len(labels) * (len(labels) - 1))
    beyond = (share - expected) / (1 - expected)
    verdict = "Records of one label lie together" if beyond > _STRONG else "Labels are mixed"
    if _WEAK < beyond <= _STRONG:
        verdict = "Records of one label lie together in part"
    return (
        f"{verdict}: {share:.0%} of a record's {near.shape[1]} nearest share its label "
        f"(by chance {expected:.0%})"
    )
