"""Reopening what an objective left in a run beside the encoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from headstart.objectives.heads import TokenHead

if TYPE_CHECKING:
    from headstart.encoders import TokenEncoder
    from headstart.run import RunFolder


def described_head(run: RunFolder) -> dict[str, Any]:
    """Return what the run says of the head in it: the ``objective``, and what it ``generates``."""
    described = run.head / "head.json"
    found = json.loads(described.read_text(encoding="utf-8")) if described.is_file() else {}
    return dict(found)


def objective_of(run: RunFolder) -> str | None:
    """Return the objective whose head lies in the run; None where none does."""
    name: str | None = described_head(run).get("objective")
    return name


def open_token_head(run: RunFolder, encoder: TokenEncoder) -> TokenHead:
    """Open ``RUN/head``; its output vectors are the encoder's table and are not stored twice."""
    stored = load_file(run.head / "head.safetensors")
    tied = "decoder.weight" not in stored
    transform = any(name.startswith("transform.") for name in stored)
    head = TokenHead(encoder.token_embedding, transform=transform, tie=tied)
    head.load_state_dict(stored, strict=not tied)
    return head.eval()
