"""Wrong usage of the command line: one sentence with the nearest names, and exit code 2."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from headstart.config.aliases import ALIASES
from headstart.errors import did_you_mean


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
        hint = did_you_mean(name, flags, most=3, all_in=f"{command} --help").replace("'", "")
        return f"there is no option {name}{hint}"
    text = " ".join(error.format_message().replace("Value error, ", "").split())
    text = text[:1].lower() + text[1:].rstrip(".")
    return text if text.endswith("?") else f"{text}; see `{command} --help`."


def _called(name: str, flags: Sequence[str]) -> str | None:
    """Return how an option of other libraries is given here; None for one that nobody has."""
    found = ALIASES.get(name.strip("-").replace("-", "_"), "")
    flag = f"--{found.replace('_', '-')}"
    if "." in found and "--set" in flags:
        return f"--set {found}=VALUE"
    return flag if flag in flags else None
