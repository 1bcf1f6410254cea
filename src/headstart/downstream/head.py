"""A head on disk: its weights, and a JSON file with its task and arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from headstart.stored import read_json, read_tensors

WEIGHTS, DESCRIPTION = "head.safetensors", "head.json"


def write_head(folder: Path, head: nn.Module, task: str, **arguments: Any) -> None:
    """Write ``head.safetensors``, and ``head.json`` with the task and the head's arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.detach().cpu() for name, value in head.state_dict().items()}, folder / WEIGHTS
    )
    text = json.dumps({"task": task, **arguments}, indent=2, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def task_of(folder: Path) -> str:
    """Return the task of the head in a folder."""
    return str(read_json(folder / DESCRIPTION, task=str)["task"])


def read_head(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the arguments and the weights that :func:`write_head` wrote."""
    described = read_json(folder / DESCRIPTION, task=str)
    described.pop("task")
    return described, read_tensors(folder / WEIGHTS)


def zero_linear(width: int, outputs: int) -> nn.Linear:
    """Return a linear layer that is initialised to zeros, so that no output is preferred."""
    linear = nn.Linear(width, outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
