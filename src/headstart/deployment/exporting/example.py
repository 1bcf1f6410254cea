"""The script in every export: it reads records and prints what the network says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.deployment.exporting import Written
    from headstart.downstream.portable import PortableHead

FILE = "example.py"
#: Seconds after which the script hangs.
_PATIENCE = 600


def script(written: Written, head: PortableHead | None) -> str:
    """Return the script as a whole."""
    reading = written.reading
    lines = ["import json", "import sys", "from pathlib import Path"]
    others = ["import numpy as np", *written.imports, *reading.imports]
    lines += sorted(each for each in others if each.split()[1] in sys.stdlib_module_names)
    third = sorted(each for each in others if each.split()[1] not in sys.stdlib_module_names)
    third.sort(key=lambda line: line.startswith("from "))
    known = "HEAD = json.loads((HERE / 'head.json').read_text(encoding='utf-8'))\n"
    return (
        f'"""Prints vectors and predictions: python {FILE} {reading.usage} ..."""\n\n'
        + "\n".join(sorted(lines, key=lambda line: line.startswith("from ")))
        + "\n\n"
        + "\n".join(third)
        + "\n\nHERE = Path(__file__).resolve().parent\n"
        + (known if head is not None else "")
        + f"{reading.code}\n\nvalues = sys.argv[1:]\n{written.code}"
        + "for n, value in enumerate(values):\n"
        + '    row = {"value": value, "vector": vectors[n].tolist()}\n'
        + (head.code if head is not None else "")
        + "    print(json.dumps(row))\n"
    )


def run(folder: Path, values: list[str]) -> list[dict[str, Any]]:
    """Run the script of an export in a process of its own, and return its rows.

    The process sees no variable that would lead it to this library.

    Raises:
        HeadstartError: it fails.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-I", str(folder / FILE), *values]
    done = subprocess.run(
        command, env=kept, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HeadstartError(
            f"the export is refused: its example fails ({last[:120]}); check that its packages are "
            "installed, or take another --format."
        )
    return [json.loads(line) for line in done.stdout.splitlines()]
