"""Extractive question answering: the answer is a span of the context."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.config import task_options
from headstart.config.tasks import QuestionOptions
from headstart.data.groups import groups_of
from headstart.data.split import hold_out as by_id
from headstart.downstream import Task, TaskDefaults
from headstart.downstream.alternatives import Alternative
from headstart.downstream.text.question_records import read_answered, read_questions
from headstart.downstream.text.question_rows import QuestionRows
from headstart.downstream.text.sliding_window import answers_of, sliding_window
from headstart.downstream.text.span_scores import SpanScores
from headstart.downstream.text.spans import best_spans, squad_scores, trimmed
from headstart.downstream.text.tokens import named
from headstart.downstream.text.word_rows import IGNORED
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.processor import as_text

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor


class Found(NamedTuple):
    """Predictions of windows (n,): record, best span and its log score, and that of no answer."""

    owner: np.ndarray
    score: np.ndarray
    start: np.ndarray
    end: np.ndarray
    nothing: np.ndarray


class Questions(Task):
    """Scores of each token as the answer's start and as its end, each with cross-entropy.

    As in BERT (Devlin et al. 2018, sections 4.2 and 4.3, https://arxiv.org/abs/1810.04805):
    position 0 stands for no answer in this window. The answer is the most probable span of all
    windows of a context; if training had questions without an answer, there is none where that is
    more probable in all windows.

    Args:
        scores: the layers on the vectors of the tokens.
        declines: whether a question may have no answer.
        stride, question_length: see :class:`headstart.downstream.text.question_rows.QuestionRows`.
        longest: most tokens of an answer.
        dropout: share of the features that is hidden while training.
    """

    name: ClassVar[str] = "questions"
    keeps_groups: ClassVar[bool] = False
    Options = QuestionOptions
    content = TEXT
    needs = frozenset({"tokens", "order"})
    eval_batch_size: ClassVar[int] = 16
    fields: ClassVar[tuple[str, ...]] = ("question", "answer")

    def __init__(
        self,
        scores: SpanScores,
        *,
        declines: bool,
        stride: int | None,
        question_length: int,
        longest: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self._judged: list[tuple[str, list[str]]] = []
        self.scores, self.declines, self.longest = scores, declines, longest
        self.stride, self.question_length = stride, question_length
        self.dropout = nn.Dropout(dropout)

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read questions, their contexts and the answers in them."""
        return read_answered(source, options, modality, audit)

    def read_inputs(
        self, sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
    ) -> Dataset:
        """Read questions and their contexts, and answers if any."""
        return read_questions(sources, options, modality, audit)

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head on the vectors of an encoder's tokens.

        Raises:
            HeadstartError: no record has an answer.
        """
        answered = [bool(starts) for starts in records["starts"]]
        if not any(answered):
            raise HeadstartError(
                "task questions needs training records with answers, but none has one; check "
                "--train and --column label=COLUMN."
            )
        options = task_options(config, QuestionOptions)
        return cls(
            SpanScores.on(encoder),
            declines=not all(answered),
            stride=options.stride,
            question_length=options.question_length,
            longest=options.longest_answer,
            dropout=config.dropout,
        )

    @classmethod
    def defaults(cls, encoder: Encoder, count: int) -> TaskDefaults:
        """Return three epochs, as BERT has for SQuAD.

        There is no early stopping: the loss has a long plateau before start and end are found.
        """
        return {"steps": max(400, 3 * -(-count // 16)), "batch_size": 16, "patience": 0}

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split by context, so that no context has questions on both sides."""
        from datasets import Dataset

        if groups_of(records) is not None:  # copies, and so the questions on a context, are one
            return by_id(records, share, seed)
        contexts = list(records["text"])
        distinct = Dataset.from_dict({"id": list(dict.fromkeys(contexts))})
        if len(distinct) < 2:
            raise HeadstartError(
                "all training records have one context, so none can be held out for validation; "
                "name validation records with --val."
            )
        held = set(by_id(distinct, share, seed)[1]["id"])
        sides: tuple[list[int], list[int]] = [], []
        for index, context in enumerate(contexts):
            sides[context in held].append(index)
        return records.select(sides[0]), records.select(sides[1])

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> QuestionRows:
        """Return windows of the contexts with the answers' positions; the same in every epoch."""
        return QuestionRows(as_text(processor), records, length, self.stride, self.question_length)

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return all windows of records without answers."""
        rows = QuestionRows(
            as_text(processor), records, length, self.stride, self.question_length, learns=False
        )
        return rows.batch(np.arange(len(rows)), 0)

    def features(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return a vector for each token (B,T,D)."""
        tokens: Tensor = encoder(batch).tokens
        return tokens

    def logs(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return log-probabilities (B,T) of starts and of ends: in the context, or at 0."""
        allowed = batch["context"].clone()
        allowed[:, 0] = True
        starts, ends = self.scores(self.dropout(features))
        low = torch.finfo(torch.float32).min
        return (
            starts.masked_fill(~allowed, low).log_softmax(1),
            ends.masked_fill(~allowed, low).log_softmax(1),
        )

    def forward(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss``, and ``accuracy``: the share where both start and end are right."""
        starts, ends = self.logs(features, batch)
        first, last = batch["labels"].unbind(1)
        known = first != IGNORED
        right = (starts.argmax(1) == first) & (ends.argmax(1) == last)
        count = known.sum().clamp(min=1)
        losses = [
            F.nll_loss(logs, targets, ignore_index=IGNORED, reduction="sum") / count
            for logs, targets in ((starts, first), (ends, last))
        ]
        return {"loss": (losses[0] + losses[1]) / 2, "accuracy": (right & known).sum() / count}

    def predictions(self, features: Tensor, batch: Batch) -> list[dict[str, Any]]:
        """Return ``start``, ``end`` and ``score`` for each record of the windows."""
        return self._answers(self._found(features, batch))

    def describe(self, row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """Return ``question``, ``answer``, ``start``, ``end`` and ``score`` for a record.

        ``start`` and ``end`` (exclusive) are characters of the context; without an answer they are
        None and the answer is empty. ``score`` is the probability of the answer, or of no answer.
        Answers of the record are stored for :meth:`notes`.
        """
        described = {"question": record["question"], **_cut(record["text"], row)}
        if record.get("starts") is not None:
            spans = zip(record["starts"], record["ends"], strict=True)
            self._judged.append((described["answer"], [record["text"][a:b] for a, b in spans]))
        return described

    def notes(self) -> list[str]:
        """Return the scores of the predictions on records whose answers are known."""
        if not self._judged:
            return []
        found, truths = [answer for answer, _ in self._judged], [right for _, right in self._judged]
        self._judged = []
        return [f"On {len(found):,} labeled records: {named(squad_scores(found, truths))}."]

    @torch.no_grad()
    def measure(self, encoder: Encoder, rows: QuestionRows) -> dict[str, float]:
        """Return ``exact`` and ``f1`` of SQuAD; see :func:`headstart.downstream.text.spans`."""
        assert rows.truths is not None
        parts = [self._found(features, batch) for features, batch in self.scan(encoder, rows)]
        every = Found(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        answers = [
            _cut(text, row)["answer"]
            for row, text in zip(self._answers(every), rows.contexts, strict=True)
        ]
        return squad_scores(answers, rows.truths)

    def alternatives(self, train: Dataset, val: Dataset) -> list[Alternative]:
        """Return the scores of the span whose neighbours share most words with the question."""
        return [("sliding window", squad_scores(sliding_window(train, val), answers_of(val)))]

    def _found(self, features: Tensor, batch: Batch) -> Found:
        starts, ends = self.logs(features, batch)
        score, first, last = best_spans(starts, ends, batch["context"], self.longest)
        row = torch.arange(len(starts), device=starts.device)
        columns = (
            batch["record"],
            score,
            batch["char_starts"][row, first],
            batch["char_ends"][row, last],
            starts[:, 0] + ends[:, 0],
        )
        return Found(*(column.cpu().numpy() for column in columns))

    def _answers(self, found: Found) -> list[dict[str, Any]]:
        """Return the answer of each record, over all its windows."""
        rows = []
        for number in range(int(found.owner.max()) + 1 if len(found.owner) else 0):
            mine = np.flatnonzero(found.owner == number)
            best = mine[found.score[mine].argmax()]
            nothing = found.nothing[mine].min()
            score = found.score[best]
            if not np.isfinite(score) or (self.declines and nothing > score):
                rows.append({"start": None, "end": None, "score": float(np.exp(nothing))})
                continue
            start, end = int(found.start[best]), int(found.end[best])
            rows.append({"start": start, "end": end, "score": float(np.exp(score))})
        return rows

    def publish(self, encoder: Encoder, folder: Path) -> None:
        """Write the encoder with the head, so that ``AutoModelForQuestionAnswering`` opens it."""
        self.scores.publish(encoder, folder)

    def arguments(self) -> dict[str, Any]:
        """Return the network's size and configuration, windows, limits and dropout."""
        return {
            "width": self.scores.width,
            "network": self.scores.config,
            "declines": self.declines,
            "stride": self.stride,
            "question_length": self.question_length,
            "longest": self.longest,
            "dropout": self.dropout.p,
        }

    @classmethod
    def restored(cls, arguments: dict[str, Any], state: dict[str, Tensor]) -> Self:
        """Return a head with the layers of its network."""
        arguments = dict(arguments)
        scores = SpanScores(arguments.pop("width"), arguments.pop("network"))
        return cls(scores, **arguments)


def _cut(context: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the ``answer`` itself, without white space around it."""
    if row["start"] is None:
        return {"answer": "", **row}
    start, end = trimmed(context, row["start"], row["end"])
    return {"answer": context[start:end], **row, "start": start, "end": end}
