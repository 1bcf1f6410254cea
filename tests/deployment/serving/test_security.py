"""Who is let in, and what a request may not do: keys, hosts, origins, sizes, slowness."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import time
from collections.abc import Iterator

import pytest

from headstart.config import ServeConfig
from headstart.deployment.serving.server import Server, is_local
from headstart.errors import HeadstartError

KEY = "0123456789abcdef"


def talk(asker, *parts: bytes, until: bytes = b"") -> bytes:
    """Send parts over a new connection and return all that comes back until it is closed."""
    with socket.create_connection(("127.0.0.1", asker.port), timeout=60) as opened:
        # A server that refuses early may close while the rest is still being sent.
        with contextlib.suppress(ConnectionError):
            for part in parts:
                opened.sendall(part)
        found = b""
        with contextlib.suppress(ConnectionError):
            while not until or until not in found:
                more = opened.recv(65536)
                if not more:
                    break
                found += more
        return found


@contextlib.contextmanager
def _not_connected() -> Iterator[None]:
    """Passes over what a socket says whose other side has closed it already."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def test_every_route_of_the_server_demands_a_key(serve, key_file) -> None:
    with serve("words", "labels", key=KEY, key_file=key_file) as asker:
        status, _, content = asker.raw("GET", "/openapi.json")
        assert status == 200
        paths = json.loads(content)["paths"]
        asked = [(method, path) for path, methods in paths.items() for method in methods]
        assert {"/", "/metrics", "/docs", "/health/live", "/v1/embeddings"} <= set(paths)
        asked += [("get", "/openapi.json"), ("get", "/nowhere"), ("post", "//v1/embeddings")]
        asked += [("options", "/predict"), ("head", "/metrics")]
        for key in (None, "wrong key of any length", KEY[:-1], KEY + "0"):
            asker.key = key
            for method, path in asked:
                status, headers, _ = asker.raw(method.upper(), path.replace("{name}", "words"))
                assert (status, path) == (401, path)
                assert headers["www-authenticate"].startswith("Basic")
        asker.key = KEY
        assert asker.post("/v1/embeddings", model="words", input="x")[0] == 200


def test_an_address_that_others_reach_demands_a_key_file(runs) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(HeadstartError, match="keys are needed"):
            Server(ServeConfig(runs=[str(runs / "words")], host=host, port=0), print)
    assert all(map(is_local, ("127.0.0.1", "127.0.0.9", "::1", "localhost")))
    assert not any(map(is_local, ("0.0.0.0", "::", "10.0.0.1", "example.org")))


def test_a_key_file_that_others_can_read_is_refused_before_anything_is_opened(
    runs, tmp_path
) -> None:
    file = tmp_path / "keys"
    file.write_text(KEY)
    file.chmod(0o644)
    with pytest.raises(HeadstartError, match="chmod 600"):
        Server(ServeConfig(runs=["there is no such run"], port=0, key_file=str(file)), print)


def test_a_port_in_use_is_one_sentence(served, runs) -> None:
    with pytest.raises(HeadstartError, match=r"address already in use.*choose another with --port"):
        Server(ServeConfig(runs=[str(runs / "words")], port=served.port), print)


def test_pages_of_other_sites_and_names_turned_to_this_machine_are_refused(served) -> None:
    body = json.dumps({"model": "words", "input": "x"})
    sent = {"content_type": "application/json"}
    status, headers, _ = served.raw(
        "POST", "/v1/embeddings", body, origin="http://evil.org", **sent
    )
    assert status == 403
    assert "access-control-allow-origin" not in headers
    assert served.raw("GET", "/", host="evil.org")[0] == 403
    own = f"localhost:{served.port}"
    assert (
        served.raw("POST", "/v1/embeddings", body, host=own, origin=f"http://{own}", **sent)[0]
        == 200
    )


def test_names_of_files_and_addresses_are_records_like_any_other(served, runs) -> None:
    """None is opened: a text that names a file is a text, and to a run on pictures no picture."""
    for given in (str(runs / "texts.txt"), "file:///etc/passwd", "http://localhost/x.png"):
        status, found = served.post("/v1/embeddings", model="words", input=given)
        assert (status, len(found["data"])) == (200, 1)
        status, _ = served.post("/predict", model="labels", input=given)
        assert status == 200
        assert served.post("/search", model="words", query=given)[0] == 200
        status, message = served.fault("/v1/embeddings", model="pictures", input=given)
        assert (status, message) == (422, "record 0 of 'input': it is no base64.")


