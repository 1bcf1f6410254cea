"""What others wrote to try a server: schemathesis on its OpenAPI, and OpenAI's own client.

They run where ``HEADSTART_SCHEMATHESIS_PYTHON`` names the Python of an environment that has both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("HEADSTART_SCHEMATHESIS_PYTHON", sys.executable)
#: What a schema cannot say is refused all the same: a blank text, a run that is not named.
_UNSAID = "positive_data_acceptance"
_CLIENT = """
import sys
from openai import OpenAI, UnprocessableEntityError

client = OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
print([model.id for model in client.models.list()])
one = client.embeddings.create(model="words", input="a lovely film")
two = client.embeddings.create(
    model="words", input=["a lovely film", "so long"], encoding_format="float", dimensions=4
)
print(len(one.data[0].embedding), [len(each.embedding) for each in two.data])
print(one.usage.total_tokens)
try:
    client.embeddings.create(model="words", input=" ")
except UnprocessableEntityError as error:
    print(error.code)
"""


def _needs(module: str) -> None:
    done = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{PYTHON} has no {module}; HEADSTART_SCHEMATHESIS_PYTHON may name another")


def test_no_generated_request_finds_a_defect_or_what_is_not_documented(
    serve: Any, tmp_path: Path
) -> None:
    _needs("schemathesis")
    command = Path(PYTHON).with_name("schemathesis")
    with serve("labels") as asker:
        done = subprocess.run(
            [
                *(str(command), "run", f"{asker.server.address}/openapi.json", "--no-color"),
                *("--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1"),
                *("--exclude-checks", _UNSAID, "--suppress-health-check", "all"),
                "--continue-on-failure",
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Tested: 14" in done.stdout


def test_the_client_of_openai_takes_the_vectors(serve: Any) -> None:
    _needs("openai")
    with serve("words") as asker:
        done = subprocess.run(
            [PYTHON, "-c", _CLIENT, asker.server.address],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:4] == ["['words']", "8 [4, 4]", "3", "bad_record"]
