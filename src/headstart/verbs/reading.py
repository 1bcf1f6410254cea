"""How the verbs read records and report progress."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from headstart.config import FinetuneConfig

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Modality


def labeled_records(source: str, options: FinetuneConfig, opened: OpenedEncoder) -> Dataset:
    """Read labeled records as the task does."""
    from headstart.data.columns import check_names
    from headstart.downstream import TASKS, Task

    task: type[Task] = TASKS[options.task]

    def read(modality: Modality, audit: Audit) -> Dataset:
        task.check(modality)
        check_names(options.columns, modality.content, task.fields)
        return task.read(source, options, modality, audit)

    return opened.read([source], options, say, read)


def say(message: str) -> None:
    """Print a message to standard error; standard output is for results."""
    print(message, file=sys.stderr, flush=True)


def console() -> Any:
    """Return the console that progress is shown on."""
    from rich.console import Console

    return Console(stderr=True)
