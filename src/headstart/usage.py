"""Wrong usage of the command line: one sentence with the nearest names, and exit code 2."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from headstart.config.aliases import ALIASES
from headstart.errors import nearest
from headstart.pages.markup import listed

#: What the option of the records is called elsewhere, or without its last letter, and the flags
#: that they stand behind here.
_RECORDS = {"data", "datasets", "files", "images", "input_files", "inputs", "paths", "sources"}
_RECORDS |= {"texts", "train_data", "train_datasets", "train_files"}
_BEHIND = ("--train", "--unlabeled")
#: What a run, a device, the column and the number of labels, and a format are called elsewhere.
_RUNS = {"checkpoint", "encoder", "load_from", "model", "model_name", "model_path", "run"}
_RUNS |= {"pretrained", "weights"}
_DEVICES = {"cpu", "cuda", "device", "gpu", "gpus", "no_cuda"}
_LABELS = {"label", "label_name", "labels", "target"}
_CLASSES = {"n_classes", "num_classes", "num_labels"}
_FORMATS = {"format", "json_output", "output_format"}
#: What to write in the place of an option that a verb does not have.
_INSTEAD = dict.fromkeys(
    [("finetune", name) for name in ("test", "test_file", "test_data")],
    "--val FILE chooses and measures here, and `headstart evaluate RUN --train FILE --test FILE` "
    "tests on records that only the score sees",
)


class Commands(TyperGroup):
    """The verbs, with refusals in the form of all other errors."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line and exit; a refused one is answered in one sentence."""
        run = super().main
        settings = (complete_var, False, windows_expand_args)
        if not standalone_mode:
            return run(args, prog_name, *settings, **extra)
        try:
            sys.exit(run(args, prog_name, *settings, **extra) or 0)
        except Exception as error:
            if not hasattr(error, "format_message"):  # no refusal of the parser
                raise
            sentence = _sentence(error)
            print(f"error: {sentence}", file=sys.stderr)
            if "--json" in (sys.argv[1:] if args is None else args):
                print(json.dumps({"error": sentence}, ensure_ascii=False))
            sys.exit(2)


def _sentence(error: Any) -> str:
    """Return what the parser refuses, in one line that names the next step."""
    context = error.ctx
    command = context.command_path if context else "headstart"
    if not error.format_message():  # no command at all: its help was printed
        return f"name a command; `{command} --help` lists them."
    name = getattr(error, "option_name", "")
    if name and type(error).__name__ == "NoSuchOption":
        answer = _of_option(name, context)
        end = "?" if answer.startswith("did you") else f"; see `{command} --help`."
        return f"there is no option {name}; " + (answer + end if answer else _all(command))
    text = " ".join(error.format_message().replace("Value error, ", "").split())
    text = text.rstrip(".") if text[:2].isupper() else text[:1].lower() + text[1:].rstrip(".")
    if text.startswith("got unexpected extra argument") and (where := _of_records(context)):
        text = f"{text}; {where}"
    return text if text.endswith("?") else f"{text}; see `{command} --help`."


def _all(command: str) -> str:
    return f"`{command} --help` has all."


def _of_option(name: str, context: Any) -> str:
    """Return what to write in the place of an unknown option; "" where nothing is like it."""
    flags = _flags(context.command)
    plain = name.strip("-").replace("-", "_")
    if (context.info_name, plain) in _INSTEAD:
        return _INSTEAD[context.info_name, plain]
    if plain in _LABELS and "--label-column" in flags and context.info_name != "explain":
        return "the column of the labels is given as --label-column COLUMN"
    if other := _called(name, context.command):
        return f"it is called {other} here"
    if {plain, f"{plain}s"} & _RECORDS and (where := _of_records(context)):
        return where
    if plain in _RUNS and "run" in flags:
        return f"the run is given without an option: `{context.command_path} RUN`"
    if plain in _DEVICES:
        return "a GPU is used where PyTorch finds one (`headstart doctor`)"
    if plain in _CLASSES:
        return "the classes are those of the labels"
    if plain in _FORMATS and "--json" in flags:
        return "--json prints one JSON object, and the ending of --out says the format of a file"
    if where := _elsewhere(name, context):
        return where
    # The dashes that all have in common make no name likelier.
    known = [flag.removeprefix("--") for flag in flags if flag.startswith("--")]
    near = nearest(name.lstrip("-"), known)
    return f"did you mean --{' or --'.join(near)}" if near else ""


def _flags(command: Any) -> list[str]:
    return [flag for option in command.params for flag in option.opts]


def _elsewhere(name: str, context: Any) -> str:
    """Return which other verbs have an option; "" for none."""
    found: dict[str, list[str]] = {}
    verbs = context.parent.command.commands if context.parent else {}
    for verb, command in verbs.items():
        other = name if name in _flags(command) else _called(name, command)
        if verb != context.info_name and other:
            found.setdefault(other, []).append(f"`headstart {verb}`")
    if not found:
        return ""
    other, having = max(found.items(), key=lambda each: len(each[1]))
    have = f"{listed(having[:3])} {'has' if len(having) == 1 else 'have'} it"
    return have if other == name else f"{have} as {other}"


def _called(name: str, command: Any) -> str | None:
    """Return how an option of other libraries is given here; None for one that nobody has."""
    flags = _flags(command)
    option = ALIASES.get(name.strip("-").replace("-", "_"), "")
    if option == "columns" and "--column" in flags:
        return f"--column {name.strip('-').partition('-')[0]}=NAME"
    if "." in option and option in (command.epilog or ""):
        return f"--set {option}=VALUE"
    flag = f"--{option.replace('_', '-').rstrip('-')}"
    return flag if flag in flags else None


def _of_records(context: Any) -> str:
    """Return how the records of a verb are given; "" for a verb without any."""
    flags = {flag for option in context.command.params for flag in option.opts}
    if behind := [flag for flag in _BEHIND if flag in flags]:
        return f"records are given as {behind[0]} FILE"
    if flags & {"sources", "inputs"}:
        words = " ".join(context.command.collect_usage_pieces(context)[1:])
        words = words.translate({ord("["): None, ord("]"): None}).replace("......", "...")
        return f"records are given without an option: `{context.command_path} {words}`"
    return ""
