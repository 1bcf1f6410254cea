"""The verbs of :mod:`headstart` for the shell, and nothing else.

Each command is made from a model in :mod:`headstart.config`: names, defaults, bounds and help
texts are written there once. Only given options are passed on, so that the shell and Python share
the defaults of the same models.

The result goes to standard output, everything else to standard error. Exit codes: 0 done,
1 a mistake the user can fix, 2 wrong usage, 70 a defect of headstart, 129, 130 and 143 stopped by
a signal (and saved).
"""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from rich.markup import escape

import headstart
from headstart import config, stopping
from headstart.answers import Unfailing, answer
from headstart.config import Options
from headstart.config.described import facts, single
from headstart.config.loading import must_be
from headstart.errors import HeadstartError, shown
from headstart.usage import Commands

app = typer.Typer(
    name="headstart",
    cls=Commands,
    help="From unlabeled data to a model that needs few labels, and an honest verdict.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Verb -> its options, and which of them are positional.
VERBS: dict[str, tuple[type[Options], tuple[str, ...]]] = {
    "audit": (config.AuditConfig, ("sources",)),
    "preview": (config.PreviewConfig, ("sources",)),
    "pretrain": (config.PretrainConfig, ("sources",)),
    "evaluate": (config.EvaluateConfig, ("run",)),
    "compare": (config.CompareConfig, ("runs",)),
    "monitor": (config.MonitorConfig, ("run",)),
    "label": (config.LabelConfig, ("run",)),
    "finetune": (config.FinetuneConfig, ("run",)),
    "update": (config.UpdateConfig, ("run",)),
    "predict": (config.PredictConfig, ("run", "inputs")),
    "embed": (config.EmbedConfig, ("run", "inputs")),
    "index": (config.IndexConfig, ("run", "inputs")),
    "search": (config.SearchConfig, ("run", "inputs")),
    "explain": (config.ExplainConfig, ("run", "inputs")),
    "recommend": (config.RecommendConfig, ("run",)),
    "generate": (config.GenerateConfig, ("run",)),
    "export": (config.ExportConfig, ("run", "inputs")),
    "compress": (config.CompressConfig, ("run", "inputs")),
    "serve": (config.ServeConfig, ("runs",)),
}

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]


# -- a command made from a model -----------------------------------------------------------------


def _command(verb: str, model: type[Options], positional: tuple[str, ...]) -> Callable[..., None]:
    """Return the function that typer turns into the command ``verb``."""
    fields = {**{name: model.model_fields[name] for name in positional}, **model.model_fields}
    flat = {name: field for name, field in fields.items() if not _nested(field)}

    def command(*, as_json: bool, **given: Any) -> None:
        values = {name: value for name, value in given.items() if value not in (None, [])}
        elsewhere = values.keys() & {"config", "settings"}
        required = {"run"} if elsewhere else set(flat)
        if "resume" in values:  # the run has the others
            required = required & {"out"}
        _refuse_missing(flat, required, values, positional)
        arguments: list[str] = []
        for name in positional:
            value = values.pop(name, [])
            arguments += value if isinstance(value, list) else [value]
        options = {
            name: value if name == "settings" else _parsed(name, value, flat.get(name))
            for name, value in values.items()
        }

        def work() -> Any:
            result = getattr(headstart, verb)(*arguments, **options)
            # Rows that were written to a file are not printed as well.
            are_rows = isinstance(result, Sequence) and not isinstance(result, str)
            return Path(options["out"]) if are_rows and "out" in options else result

        answer(work, as_json=as_json)

    parameters = [_parameter(name, field, model, positional) for name, field in flat.items()]
    if "columns" in flat:
        parameters.append(_keyword("label_column", str, _LABEL_COLUMN))
    if len(flat) < len(fields):
        parameters += [
            _keyword("config", str | None, typer.Option("--config", help="YAML file of options.")),
            _keyword(
                "settings",
                list[str] | None,
                typer.Option("--set", metavar="KEY=VALUE", help="Any option; see below."),
            ),
        ]
    parameters.append(inspect.Parameter("as_json", _KEYWORD, default=False, annotation=JsonFlag))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_PANELS: dict[type, str] = {
    **dict.fromkeys((config.SourceOptions, config.GroupOptions, config.SplitOptions), "Data"),
    config.TrainingOptions: "Training",
}
#: Names with values, which are given one by one: --column text=body --column label=stars
_PAIRS = dict[str, str]
_LABEL_COLUMN = typer.Option(
    "--label-column",
    metavar="COLUMN",
    help="Short for --column label=COLUMN.",
    rich_help_panel="Data",
    show_default=False,
)


