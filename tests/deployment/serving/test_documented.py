"""The docs have the limits and the routes that the server has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def test_the_table_of_limits_is_that_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import limits

    assert limits.table() in PAGE


def test_every_route_is_in_the_docs(served) -> None:
    paths = json.loads(served.raw("GET", "/openapi.json")[2])["paths"]
    missing = [path for path in paths if path.replace("/{name}", "") not in PAGE]
    assert missing == []


def test_the_dockerfile_demands_keys_and_no_root() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert '"--key-file"' in text
    assert "USER 10001" in text
