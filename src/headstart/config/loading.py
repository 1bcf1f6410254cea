"""Options of a verb from a file, settings and keyword arguments; errors in one plain sentence."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from headstart.config.aliases import meant
from headstart.config.blanks import each_of
from headstart.config.options import Options
from headstart.errors import HeadstartError, did_you_mean

if TYPE_CHECKING:
    from headstart.config.models import EvaluateConfig, FinetuneConfig

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
            itself, such as ``{"mlm": ("objective_options", "mlm")}``; in a file, ``NAME`` may
            have its keys below it.

    Raises:
        HeadstartError: an unknown key or a value out of bounds, in one sentence.
    """
    given = stated(model, file=file, settings=settings, sections=sections or {}, **options)
    return validated(model, given)


def stated(
    model: type[Options],
    *,
    file: str | Path | None,
    settings: Iterable[str],
    sections: Mapping[str, tuple[str, ...]],
    **options: Any,
) -> dict[str, Any]:
    """Return the values that :func:`load` is given, without defaults and not validated."""
    if file is not None and not isinstance(file, str | os.PathLike):
        raise HeadstartError(f"option 'config' must be a path (given: {file!r}).")
    if isinstance(file, str) and not file.strip():
        raise HeadstartError("option 'config' is empty; leave it out, or name a file.")
    values: dict[str, Any] = _read_yaml(Path(file)) if file else {}
    for name in values.keys() & sections.keys() - model.model_fields.keys():
        _put(values, sections[name], values.pop(name), name)
    for setting in as_settings(settings):
        _apply(model, values, setting, sections)
    return {**values, **options}


def as_settings(given: Any) -> list[str]:
    """Return settings as a list; one may be given alone.

    Raises:
        HeadstartError: they are no texts.
    """
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise HeadstartError(f"option 'settings' must be a list of KEY=VALUE (given: {given!r}).")
    return list(found)


def validated(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return the options with these values and the defaults of the others.

    Raises:
        HeadstartError: an unknown key or a value out of bounds, in one sentence.
    """
    try:
        return model(**values)
    except ValidationError as error:
        raise HeadstartError(_sentence(model, error)) from None


def names_given(options: Options, prefix: str = "") -> list[str]:
    """Return the full names of the options that are not defaults of theirs but were given."""
    names = []
    for name in sorted(options.model_fields_set):
        value = getattr(options, name)
        is_group = isinstance(value, Options)
        names += names_given(value, f"{prefix}{name}.") if is_group else [prefix + name]
    return names


def as_given(options: Model, names: Collection[str]) -> Model:
    """Return the options of which these alone, by their full names, count as given."""
    found = options.model_copy(deep=True)
    _narrow(found, names, "")
    return found


def _narrow(options: Options, names: Collection[str], prefix: str) -> None:
    for name in list(options.model_fields_set):
        value = getattr(options, name)
        if isinstance(value, Options):
            _narrow(value, names, f"{prefix}{name}.")
        elif prefix + name not in names:
            options.model_fields_set.discard(name)


def laid_over(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``others`` with ``values`` in their place, group by group."""
    groups = {
        name: laid_over(value, others[name])
        for name, value in values.items()
        if isinstance(value, Mapping) and isinstance(others.get(name), Mapping)
    }
    return {**others, **values, **groups}


def differences(one: Options, two: Options) -> Iterator[tuple[str, Any, Any]]:
    """Yield the full name, such as ``optimizer.clip``, and both values of options that differ."""
    left, right = (dict(_single(each.model_dump(mode="json"))) for each in (one, two))
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield name, left.get(name), right.get(name)


def _single(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _single(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def sections(names: Iterable[str], option: str) -> dict[str, tuple[str, ...]]:
    """Return the ``sections`` of :func:`load` by which ``--set NAME.key=value`` sets ``option``."""
    return {name: (option, name) for name in names}


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
            known = did_you_mean(head, groups | {*sections}, most=3)
            raise HeadstartError(f"--set {setting}: nothing is called {head!r}{known}")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # too many digits, too many brackets
        value = text
    _put(values, path, value, f"--set {setting!r}")


def _put(values: dict[str, Any], path: Sequence[str], value: Any, given: str) -> None:
    """Set the option at ``path`` in ``values``; ``given`` is what set it, for messages."""
    target = values
    for part in path[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise HeadstartError(f"{given}: {part!r} has no options of its own.")
    target[path[-1]] = value


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
                f"{owner} has no option {key!r}{did_you_mean(key, _names(model), most=3)}"
            ) from None
        where = ".".join(filter(None, [prefix, key]))
        raise HeadstartError(_complaint(where, first)) from None


def task_options(config: EvaluateConfig | FinetuneConfig, model: type[Model]) -> Model:
    """Validate the options of the task of a run, ``config.task``.

    Args:
        config: of an evaluation or a fine-tuning.
        model: the ``Options`` of the task or of the protocol.

    Raises:
        HeadstartError: an unknown key, a value out of bounds, or options of another task.

    Example::

        stride = task_options(config, QuestionOptions).stride
    """
    task = config.task
    for other in config.task_options.keys() - {task}:
        raise HeadstartError(
            f"--set {other}.KEY is an option of the task {other!r}, and this one is {task!r}; "
            "leave it out, or change --task."
        )
    return check_options(model, config.task_options.get(task, {}), f"task {task!r}", task)


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    # A misspelt name is often why another is missing.
    first, *_ = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        names = _names(model)
        known = meant(where, names) or did_you_mean(where, names, most=3)
        return f"unknown option {where!r}{known}"
    if first["type"] == "missing":
        return f"the option {where!r} is missing; give it a value."
    return _complaint(where, first)


#: What an option must be, by pydantic's type of error, with the figures of its context.
_MUST_BE = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table of keys and values",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "a table of keys and values",
    "string_too_short": "a text that is not empty",
    "string_type": "a text",
    "string_unicode": "a text in UTF-8; a file may have to be renamed",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
    "tuple_type": "a list",
}


def must_be(error: Mapping[str, Any]) -> str:
    """Return what a value must be, given an error of pydantic of a kind in :data:`_MUST_BE`."""
    return _MUST_BE[error["type"]].format(**error.get("ctx", {}))


def _complaint(where: str, error: Mapping[str, Any]) -> str:
    """Return what is wrong with the value of an option, or with several where none is named."""
    given, kind = error.get("input"), error["type"]
    given_text = f" (given: {given!r})" if not isinstance(given, Mapping) else ""
    place = (error.get("loc") or ("",))[-1]
    if isinstance(place, int) and "." in where:  # a value of a list
        where = where.removesuffix(f".{place}")
        if kind in _MUST_BE:
            return f"value {place + 1} of {where!r} must be {must_be(error)}{given_text}."
    if kind in _MUST_BE:
        return f"option {where!r} must be {must_be(error)}{given_text}."
    message = error["msg"].removeprefix("Value error, ")
    if any(repr(form) in message for each in each_of(given) for form in (each, str(each))):
        given_text = ""  # the message has the value already
    option = f"option {where!r}: " if where else ""
    return f"{option}{message[0].lower()}{message[1:]}{given_text}."


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
