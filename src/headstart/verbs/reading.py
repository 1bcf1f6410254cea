"""How the verbs read records and report progress."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import FinetuneConfig, SourceOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.modalities import Modality


def records_of(
    sources: list[str],
    options: SourceOptions,
    encoder: str | Path,
    read: Callable[[Modality, Audit], Dataset] | None = None,
) -> Dataset:
    """Read the records that an encoder folder's modality finds in the sources.

    Args:
        read: replaces the modality's own reading and the check of the options.
    """
    from headstart.data.audit import Audit
    from headstart.data.columns import check_names
    from headstart.encoders.opening import open_modality_of

    modality = open_modality_of(encoder)
    audit = Audit()
    if read is None:
        check_names(options.columns, modality.content)
    records = read(modality, audit) if read else modality.read(sources, options, audit)
    records = modality.readable(records, modality.load(encoder), audit)
    if audit.quarantined:
        say(f"{audit.quarantined} records were set aside: {_reasons(audit.reasons)}")
    for note in audit.notes:
        say(note)
    return records


def labeled_records(source: str, options: FinetuneConfig, encoder: str | Path) -> Dataset:
    """Read labeled records as the task does."""
    from headstart.data.columns import check_names
    from headstart.downstream import TASKS, Task

    task: type[Task] = TASKS[options.task]

    def read(modality: Modality, audit: Audit) -> Dataset:
        task.check(modality)
        check_names(options.columns, modality.content, task.fields)
        return task.read(source, options, modality, audit)

    return records_of([source], options, encoder, read)


def _reasons(reasons: Any) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))


def say(message: str) -> None:
    """Print a message to standard error; standard output is for results."""
    print(message, file=sys.stderr, flush=True)


def console() -> Any:
    """Return the console that progress is shown on."""
    from rich.console import Console

    return Console(stderr=True)
