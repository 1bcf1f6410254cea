"""Pairs of records: their columns, and their form for feature extraction.

M pairs are flattened into 2M records, all firsts and then all seconds, so that every candidate
extracts their features as of other records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data import tables
from headstart.data.audit import Audit
from headstart.data.columns import LABEL, check, listed, option
from headstart.data.field import mostly
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.data.field import Field

#: The field of the second record of a pair, beside those of the first.
PAIR = "pair"
#: The field of a record that does not belong to the first.
NEGATIVE = "negative"

#: Well-known names of two columns of one kind, for similarity.
ALIKE = (
    *(("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("s1", "s2")),
    *(("text1", "text2"), ("text_1", "text_2"), ("text_a", "text_b")),
    *(("sentence_a", "sentence_b"), ("question1", "question2"), ("premise", "hypothesis")),
    *(("image1", "image2"), ("image_1", "image_2"), ("image_a", "image_b")),
)
#: Well-known names of a query and its result, for retrieval.
SEARCHES = (
    *(("query", "document"), ("query", "passage"), ("query", "positive"), ("query", "answer")),
    *(("query", "text"), ("anchor", "positive"), ("question", "answer"), ("question", "passage")),
    *(("question", "context"), ("question", "document")),
)
UNREADABLE = "the second record of its pair cannot be read"
SCORES = (
    *("score", "similarity", "similarity_score", "relatedness_score", "relatedness"),
    *("gold", "gold_score", "rating", "label", "labels", "target"),
)


class Columns(NamedTuple):
    """The columns of a pair; ``score`` is None where there is none."""

    first: str
    second: str
    score: str | None

    def named(self, content: Content, *, scored: bool) -> dict[str, str]:
        """Return the column of each field, that of the score only if ``scored``."""
        label = {LABEL.name: self.score} if scored and self.score else {}
        return {content.columns[0]: self.first, PAIR: self.second, **label}


def second_of(content: Content) -> Field:
    """Return the field of the second record of a pair."""
    return content.fields[0].again(PAIR, UNREADABLE)


def columns_of(
    source: str, named: Mapping[str, str], content: Content, names: tuple[tuple[str, str], ...]
) -> Columns:
    """Return the columns of ``source`` that hold pairs.

    Raises:
        HeadstartError: a named column is missing, or it is unclear which ones are meant.
    """
    found = find_columns(source, named, content, names)
    if found is None:
        raise HeadstartError(
            f"it is unclear which columns of {source} hold the two records of a pair; name them "
            f"with {option(content.columns[0])} and {option(PAIR)} "
            f"({listed(tables.columns(source, content))})."
        )
    return found


def find_columns(
    source: str, named: Mapping[str, str], content: Content, names: tuple[tuple[str, str], ...]
) -> Columns | None:
    """Return the columns of ``source`` that hold pairs, or None if there are none.

    Those that the user named are taken; else two of the well-known ``names``.

    Raises:
        HeadstartError: a named column is missing.
    """
    found = tables.columns(source, content)
    known = {name.strip().lower(): name for name in reversed(found)}
    for field in (content.columns[0], PAIR, LABEL.name):
        if field in named:
            check(source, found, field, named[field])
    first, second = named.get(content.columns[0]), named.get(PAIR)
    if not (first and second):
        pairs = [(known[a], known[b]) for a, b in names if a in known and b in known]
        fitting = [pair for pair in pairs if first in (None, pair[0]) and second in (None, pair[1])]
        if not fitting:
            return None
        first, second = fitting[0]
    score = named.get(LABEL.name) or next(
        (known[name] for name in SCORES if name in known and numeric(found[known[name]])), None
    )
    return Columns(first, second, score)


def numeric(values: list[Any]) -> bool:
    """Return whether half of the values or more are numbers, or strings of numbers."""
    return mostly(values, lambda value: number(value) is not None)


def number(value: Any) -> float | None:
    """Return a value as a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):  # a whole number may have any number of digits
        return None
    return found if np.isfinite(found) else None


def flattened(
    pairs: Dataset,
    source: str,
    content: Content,
    readable: Callable[[Dataset, Audit], Dataset],
    audit: Audit,
) -> Dataset:
    """Return M pairs as 2M records: ``id``, the content, ``label`` if any, and ``side``.

    Args:
        pairs: with the field of :func:`second_of`, read from ``source``.
        readable: returns the records that can be decoded; the others are quarantined.

    Raises:
        HeadstartError: no pair is left.
    """
    from datasets import concatenate_datasets

    name = content.columns[0]
    firsts = readable(pairs.remove_columns(PAIR), audit)
    seconds = readable(pairs.remove_columns(name).rename_column(PAIR, name), Audit())
    firsts, seconds = matched(firsts, seconds, UNREADABLE, audit)
    if not len(firsts):
        raise HeadstartError(f"no pair could be read from {source}; check its columns.")
    renamed = [f"{one} (second)" for one in seconds["id"]]
    seconds = seconds.remove_columns("id").add_column("id", renamed)
    both = concatenate_datasets([firsts, seconds.select_columns(firsts.column_names)])
    return both.add_column("side", ["first"] * len(firsts) + ["second"] * len(firsts))


def is_pairs(records: Dataset) -> bool:
    """Return whether records are flattened pairs."""
    return "side" in records.column_names


def scores_of(records: Dataset) -> np.ndarray:
    """Return the scores (M,) of 2M flattened records."""
    return np.array([float(value) for value in records["label"][: len(records) // 2]])


def matched(first: Dataset, second: Dataset, reason: str, audit: Audit) -> tuple[Dataset, Dataset]:
    """Return the records of both with a common ``id``, in the order of the first.

    Args:
        reason: why a record that is only in ``first`` is quarantined.
    """
    indices = {name: index for index, name in enumerate(second["id"])}
    names = list(first["id"])
    kept = [index for index, name in enumerate(names) if name in indices]
    for name in names:
        if name not in indices:
            audit.drop(name, reason)
    return first.select(kept), second.select([indices[names[index]] for index in kept])
