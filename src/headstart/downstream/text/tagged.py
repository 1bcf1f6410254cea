"""Words and their tags, read from lists of tokens and tags, or from a text and its spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headstart.data import tables
from headstart.data.columns import LABEL
from headstart.data.field import as_json, raw, raw_values
from headstart.data.lines import fault
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.scripts import pattern, stands_close

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import SourceOptions
    from headstart.data.audit import Audit
    from headstart.data.unit import Unit
    from headstart.modalities import Modality

TOKEN_NAMES = ("tokens", "words", "chars", "characters")
TAG_NAMES = ("tags", "ner_tags", "pos_tags", "bio", "labels", "label")
SPAN_NAMES = ("spans", "entities", "labels", "label")

NO_TOKENS = "it has no list of words as texts"
NO_TEXT = "it has no text"
NO_TAGS = "it has no list of tags as texts"
UNEQUAL = "its tokens and its tags differ in number"
NO_SPANS = "it has no list of spans"
BAD_SPAN = "one of its spans has no start, end and label inside the text"
CROSSING = "two of its spans cover the same word"

OUTSIDE = "O"
#: A letter of a script without spaces, a word, or a sign.
_WORD = r"<letter>|(?:<run>|_)+|\S<mark>*"


def read_tagged(source: str, options: SourceOptions, modality: Modality, audit: Audit) -> Dataset:
    """Read records ``id``, ``text``, ``starts``, ``ends`` and ``tags``, one item per word.

    The columns hold lists of tokens and of tags (names in :data:`TOKEN_NAMES`, :data:`TAG_NAMES`),
    or a text and a list of spans: ``{"start", "end", "label"}`` or ``[start, end, label]``, in
    characters, the end exclusive. Spans become tags ``B-LABEL``, ``I-LABEL`` and ``O`` (Ramshaw and
    Marcus 1995, as IOB2) of words, or of letters in scripts without spaces. Invalid records are
    dropped and noted in ``audit``.

    Raises:
        HeadstartError: the columns are not found, or no record is left.
    """
    rows = []
    for name, value, marks in _read(source, options, modality, audit, tagged=True):
        row, fault = _words(value)
        if row is not None:
            row["tags"], fault = _tags(row, marks, isinstance(value, str))
        if row is None or fault:
            audit.drop(name, fault or NO_TOKENS)
            continue
        rows.append({"id": name, **row})
    return _dataset(rows, [source], audit)


def read_words(
    sources: list[str], options: SourceOptions, modality: Modality, audit: Audit
) -> Dataset:
    """Read records ``id``, ``text``, ``starts`` and ``ends`` of words, with or without tags.

    ``tags`` is None where a record has no valid ones.

    Raises:
        HeadstartError: nothing can be read.
    """
    rows: list[dict[str, Any]] = []
    for source in sources:
        for name, value, marks in _read(source, options, modality, audit, tagged=False):
            row, fault = _words(value)
            if row is None:
                audit.drop(name, fault or NO_TOKENS)
            else:
                rows.append({"id": name, **row, "tags": _known(row, marks, isinstance(value, str))})
    return _dataset(rows, sources, audit)


def _read(
    source: str, options: SourceOptions, modality: Modality, audit: Audit, *, tagged: bool
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the id of each record, its tokens or text, and its tags or spans if any.

    Args:
        tagged: whether a column of tags or spans is required.
    """
    text, label = TEXT.columns[0], LABEL.name
    found = tables.columns(source, TEXT)
    known = {name.strip().lower(): name for name in reversed(found)}
    tokens = next((known[name] for name in TOKEN_NAMES if name in known), None)
    tokens = options.columns.get(text, tokens)
    listed = tokens is not None and _lists(found.get(tokens, []))
    if listed and tokens:
        options = options.model_copy(update={"columns": {**options.columns, text: tokens}})
    marks = raw(label, TAG_NAMES if listed else SPAN_NAMES)
    fields = [
        replace(TEXT.fields[0], take=_take, missing=NO_TOKENS if listed else NO_TEXT),
        replace(marks, required=tagged, missing=NO_TAGS if listed else NO_SPANS),
    ]
    records = modality.read([source], options, audit, fields=fields)
    yield from zip(
        records["id"], raw_values(records, text), raw_values(records, label), strict=True
    )


