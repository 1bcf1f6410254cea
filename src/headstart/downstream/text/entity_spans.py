"""Spans of entities in a text, as labelling tools write them, and the tags of words they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from headstart.data.columns import label_text
from headstart.data.pairs import number
from headstart.downstream.text.offsets import Given
from headstart.downstream.text.tag_schemes import OUTSIDE

BAD_SPAN = "one of its spans has no start, end and label inside the text"
MISPLACED = "the text beside one of its spans does not stand at its place"
NO_WORD = "one of its spans covers no word"
CROSSING = "two of its spans cover the same word"

#: Fields of a span: those of our own predictions, Prodigy and Label Studio, of Doccano, of others.
STARTS, ENDS = ("start", "start_offset", "begin"), ("end", "end_offset")
LABELS = ("label", "labels", "entity_group", "entity", "type", "tag")
TEXTS = ("text", "covered_text", "surface")


class Entity(NamedTuple):
    """A span with its label."""

    span: Given
    label: str


def entities(spans: Sequence[Any]) -> list[Entity] | None:
    """Return spans in any known form, without repetitions; None if one is of none."""
    found = [_entity(span) for span in spans]
    if None in found:
        return None
    return list(dict.fromkeys(one for one in found if one is not None))


def _entity(span: Any) -> Entity | None:
    if isinstance(span, Mapping):
        span = span["value"] if isinstance(span.get("value"), Mapping) else span
        start, end, label = (_first(span, names) for names in (STARTS, ENDS, LABELS))
        text = _first(span, TEXTS)
    elif isinstance(span, list | tuple) and len(span) == 3:
        (start, end, label), text = span, None
    else:
        return None
    # Label Studio lists the one label of a span.
    label = label[0] if isinstance(label, list) and len(label) == 1 else label
    name = label_text(label) if isinstance(label, str) else None
    first, last = number(start), number(end)
    if name is None or first is None or last is None or first % 1 or last % 1:
        return None
    return Entity(Given(int(first), int(last), text if isinstance(text, str) else None), name)


def _first(span: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((span[name] for name in names if span.get(name) is not None), None)


def tags_of(
    row: Mapping[str, Any], places: Sequence[tuple[int, int]], labels: Sequence[str]
) -> tuple[list[str], str | None, int]:
    """Return a tag (IOB2) for each word, or what is wrong; and how many spans cut a word.

    Args:
        row: ``starts`` and ``ends`` of the words.
        places, labels: of the spans.
    """
    tags, cut = [OUTSIDE] * len(row["starts"]), 0
    for (start, end), label in zip(places, labels, strict=True):
        covered = [
            index
            for index, (left, right) in enumerate(zip(row["starts"], row["ends"], strict=True))
            if left < end and right > start
        ]
        if not covered:
            return [], NO_WORD, 0
        if any(tags[index] != OUTSIDE for index in covered):
            return [], CROSSING, 0
        for index in covered:
            tags[index] = f"{'B' if index == covered[0] else 'I'}-{label}"
        edges = [(row["starts"][index], row["ends"][index]) for index in covered]
        cut += any(left < start or right > end for left, right in edges)
    return tags, None, cut