def _parameter(
    name: str, field: FieldInfo, model: type[Options], positional: tuple[str, ...]
) -> inspect.Parameter:
    """Return one command line parameter for one field of a model."""
    kind, required = field.annotation, field.is_required()
    metavar = None
    info: Any
    if name in positional:
        info = typer.Argument(metavar=_metavar(name), help=_help(field), show_default=False)
    else:
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        if kind == _PAIRS:
            flag, kind, metavar = flag.removesuffix("s"), list[str], "NAME=COLUMN"
        if field.default is True:
            flag = f"{flag}/--no-{flag.removeprefix('--')}"
        home = next(base for base in reversed(model.__mro__) if name in _own_fields(base))
        names = _names_of_kind(kind)
        if names is None and kind is not bool and get_origin(kind) is not list:
            kind = str  # the model alone checks it, and says what is wrong in its own words
        info = typer.Option(
            flag,
            metavar=names or metavar,
            parser=partial(_value, kind) if names else None,
            help=_help(field) + (" [red](required)[/red]" if required else ""),
            rich_help_panel=_PANELS.get(home, "Options"),
            show_default=False,
        )
    return _keyword(name, kind, info)


def _names_of_kind(kind: Any) -> str | None:
    """Return what stands for the value of a number or of a choice in the help; None for others."""
    if get_origin(kind) is Literal:
        return f"[{'|'.join(get_args(kind))}]"
    kinds = {kind, *get_args(kind)}
    return "INTEGER" if int in kinds else "FLOAT" if float in kinds else None


def _value(kind: Any, text: str) -> Any:
    """Parse one number or choice, refused in the words of the model."""
    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        must = must_be(error.errors()[0])
        raise typer.BadParameter(shown(f"it must be {must}, not {text!r}.")) from None


def _metavar(name: str) -> str:
    return (f"{name[:-1]}..." if name.endswith("s") else name).upper()


def _own_fields(model: type) -> dict[str, Any]:
    return vars(model).get("__annotations__", {})


def _help(field: FieldInfo) -> str:
    """Return the description of an option, its default and its bounds."""
    known = facts(field)
    return escape(field.description or "") + (f" [dim]({known})[/dim]" if known else "")


def _keyword(name: str, annotation: Any, info: Any) -> inspect.Parameter:
    """Return an optional parameter; None means that it was not given."""
    return inspect.Parameter(
        name, _KEYWORD, default=None, annotation=Annotated[annotation | None, info]
    )


def _nested(field: FieldInfo) -> bool:
    """Return whether a field is a group of options, for ``--set`` and ``--config`` only."""
    kind = field.annotation
    is_group = isinstance(kind, type) and issubclass(kind, Options)
    return is_group or (get_origin(kind) is dict and kind != _PAIRS)


def _parsed(name: str, value: Any, field: FieldInfo | None) -> Any:
    """Parse a value: ``--labels 10,100 --labels all`` is a list of 3, ``--column a=b`` a dict."""
    if not isinstance(value, list):
        return value
    if field is None or field.annotation != _PAIRS:
        return ",".join(value).split(",")
    parts = [one.partition("=") for one in value]
    if not all(key and equals and given for key, equals, given in parts):
        hint = f"--{name.removesuffix('s')}"
        raise typer.BadParameter("it must read NAME=COLUMN, as in text=body.", param_hint=hint)
    return {key.strip(): given for key, _, given in parts}


