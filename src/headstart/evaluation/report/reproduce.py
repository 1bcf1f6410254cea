"""How to get the same report again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headstart.config import PretrainConfig
from headstart.evaluation.markup import Markup, tag

if TYPE_CHECKING:
    from headstart.run import Run


def section(command: str, versions: Mapping[str, str], run: Run | None = None) -> Markup:
    """Name the commands and the versions of what computed it."""
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [line for line in (_trained_by(run) if run else "", command) if line]
    parts = [tag("pre", tag("code", "\n".join(lines)))] if lines else []
    parts += [tag("p", f"Computed with {listed}.", class_="small")] if listed else []
    if not parts:
        return Markup("")
    return tag("section", tag("h2", "Do it again", id="again"), *parts)


def _trained_by(run: Run) -> str:
    """Return the command of the pre-training: its sources and what differs from the defaults."""
    config = run.config()
    if config["verb"] != "pretrain":
        return ""
    options = dict(config["options"])
    words = ["headstart", "pretrain", *map(str, options.pop("sources", []))]
    for name, value in options.items():
        field = PretrainConfig.model_fields.get(name)
        if field is None or name in ("resume", "overwrite"):
            continue
        default = field.get_default(call_default_factory=True, validated_data={})
        plain = isinstance(value, str | int | float | bool)
        if not plain or value is False or str(value) == str(default):
            continue
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [flag, str(value)]
    return shlex.join(words)
