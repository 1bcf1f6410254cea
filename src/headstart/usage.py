"""Wrong usage of the command line: one sentence with the nearest names, and exit code 2."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from headstart.config.aliases import ALIASES
from headstart.errors import nearest

#: What the option of the records is called elsewhere, or without its last letter, and the flags
#: that they stand behind here.
_RECORDS = {"data", "datasets", "files", "images", "input_files", "inputs", "paths", "sources"}
_RECORDS |= {"texts", "train_data", "train_datasets", "train_files"}
_BEHIND = ("--train", "--unlabeled")


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
        known = [flag for option in context.command.params for flag in option.opts]
        flags = [flag for flag in known if flag.startswith("--")]
        if other := _called(name, flags):
            return f"there is no option {name}; it is called {other} here; see `{command} --help`."
        plain = name.strip("-").replace("-", "_")
        if {plain, f"{plain}s"} & _RECORDS and (where := _of_records(context)):
            return f"there is no option {name}; {where}; see `{command} --help`."
        # The dashes that all have in common make no name likelier.
        near = nearest(name.lstrip("-"), [flag.removeprefix("--") for flag in flags])
        if near:
            return f"there is no option {name}; did you mean --{' or --'.join(near)}?"
        return f"there is no option {name}; `{command} --help` has all."
    text = " ".join(error.format_message().replace("Value error, ", "").split())
    text = text.rstrip(".") if text[:2].isupper() else text[:1].lower() + text[1:].rstrip(".")
    if text.startswith("got unexpected extra argument") and (where := _of_records(context)):
        text = f"{text}; {where}"
    return text if text.endswith("?") else f"{text}; see `{command} --help`."


def _called(name: str, flags: Sequence[str]) -> str | None:
    """Return how an option of other libraries is given here; None for one that nobody has."""
    found = ALIASES.get(name.strip("-").replace("-", "_"), "")
    # What is called --n elsewhere is --count in one verb, and the other way round.
    for option in (found, ALIASES.get(found, "")):
        if option == "columns" and "--column" in flags:
            return f"--column {name.strip('-').partition('-')[0]}=NAME"
        if "." in option and "--set" in flags:
            return f"--set {option}=VALUE"
        flag = f"--{option.replace('_', '-').rstrip('-')}"
        if flag in flags:
            return flag
    return None


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
