"""How to reproduce the report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from headstart.config import PretrainConfig
from headstart.config.loading import differences, validated
from headstart.errors import HeadstartError
from headstart.pages.markup import Markup, tag
from headstart.version import __version__

if TYPE_CHECKING:
    from headstart.config import Options
    from headstart.run import RunFolder

_PACKAGES = ("torch", "transformers", "pytorch-lightning", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions ``{package: version}`` that the figures depend on."""
    return {"headstart": __version__, **{name: version(name) for name in _PACKAGES}}


def command(verb: str, config: Options, named: Sequence[str]) -> str:
    """Return the shell command for these options, without those that equal the defaults.

    Args:
        named: fields that are positional arguments.
    """
    words = ["headstart", verb]
    for field in named:
        value = getattr(config, field)
        words += value if isinstance(value, list) else [value]
    for name in sorted(config.model_fields_set - set(named)):
        value = getattr(config, name)
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        elif isinstance(value, list):
            words += [word for item in value for word in (flag, str(item))]
        elif name == "columns":
            words += _named(value)
        elif isinstance(value, dict):
            words += _set(value)
        elif value is not None:
            words += [flag, str(value)]
    return shlex.join(words)


def section(command: str, versions: Mapping[str, str], run: RunFolder | None = None) -> Markup:
    """Return the commands and the versions of the packages."""
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [line for line in (_trained_by(run) if run else "", command) if line]
    parts = [tag("pre", tag("code", "\n".join(lines)))] if lines else []
    parts += [tag("p", f"Computed with {listed}.", class_="small")] if listed else []
    if not parts:
        return Markup("")
    return tag("section", tag("h2", "Do it again", id="again"), *parts)


def _trained_by(run: RunFolder) -> str:
    """Return the command of the pre-training, without options that equal the defaults."""
    config = run.config()
    if config["verb"] != "pretrain":
        return ""
    try:
        plan = validated(PretrainConfig, config["options"])
    except HeadstartError:  # it is of another version, which had other options
        return ""
    words = ["headstart", "pretrain", *plan.sources, "--out", plan.out]
    usual = PretrainConfig(sources=plan.sources, out=plan.out)
    for name, _, value in differences(usual, plan):
        owner, _, key = name.partition(".")
        flag = f"--{name.replace('_', '-')}"
        if name in ("resume", "overwrite") or value is None:
            continue
        if owner == "columns":
            words += _named({key: value})
        elif key:
            text = value if isinstance(value, str) else json.dumps(value)
            words += ["--set", f"{_setting(name)}={text}"]
        elif isinstance(value, list):
            words += [word for one in value for word in (flag, str(one))]
        else:
            words += [flag] if value is True else [flag, str(value)]
    return shlex.join(words)


def _setting(name: str) -> str:
    """Return how ``--set`` calls an option: ``mlm.mask_ratio``, ``encoder.width``."""
    owned = name.removeprefix("modality_options.").removeprefix("objective_options.")
    return owned.replace("encoder_options.", "encoder.", 1)


def _named(columns: Mapping[str, str]) -> list[str]:
    return [word for name, column in columns.items() for word in ("--column", f"{name}={column}")]


def _set(options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        word
        for owner, given in options.items()
        for key, value in given.items()
        for word in (
            "--set",
            f"{owner}.{key}={value if isinstance(value, str) else json.dumps(value)}",
        )
    ]
