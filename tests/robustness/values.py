"""Odd values for every option of every verb, made from the definition of the option."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headstart.cli import VERBS

#: Values of any option, as they are typed.
ANY = {
    "empty": "",
    "a space": " ",
    "a line break": "a\nb",
    "a control character": "\x1b[31m\x07",
    "a long text": "x" * 10_000,
    "letters of other scripts": "größe 东方 עברית",
    "right to left": "\u202eexe.txt",
    "an emoji": "\U0001f642",
    "a byte that is not UTF-8": "\udce9",
    "null": "null",
    "a list": "[1, 2]",
    "a table": "{a: 1}",
    "quotes": "'\"",
    "no YAML": "{[",
    "10,000 values": ",".join(map(str, range(10_000))),
}
NUMBERS = {
    "minus one": "-1",
    "zero": "0",
    "a half": "0.5",
    "1e39": "1e39",
    "1e-320": "1e-320",
    "nan": "nan",
    "infinite": "inf",
    "minus infinite": "-.inf",
    "YAML's nan": ".nan",
    "a huge number": str(10**30),
    "a number of 5,000 digits": "9" * 5000,
    "a large number": str(2**31),
    "hexadecimal": "0x10",
    "true": "true",
    "a word": "many",
}
PATHS = {
    "a folder": "folder",
    "a missing file": "no/such/file.csv",
    "a parent": "..",
    "the home": "~",
    "a file below a file": "texts.txt/below",
    "an empty file": "empty.txt",
    "a circle of links": "circle",
    "a broken link": "broken",
    "a long name": "n" * 300 + ".csv",
    "a device": "/dev/null",
    "a pattern": "[",
    "two stars": "**",
    "a URL": "https://example.org/x.csv",
}


@dataclass(frozen=True)
class Case:
    """One option of a verb with an odd value.

    Attributes:
        option: its full name, such as ``optimizer.betas``.
        given: the words that give it, without the rest of the command.
        what: the value in words.
    """

    verb: str
    option: str
    given: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        return f"{self.verb}: {self.option} is {self.what}"

    def words(self, typical: dict[str, tuple[str, ...]]) -> list[str]:
        """Return the command: the typical one, in which the odd value replaces its own."""
        return [
            self.verb,
            *(self.given if self.option in typical else ()),
            *(word for name, words in typical.items() if name != self.option for word in words),
            *(() if self.option in typical else self.given),
        ]


def cases() -> Iterator[Case]:
    """Yield every option of every verb with every value that is odd for its kind."""
    for verb, (model, positional) in VERBS.items():
        for option, field, single in _options(model):
            for what, value in _values(field).items():
                if option in positional and value.startswith("-"):
                    continue  # a flag
                yield Case(verb, option, _given(option, value, field, positional, single), what)


def _options(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo, bool]]:
    """Yield options by their full names, and whether each has a flag of its own."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _options(kind, f"{name}.")
        else:
            flag = not prefix and (get_origin(kind) is not dict or name == "columns")
            yield prefix + name, field, flag


def _given(
    option: str, value: str, field: FieldInfo, positional: tuple[str, ...], single: bool
) -> tuple[str, ...]:
    if option in positional:
        return (value,)
    if not single:
        return "--set", f"{option}={value}"
    if option == "columns":
        return "--column", f"text={value}"
    flag = f"--{option.rstrip('_').replace('_', '-')}"
    if field.annotation is bool:
        return (flag,)
    return (f"{flag}={value}",)


def _values(field: FieldInfo) -> dict[str, str]:
    """Return what is odd for the kind of an option."""
    kinds = _kinds(field.annotation)
    if kinds == {bool}:
        return {"given": "true"}
    if kinds & {int, float}:
        return {**ANY, **NUMBERS}
    if Literal in kinds:
        return {**ANY, "true": "true", "in capitals": "AUTO"}
    return {**ANY, **NUMBERS, **PATHS}


def _kinds(annotation: Any) -> set[Any]:
    origin = get_origin(annotation)
    if origin is Literal:
        return {Literal}
    if origin in (Union, types.UnionType, list, tuple, dict) or hasattr(annotation, "__metadata__"):
        parts = get_args(annotation)
        return set().union(*(_kinds(part) for part in parts if part is not type(None)))
    return {annotation}


def make_odd_paths(folder: Path) -> None:
    """Write what the relative paths of :data:`PATHS` name."""
    (folder / "folder").mkdir()
    (folder / "empty.txt").write_bytes(b"")
    (folder / "circle").symlink_to("circle")
    (folder / "broken").symlink_to("nowhere")
