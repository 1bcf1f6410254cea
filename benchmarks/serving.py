"""``headstart serve`` against sentence-transformers in FastAPI, and against LitServe.

Usage: ``python benchmarks/serving.py RUN [--litserve PYTHON]``, where PYTHON has LitServe
installed; MiniLM is measured besides, from the package that carries it.

32 connections send one text a request, each the next when the last is answered. All servers have
the same model, one compute thread for it, and take turns, one at a time. What counts is the time of
the processor in all processes of the server, for each request; requests a second depend on the
client, which has the same two cores. Then ours alone: the rate with 32 texts and with one text a
request beside that of the vectors computed offline; four times as many requests as it answers, of
which each must be answered with 200 or 429; ten thousand connections that stay open; and the memory
over a bounded load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import resource
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from setting import announce, data, minilm

PORT, CONNECTIONS = 8765, 32
#: Seconds that a client waits after a refusal.
PAUSE = 0.25
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """What a client saw."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    lost: int = 0


async def _connection(bodies: list[bytes], until: float, load: Load) -> None:
    """Send one request after the other over one connection, until the time is over.

    After a refusal it waits a little, as clients do.
    """
    reader = writer = None
    number = random.randrange(len(bodies))
    while time.perf_counter() < until:
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        assert reader is not None
        body = bodies[number % len(bodies)]
        number += 1
        start = time.perf_counter()
        writer.write(
            b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(size)
        except (OSError, asyncio.IncompleteReadError):
            load.lost += 1
            writer = None
            continue
        status = int(head[9:12])
        load.statuses[status] += 1
        load.latencies.append(time.perf_counter() - start)
        if status == 429:
            await asyncio.sleep(PAUSE)
    if writer is not None:
        writer.close()


def loaded(bodies: list[bytes], seconds: float, connections: int) -> Load:
    """Return what ``connections`` clients see in some seconds."""
    load = Load()

    async def run() -> None:
        until = time.perf_counter() + seconds
        clients = (_connection(bodies, until, load) for _ in range(connections))
        await asyncio.gather(*clients)

    start = time.perf_counter()
    asyncio.run(run())
    load.seconds = time.perf_counter() - start
    return load


def _family(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _family(int(child))
    return found


def busy(pid: int) -> float:
    """Return the seconds of the processor of a process and all that it started."""
    total = 0.0
    for each in _family(pid):
        with suppress(FileNotFoundError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def memory(pid: int) -> float:
    """Return the megabytes that a process holds."""
    line = next(
        each
        for each in Path(f"/proc/{pid}/status").read_text().splitlines()
        if each.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


@contextmanager
def server(command: list[str], body: bytes) -> Iterator[tuple[int, float]]:
    """Start a server; give its process and the seconds until its first answer."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(1200):
            with suppress(OSError):
                sent = {"content-type": "application/json"}
                asked = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/embeddings", body, sent)
                urllib.request.urlopen(asked, timeout=60).read()
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{command} does not answer")
        yield process.pid, time.perf_counter() - start
    finally:
        for each in reversed(_family(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(each, 15)
        process.wait(60)


def _bodies(texts: list[str], size: int) -> list[bytes]:
    """Return bodies with so many texts each; one alone is no list."""
    groups = [texts[start : start + size] for start in range(0, len(texts) - size + 1, size)]
    return [
        json.dumps({"input": group if size > 1 else group[0], "encoding_format": "base64"}).encode()
        for group in groups
    ]


def _ours(model: str, *options: str) -> list[str]:
    serve = ["-m", "headstart", "serve", f"model={model}", "--port", str(PORT), "--quiet"]
    return [sys.executable, *serve, *options]


def compared(model: str, texts: list[str], litserve: str, seconds: float, turns: int) -> None:
    """Print the time of the processor and the rate of each server, in turn."""
    fastapi = str(Path(__file__).with_name("serving_fastapi.py"))
    other = str(Path(__file__).with_name("serving_litserve.py"))
    commands = {
        "headstart serve": _ours(model),
        "sentence-transformers + FastAPI": [sys.executable, fastapi, model, str(PORT)],
    }
    if litserve:
        commands["LitServe"] = [litserve, other, model, str(PORT)]
    bodies = _bodies(texts, 1)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(turns):
        for name, command in commands.items():
            with server(command, bodies[0]) as (pid, _):
                loaded(bodies, 1, CONNECTIONS)  # warm
                before = busy(pid)
                load = loaded(bodies, seconds, CONNECTIONS)
                spent = busy(pid) - before
            count = load.statuses[200]
            if count != load.statuses.total() or load.lost:
                print(f"  {name}: {dict(load.statuses)}, lost {load.lost}")
            latency = 1000 * float(np.percentile(load.latencies, 99))
            found[name].append((1000 * spent / count, count / load.seconds, latency))
    ours = median(cost for cost, _, _ in found["headstart serve"])
    print(f"{'':34}CPU-ms a request   requests/s   p99 ms   ours takes")
    for name, rows in found.items():
        cost, rate, latency = (median(each) for each in zip(*rows, strict=True))
        spread = f"({min(row[0] for row in rows):.2f}-{max(row[0] for row in rows):.2f})"
        print(f"{name:34}{cost:6.2f} {spread:14}{rate:9.0f}{latency:10.0f}{ours / cost:10.2f}x")


def offline(model: str, texts: list[str], seconds: float, turns: int) -> None:
    """Print the rates with 32 texts and with one text a request beside the offline rate."""
    import torch
    from datasets import Dataset

    from headstart.encoders.features import features
    from headstart.encoders.opening import OpenedEncoder

    torch.set_num_threads(1)
    opened = OpenedEncoder(model)
    records = Dataset.from_dict({"id": texts, "text": texts})
    length = opened.length
    rates: dict[str, list[float]] = {"offline": [], "32 texts": [], "1 text": []}
    with server(_ours(model), _bodies(texts, 1)[0]) as (_, _):
        features(opened.encoder, opened.processor, records.select(range(64)), length=length)
        for size in (1, 32):
            loaded(_bodies(texts, size), 1, CONNECTIONS)
        for _ in range(turns):
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < seconds:
                features(opened.encoder, opened.processor, records, length=length)
                count += len(records)
            rates["offline"].append(count / (time.perf_counter() - start))
            for name, size in (("32 texts", 32), ("1 text", 1)):
                load = loaded(_bodies(texts, size), seconds, CONNECTIONS if size == 1 else 4)
                rates[name].append(size * load.statuses[200] / load.seconds)
    base = median(rates["offline"])
    for name, found in rates.items():
        print(f"{name:12}{median(found):9.0f} texts/s{median(found) / base:9.0%} of offline")


def saturated(model: str, texts: list[str], seconds: float) -> None:
    """Print what becomes of four times as many clients as fill the server."""
    bound = 5.0
    options = ("--max-wait", str(bound), "--max-queue", str(2 * CONNECTIONS))
    bodies = _bodies(texts, 1)
    with server(_ours(model, *options), bodies[0]) as (_, _):
        loaded(bodies, 2, CONNECTIONS)
        for connections in (CONNECTIONS, 4 * CONNECTIONS):
            load = loaded(bodies, seconds, connections)
            print(
                f"{connections} connections, {bound:g} s of waiting at most: "
                f"{dict(load.statuses)}, lost {load.lost}, "
                f"{load.statuses[200] / load.seconds:.1f} requests/s answered with 200, "
                f"p99 {np.percentile(load.latencies, 99):.2f} s",
                flush=True,
            )


def flat(model: str, texts: list[str], minutes: float) -> None:
    """Print the memory of the server over a load of some minutes."""
    bodies = _bodies(texts, 1)
    with server(_ours(model), bodies[0]) as (pid, _):
        loaded(bodies, 10, CONNECTIONS)
        sizes = [memory(pid)]
        count = 0
        for _ in range(6):
            count += loaded(bodies, 60 * minutes / 6, CONNECTIONS).statuses[200]
            sizes.append(memory(pid))
    print(f"{count:,} requests in {minutes:g} minutes: MB " + ", ".join(f"{s:.0f}" for s in sizes))


def started(model: str, texts: list[str], turns: int) -> None:
    """Print the seconds from the command to the first answer, and what importing torch takes.

    Those of the processor say more, where others have it, too.
    """
    body = _bodies(texts, 1)[0]
    ours, torch_alone = [], []
    for _ in range(turns):
        with server(_ours(model), body) as (pid, seconds):
            ours.append((seconds, busy(pid)))
        start, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        after = os.times()
        spent = after.children_user + after.children_system
        spent -= before.children_user + before.children_system
        torch_alone.append((time.perf_counter() - start, spent))
    for name, found in (("first answer", ours), ("`import torch` alone", torch_alone)):
        wall, cpu = (median(each) for each in zip(*found, strict=True))
        print(f"{name} after {wall:.1f} s, {cpu:.2f} s of the processor", flush=True)


def many(model: str, texts: list[str], connections: int) -> None:
    """Print how many of so many connections that are open at once are answered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < connections + 256:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, connections + 256), hard))
    body = _bodies(texts, 1)[0]
    request = (
        b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    statuses: Counter[str] = Counter()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"content-length: (\d+)", head.lower())
            await reader.readexactly(int(size[1]) if size else 0)
            statuses[head[9:12].decode()] += 1
        except (OSError, asyncio.IncompleteReadError):
            statuses["lost"] += 1

    async def run(pid: int) -> None:
        before, opened = memory(pid), []
        for start in range(0, connections, 100):  # no more at once than a backlog takes
            some = (asyncio.open_connection("127.0.0.1", PORT) for _ in range(start, start + 100))
            opened += await asyncio.gather(*some)
        print(f"{len(opened):,} open, MB {before:.0f} -> {memory(pid):.0f}", flush=True)
        began = time.perf_counter()
        for start in range(0, connections, 1000):
            await asyncio.gather(*(ask(*each) for each in opened[start : start + 1000]))
        seconds = time.perf_counter() - began
        print(f"{dict(statuses)} after {seconds:.1f} s, MB {memory(pid):.0f}", flush=True)
        for _, writer in opened:
            writer.close()

    # By default one that sends nothing for half a minute is closed.
    options = ("--max-connections", str(connections + 10), "--read-timeout", "300")
    with server(_ours(model, *options), body) as (pid, _):
        asyncio.run(run(pid))


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run with the encoder light")
    parser.add_argument("--litserve", default="", help="a Python with LitServe")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--models", default="light,MiniLM")
    parser.add_argument("--parts", default="start,compare,offline,saturate,connections,memory")
    given = parser.parse_args()
    announce("headstart serve")
    lines = data("banking77", "test.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [str(json.loads(line)["text"]) for line in lines][:2048]
    light = str(Path(given.run) / "encoder")
    parts = given.parts.split(",")
    if "start" in parts:
        started(light, texts, given.turns)
    models = {"light": light, "MiniLM": str(minilm())}
    for name in given.models.split(","):
        model = models[name]
        if "compare" in parts:
            print(f"\n{name}, one text a request, {CONNECTIONS} connections")
            compared(model, texts, given.litserve, given.seconds, given.turns)
        if "offline" in parts:
            print(f"\n{name}, against the offline rate", flush=True)
            offline(model, texts[:128], given.seconds, given.turns)
    if "saturate" in parts:
        print("\nMiniLM, four times saturation, one text a request", flush=True)
        saturated(str(minilm()), texts, given.seconds)
    if "connections" in parts:
        print("\nlight, open connections", flush=True)
        many(light, texts, given.connections)
    if "memory" in parts:
        print("\nlight, memory", flush=True)
        flat(light, texts, given.minutes)


if __name__ == "__main__":
    main()
