"""An exported text encoder under MTEB's own evaluator scores what our protocol gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import headstart as hs

ROOT = Path(__file__).resolve().parents[3]
#: The Python of an environment with MTEB; it needs packages that this project does not.
PYTHON = os.environ.get("HEADSTART_MTEB_PYTHON", sys.executable)


def test_the_correlation_of_pairs_is_that_of_our_protocol(table: hs.Run, tmp_path: Path) -> None:
    has = [PYTHON, "-c", "import mteb, onnxruntime"]
    if subprocess.run(has, capture_output=True, check=False).returncode:
        pytest.skip(f"{PYTHON} has no mteb; HEADSTART_MTEB_PYTHON may name another Python")
    words = ("fox", "hare", "wolf", "dog")
    rows = [
        {"s1": f"the quick {a} leaps", "s2": f"the {b} runs {c}", "score": (i * 7 + j + k) % 6}
        for i, a in enumerate(words)
        for j, b in enumerate(words)
        for k, c in enumerate(("over", "old"))
    ]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table.export(format="onnx", out=str(tmp_path / "x"), quiet=True)
    script = ROOT / "benchmarks" / "mteb_scores.py"
    command = [PYTHON, "-W", "ignore", str(script), str(tmp_path / "x"), str(pairs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])["mteb cosine_spearman"]
    report = table.evaluate(
        str(pairs),
        test=str(pairs),
        task="similarity",
        columns={"text": "s1", "pair": "s2", "label": "score"},
        from_scratch="off",
        published=["off"],
        alternatives_budget="1s",
        out=str(tmp_path / "report.html"),
        quiet=True,
    )
    scores = report.to_dict()["scores"]
    (ours,) = [row["Spearman"] for row in scores if row["kind"] == "pretrained"]
    assert theirs == pytest.approx(ours, abs=1e-4)