def test_what_clients_are_told_does_not_say_where_runs_lie(served, runs) -> None:
    content = served.raw("GET", "/v1/models")[2] + served.raw("GET", "/metrics")[2]
    content += served.raw("GET", "/")[2] + served.raw("GET", "/docs")[2]
    for model in ("words", "labels", "writer", "pictures"):
        for path, body in (
            ("/predict", {"input": "x"}),
            ("/search", {"query": "x"}),
            ("/generate", {"prompt": "x " * 60}),
            ("/recommend", {"history": ["x"]}),
        ):
            content += json.dumps(served.post(path, model=model, **body)[1]).encode()
    assert str(runs).encode() not in content


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(served) -> None:
    head = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1073741824\r\n\r\n"
    found = talk(served, head, until=b"}}")
    assert found.startswith(b"HTTP/1.1 413")
    assert b"limit `body`" in found


def test_a_gigabyte_without_a_length_is_cut_off_as_it_arrives(served) -> None:
    head = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"a" * 2**20 + b"\r\n"
    sent, found = 0, b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as opened:
        opened.sendall(head)
        try:
            for _ in range(1024):
                opened.sendall(chunk)
                sent += len(chunk)
        except OSError:  # the server has closed the connection
            pass
        with contextlib.suppress(OSError):
            found = opened.recv(65536)
    assert sent < 64 * 2**20
    assert not found or found.startswith(b"HTTP/1.1 413")
    assert served.post("/v1/embeddings", model="words", input="x")[0] == 200


def test_a_million_records_are_refused(serve) -> None:
    with serve("words") as asker:
        status, message = asker.fault("/v1/embeddings", input=["a"] * 10**6)
        assert status == 413
        assert "1,000,000 records are more than 2,048 (limit `records`)" in message
        assert asker.post("/v1/embeddings", input=["a"] * 2048)[0] == 200


def test_clients_that_send_slowly_or_nothing_are_cut_off(serve) -> None:
    with serve("words", read_timeout=0.5) as asker:
        request = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n"
        for begun in (b"POST /v1", request, request + b'{"input":'):
            with socket.create_connection(("127.0.0.1", asker.port), timeout=60) as opened:
                opened.sendall(begun)
                found = b""
                try:
                    while not found:  # one byte at a time
                        time.sleep(0.05)
                        opened.sendall(b" ")
                        opened.setblocking(False)
                        with contextlib.suppress(BlockingIOError):
                            found = opened.recv(65536)
                        opened.setblocking(True)
                except OSError:
                    found = found or b"closed"
            assert found == b"closed" or found.startswith(b"HTTP/1.1 408")
        assert talk(asker) == b""  # nothing was sent, and the server has closed
        assert asker.post("/v1/embeddings", input="x")[0] == 200


def test_headers_without_end_are_cut_off(served) -> None:
    found = talk(
        served, b"GET / HTTP/1.1\r\n", *[b"x-%d: %s\r\n" % (n, b"y" * 999) for n in range(40)]
    )
    assert not found or found.startswith(b"HTTP/1.1 431")
    assert served.raw("GET", "/health/live")[0] == 200


def test_connections_beyond_the_limit_are_answered_and_closed(serve) -> None:
    with serve("words", max_connections=3) as asker:
        held = [socket.create_connection(("127.0.0.1", asker.port)) for _ in range(3)]
        time.sleep(0.2)
        found = talk(asker, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert found.startswith(b"HTTP/1.1 429")
        assert b"retry-after: 1" in found
        for each in held:
            each.close()
        for _ in range(100):
            if asker.raw("GET", "/health/live")[0] == 200:
                break
            time.sleep(0.05)
        assert asker.raw("GET", "/health/live")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
        b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
def test_broken_requests_and_half_closed_sockets_end_and_others_go_on(served, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as opened:
        with contextlib.suppress(ConnectionError):
            opened.sendall(sent)
        with contextlib.suppress(ConnectionError), _not_connected():
            opened.shutdown(socket.SHUT_WR)
            while opened.recv(65536):
                pass
    assert served.post("/v1/embeddings", model="words", input="x")[0] == 200


def test_nothing_of_a_request_is_logged(runs) -> None:
    from .conftest import serving

    config = ServeConfig(runs=[str(runs / "words")], port=0, log="requests")
    with serving(config) as asker:
        said: list[str] = []
        asker.server.guard._say = said.append
        asker.post("/v1/embeddings?secret-query", input="secret words")
        asker.raw("GET", "/secret-path", secret_header="secret")
        assert any("POST /v1/embeddings 200" in line for line in said)
        assert not any("secret" in line for line in said)
