"""Predictions of a fine-tuned run, one row per record, in order."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.batch import IGNORE
from headstart.data.columns import check_names
from headstart.data.store import stream
from headstart.downstream import TASKS, Task
from headstart.downstream.head import task_of
from headstart.downstream.predictions import check_ending, write_predictions
from headstart.downstream.rows import LabeledRows, by_size
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError, shown
from headstart.modalities.inline import inline_records
from headstart.modalities.opening import ranking_hint
from headstart.stored import opening

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import PredictConfig
    from headstart.data.audit import Audit
    from headstart.data.content import Content
    from headstart.data.ledger import Ledger
    from headstart.modalities import Modality
    from headstart.run import RunFolder

#: Records among which those of like size are put into one batch.
WINDOW = 256


def open_head(run: RunFolder) -> Task:
    """Open the head of a fine-tuned run, for any task.

    Raises:
        HeadstartError: the run was pre-trained only, or its fine-tuning has not finished.
    """
    if run.config()["verb"] != "finetune":
        hint = ranking_hint(run.resolved.get("modality"), run.folder)
        raise HeadstartError(
            f"{run.folder} is a pre-training run and knows no labels; "
            f"{f'{hint}; or ' if hint else ''}fine-tune first: "
            f"`headstart finetune {shlex.quote(str(run.folder))} --train LABELED --out RUN`."
        )
    if not run.finished:
        raise HeadstartError(
            f"the fine-tuning in {run.folder} has not finished; go on with `{run.command()}`."
        )
    folder = run.checked_head()
    with opening(folder):
        kind: type[Task] = TASKS[task_of(folder)]
        return kind.load(folder)


def reader(
    run: RunFolder, sources: list[str], options: PredictConfig
) -> Callable[[Modality, Audit], Dataset]:
    """Return the function that reads the inputs of a fine-tuned run.

    Raises:
        HeadstartError: the run was not fine-tuned.
    """
    head = open_head(run)

    def read(modality: Modality, audit: Audit) -> Dataset:
        check_names(options.columns, modality.content, head.fields)
        return head.read_inputs(sources, options, modality, audit)

    return read


def typed(run: RunFolder, modality: Modality, inputs: list[str]) -> Dataset | None:
    """Return the inputs as records, if they were typed; None if they name files.

    Raises:
        HeadstartError: the task reads its records in a way of its own, so that none can be typed.
    """
    records = inline_records(modality, inputs)
    if records is None:
        return None
    head = open_head(run)
    if type(head).read_inputs is not Task.read_inputs:
        raise HeadstartError(
            f"there is no file {shown(inputs[0], 60)!r}, and records of the task {head.name!r} "
            "cannot be typed; put them into a file, such as .csv, and name that."
        )
    return records


def predict(
    run: RunFolder,
    records: Dataset,
    *,
    batch_size: int = 64,
    options: PredictConfig | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a row of plain values for each record, in order, with its ``id``.

    A classification row has ``label``, ``score`` (its probability) and ``scores`` (of all), one of
    detection ``boxes``, and one of segmentation the mask's ``runs``.
    Memory does not grow with the number of records.

    Args:
        options: of ``headstart predict``, for tasks that have options.
        say: called with each of the task's notes, after the last row.

    Raises:
        HeadstartError: the run was not fine-tuned; raised at once, before the first row.
    """
    predictor = Predictor(run, options=options, batch_size=batch_size)

    def rows() -> Iterator[dict[str, Any]]:
        for start in range(0, len(records), predictor.window):
            chunk = records.select(range(start, min(start + predictor.window, len(records))))
            for row, record in zip(predictor.rows(chunk), chunk, strict=True):
                yield {"id": record["id"], **row}
        if say is not None:
            for note in predictor.head.notes():
                say(note)

    return rows()


class Predictor:
    """The head of a fine-tuned run on its encoder, opened once.

    Args:
        opened: the encoder of the run, where it is open already.
        options: of ``headstart predict``, for tasks that have options.
        batch_size: most records of a batch.

    Attributes:
        window: records that are best given at once. Where they are collated one by one, those of
            like size then share a batch.

    Raises:
        HeadstartError: the run was not fine-tuned.
    """

    def __init__(
        self,
        run: RunFolder,
        opened: OpenedEncoder | None = None,
        options: PredictConfig | None = None,
        batch_size: int = 64,
    ) -> None:
        self.head = open_head(run)
        if options is not None:
            self.head.configure(options)
        opened = opened or OpenedEncoder(run.encoder)
        self.encoder, self.processor = opened.encoder, opened.processor
        self.length = run.recorded("length", int)
        self.encoder.eval()
        self._batch_size = min(batch_size, self.head.eval_batch_size)
        self._is_simple = type(self.head).collate is Task.collate
        self.window = max(self._batch_size, WINDOW) if self._is_simple else self._batch_size

    def rows(self, records: Dataset) -> list[dict[str, Any]]:
        """Return a row of plain values for each record, in order."""
        found: list[Any] = [None] * len(records)
        for positions, batch in self._batches(records):
            with torch.inference_mode():
                predicted = self.head.predictions(self.head.features(self.encoder, batch), batch)
            for position, row in zip(positions, predicted, strict=True):
                found[position] = row
        return [self.head.describe(row, record) for row, record in zip(found, records, strict=True)]

    def _batches(self, records: Dataset) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield positions in ``records`` and their batches."""
        every = np.arange(len(records))
        if not self._is_simple or len(records) <= 1:
            for start in range(0, len(records), self._batch_size):
                positions = every[start : start + self._batch_size]
                some = records.select(positions)
                yield positions, self.head.collate(self.processor, some, self.length)
            return
        unknown = torch.full((len(records),), IGNORE)
        rows = LabeledRows(self.processor, records, unknown, self.length)
        for positions, batch in by_size(rows, every, self._batch_size):
            yield positions, {name: part for name, part in batch.items() if name != "labels"}


def beside_rows(
    predicted: Iterable[dict[str, Any]], records: Dataset, ledger: Ledger, content: Content
) -> Iterator[dict[str, Any]]:
    """Yield a row for each row of the sources, in order, with its own columns as ``record``.

    A row of the sources that no record was made of has None for everything that is predicted, and
    a ``reason``. ``record`` is the text itself where the source has no columns.

    Args:
        predicted: as :func:`predict` yields them, of ``records``.
        ledger: of the reading of ``records``.
    """
    if ledger.kept is None:
        yield from predicted
        return
    predictions = iter(predicted)
    first = next(predictions, None)
    names = dict.fromkeys(first or ())
    predictions = chain([] if first is None else [first], predictions)
    has_content = content.name in records.column_names
    texts = stream(records, content.name) if has_content else repeat(None)
    for row in ledger:
        if row.reason is not None:
            shown = {**dict.fromkeys(names), "id": row.id, "reason": row.reason}
            yield {**shown, "record": row.columns}
            continue
        text = next(texts)
        own = {content.name: text} if isinstance(text, str) else {}
        yield {**next(predictions), "record": row.columns or own}
    yield from predictions  # none is left; what is said after the last is said


def check_out(run: RunFolder, out: Path) -> None:
    """Refuse a file that the predictions of a run cannot be written to."""
    check_ending(out, *open_head(run).endings)


def write(run: RunFolder, rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Write predictions of a run to a file or folder that :func:`check_out` allows."""
    head = type(open_head(run))
    if out.suffix in head.endings:
        head.write(rows, out)
    else:
        write_predictions(rows, out)
