"""Which column holds the content and which the label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headstart.errors import HeadstartError, did_you_mean

TEXT_NAMES = (
    *("text", "content", "sentence", "document", "review", "body", "article", "comment"),
    *("message", "tweet", "post", "passage", "utterance", "question", "query", "description"),
)
LABEL_NAMES = (
    *("label", "labels", "label_text", "class", "class_name", "category", "target"),
    *("sentiment", "intent", "topic"),
)
#: What a column of labels holds.
_PLAIN = (str, int, float)
#: A column dominates when its texts are this long on average, and this many times the next.
_LONG, _TIMES = 20, 3


def is_text(value: Any) -> bool:
    """Say whether a value may be a text."""
    return isinstance(value, str)


def longest(strings: Mapping[str, Sequence[str]]) -> str | None:
    """Return the only column of strings, or the one whose strings are by far the longest."""
    if len(strings) == 1:
        return next(iter(strings))
    lengths = {name: sum(map(len, texts)) / len(texts) for name, texts in strings.items()}
    ranked = sorted(lengths, key=lambda name: -lengths[name])
    if len(ranked) > 1 and lengths[ranked[0]] >= max(_LONG, _TIMES * lengths[ranked[1]]):
        return ranked[0]
    return None


def choose(
    where: str,
    columns: Mapping[str, Sequence[Any]],
    content: str,
    content_column: str | None,
    label_column: str | None,
    *,
    names: Sequence[str] = TEXT_NAMES,
    fits: Callable[[Any], bool] = is_text,
    obvious: Callable[[Mapping[str, Sequence[Any]]], str | None] = longest,
) -> tuple[str, str | None]:
    """Return the content column and the label column (None where there is none).

    A column that was named is taken; else the content is the column with a well-known name whose
    values fit, or the obvious one of those that fit (of texts: the only one of strings, or the
    one whose strings are by far the longest); the label is the column with a well-known name.

    Args:
        where: the file, for messages.
        columns: a sample of the values of each column, without missing ones.
        content: name of the kind of content, tried first.
        names, fits, obvious: see :class:`headstart.data.content.Content`.

    Raises:
        HeadstartError: a named column is missing, or it is unclear which column holds the content.
    """
    for option, name in ((f"--{content}-column", content_column), ("--label-column", label_column)):
        if name is not None and name not in columns:
            raise HeadstartError(
                f"{where} has no column {name!r}{_hint(name, columns)}; {_listed(columns)}; "
                f"check {option}."
            )
    label = label_column or _named(LABEL_NAMES, columns, _is_plain, content_column)
    if content_column:
        return content_column, label
    fitting = {
        name: [value for value in values if fits(value)]
        for name, values in columns.items()
        if name != label and _mostly(values, fits)
    }
    found = _named((content, *names), fitting, fits, None) or obvious(fitting)
    if found is None:
        raise HeadstartError(
            f"it is unclear which column of {where} holds the {content}; name it with "
            f"--{content}-column ({_listed(columns)})."
        )
    return found, label


def label_text(value: Any) -> str | None:
    """Return a label as a string: 1 and 1.0 as ``"1"``, blank or structured values as None."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value) if isinstance(value, int) else None


def _named(
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    fits: Callable[[Any], bool],
    taken: str | None,
) -> str | None:
    known = {column.strip().lower(): column for column in list(columns)[::-1] if column != taken}
    for name in names:
        column = known.get(name)
        if column is not None and _mostly(columns[column], fits):
            return column
    return None


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN)


def _mostly(values: Sequence[Any], fits: Callable[[Any], bool]) -> bool:
    """Say whether half of the values or more fit: a few odd records hide no column."""
    return bool(values) and 2 * sum(map(fits, values)) >= len(values)


def _hint(name: str, columns: Mapping[str, Sequence[Any]]) -> str:
    hint = did_you_mean(name, columns)
    return hint.rstrip(".?") if "did you mean" in hint else ""


def _listed(columns: Mapping[str, Sequence[Any]]) -> str:
    shown = ", ".join(map(repr, list(columns)[:20]))
    return f"its columns are {shown}{', ...' if len(columns) > 20 else ''}"