class _Missing(typer.BadParameter):
    """A required option that was not given."""

    def format_message(self) -> str:
        """Return the sentence alone, without that of a value."""
        return self.message


def _refuse_missing(
    fields: dict[str, FieldInfo],
    required: set[str],
    values: dict[str, Any],
    positional: tuple[str, ...],
) -> None:
    """Refuse a missing required option, by its name on the command line."""
    for name, field in fields.items():
        if name in required and field.is_required() and name not in values:
            flag = _metavar(name) if name in positional else f"--{name.replace('_', '-')}"
            what = (field.description or "A value").partition(";")[0].rstrip(".")
            raise _Missing(f"{flag} is missing: {what[:1].lower()}{what[1:]}")


def _epilog(model: type[Options]) -> str | None:
    """Return the help lines of the options for ``--set`` and ``--config`` only."""
    lines = []
    for group, field in model.model_fields.items():
        if get_origin(field.annotation) is dict:
            lines.append(escape(field.description or ""))
        elif _nested(field):
            for name, option in single({group: field}):
                lines.append(f"[cyan]{name}[/cyan]  {_help(option)}")
    return (
        "\n".join(["With --set KEY=VALUE, or in the YAML of --config:", *lines]) if lines else None
    )


# -- commands ------------------------------------------------------------------------------------

for _verb, (_model, _positional) in VERBS.items():
    app.command(_verb, help=inspect.getdoc(_model), epilog=_epilog(_model))(
        _command(_verb, _model, _positional)
    )


@app.command()
def info(
    target: Annotated[
        str, typer.Argument(metavar="RUN|NAME", help="A run, or a name such as mlm or light.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Describe a run, or an objective, encoder, task, protocol or kind of data."""

    def work() -> Any:
        is_there = bool(target.strip()) and Path(target).exists()
        if not is_there:
            from headstart.entry import Entries

            found = Entries.named(target)
            if found is not None:
                return found
        try:
            if as_json:
                return headstart.info(target)
            facts = headstart.Run.open(target).facts()
        except HeadstartError as error:
            if (
                is_there
                or not target.strip()
                or Path(target).name != target
                or any(Path().glob("*/config.yaml"))
            ):
                raise
            raise HeadstartError(
                f"{target!r} is neither a run here nor a name; `headstart list` has the names, and "
                "`headstart info FOLDER` describes a run."
            ) from error
        return "\n".join(f"{name:<16}{value}" for name, value in facts.items())

    answer(work, as_json=as_json)


@app.command("list")
def list_names(
    what: Annotated[
        Literal[
            "modalities",
            "encoders",
            "objectives",
            "tasks",
            "protocols",
            "exports",
            "cells",
            "starts",
        ]
        | None,
        typer.Argument(
            help="One family; cells: what goes with what; starts: published encoders on this "
            "machine."
        ),
    ] = None,
    fetch: Annotated[
        str | None,
        typer.Option(help="With starts: first fetch this model of the Hugging Face hub."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="With starts: measure no speed that is not known yet.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List what is available, in headstart and in packages that extend it."""
    answer(lambda: headstart.list(what, fetch=fetch, quick=quick), as_json=as_json)


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """Describe this machine: cores, memory, disk, bf16, GPU, versions, extras."""
    answer(headstart.doctor, as_json=as_json)


def _version(requested: bool) -> None:
    if requested:
        print(f"headstart {headstart.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line; the entry point of ``headstart``."""
    # Copying and casting records is internal; progress bars are for the user's own steps.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    with suppress(OSError, AttributeError):  # a standard error that is no file stays as it is
        told = io.BufferedWriter(Unfailing(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(told, sys.stderr.encoding, line_buffering=True)
    # A terminal that lacks a character shows its number; it is no reason to fail after the work.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    stopping.stop_cleanly()
    try:
        app(prog_name="headstart")
    finally:
        # What is left is to delete what is temporary, which another Ctrl-C must not cut off.
        stopping.ignore()
