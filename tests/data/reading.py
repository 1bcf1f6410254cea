"""Reading and refusing, as the tests of sources do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headstart.data.audit import Audit
from headstart.data.sources import read
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT

OPTIONS: dict[str, Any] = {
    "content": TEXT,
    "columns": {},
    "document": "line",
}


def texts(*sources: Path | str, audit: Audit | None = None, **options: Any) -> list[str]:
    named = [str(source) for source in sources]
    return list(read(named, audit=audit or Audit(), **OPTIONS | options)["text"])


def refusal(*sources: Path | str, **options: Any) -> str:
    with pytest.raises(HeadstartError) as caught:
        texts(*sources, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def quarantined(audit: Audit) -> dict[str, str]:
    return {row["where"]: row["reason"] for row in audit.summary()["records"]}


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path
