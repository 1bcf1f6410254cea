"""Pairs of records: which columns hold them, and how they travel through the features.

M pairs are flattened into 2M records, all firsts and then all seconds, so that every candidate
turns them into features as it does any others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.config import EvaluateConfig, SourceOptions
from headstart.data import tables
from headstart.data.audit import Audit
from headstart.errors import HeadstartError, did_you_mean

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content

#: Well-known names of two columns of a kind, whose records may be compared.
ALIKE = (
    *(("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("s1", "s2")),
    *(("text1", "text2"), ("text_1", "text_2"), ("text_a", "text_b")),
    *(("sentence_a", "sentence_b"), ("question1", "question2"), ("premise", "hypothesis")),
    *(("image1", "image2"), ("image_1", "image_2"), ("image_a", "image_b")),
)
#: Well-known names of a query and of what answers it.
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


def find_columns(
    source: str, config: EvaluateConfig, content: Content, names: tuple[tuple[str, str], ...]
) -> Columns | None:
    """Return the columns of ``source`` that hold pairs, or None where there are none to be seen.

    Those that the user named are taken; else two of the well-known ``names``.

    Raises:
        HeadstartError: a column that was named is missing.
    """
    found = tables.columns(source, content)
    known = {name.strip().lower(): name for name in reversed(found)}
    first, second = getattr(config, f"{content.name}_column"), config.pair_column
    for option, name in (
        (f"--{content.name}-column", first),
        ("--pair-column", second),
        ("--label-column", config.label_column),
    ):
        if name is not None and name not in found:
            hint = did_you_mean(name, found).rstrip(".?") if found else "; it has no columns"
            raise HeadstartError(f"{source} has no column {name!r}{hint}; check {option}.")
    if not (first and second):
        named = [(known[a], known[b]) for a, b in names if a in known and b in known]
        fitting = [pair for pair in named if first in (None, pair[0]) and second in (None, pair[1])]
        if not fitting:
            return None
        first, second = fitting[0]
    score = config.label_column or next(
        (known[name] for name in SCORES if name in known and numeric(found[known[name]])), None
    )
    return Columns(first, second, score)


def numeric(values: list[Any]) -> bool:
    """Say whether half of the values or more are numbers, or texts of numbers."""
    return bool(values) and 2 * sum(number(value) is not None for value in values) >= len(values)


def number(value: Any) -> float | None:
    """Return a value as a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if np.isfinite(found) else None


def read_pairs(
    source: str,
    config: EvaluateConfig,
    modality: Any,
    processor: Any,
    audit: Audit,
    *,
    scored: bool,
) -> Dataset:
    """Return M pairs as 2M records: ``id``, the content, and ``label`` (the score as a text).

    A pair of which either record cannot be read, or without a score where one is needed, is set
    aside.

    Args:
        scored: whether a pair needs a score.

    Raises:
        HeadstartError: it is unclear which columns hold the pairs, or no pair is left.
    """
    from datasets import concatenate_datasets

    content = modality.content
    found = find_columns(source, config, content, ALIKE if scored else (*SEARCHES, *ALIKE))
    if found is None or (scored and found.score is None):
        missing = "the two records of a pair" if found is None else "the score of a pair"
        options = (
            f"--{content.name}-column and --pair-column" if found is None else "--label-column"
        )
        names = ", ".join(map(repr, tables.columns(source, content))) or "none"
        raise HeadstartError(
            f"it is unclear which columns of {source} hold {missing}; name them with {options} "
            f"(its columns are: {names})."
        )
    sides = []
    for column in (found.first, found.second):
        options_of = SourceOptions(
            **{f"{content.name}_column": column},
            label_column=found.score if scored else None,
            document=config.document,
        )
        seen = audit if column == found.first else Audit()
        records = modality.read([source], options_of, seen)
        sides.append(modality.readable(records, processor, seen))
    first, other = matched(sides[0], sides[1], UNREADABLE, audit)
    if scored:
        numbers = [number(label) is not None for label in first["label"]]
        for name, is_number in zip(first["id"], numbers, strict=True):
            if not is_number:
                audit.quarantine(name, "its score is not a number")
        right = np.flatnonzero(numbers)
        first, other = first.select(right), other.select(right)
    if not len(first):
        raise HeadstartError(f"no pair could be read from {source}; check its columns.")
    wanted = ["id", content.name, *(["label"] if scored else [])]
    renamed = [f"{name} (second)" for name in other["id"]]
    second = other.remove_columns("id").add_column("id", renamed)
    both = concatenate_datasets([side.select_columns(wanted) for side in (first, second)])
    return both.add_column("side", ["first"] * len(first) + ["second"] * len(first))


def is_pairs(records: Dataset) -> bool:
    """Say whether records are flattened pairs."""
    return "side" in records.column_names


def scores_of(records: Dataset) -> np.ndarray:
    """Return the scores (M,) of 2M flattened records."""
    return np.array([float(value) for value in records["label"][: len(records) // 2]])


def matched(first: Dataset, second: Dataset, reason: str, audit: Audit) -> tuple[Dataset, Dataset]:
    """Return the records of both whose ``id`` both have, in the order of the first.

    Args:
        reason: why a record that only the first have is set aside, for ``audit``.
    """
    indices = {name: index for index, name in enumerate(second["id"])}
    names = list(first["id"])
    kept = [index for index, name in enumerate(names) if name in indices]
    for name in names:
        if name not in indices:
            audit.quarantine(name, reason)
    return first.select(kept), second.select([indices[names[index]] for index in kept])


def with_columns(
    records: Dataset,
    columns: Mapping[str, str],
    read: Callable[[str, Audit], Dataset],
    audit: Audit,
) -> Dataset:
    """Return the records that have all of these columns, with each as a column of its new name.

    Args:
        records: with ``id`` and ``text``.
        columns: from the new name to the column in the sources.
        read: ``read(column, audit)`` returns records whose ``text`` is what that column holds.
        audit: told which records lack one.

    Raises:
        HeadstartError: no record has them all.
    """
    for name, column in columns.items():
        reason = f"its column {column!r} holds no text"
        records, found = matched(records, read(column, Audit()), reason, audit)
        if not len(records):
            raise HeadstartError(
                f"no record has a text in its column {column!r}; check the sources' columns."
            )
        records = records.add_column(name, list(found["text"]))
    return records
