"""What a command prints arrives, or the command says that it has not."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRINTS = """
import headstart, sys
from headstart.cli import main
def predict(run, *inputs, **options):
    print("a note", file=sys.stderr)
    return [{"label": "a"}] * 9
headstart.predict = predict
sys.argv = ["headstart", "predict", "run", "x"]
main()
"""


@pytest.mark.parametrize(
    ("closing", "code", "told"),
    [
        ("> /dev/full", 1, "a note\nerror: the result cannot be printed: No space left on device"),
        ("| true", 1, "a note\n"),
        ("2> /dev/full", 0, ""),
    ],
)
def test_an_output_that_is_full_or_closed_ends_in_no_traceback_and_no_loss(
    closing: str, code: int, told: str
) -> None:
    command = f"'{sys.executable}' -c \"$0\" {closing}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command, PRINTS], capture_output=True, text=True)
    assert (done.returncode, done.stderr[: len(told)]) == (code, told)
    assert "Traceback" not in done.stderr
    assert (done.stdout.count("label") == 9) == (code == 0)
