"""A head on disk: its weights, and beside them in plain words what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHTS, DESCRIPTION = "head.safetensors", "head.json"


def write_head(folder: Path, head: nn.Module, task: str, **described: Any) -> None:
    """Write ``head.safetensors``, and ``head.json``: the task and what else is given."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.detach().cpu() for name, value in head.state_dict().items()}, folder / WEIGHTS
    )
    text = json.dumps({"task": task, **described}, indent=2, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_head(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description and the weights that :func:`write_head` wrote."""
    described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    return described, load_file(folder / WEIGHTS)


def reopen(kind: Any, folder: Path) -> Any:
    """Return the head that was written with the arguments it is made of."""
    described, state = read_head(folder)
    described.pop("task")
    head = kind(**described)
    head.load_state_dict(state)
    return head.eval()
