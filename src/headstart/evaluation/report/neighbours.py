"""Nearest neighbours of a few records by the vectors of the encoder."""

from __future__ import annotations

from itertools import islice

import numpy as np

from headstart.evaluation.projection import nearest
from headstart.evaluation.samples import Samples
from headstart.modalities import Preview
from headstart.pages.cards import card
from headstart.pages.markup import Markup, tag

QUERIES = 6
COUNT = 5
#: Limit of all images together.
MAX_BYTES = 500_000
_SIDE = 72


def section(samples: Samples | None) -> Markup:
    """Return some records with their nearest neighbours by cosine."""
    if samples is None or len(samples) <= COUNT:
        return Markup("")
    queries, noun = _queries(samples), samples.modality.content.noun
    near, cosines = nearest(samples.vectors, queries, COUNT)
    indices = np.concatenate([queries[:, None], near], axis=1)
    previews = samples.previews(indices.ravel(), max_bytes=MAX_BYTES, side=_SIDE)
    rows = [previews[start : start + COUNT + 1] for start in range(0, len(previews), COUNT + 1)]
    parts = []
    for (query, *others), row in zip(rows, cosines, strict=True):
        cards = [
            card(
                other,
                f"cosine {cosine:.2f}",
                "" if not query.label else "good" if other.label == query.label else "bad",
            )
            for other, cosine in zip(others, row, strict=True)
        ]
        first = tag("ul", card(query), class_="query")
        parts.append(tag("div", first, tag("ol", *cards, class_="row"), class_="neighbours"))
    return tag(
        "section",
        tag("h2", f"Nearest neighbours of {len(rows)} sample records", id="neighbours"),
        tag("p", tag("strong", _finding(rows))),
        tag(
            "p",
            f"Left a tested record, beside it the {COUNT} tested {noun} whose vectors are nearest "
            "by cosine, the nearest first. ✓ has the same label, ✗ another.",
            class_="small",
        ),
        *parts,
    )


def _queries(samples: Samples) -> np.ndarray:
    """Return indices (Q,) of random records, alternating between labels."""
    rng = np.random.Generator(np.random.PCG64(samples.seed + 1))
    order = rng.permutation(len(samples))
    if not samples.labels:
        return order[:QUERIES]
    held: dict[str, list[int]] = {}
    for index in order:
        held.setdefault(samples.labels[index], []).append(int(index))
    turns = (row[turn] for turn in range(QUERIES) for row in held.values() if turn < len(row))
    return np.fromiter(islice(turns, QUERIES), np.int64)


def _finding(rows: list[list[Preview]]) -> str:
    pairs = [(row[0].label, other.label) for row in rows for other in row[1:] if row[0].label]
    if not pairs:
        return "Judge by eye: are they alike in what matters to you?"
    same = sum(a == b for a, b in pairs)
    return f"{same} of {len(pairs)} neighbours have the label of the record they are nearest to"
