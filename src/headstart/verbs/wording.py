"""Messages in the words of Python, where a verb is called from there and not from the shell.

Messages are written with the flags of the command line. A Python caller knows keyword arguments,
and gave records in memory that are read from a temporary file, whose name tells nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from headstart import config
from headstart.config.options import Options

#: Whether the command line calls, which knows its own flags.
_shell: ContextVar[bool] = ContextVar("shell", default=False)
#: From the file of records in memory to the option that they were given as.
_given: ContextVar[dict[str, str] | None] = ContextVar("given", default=None)

#: A command of the shell, which stays one.
_COMMAND = re.compile(r"(`headstart [^`]*`)")
_SETTING = re.compile(r"--set (?P<quote>['\"]?)(?P<setting>[\w.]+(=[^\s;:,'\"]+)?)(?P=quote)")
_COLUMN = re.compile(r"--column (?P<name>\w+)=(?P<column>'[^']*'|[^\s,;.)]+)")
#: A flag, the word after it, and whether that ends a part of the sentence.
_FLAG = re.compile(
    r"--(?P<flag>[a-z][a-z-]*)"
    r"(?: (?P<value>[\w.%/]*\w|'[^']*'|\[[^\]]*\])(?P<end>(?=[;,)]|\.?$|\. | or --| alone))?)?"
)
#: What is a value after a flag and no word of the sentence: a number, a placeholder, a file.
_VALUE = re.compile(
    r"\d+(\.\d+)?(s|min|steps|epochs|%)?|[A-Z][A-Z0-9_]*|\w+\.[a-z]{3,5}|\S+/\S*|'.*'|\[.*\]"
)
_NAMES = frozenset({"auto", "off", "on", "all", "none", "regression", "classification"})


@contextmanager
def from_shell() -> Iterator[None]:
    """Leave messages as they are inside the block: the command line calls the verbs."""
    token = _shell.set(True)
    try:
        yield
    finally:
        _shell.reset(token)


@contextmanager
def noting_records() -> Iterator[None]:
    """Know inside the block, and after it no longer, which files hold records in memory."""
    token = _given.set(dict(_given.get() or {}))
    try:
        yield
    finally:
        _given.reset(token)


def note_records(path: str, option: str) -> None:
    """Remember that a file holds the records that were given as an option."""
    known = _given.get()
    if known is not None:
        known[path] = option


def worded(message: str) -> str:
    """Return a message with keyword arguments in the place of flags, unless the shell calls.

    >>> worded("check --column label=stars, or give --folds 5.")
    'check columns={"label": "stars"}, or give folds=5.'
    """
    if _shell.get():
        return message
    parts = _COMMAND.split(_named(message))
    parts[::2] = [_argued(part) for part in parts[::2]]
    return "".join(parts)


def _named(message: str) -> str:
    """Return a message in which records in memory have no file."""
    for path, option in sorted((_given.get() or {}).items(), key=lambda each: -len(each[0])):
        records = f"the records given as {option!r}"
        for name in (os.path.abspath(path), path, *_short(path)):
            message = re.sub(rf"{re.escape(name)}:(\d+)", rf"row \1 of {records}", message)
            message = message.replace(name, records)
    for one, several in (("has", "have"), ("is", "are"), ("holds", "hold")):
        message = re.sub(rf"(the records given as '\w+') {one} ", rf"\1 {several} ", message)
    return message


def _short(path: str) -> list[str]:
    """Return the shorter names by which reading calls a file; see ``data/discovery.py``."""
    name = Path(path).name
    # A folder is called as its option is, and that is a word of many messages.
    return [f"{Path(path).parent.name}/{name}", *([name] if "." in name else [])]


def _argued(text: str) -> str:
    text = _COLUMN.sub(
        lambda found: f'columns={{"{found["name"]}": "{found["column"].strip(chr(39))}"}}', text
    )
    text = _SETTING.sub(lambda found: f'settings=["{found["setting"]}"]', text)
    return _FLAG.sub(_argument, text)


def _argument(found: re.Match[str]) -> str:
    """Return the keyword argument of a flag, with its value if one follows."""
    name, value = found["flag"].replace("-", "_"), found["value"]
    after = f" {value}" if value else ""
    arguments = _arguments()
    if name not in arguments and name.startswith("no_"):
        return f"{name.removeprefix('no_')}=False{after}"
    if name not in arguments:
        return found[0]
    if arguments[name]:
        return f"{name}=True{after}"
    if value and (_VALUE.fullmatch(value) or value in _NAMES or found["end"] is not None):
        is_text = not re.fullmatch(r"[\d.]+|'.*'|\[.*\]|[A-Z][A-Z0-9_]*", value)
        return f'{name}="{value}"' if is_text else f"{name}={value}"
    return f"{name}={after}"


@cache
def _arguments() -> dict[str, bool]:
    """Return the keyword arguments of all verbs, and whether each is a switch."""
    found = {"column": False, "label_column": False}
    for name, model in vars(config).items():
        if isinstance(model, type) and issubclass(model, Options) and name.endswith("Config"):
            for option, field in model.model_fields.items():
                found[option.rstrip("_")] = field.annotation is bool
    return found
