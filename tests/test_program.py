"""The program as a process of its own: on any terminal, and started in any way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_python_dash_m_is_the_same_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "info", str(tmp_path / "none"), "--json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "there is no run" in json.loads(done.stdout)["error"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_unicode_shows_what_it_can(encoding: str) -> None:
    name = "新é😀.txt"
    program = """if True:
        import sys, headstart
        from headstart.cli import main
        headstart.audit = lambda source: {"name": source}
        headstart.embed = lambda *inputs, **_: print(inputs) or [{"name": inputs[0]}]
        main()
    """

    def shell(*words: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env={**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"},
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        return done

    shown = name.encode(encoding, "backslashreplace")
    assert shell("audit", name).stdout == b"name: " + shown + os.linesep.encode()
    told = json.loads(shell("embed", name, "x", "--out", "y", "--json").stdout.decode(encoding))
    assert told == {"out": "y"}
    told = json.loads(shell("audit", name, "--json").stdout.decode(encoding))
    assert told == {"name": name}
