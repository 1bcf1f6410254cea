"""Predictions of a fine-tuned run, one row per record, in order."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from headstart.data.columns import check_names
from headstart.data.store import stream
from headstart.downstream import TASKS, Task
from headstart.downstream.head import task_of
from headstart.downstream.image.masks import write_masks
from headstart.encoders.opening import open_encoder, open_processor
from headstart.errors import HeadstartError, shown
from headstart.files import whole_file
from headstart.modalities.inline import inline_records
from headstart.stored import opening

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import PredictConfig
    from headstart.data.audit import Audit
    from headstart.data.content import Content
    from headstart.data.ledger import Ledger
    from headstart.modalities import Modality
    from headstart.run import RunFolder


def open_head(run: RunFolder) -> Task:
    """Open the head of a fine-tuned run, for any task.

    Raises:
        HeadstartError: the run was pre-trained only, or its fine-tuning has not finished.
    """
    if run.config()["verb"] != "finetune":
        raise HeadstartError(
            f"{run.folder} is a pre-training run and knows no labels; fine-tune first: "
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
    head = open_head(run)
    if options is not None:
        head.configure(options)
    encoder = open_encoder(run.encoder)
    processor = open_processor(run.encoder)
    length = run.recorded("length", int)
    encoder.eval()
    batch_size = min(batch_size, head.eval_batch_size)

    def rows() -> Iterator[dict[str, Any]]:
        for start in range(0, len(records), batch_size):
            chunk = records.select(range(start, min(start + batch_size, len(records))))
            with torch.inference_mode():
                batch = head.collate(processor, chunk, length)
                found = head.predictions(head.features(encoder, batch), batch)
            for row, record in zip(found, chunk, strict=True):
                yield {"id": record["id"], **head.describe(row, record)}
        if say is not None:
            for note in head.notes():
                say(note)

    return rows()


def beside_rows(
    predicted: Iterable[dict[str, Any]], records: Dataset, ledger: Ledger, content: Content
) -> list[dict[str, Any]]:
    """Return a row for each row of the sources, in order, with its own columns as ``record``.

    A row of the sources that no record was made of has None for everything that is predicted, and
    a ``reason``. ``record`` is the text itself where the source has no columns.

    Args:
        predicted: as :func:`predict` yields them, of ``records``.
        ledger: of the reading of ``records``.
    """
    found = [*predicted]
    if ledger.kept is None:
        return found
    names = dict.fromkeys(name for row in found for name in row)
    has_content = content.name in records.column_names
    texts = stream(records, content.name) if has_content else repeat(None)
    rows, predictions = [], iter(found)
    for row in ledger:
        if row.reason is not None:
            shown = {**dict.fromkeys(names), "id": row.id, "reason": row.reason}
            rows.append({**shown, "record": row.columns})
            continue
        text = next(texts)
        own = {content.name: text} if isinstance(text, str) else {}
        rows.append({**next(predictions), "record": row.columns or own})
    return rows


def check_out(run: RunFolder, out: Path) -> None:
    """Refuse a file that the predictions of a run cannot be written to."""
    check_ending(out, *([""] if open_head(run).gives_masks else []))


def check_ending(out: Path, *endings: str) -> None:
    """Refuse a file that predictions cannot be written to.

    Args:
        endings: further allowed endings.
    """
    if out.suffix not in (".jsonl", ".csv", ".parquet", *endings):
        raise HeadstartError(
            f"predictions can be written to .jsonl, .csv or .parquet, not to {out.name!r}; change "
            "--out."
        )


def write_predictions(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Write rows to ``.jsonl``, ``.csv`` (UTF-8) or ``.parquet``, whole or not at all.

    In ``.csv`` and ``.parquet`` each label has a column of scores, ``score:LABEL``, and so has each
    column of the input: under its own name, or as ``input:NAME`` where a column of the result has
    that name. Lists are JSON in ``.csv``. Masks can also be written as PNG files, to a folder
    (without an ending).

    Raises:
        HeadstartError: another ending, or a full disk.
    """
    if not out.suffix and any("runs" in row for row in rows):
        write_masks([row for row in rows if row["runs"] is not None], out)
        return
    check_ending(out)
    with whole_file(out) as partial:
        if out.suffix == ".jsonl":
            with open(partial, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        flat = _flat(rows)
        if out.suffix == ".csv":
            with open(partial, "w", encoding="utf-8", newline="") as file:
                names = list(flat[0]) if flat else ["id"]
                writer = csv.DictWriter(file, names, lineterminator="\n")
                writer.writeheader()
                writer.writerows(
                    {name: _cell(value) for name, value in row.items()} for row in flat
                )
            return
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(flat), partial)


def _flat(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of plain values that all have the same columns."""
    results = dict.fromkeys(name for row in rows for name in row)
    results = {name: None for name in results if name not in ("scores", "record")}
    scores = {f"score:{label}" for row in rows for label in row.get("scores") or ()}

    def own(column: str) -> str:
        return f"input:{column}" if column in results or column in scores else column

    flat = []
    for row in rows:
        found = {name: row.get(name) for name in results}
        found |= {f"score:{label}": score for label, score in (row.get("scores") or {}).items()}
        flat.append(found | {own(name): value for name, value in row.get("record", {}).items()})
    names = dict.fromkeys(name for row in flat for name in row)
    return [{name: row.get(name) for name in names} for row in flat]


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
