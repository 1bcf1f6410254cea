"""Histories of items without this library: names become ids by a list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.batch import GAPS
from headstart.files import write_json
from headstart.modalities.portable import Portable

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "items.json"
_CODE = """\
ids = {name: 3 + n for n, name in enumerate(json.loads((HERE / "items.json").read_text()))}


def read(histories):
    rows = [[ids.get(str(item), 2) for item in json.loads(each)][-LENGTH:] for each in histories]
    longest = max(1, *map(len, rows))
    table = np.array([row + [0] * (longest - len(row)) for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.int64)
    found = {"input_ids": table, "attention_mask": mask}
MORE    return found
"""
_POSITIONS = (
    "    later = mask.sum(1, keepdims=True) - 1 - np.arange(longest)\n"
    '    found["positions"] = np.where(mask > 0, later, 0)\n'
)
_GAPS = '    found["gaps"] = np.zeros_like(table)\n'


def portable_histories(
    names: list[str], folder: Path, length: int, *, from_end: bool, timed: bool
) -> Portable:
    """Write ``items.json``: the names of the items, in the order of their ids from 3 on."""
    write_json(folder / FILE, names)
    tensors = {"input_ids": "input_ids", "attention_mask": "mask"}
    more, limits = "", [f"of a history the latest {length:,} items are read."]
    if from_end:
        tensors["positions"], more = "positions", more + _POSITIONS
    if timed:
        tensors["gaps"], more = "gaps", more + _GAPS
        limits.append(
            f"`gaps` are 0 in the example, where times are not known; else 1 + log2(1 + seconds "
            f"since the item before), rounded down, {GAPS - 1} at most."
        )
    code = _CODE.replace("LENGTH", str(length)).replace("MORE", more)
    return Portable(
        tensors=tensors,
        lengths={name: {1: "length"} for name in tensors},
        imports=(),
        code=code,
        usage="""'["item", "item"]'""",
        packages=(),
        values=_typed,
        settings={"items": FILE, "first_id": 3, "unknown_id": 2, "pad_id": 0, "length": length},
        limits=tuple(limits),
    )


def _typed(records: Dataset, folder: Path) -> list[str]:
    """Return histories as JSON lists."""
    return [json.dumps(list(items)[-4096:]) for items in records["items"]]
