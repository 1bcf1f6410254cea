"""Questions and their contexts, read from SQuAD's format or from plain columns."""

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
from headstart.downstream.text.offsets import Given, Offsets
from headstart.downstream.text.tagged import dataset_of
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
CONTRADICTION = "it has an answer, and is marked as impossible to answer"
NOWHERE = "its answer is not in its context"
WHERE = "it does not say at which place in the context its answer stands"


#: Near the beginning of a file in SQuAD's format; inside a text the quotes would be escaped.
_SQUAD = re.compile(rb'(?<!\\)"data"\s*:\s*\[')


class Question(NamedTuple):
    """One question as in the file; ``answers`` and ``start`` are not parsed yet."""

    name: str
    context: Any
    question: Any
    answers: Any = None
    start: Any = None
    impossible: Any = None


#: The columns of a file that is not in SQuAD's format, in the order of :class:`Question`.
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

    ``starts`` and ``ends`` are character offsets, ends exclusive, of each correct answer; empty
    where the context has no answer (as in SQuAD 2, Rajpurkar et al. 2018,
    https://arxiv.org/abs/1806.03822). The file has SQuAD's format (``data``, ``paragraphs``,
    ``qas``), or columns for context, question and answers: a text with a column ``answer_start``,
    a list of ``{"text", "answer_start"}``, or ``{"text": [...], "answer_start": [...]}`` as on the
    Hugging Face hub. An answer without a position must occur once in the context, and so must one
    that does not stand at its position, unless the offsets of the file count other units than
    characters. Invalid records are dropped and noted in ``audit``.

    Raises:
        HeadstartError: the columns are not found, or no record is left.
    """
    rows = []
    for item, spans, fault in _answered(source, options, modality, audit):
        if fault:
            audit.drop(item.name, fault)
        else:
            rows.append(_record(item, spans))
    return _dataset(rows, [source], audit)


def read_questions(
    sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
) -> Dataset:
    """Read records ``id``, ``text`` (the context) and ``question``, with or without answers.

    ``starts`` and ``ends`` are None where a record has no valid answers.

    Raises:
        HeadstartError: the columns are not to be found, or no record is left.
    """
    rows = []
    for source in sources:
        for item, spans, fault in _answered(source, options, modality, audit):
            reason = _fault(item)
            if reason:
                audit.drop(item.name, reason)
            else:
                rows.append(_record(item, None if fault else spans))
    return _dataset(rows, sources, audit)


def _answered(
    source: str, options: FinetuneConfig | PredictConfig, modality: Modality, audit: Audit
) -> list[tuple[Question, list[tuple[int, int]], str | None]]:
    """Return each question with the places of its answers, or why they are unknown."""
    items = list(_questions(source, options, modality, audit))
    faults = [_fault(item) for item in items]
    found = [
        ([], fault) if fault else _answers(item) for item, fault in zip(items, faults, strict=True)
    ]
    offsets = Offsets(
        [
            (item.context, spans)
            for item, (spans, fault) in zip(items, found, strict=True)
            if not fault
        ],
        source,
        "answer",
    )
    rows = []
    for item, (spans, fault) in zip(items, found, strict=True):
        places = [] if fault else offsets.locate(item.context, spans)
        rows.append((item, places or [], NOT_THERE if places is None else fault))
    audit.notes += offsets.notes()
    return rows


def _questions(
    source: str, options: FinetuneConfig | PredictConfig, modality: Modality, audit: Audit
) -> Iterator[Question]:
    """Yield the questions of a source in any format; they are counted as kept."""
    squads = [
        (unit, squad)
        for unit in find([source], Audit(), TEXT)
        if (squad := _squad(unit)) is not None
    ]
    if squads:
        for unit, squad in squads:
            for item in _nested(unit.name, squad):
                audit.keep(source)
                yield item
        return
    records = modality.read([source], options, audit, fields=_FIELDS)
    values = (raw_values(records, field.name) for field in _FIELDS)
    yield from map(Question, records["id"], *values)


def _squad(unit: Unit) -> list[Any] | None:
    """Return the articles of a file in SQuAD's format, else None; only its start is then read."""
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
    except ValueError:  # one object per line
        return None
    articles = whole.get("data") if isinstance(whole, dict) else None
    return articles if isinstance(articles, list) else None


def _nested(file: str, articles: list[Any]) -> Iterator[Question]:
    number = 0
    for paragraph in _inside(articles, "paragraphs"):
        for question in _inside([paragraph], "qas"):
            number += 1
            yield Question(
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


def _fault(item: Question) -> str | None:
    for value, reason in ((item.context, NO_CONTEXT), (item.question, NO_QUESTION)):
        if not isinstance(value, str) or not value.strip():
            return reason
    return None


def _answers(item: Question) -> tuple[list[Given], str | None]:
    """Return where the file says that the answers stand, or what is wrong with them."""
    if str(item.impossible).lower() == "true":
        right = _listed(item.answers, item.start) if item.answers else []
        return [], CONTRADICTION if right else None
    if item.answers is None:
        return [], NO_ANSWERS
    answers = []
    for text, start in _listed(item.answers, item.start):
        if not isinstance(text, str) or not text.strip():
            return [], BAD_ANSWERS
        if start is None:
            count = item.context.count(text)
            if count != 1:
                return [], WHERE if count else NOWHERE
            answers.append(Given(None, None, text))
            continue
        position = number(start)
        if position is None or position % 1 or position < 0:
            return [], BAD_ANSWERS
        answers.append(Given(int(position), None, text))
    return answers, None


def _listed(answers: Any, start: Any) -> list[tuple[Any, Any]]:
    """Return pairs of text and start, of an answer in any of the known forms."""
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


def _record(item: Question, spans: list[tuple[int, int]] | None) -> dict[str, Any]:
    sides = zip(*spans, strict=True) if spans else (spans, spans)
    starts, ends = (None if side is None else list(side) for side in sides)
    texts = {"id": item.name, "text": item.context, "question": item.question}
    return {**texts, "starts": starts, "ends": ends}


def _dataset(rows: list[dict[str, Any]], sources: list[str], audit: Audit) -> Dataset:
    from datasets import List, Value

    spans = {name: List(Value("int64")) for name in ("starts", "ends")}
    return dataset_of(rows, {"question": Value("string"), **spans}, sources, audit)
