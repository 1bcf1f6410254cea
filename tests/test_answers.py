"""What a command prints arrives, or the command says that it has not."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile

import pytest

from headstart import answers

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


@pytest.mark.parametrize("verb", [["audit", "texts.txt"], ["predict", "run", "texts.txt"]])
def test_a_machine_without_room_for_temporary_files_is_told_so(tmp_path, verb):
    (tmp_path / "texts.txt").write_text("a text\nanother\n")
    code = (
        "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/nowhere']\n"
        "from headstart.cli import main; sys.argv = ['headstart', *sys.argv[1:]]; main()"
    )
    command = [sys.executable, "-c", code, *verb]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr.startswith("error: no temporary file can be written (No usable temporary")
    assert told.stderr.count("\n") == 1


def test_a_defect_is_told_even_where_its_traceback_cannot_be_written(monkeypatch):
    def full(*_, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    assert "please report it; HEADSTART_DEBUG=1" in answers._fault(ValueError("a defect"))


def test_a_second_interrupt_while_all_is_cleaned_up_changes_nothing():
    code = (
        "import atexit, headstart, os, signal, sys\n"
        "from headstart.cli import main\n"
        "def predict(run, *inputs, **options): raise KeyboardInterrupt\n"
        "headstart.predict = predict\n"
        "atexit.register(lambda: print('all is deleted'))\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "sys.argv = ['headstart', 'predict', 'run', 'x']\n"
        "main()"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 130
    assert (told.stdout, told.stderr) == ("all is deleted\n", "error: interrupted.\n")
