"""A server starts soon: what a light run does not need to answer is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Each takes longer to import than a light run takes to open; torch alone is needed.
HEAVY = {
    *("transformers", "datasets", "sklearn", "pandas", "pytorch_lightning", "lightning", "timm"),
    *("torchvision", "matplotlib", "faiss", "captum", "scipy.stats", "torch._dynamo"),
    *("torch._inductor", "sentence_transformers"),
}
_SERVED = """
import sys, json, urllib.request
from headstart.config import ServeConfig
from headstart.deployment.serving import server

def ask(running):
    import threading
    def work():
        body = json.dumps({"input": "a lovely film"}).encode()
        sent = {"content-type": "application/json"}
        asked = urllib.request.Request(running.address + "/v1/embeddings", body, sent)
        print(len(json.load(urllib.request.urlopen(asked))["data"][0]["embedding"]))
        running.stop()
    threading.Thread(target=work).start()

server.serve(ServeConfig(runs=[sys.argv[1]], port=0), print, started=ask)
print("\\n".join(sys.modules), file=sys.stderr)
"""


def test_a_light_run_is_served_without_heavy_libraries(runs: Path) -> None:
    command = [sys.executable, "-c", _SERVED, str(runs / "labels")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "8"  # it has answered, with a vector of the run's width
    loaded = set(done.stderr.split())
    assert "torch" in loaded
    assert sorted(loaded & HEAVY) == []
