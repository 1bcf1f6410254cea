"""What an entry of this package says of itself, read from its source: importing takes seconds."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Said:
    """What a table of names shows of an entry; None is only known once it is imported.

    Attributes:
        about: the first line of a class's docstring, or the ``about`` that an object is made with.
        family: the heading that a class gives itself.
        reads: what an object is made to read.
    """

    about: str | None = None
    family: str | None = None
    reads: str | None = None


def said(where: str) -> Said:
    """Read an entry's own words.

    Args:
        where: ``"module:attribute"``, as the registries write it.
    """
    module, _, attribute = where.partition(":")
    for node in _statements(module):
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            return Said(first_line(ast.get_docstring(node)), _text(_assigned(node.body, "family")))
    made = _assigned(_statements(module), attribute)
    if isinstance(made, ast.Call):
        named = {word.arg: word.value for word in made.keywords}
        about = _text(named.get("about", next(iter(made.args), None)))
        return Said(first_line(about), reads=_text(named.get("reads")))
    return Said()


def first_line(text: str | None) -> str | None:
    """Return the first line of a docstring as plain text; None without any."""
    return inspect.cleandoc(text).partition("\n")[0].replace("``", "") if text else None


@cache
def _statements(module: str) -> list[ast.stmt]:
    """Return what a module of this package consists of; nothing where its source is not there."""
    file = _PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")
    try:
        return ast.parse(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError):
        return []


def _assigned(body: list[ast.stmt], name: str) -> ast.expr | None:
    """Return what a name is set to."""
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if any(isinstance(each, ast.Name) and each.id == name for each in targets):
            return node.value  # type: ignore[attr-defined]
    return None


def _text(node: ast.expr | None) -> str | None:
    known = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if known else None  # type: ignore[union-attr]