def _take(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    """Keep a list of tokens, or a text, as JSON."""
    reason = fault(value) if isinstance(value, str) else None
    return (None, reason) if reason else as_json(value)


def _lists(values: list[Any]) -> bool:
    return 2 * sum(isinstance(value, list | tuple) for value in values) >= len(values) > 0


def joined(tokens: list[str]) -> tuple[str, list[int], list[int]]:
    """Return tokens as one text with the start and end of each.

    Words are joined by spaces, except next to a character of a script without spaces.
    """
    text, starts, ends = "", [], []
    for token in tokens:
        if text and token and not (stands_close(text[-1]) or stands_close(token[0])):
            text += " "
        starts.append(len(text))
        text += token
        ends.append(len(text))
    return text, starts, ends


def _words(value: Any) -> tuple[dict[str, Any] | None, str | None]:
    if isinstance(value, str):
        return ({"text": value, **_parted(value)}, None) if value.strip() else (None, NO_TEXT)
    tokens = list(value) if isinstance(value, list | tuple) else []
    if not tokens or not all(isinstance(token, str) for token in tokens):
        return None, NO_TOKENS
    text, starts, ends = joined(tokens)
    return {"text": text, "starts": starts, "ends": ends}, None


def _parted(text: str) -> dict[str, list[int]]:
    """Return starts and ends of words; signs and letters of scripts without spaces are words."""
    spans = [match.span() for match in pattern(_WORD).finditer(text)]
    return {"starts": [start for start, _ in spans], "ends": [end for _, end in spans]}


def _known(row: dict[str, Any], marks: Any, is_text: bool) -> list[str] | None:
    """Return the tags of a record to predict on, or None without valid ones."""
    tags, fault = _tags(row, marks, is_text)
    return None if fault else tags


def _tags(row: dict[str, Any], marks: Any, is_text: bool) -> tuple[list[str], str | None]:
    if not isinstance(marks, list | tuple):
        return [], NO_SPANS if is_text else NO_TAGS
    if is_text:
        return _from_spans(row, marks)
    if not all(isinstance(tag, str) and tag for tag in marks):
        return [], NO_TAGS
    return list(marks), None if len(marks) == len(row["starts"]) else UNEQUAL


def _from_spans(row: dict[str, Any], spans: Any) -> tuple[list[str], str | None]:
    tags = [OUTSIDE] * len(row["starts"])
    for span in spans:
        if isinstance(span, dict):
            span = [span.get("start"), span.get("end"), span.get("label")]
        if not isinstance(span, list | tuple) or len(span) != 3:
            return [], BAD_SPAN
        start, end, label = span
        sound = type(start) is int and type(end) is int and isinstance(label, str) and label
        if not sound or not 0 <= start < end <= len(row["text"]):
            return [], BAD_SPAN
        first = True
        for index, (left, right) in enumerate(zip(row["starts"], row["ends"], strict=True)):
            if left < end and right > start:
                if tags[index] != OUTSIDE:
                    return [], CROSSING
                tags[index] = f"{'B' if first else 'I'}-{label}"
                first = False
    return tags, None


def dataset_of(
    rows: list[dict[str, Any]], features: dict[str, Any], sources: list[str], audit: Audit
) -> Dataset:
    """Return the records that were read.

    Args:
        features: the columns beside ``id`` and ``text``.
        audit: has the reasons why others were dropped.

    Raises:
        HeadstartError: there are none; the message has the most common reason.
    """
    from datasets import Dataset, Features, Value

    if not rows:
        reasons = audit.reasons.most_common(1)
        why = f": {reasons[0][1]} record(s), {reasons[0][0]}" if reasons else ""
        raise HeadstartError(
            f"no record is left of {', '.join(sources)}{why}; correct the records."
        )
    texts = {"id": Value("string"), "text": Value("string")}
    return Dataset.from_list(rows, features=Features({**texts, **features}))


def _dataset(rows: list[dict[str, Any]], sources: list[str], audit: Audit) -> Dataset:
    from datasets import List, Value

    positions = {"starts": List(Value("int64")), "ends": List(Value("int64"))}
    return dataset_of(rows, {**positions, "tags": List(Value("string"))}, sources, audit)
