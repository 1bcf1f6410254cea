"""Options of a verb from a file, settings and keyword arguments; errors in one plain sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from headstart.config.options import Options
from headstart.errors import HeadstartError, did_you_mean

Model = TypeVar("Model", bound=Options)


def load(
    model: type[Model],
    *,
    file: str | Path | None = None,
    settings: Iterable[str] = (),
    sections: Mapping[str, tuple[str, ...]] | None = None,
    **options: Any,
) -> Model:
    """Build a verb's options from a YAML file, ``key=value`` settings and keyword arguments.

    Later sources win: defaults, then ``file``, then ``settings``, then ``options``.

    Args:
        sections: the option that the setting ``NAME.key=value`` sets if ``NAME`` is no option
            itself, such as ``{"mlm": ("objective_options", "mlm")}``.

    Raises:
        HeadstartError: an unknown key or a value out of bounds, in one sentence.
    """
    values: dict[str, Any] = _read_yaml(Path(file)) if file else {}
    for setting in settings:
        _apply(model, values, setting, sections or {})
    values.update(options)
    try:
        return model(**values)
    except ValidationError as error:
        raise HeadstartError(_sentence(model, error)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise HeadstartError(
            f"the config file {path} cannot be read: {error.strerror}; check --config."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise HeadstartError(f"the config file {path} is not YAML: {_one_line(error)}") from None
    if not isinstance(content, dict):
        raise HeadstartError(f"the config file {path} must hold `key: value` lines.")
    return content


def _apply(
    model: type[Options],
    values: dict[str, Any],
    setting: str,
    sections: Mapping[str, tuple[str, ...]],
) -> None:
    """Set one ``key=value`` in ``values``."""
    key, equals, text = setting.partition("=")
    if not equals:
        raise HeadstartError(f"--set {setting!r} must read key=value.")
    path = key.strip().split(".")
    head = path[0]
    if len(path) > 1 and head not in (groups := groups_of(model)):
        if head in sections:
            path = [*sections[head], *path[1:]]
        elif head not in model.model_fields:
            known = did_you_mean(head, groups | {*sections})
            raise HeadstartError(f"--set {setting}: nothing is called {head!r}{known}")
    target = values
    for part in path[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise HeadstartError(f"--set {setting!r}: {part!r} has no options of its own.")
    try:
        target[path[-1]] = yaml.safe_load(text)
    except yaml.YAMLError:
        target[path[-1]] = text


def groups_of(model: type[BaseModel]) -> set[str]:
    """Return the options that have keys of their own, as in ``--set OPTION.key=value``."""
    return {
        name
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is dict or _is_model(field.annotation)
    }


def check_options(model: type[Model], options: Mapping[str, Any], owner: str, prefix: str) -> Model:
    """Validate the options of an encoder, an objective or a kind of data.

    Args:
        owner: the name of their owner in messages.
        prefix: of their names in ``--set PREFIX.key=value``.

    Raises:
        HeadstartError: an unknown key or a value out of bounds; it names key and owner.
    """
    try:
        return model(**options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise HeadstartError(
                f"{owner} has no option {key!r}{did_you_mean(key, _names(model))}"
            ) from None
        message, given = first["msg"].removeprefix("Value error, "), first.get("input")
        raise HeadstartError(f"{prefix}.{key}: {message} (given: {given!r}).") from None


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown option {where!r}{did_you_mean(where, _names(model))}"
    if first["type"] == "missing":
        return f"the option {where!r} is missing; give it a value."
    message = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    given_text = f" (given: {given!r})" if not isinstance(given, Mapping) else ""
    return f"option {where!r}: {message[0].lower()}{message[1:]}{given_text}."


def _names(model: type[BaseModel], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        names.append(prefix + name)
        if _is_model(field.annotation):
            names.extend(_names(field.annotation, f"{prefix}{name}."))
    return names


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
