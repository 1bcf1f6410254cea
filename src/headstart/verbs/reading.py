"""How the verbs read records and report progress."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import FinetuneConfig, Options
from headstart.config.loading import Model, stated, validated
from headstart.config.options import data_options
from headstart.errors import HeadstartError
from headstart.files import scratch
from headstart.verbs.wording import note_records, noting_records, worded
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Modality


#: Options that name labeled records.
_LABELED = ("train", "val", "test", "labeled", "simulate")
#: The name of a run, or the run itself.
Named = str | os.PathLike[str]


#: Whether the verb at work was asked for no progress and no notes.
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def load(
    model: type[Model],
    *,
    file: str | Path | None = None,
    settings: Iterable[str] = (),
    sections: Mapping[str, tuple[str, ...]] | None = None,
    **options: Any,
) -> Model:
    """Build a verb's options, see :func:`headstart.config.load`; records in memory become files."""
    values = stated(model, file=file, settings=settings, sections=sections or {}, **options)
    hush(values)
    return whole_parts(validated(model, taken(model, values)))


def whole_parts(plan: Model) -> Model:
    """Return options that name a single part of a data set wherever labels are read.

    Raises:
        HeadstartError: a source has parts for training and for tests.
    """
    from headstart.data.parts import check_one_part

    for name in _LABELED:
        sources = getattr(plan, name, None) or []
        for source in [sources] if isinstance(sources, str) else sources:
            check_one_part(source, f"--{name}")
    return plan


def taken(
    model: type[Options], values: Mapping[str, Any], folder: Path | None = None
) -> dict[str, Any]:
    """Return options as a verb takes them, with files in the place of records in memory.

    Args:
        folder: where the files are written; they are temporary by default.
    """
    found = dict(values)
    for name in data_options(model):
        many = model.model_fields[name].annotation == list[str]
        if not many and isinstance(found.get(name), list | tuple) and _is_named(found[name]):
            raise HeadstartError(
                f"option {name!r} takes one file, folder or glob, or records such as a frame, a "
                "list of rows or (texts, labels); a list of texts alone is none of these."
            )
        if not _is_named(found.get(name)):
            from headstart.modalities.memory import source_of, sources_of

            take = sources_of if many else source_of
            found[name] = take(found[name], folder or scratch(), name)
            for source in found[name] if many else [found[name]]:
                if not _is_named_in(values[name], source):
                    note_records(source, name)
    return found


def in_file(records: Any) -> str:
    """Store records in memory in a temporary file, and return its name."""
    from headstart.modalities.memory import stored

    return stored(records, scratch())


def in_lines(value: Any, name: str) -> Any:
    """Return a file with the names of a list, one in each line; anything else as it is."""
    if not isinstance(value, list | tuple | set) or not value:
        return value
    if not all(isinstance(each, str | int) and "\n" not in str(each) for each in value):
        return value
    folder = Path(tempfile.mkdtemp(dir=scratch()))
    (folder / f"{name}.txt").write_text("\n".join(map(str, value)) + "\n", encoding="utf-8")
    return str(folder / f"{name}.txt")


def _is_named(value: Any) -> bool:
    """Return whether an option names its data, or was not given."""
    many = value if isinstance(value, list | tuple) else [value]
    return all(one is None or isinstance(one, str | os.PathLike) for one in many)


def _is_named_in(value: Any, source: str) -> bool:
    """Return whether a source is one of the names that an option gave, and no records."""
    if isinstance(value, list | tuple):  # of names, too, within a list of several sources
        return any(_is_named_in(one, source) for one in value)
    return isinstance(value, str | os.PathLike) and os.fspath(value) == source


def labeled_records(source: str, options: FinetuneConfig, opened: OpenedEncoder) -> Dataset:
    """Read labeled records as the task does."""
    from headstart.data.columns import check_names
    from headstart.downstream import TASKS, Task

    task: type[Task] = TASKS[options.task]

    def read(modality: Modality, audit: Audit) -> Dataset:
        task.check(modality)
        check_names(options.columns, modality.content, task.fields)
        return task.read(source, options, modality, audit)

    with working("reading the labeled records", console(), say):
        return opened.read([source], options, say, read)


@contextmanager
def speaking() -> Iterator[None]:
    """End what :func:`hush` began when the verb ends; one within a quiet verb is quiet, too.

    A mistake is raised in the words of whoever called the verb, see :mod:`headstart.verbs.wording`.
    """
    token = _quiet.set(_quiet.get())
    try:
        with noting_records():
            try:
                yield
            except HeadstartError as error:
                error.args = (worded(str(error)), *error.args[1:])
                raise
    finally:
        _quiet.reset(token)


def hush(values: Mapping[str, Any]) -> None:
    """Print no progress and no notes from here on, if the options of the verb say so."""
    if values.get("quiet"):
        _quiet.set(True)


def say(message: str) -> None:
    """Print a message to standard error; standard output is for results."""
    if not _quiet.get():
        print(worded(message), file=sys.stderr, flush=True)


def console() -> Any:
    """Return the console that progress is shown on; None where the user asked for quiet."""
    from rich.console import Console

    return None if _quiet.get() else Console(stderr=True)
