"""A server from start to end: exchange of runs, clients that go away, signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.config import ServeConfig
from headstart.errors import HeadstartError

from .conftest import QUICK, TEXTS, serving


def eventually(holds: Any) -> None:
    """Wait until something holds, for a minute at most."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to hold")


def test_a_run_is_exchanged_without_a_lost_request(copied: Path, tmp_path: Path) -> None:
    config = ServeConfig(runs=[str(copied)], port=0)
    with serving(config) as asker:
        before = asker.post("/v1/embeddings", input="a lovely film")[1]["data"]
        statuses: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                statuses.append(asker.post("/v1/embeddings", input="a lovely film")[0])

        asking = [threading.Thread(target=ask) for _ in range(4)]
        for each in asking:
            each.start()
        source = tmp_path / "other.txt"
        source.write_text("\n".join(reversed(TEXTS)) + "\n")
        other = tmp_path / "other"
        hs.pretrain(
            str(source), out=other, encoder="light", length=16, budget="9steps", **QUICK,
            encoder_options={"width": 12},
        )  # fmt: skip
        shutil.rmtree(copied)
        other.rename(copied)
        asker.reload()
        after = asker.post("/v1/embeddings", input="a lovely film")[1]["data"]
        stop.set()
        for each in asking:
            each.join()
        assert (len(before[0]["embedding"]), len(after[0]["embedding"])) == (8, 12)
        assert set(statuses) == {200}
        assert (
            'headstart_reloads_total{outcome="done"} 1.0'
            in asker.raw("GET", "/metrics")[2].decode()
        )


def test_a_run_that_cannot_be_opened_is_not_exchanged(copied: Path) -> None:
    with serving(ServeConfig(runs=[str(copied)], port=0)) as asker:
        before = asker.post("/v1/embeddings", input="a lovely film")
        weights = next(copied.glob("encoder/*.safetensors"))
        weights.write_bytes(weights.read_bytes()[:-1])
        asker.reload()
        assert asker.post("/v1/embeddings", input="a lovely film") == before
        assert asker.post("/predict", input="a lovely film")[0] == 200
        metrics = asker.raw("GET", "/metrics")[2].decode()
        assert 'headstart_reloads_total{outcome="failed"} 1.0' in metrics


def test_keys_are_exchanged_with_the_runs(serve, key_file) -> None:
    with serve("words", key="0123456789abcdef", key_file=key_file) as asker:
        assert asker.raw("GET", "/health/live")[0] == 200
        Path(key_file).write_text(["another", "key,", "no:", "another-long-key"][-1] + "\n")
        asker.reload()
        assert asker.raw("GET", "/health/live")[0] == 401
        asker.key = "another-long-key"
        assert asker.raw("GET", "/health/live")[0] == 200


def test_a_client_that_goes_away_ends_its_text_and_others_are_served_meanwhile(serve) -> None:
    with serve("writer", max_tokens=100_000) as asker:
        body = json.dumps({"prompt": "the old film", "tokens": 100_000, "temperature": 100})
        head = f"POST /generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
        sent = f"{head}content-type: application/json\r\n\r\n{body}".encode()
        opened = socket.create_connection(("127.0.0.1", asker.port), timeout=60)
        opened.sendall(sent)
        assert b"200 OK" in opened.recv(4096)
        assert asker.post("/v1/embeddings", input="x")[0] == 200
        opened.close()

        def is_over() -> bool:
            text = asker.raw("GET", "/metrics")[2].decode()
            return 'route="/generate",status="' in text

        eventually(is_over)


def test_texts_beyond_the_limit_are_refused(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.deployment.serving import routes_texts

    monkeypatch.setattr(routes_texts, "STREAMS", 0)
    with serve("writer") as asker:
        status, message = asker.fault("/generate", prompt="the old film")
        assert status == 429
        assert "limit `streams`" in message


def test_two_runs_of_one_name_are_refused_and_may_be_named(runs: Path, copied: Path) -> None:
    two = [str(runs / "labels"), str(copied)]
    with pytest.raises(HeadstartError, match="two runs are called 'labels'"):
        hs.serve(*two, port=0)
    with serving(ServeConfig(runs=[two[0], f"new={two[1]}"], port=0)) as asker:
        assert asker.post("/predict", model="new", input="a lovely film")[0] == 200


def test_the_command_serves_reloads_drains_and_ends_with_0(runs: Path) -> None:
    command = [sys.executable, "-m", "headstart", "serve", str(runs / "words"), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        line = server.stderr.readline()
        address = re.search(r"http://\S+?(?=;)", line)
        assert address is not None, line
        body = json.dumps({"input": "x"}).encode()

        def asked() -> urllib.request.Request:
            sent = {"content-type": "application/json"}
            return urllib.request.Request(f"{address[0]}/v1/embeddings", body, sent)

        with urllib.request.urlopen(asked(), timeout=60) as answer:
            assert answer.status == 200
        os.kill(server.pid, signal.SIGHUP)
        assert server.stderr.readline() == "exchanged words\n"
        # A request that has begun to arrive when the signal comes is answered still.
        port = int(address[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as opened:
            head = f"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}"
            opened.sendall(f"{head}\r\ncontent-type: application/json\r\n\r\n".encode())
            time.sleep(0.3)
            os.kill(server.pid, signal.SIGTERM)
            time.sleep(0.3)
            opened.sendall(body)
            assert opened.recv(4096).startswith(b"HTTP/1.1 200")
        assert server.wait(60) == 0
        assert server.stdout is not None
        assert server.stdout.read() == f"stopped serving at {address[0]}\n"
    finally:
        server.kill()
        server.wait()


def test_what_is_not_answered_within_the_grace_is_refused(serve) -> None:
    """The server ends in time although a client never sends the rest of its request."""
    with serve("words", grace=1) as asker:
        opened = socket.create_connection(("127.0.0.1", asker.port), timeout=60)
        head = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n"
        opened.sendall(head)
        time.sleep(0.3)
    found = opened.recv(4096)
    opened.close()
    assert found == b"" or found.startswith(b"HTTP/1.1 503")


def test_missing_libraries_are_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.verbs import serving as verb

    monkeypatch.setattr(verb, "_LIBRARIES", ("fastapi", "no_such_library"))
    with pytest.raises(HeadstartError, match=r"pip install 'headstart\[serve\]'"):
        hs.serve("runs/x")
