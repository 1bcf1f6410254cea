"""Questions and the contexts that answer them, read into records: SQuAD's form, or flat columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from headstart.data.audit import Audit
from headstart.data.discovery import find
from headstart.data.field import raw, raw_values
from headstart.data.pairs import number
from headstart.data.streams import plain_reasons
from headstart.data.unit import Unit
from headstart.downstream.text.tagged import kept_records
from headstart.modalities.text.content import TEXT

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.modalities import Modality

CONTEXT_NAMES = ("context", "passage", "paragraph", "document", "text", "content")
QUESTION_NAMES = ("question", "query")
ANSWER_NAMES = ("answers", "answer", "answer_text")
START_NAMES = ("answer_start", "answer_starts", "start")
IMPOSSIBLE_NAMES = ("is_impossible", "impossible")

NO_CONTEXT = "it has no context"
NO_QUESTION = "it has no question"
NO_ANSWERS = "it has no answers (an empty list says that its context has none)"
BAD_ANSWERS = "its answers are no texts with a place each"
NOT_THERE = "its answer does not stand at its place in the context"
NOWHERE = "its answer is not in its context"
WHERE = "it does not say at which place in the context its answer stands"


#: What stands near the beginning of a file of SQuAD's own form; in a text its quotes have a
#: backslash before them.
_SQUAD = re.compile(rb'(?<!\\)"data"\s*:\s*\[')


class Asked(NamedTuple):
    """One question as a file has it; ``answers`` is what it has under that name, ``start`` too."""

    name: str
    context: Any
    question: Any
    answers: Any = None
    start: Any = None
    impossible: Any = None


#: The columns of a file that has no form of its own, in the order of :class:`Asked`.
_FIELDS = (
    replace(raw("text", CONTEXT_NAMES), required=True, missing=NO_CONTEXT),
    replace(raw("question", QUESTION_NAMES), required=True, missing=NO_QUESTION),
    raw("answer", ANSWER_NAMES),
    raw("start", START_NAMES),
    raw("impossible", IMPOSSIBLE_NAMES),
)


def read_answered(
    source: str, options: FinetuneConfig, modality: Modality, audit: Audit
) -> Dataset:
    """Read records ``id``, ``text`` (the context), ``question``, ``starts`` and ``ends``.

    ``starts`` and ``ends`` are characters, the end beyond the last, of each answer that is right;
    none where the context has no answer (as in SQuAD 2, Rajpurkar et al. 2018). The file has
    SQuAD's own form (``data``, ``paragraphs``, ``qas``), or columns for context, question and
    answers: a text, beside a column ``answer_start``, a list of ``{"text", "answer_start"}``, or
    ``{"text": [...], "answer_start": [...]}`` as on the Hugging Face hub. An answer without a
    place must occur once in the context. What does not fit is set aside in ``audit``.

    Raises:
        HeadstartError: the columns are not to be found, or no record is left.
    """
    rows = []
    for asked in _asked(source, options, modality, audit):
        fault = _fault(asked)
        indices: list[tuple[int, int]] = []
        if fault is None:
            indices, fault = _indices(asked)
        if fault:
            audit.drop(asked.name, fault)
            continue
        rows.append(_record(asked, indices))
    return _dataset(rows, [source], audit)


def read_questions(
    sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
) -> Dataset:
    """Read records ``id``, ``text`` (the context) and ``question``, without answers or with them.

    ``starts`` and ``ends`` are None where a record has no answers that fit.

    Raises:
        HeadstartError: the columns are not to be found, or no record is left.
    """
    rows = []
    for source in sources:
        for asked in _asked(source, options, modality, audit):
            fault = _fault(asked)
            if fault:
                audit.drop(asked.name, fault)
                continue
            indices, fault = _indices(asked)
            rows.append(_record(asked, None if fault else indices))
    return _dataset(rows, sources, audit)


def _asked(
    source: str, options: FinetuneConfig | PredictConfig, modality: Modality, audit: Audit
) -> Iterator[Asked]:
    """Yield the questions of a source, whatever its form; they are counted as kept."""
    squads = [
        (unit, squad)
        for unit in find([source], Audit(), TEXT)
        if (squad := _squad(unit)) is not None
    ]
    if squads:
        for unit, squad in squads:
            for asked in _nested(unit.name, squad):
                audit.keep(source)
                yield asked
        return
    records = modality.read([source], options, audit, fields=_FIELDS)
    values = (raw_values(records, field.name) for field in _FIELDS)
    yield from map(Asked, records["id"], *values)


def _squad(unit: Unit) -> list[Any] | None:
    """Return the articles of a file that has SQuAD's own form, else None; others are not read."""
    if unit.kind != ".json":
        return None
    with plain_reasons(), closing(unit.open()) as stream:
        content = [stream.read(2**16)]
        is_object = content[0].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
        if not is_object or not _SQUAD.search(content[0]):
            return None
        while chunk := stream.read(2**20):
            content.append(chunk)
    try:
        whole = json.loads(b"".join(content).decode("utf-8-sig"))
    except ValueError:  # an object a line
        return None
    articles = whole.get("data") if isinstance(whole, dict) else None
    return articles if isinstance(articles, list) else None


