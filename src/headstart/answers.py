"""Output of a command: one result on standard output, errors as sentences with an exit code."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn

import typer
import yaml

import headstart
from headstart.errors import HeadstartError, shown
from headstart.files import no_room
from headstart.pages.rows import NARROWEST, rows_table
from headstart.ranks import is_first
from headstart.stopping import signal_of


def answer(work: Callable[[], Any], *, as_json: bool) -> None:
    """Call ``work`` and print its result, as text or as one JSON object.

    Whatever ``work`` itself prints goes to standard error.

    Raises:
        typer.Exit: with the ``exit_code`` of a result that has one; with code 1 for a
            :class:`HeadstartError` or the code it carries, for a file that the system refuses, and
            if memory runs out; 128 plus the number of the signal that
            interrupted it; 70 for any other exception. The sentence is on standard error.
    """
    from headstart.verbs.wording import from_shell

    try:
        with redirect_stdout(sys.stderr), from_shell():
            result = work()
            text = _json(_plain(result)) if as_json else _prose(result)
    except HeadstartError as error:
        _fail(str(error), getattr(error, "exit_code", 1), as_json)
    except KeyboardInterrupt as error:
        number = signal_of(error)
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        _fail(f"interrupted{by}; give the same command again.", 128 + number, as_json)
    except MemoryError:
        _fail("memory ran out; take fewer records or a smaller --batch-size.", 1, as_json)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            _fail(_of_system(error), 1, as_json)
        if sentence := no_room(error):
            _fail(sentence, 1, as_json)
        _fail(_fault(error), 70, as_json)
    if is_first():  # of several processes, one answers
        _print(text)
    if code := getattr(result, "exit_code", 0):  # a finding that programs act on
        raise typer.Exit(code)


def _print(text: str) -> None:
    """Print the result, and see that it has arrived.

    Raises:
        typer.Exit: it has not: with a sentence, or without where nobody listens any longer.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # What is left to write would fail once more as Python ends.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(
                f"error: the result cannot be printed: {error.strerror}; make room, or write it to "
                "another disk.",
                file=sys.stderr,
            )
        raise typer.Exit(1) from None


class Unfailing(io.FileIO):
    """Standard error for progress and notes, whose loss must not end the work that they tell of."""

    def write(self, data: Any) -> int:
        """Write bytes, or lose them where there is no room or nobody listens."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written


def _fail(sentence: str, code: int, as_json: bool) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    if as_json:
        print(_json({"error": sentence}))
    raise typer.Exit(code)


def _of_system(error: OSError) -> str:
    """Return the sentence for a file that the system refuses, which is no defect of headstart."""
    return shown(
        f"{error.filename} cannot be used: {error.strerror}; check the path, its permissions and "
        "the disk."
    )


def _fault(error: Exception) -> str:
    """Return the sentence for a defect of headstart; its traceback is written to a file."""
    if os.environ.get("HEADSTART_DEBUG"):
        traceback.print_exc()
    together = ""
    with (
        suppress(OSError),  # there may be no room for it
        tempfile.NamedTemporaryFile(
            "w", prefix="headstart-", suffix=".log", delete=False, encoding="utf-8"
        ) as log,
    ):
        traceback.print_exc(file=log)
        together = f" together with {log.name}"
    return (
        f"headstart itself failed ({type(error).__name__}: {error}); please report it{together}; "
        "HEADSTART_DEBUG=1 shows the traceback here."
    )


def _plain(result: Any) -> dict[str, Any]:
    """Return the result of a verb as plain values, for ``--json``."""
    match result:
        case Path():
            return {"out": str(result)}
        case list():
            return {"rows": result}
        case _ if hasattr(result, "tolist"):  # an array of vectors
            return {"vectors": result.tolist()}
        case str():
            return {"text": result}
        case dict():
            return result
        case headstart.Run():
            return headstart.info(str(result.folder))
    return result.summary()  # a report


def _json(value: Any) -> str:
    """Return JSON that standard output can show: escaped where it is not Unicode."""
    unicode = (sys.__stdout__.encoding if sys.__stdout__ else "").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not unicode)


def _prose(result: Any) -> str:
    """Return the result of a verb as text."""
    match result:
        case Path():
            return f"wrote {result}"
        case list():
            is_seen = sys.__stdout__ is not None and sys.__stdout__.isatty()
            is_seen = is_seen and shutil.get_terminal_size().columns >= NARROWEST
            return rows_table(result) if is_seen and result else "\n".join(map(_json, result))
        case _ if hasattr(result, "tolist"):  # an array of vectors
            return "\n".join(map(_json, result.tolist()))
        case dict():
            return yaml.safe_dump(result, sort_keys=False, allow_unicode=True, width=100).rstrip()
        case headstart.Run():
            return f"the run is in {result.folder}"
    return str(result)
