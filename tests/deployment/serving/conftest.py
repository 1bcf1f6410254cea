"""Small runs, and servers of them that listen on a port of their own."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="fastapi (extra `serve`) is not installed")

import headstart as hs
from headstart.config import ServeConfig
from headstart.deployment.serving.server import Server

KEY = "0123456789abcdef"
TEXTS = [
    f"the {a} {b} was {c} in the {d}"
    for a in ("old", "new", "red", "sly")
    for b in ("film", "book", "song")
    for c in ("lovely", "superb", "awful", "boring")
    for d in ("city", "woods")
]
LABELS = ["good" if "lovely" in text or "superb" in text else "bad" for text in TEXTS]
QUICK: dict[str, Any] = {"tracker": "none", "start": "none", "quiet": True}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs: ``words``, ``labels`` on it, ``writer`` and ``pictures``."""
    folder = tmp_path_factory.mktemp("served")
    source = folder / "texts.txt"
    source.write_text("\n".join(TEXTS) + "\n")
    light: dict[str, Any] = {"encoder": "light", "encoder_options": {"width": 8}, "length": 16}
    hs.pretrain(str(source), out=folder / "words", budget="20steps", **light, **QUICK)
    hs.search(folder / "words", query="a lovely film", count=1, quiet=True)
    hs.finetune(
        folder / "words", train=(TEXTS, LABELS), out=folder / "labels", budget="40steps", quiet=True
    )
    small = {"layers": 1, "width": 16, "heads": 2}
    hs.pretrain(
        str(source),
        out=folder / "writer",
        objective="clm",
        encoder="gpt",
        encoder_options=small,
        length=32,
        budget="4steps",
        **QUICK,
    )
    squares = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    hs.pretrain(
        squares,
        out=folder / "pictures",
        encoder="plain",
        encoder_options={"widths": [4, 8], "pooled": [True, False]},
        length=16,
        budget="2steps",
        **QUICK,
    )
    return folder


@dataclass
class Asker:
    """Sends requests to one server, with a key where it has some."""

    server: Server
    loop: asyncio.AbstractEventLoop
    key: str | None

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self.server.address.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        """Return a new connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def raw(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of an answer."""
        connection = self.connect()
        sent = {"authorization": f"Bearer {self.key}"} if self.key else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        """Return the status and the content of the answer to a JSON body."""
        sent = json.dumps(body)
        status, _, content = self.raw("POST", path, sent, content_type="application/json")
        return status, json.loads(content)

    def fault(self, path: str, **body: Any) -> tuple[int, str]:
        """Return the status and the sentence of a refusal."""
        status, content = self.post(path, **body)
        return status, content["error"]["message"]

    def reload(self) -> None:
        """Exchange the runs, as SIGHUP does."""
        asyncio.run_coroutine_threadsafe(self.server.reload(), self.loop).result(60)


@contextmanager
def serving(config: ServeConfig, key: str | None = None) -> Iterator[Asker]:
    """Serve in a thread for the length of a block."""
    said: list[str] = []
    server, ready, loops = Server(config, said.append), threading.Event(), list[Any]()

    def started(server: Server) -> None:
        loops.append(asyncio.get_running_loop())
        ready.set()

    thread = threading.Thread(target=server.run, args=(started,))
    thread.start()
    assert ready.wait(60), said
    try:
        yield Asker(server, loops[0], key)
    finally:
        server.stop()
        thread.join(60)
        server.listening.close()
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(runs: Path) -> Iterator[Asker]:
    """Return a server of all runs, for this machine and without keys."""
    names = ["words", "labels", "writer", "pictures"]
    limits: dict[str, Any] = {"max_items": 50, "max_body": 0.25, "max_tokens": 500}
    config = ServeConfig(runs=[str(runs / name) for name in names], port=0, **limits)
    with serving(config) as asker:
        yield asker


@pytest.fixture
def serve(runs: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that serves runs with options, for the length of a block."""
    return lambda *names, key=None, **options: serving(
        ServeConfig(runs=[str(runs / name) for name in names], port=0, **options), key
    )


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    """Return a file with :data:`KEY`, which its owner alone can read."""
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    return str(file)


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """Return a copy of the run ``labels``, to be altered."""
    return Path(shutil.copytree(runs / "labels", tmp_path / "labels"))