def _nested(file: str, articles: list[Any]) -> Iterator[Asked]:
    number = 0
    for paragraph in _inside(articles, "paragraphs"):
        for question in _inside([paragraph], "qas"):
            number += 1
            yield Asked(
                f"{file}:{question.get('id', number)}",
                paragraph.get("context"),
                question.get("question"),
                question.get("answers"),
                None,
                question.get("is_impossible"),
            )


def _inside(parents: list[Any], name: str) -> Iterator[dict[str, Any]]:
    for parent in parents:
        found = parent.get(name) if isinstance(parent, dict) else None
        yield from (child for child in found or [] if isinstance(child, dict))


def _fault(asked: Asked) -> str | None:
    for value, reason in ((asked.context, NO_CONTEXT), (asked.question, NO_QUESTION)):
        if not isinstance(value, str) or not value.strip():
            return reason
    return None


def _indices(asked: Asked) -> tuple[list[tuple[int, int]], str | None]:
    """Return where the answers start and end, or why that cannot be said."""
    if asked.impossible is True or str(asked.impossible).lower() == "true":
        return [], None
    if asked.answers is None:
        return [], NO_ANSWERS
    indices = []
    for text, start in _listed(asked.answers, asked.start):
        if not isinstance(text, str) or not text.strip():
            return [], BAD_ANSWERS
        if start is None:
            count = asked.context.count(text)
            if count != 1:
                return [], WHERE if count else NOWHERE
            start = asked.context.index(text)
        place = number(start)
        if place is None or place % 1 or place < 0:
            return [], BAD_ANSWERS
        if not asked.context.startswith(text, int(place)):
            return [], NOT_THERE
        indices.append((int(place), int(place) + len(text)))
    return indices, None


def _listed(answers: Any, start: Any) -> list[tuple[Any, Any]]:
    """Return pairs of text and place, of an answer in any of the known forms."""
    if isinstance(answers, dict):
        return _listed(answers.get("text"), answers.get("answer_start"))
    if isinstance(answers, str):
        return [(answers, start)] if answers.strip() else []
    if not isinstance(answers, list | tuple):
        return [(None, None)]
    if any(isinstance(answer, dict) for answer in answers):
        return [pair for answer in answers for pair in _listed(answer, None)]
    starts = start if isinstance(start, list | tuple) else [None] * len(answers)
    return (
        list(zip(answers, starts, strict=True)) if len(starts) == len(answers) else [(None, None)]
    )


def _record(asked: Asked, indices: list[tuple[int, int]] | None) -> dict[str, Any]:
    sides = zip(*indices, strict=True) if indices else (indices, indices)
    starts, ends = (None if side is None else list(side) for side in sides)
    texts = {"id": asked.name, "text": asked.context, "question": asked.question}
    return {**texts, "starts": starts, "ends": ends}


def _dataset(rows: list[dict[str, Any]], sources: list[str], audit: Audit) -> Dataset:
    from datasets import List, Value

    indices = {name: List(Value("int64")) for name in ("starts", "ends")}
    return kept_records(rows, {"question": Value("string"), **indices}, sources, audit)
