"""Words and their tags, read from lists of tokens and tags, or from a text and its spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headstart.data import tables
from headstart.data.columns import LABEL
from headstart.data.field import as_json, raw, raw_values
from headstart.data.labels import spelling_notes
from headstart.data.lines import fault
from headstart.downstream.text.entity_spans import BAD_SPAN, MISPLACED, entities, tags_of
from headstart.downstream.text.offsets import Offsets
from headstart.downstream.text.tag_numbers import (
    BEYOND,
    UNNAMED,
    are_numbers,
    named,
    names_beside,
)
from headstart.downstream.text.tag_schemes import read_tags
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
#: Column in which Prodigy says whether an annotation was accepted.
VERDICT_NAMES = ("answer",)

NO_TOKENS = "it has no list of words as texts"
NO_TEXT = "it has no text"
NO_TAGS = "it has no list of tags as texts"
UNEQUAL = "its tokens and its tags differ in number"
NO_SPANS = "it has no list of spans"
REJECTED = "who labeled it rejected or skipped it (`answer`)"

#: A letter of a script without spaces, a word, or a sign.
_WORD = r"<letter>|(?:<run>|_)+|\S<mark>*"


def read_tagged(source: str, options: SourceOptions, modality: Modality, audit: Audit) -> Dataset:
    """Read records ``id``, ``text``, ``starts``, ``ends`` and ``tags``, one item per word.

    The columns hold lists of tokens and of tags (names in :data:`TOKEN_NAMES`, :data:`TAG_NAMES`),
    or a text and a list of spans: ``{"start", "end", "label"}`` or ``[start, end, label]``, in
    characters, the end exclusive. Tags of any scheme are read as IOB2, and spans become such tags
    of words, or of letters in scripts without spaces. Spans are checked against their ``text``
    where they have one: offsets of other units are converted, and what stays unclear is dropped.
    Invalid records are dropped and noted in ``audit``.

    Raises:
        HeadstartError: the columns are not found, or no record is left.
    """
    rows = []
    for row in _rows(source, options, modality, audit, tagged=True):
        if row["fault"]:
            audit.drop(row["id"], row["fault"])
        else:
            rows.append(row)
    audit.notes += spelling_notes((tag for row in rows for tag in row["tags"]), source)
    return _dataset(rows, [source], audit)


def read_words(
    sources: list[str],
    options: SourceOptions,
    modality: Modality,
    audit: Audit,
    *,
    chunked: bool | None = None,
) -> Dataset:
    """Read records ``id``, ``text``, ``starts`` and ``ends`` of words, with or without tags.

    ``tags`` is None where a record has no valid ones.

    Args:
        chunked: whether tags such as ``PER`` mark entities; by the tags themselves if None.

    Raises:
        HeadstartError: nothing can be read.
    """
    rows = [
        row
        for source in sources
        for row in _rows(source, options, modality, audit, tagged=False, chunked=chunked)
    ]
    return _dataset(rows, sources, audit)


def _rows(
    source: str,
    options: SourceOptions,
    modality: Modality,
    audit: Audit,
    *,
    tagged: bool,
    chunked: bool | None = None,
) -> list[dict[str, Any]]:
    """Return the records of a source, with ``tags`` (None where there are none) and ``fault``.

    Offsets and schemes of tags are decided once, from all of its records.
    """
    rows: list[dict[str, Any]] = []
    for name, value, marks, verdict in _read(source, options, modality, audit, tagged=tagged):
        words, fault = _words(value)
        if words is None:
            audit.drop(name, fault or NO_TOKENS)
            continue
        is_text = isinstance(value, str)
        fault = None if isinstance(marks, list) else NO_SPANS if is_text else NO_TAGS
        fault = REJECTED if verdict in ("reject", "ignore") else fault
        rows.append(
            {"id": name, **words, "tags": None, "fault": fault, "marks": marks, "spans": is_text}
        )
    marked = [row for row in rows if not row["fault"]]
    audit.notes += _take_spans([row for row in marked if row["spans"]], source)
    audit.notes += _take_tags([row for row in marked if not row["spans"]], source, chunked)
    return rows


def _take_spans(rows: list[dict[str, Any]], where: str) -> list[str]:
    """Set ``tags`` or ``fault`` of texts from their spans; return what is to be said."""
    for row in rows:
        row["marks"] = entities(row["marks"])
        row["fault"] = BAD_SPAN if row["marks"] is None else None
    rows = [row for row in rows if not row["fault"]]
    offsets = Offsets(
        [(row["text"], [entity.span for entity in row["marks"]]) for row in rows], where
    )
    cut = 0
    for row in rows:
        spans, labels = [*zip(*row["marks"], strict=True)] or [(), ()]
        places = offsets.locate(row["text"], spans)
        if places is None:
            given = any(span.text is not None for span in spans)
            row["fault"] = MISPLACED if given else BAD_SPAN
            continue
        row["tags"], row["fault"], more = tags_of(row, places, labels)
        cut += more
    notes = offsets.notes()
    if cut:
        notes.append(
            f"{where}: {cut:,} span{'s' * (cut != 1)} begin or end inside a word, which is taken "
            "whole; check that the offsets count characters."
        )
    return notes


def _take_tags(rows: list[dict[str, Any]], where: str, chunked: bool | None) -> list[str]:
    """Set ``tags`` or ``fault`` of tokens from their tags; return what is to be said."""
    numbered = [row for row in rows if are_numbers(row["marks"])]
    names = names_beside(where) if numbered else []
    for row in numbered:
        row["marks"] = named(row["marks"], names)
        if row["marks"] is None:
            row["fault"] = BEYOND if names else UNNAMED
    rows = [row for row in rows if not row["fault"]]
    for row in rows:
        if not all(isinstance(tag, str) and tag.strip() for tag in row["marks"]):
            row["fault"] = NO_TAGS
        elif len(row["marks"]) != len(row["starts"]):
            row["fault"] = UNEQUAL
    rows = [row for row in rows if not row["fault"]]
    found, notes = read_tags([row["marks"] for row in rows], where, chunked=chunked)
    for row, tags in zip(rows, found, strict=True):
        row["tags"] = tags
    return notes


def _read(
    source: str, options: SourceOptions, modality: Modality, audit: Audit, *, tagged: bool
) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield the id of each record, its tokens or text, its tags or spans and its verdict if any.

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
        raw("verdict", VERDICT_NAMES),
    ]
    records = modality.read([source], options, audit, fields=fields)
    columns = (raw_values(records, name) for name in (text, label, "verdict"))
    yield from zip(records["id"], *columns, strict=True)


def _take(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    """Keep a list of tokens, or a text, as JSON."""
    reason = fault(value) if isinstance(value, str) else None
    return (None, reason) if reason else as_json(value)


def _lists(values: list[Any]) -> bool:
    """Return whether half of the values or more are lists of texts, such as tokens."""
    lists = [value for value in values if isinstance(value, list | tuple)]
    # Prodigy writes tokens with offsets beside the text.
    texts = sum(not any(isinstance(token, dict) for token in value) for value in lists)
    return 2 * texts >= len(values) > 0


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
    features = {**positions, "tags": List(Value("string"))}
    return dataset_of(
        [{name: row[name] for name in ("id", "text", *features)} for row in rows],
        features,
        sources,
        audit,
    )
