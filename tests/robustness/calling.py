"""One command of headstart in this process, and what is wrong with its answer."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from typer.testing import CliRunner

from headstart.cli import app

#: Characters of the longest message.
LONGEST = 300
#: Seconds after which a command hangs.
PATIENCE = 60
#: What a message says to do: a verb in the imperative, or what a value must be.
_NEXT_STEP = re.compile(
    r"\b(add|change|check|choose|copy|delete|did you mean|fine-tune|free|give|go on|install|keep|"
    r"leave|make|must|name|needs|open|pass|pre-train|put|read|remove|rename|restore|save|say|set|"
    r"shorten|start|take|train|try|unpack|use|wait|write)\b",
    re.IGNORECASE,
)
_BOX = re.compile(r"[\u2500-\u257f]+")


class Late(BaseException):
    """No answer in time; of a type that nothing on the way catches."""


@dataclass(frozen=True)
class Answer:
    """What a command answered: its exit code and the sentence of its error."""

    words: tuple[str, ...]
    code: int
    message: str
    printed: str

    @property
    def faults(self) -> list[str]:
        """What is wrong with the answer; empty where it is a result or a plain sentence."""
        if self.code == 0:
            return []
        if self.code not in (1, 2):
            return [f"exit {self.code}"]
        found = []
        if len(self.message) > LONGEST:
            found.append(f"message of {len(self.message)} characters")
        if not _NEXT_STEP.search(self.message):
            found.append("no next step")
        if not self.message:
            found.append("no message")
        return found


def call(*words: str) -> Answer:
    """Run ``headstart WORDS`` in this process."""
    # Wide, so that no word of a message is broken.
    settings = {"COLUMNS": "100000", "NO_COLOR": "1", "TERM": "dumb"}
    try:
        with _patience():
            result = CliRunner().invoke(app, list(words), env=settings)
    except Late as error:
        return Answer(words, 124, str(error), "")
    code, message = result.exit_code, _sentence(result.stderr)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        code, message = 70, f"{type(result.exception).__name__}: {result.exception}"
    return Answer(tuple(words), code, message, result.output)


def _sentence(printed: str) -> str:
    """Return the error in what was printed to standard error, without the frame around it."""
    start = printed.rfind("error: ")
    if start >= 0:
        return printed[start + len("error: ") :].strip()
    framed = printed.partition("Error")[2]
    return " ".join(_BOX.sub(" ", framed).split())


@contextmanager
def _patience() -> Iterator[None]:
    def late(signum: int, frame: FrameType | None) -> None:
        raise Late(f"no answer within {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def files_in(folders: Sequence[Path]) -> set[Path]:
    """Return everything that lies in the folders."""
    return {path for folder in folders for path in folder.rglob("*")}
