"""What a command prints arrives, or the command says that it has not."""

from __future__ import annotations

import errno
import os
import signal
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


_SIGNALLED = """
import os, signal, sys, time
import headstart
from headstart.cli import main
from headstart.files import scratch
def predict(run, *inputs, **options):
    made = scratch() / "made"
    made.write_text("temporary")
    print(made, file=sys.stderr)
    ready, began = os.pipe()
    if not (child := os.fork()):
        os.write(began, b".")
        time.sleep(20)
        os._exit(7)
    os.read(ready, 1)
    os.kill(child, number)
    print("child", os.waitpid(child, 0)[1], file=sys.stderr)
    os.kill(os.getpid(), number)
    time.sleep(20)
headstart.predict = predict
number = int(sys.argv[1])
signal.signal(number, signal.SIG_DFL)  # also where the tests run under nohup
sys.argv = ["headstart", "predict", "run", "x"]
main()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_a_command_leaves_a_sentence_and_nothing_else(tmp_path, name):
    number = signal.Signals[name]
    told = subprocess.run(
        [sys.executable, "-c", _SIGNALLED, str(int(number))],
        capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    made, child, sentence = told.stderr.splitlines()
    assert told.returncode == 128 + number
    assert sentence == f"error: interrupted by {name}; give the same command again."
    assert made.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert child == f"child {int(number)}"  # a forked process ends as by default


def test_a_closed_terminal_does_not_end_what_was_told_to_ignore_it():
    code = (
        "import headstart, os, signal, sys\n"
        "from headstart.cli import main\n"
        "def predict(run, *inputs, **options):\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    return [{'label': 'a'}]\n"
        "headstart.predict = predict\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "sys.argv = ['headstart', 'predict', 'run', 'x']\n"
        "main()"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, '{"label": "a"}\n')


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
    assert (told.stdout, told.stderr) == (
        "all is deleted\n",
        "error: interrupted; give the same command again.\n",
    )
