"""Options in words: what each is, its default and its bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic.fields import FieldInfo

from headstart.config.options import Options

_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def single(fields: Mapping[str, FieldInfo], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield options by their full names, those of a group one by one."""
    for name, field in fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Options):
            yield from single(kind.model_fields, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def facts(field: FieldInfo) -> str:
    """Return the default and the bounds of an option, as in ``default 0.1, >= 0``; may be empty."""
    found = [
        f"{sign} {getattr(bound, key)}"
        for bound in field.metadata
        for key, sign in _SIGNS.items()
        if hasattr(bound, key)
    ]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, list | tuple):
        default = ",".join(map(str, default))
    if default is not None and default is not False and default not in ("", {}):
        found.insert(0, f"default {default}")
    return ", ".join(found)


def described(field: FieldInfo) -> str:
    """Return the description of an option with its :func:`facts`."""
    known = facts(field)
    return (field.description or "") + (f" ({known})" if known else "")
