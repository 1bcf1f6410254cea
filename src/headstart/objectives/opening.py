"""Open the head that an objective saved in a run beside the encoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from headstart.objectives.heads import TokenHead

if TYPE_CHECKING:
    from headstart.encoders import TokenEncoder
    from headstart.run import RunFolder


def described_head(run: RunFolder) -> dict[str, Any]:
    """Return the description of a run's head: its ``objective`` and what it ``generates``."""
    file = run.head / "head.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def objective_of(run: RunFolder) -> str | None:
    """Return the objective whose head is in the run; None without a head."""
    name: str | None = described_head(run).get("objective")
    return name


def open_token_head(run: RunFolder, encoder: TokenEncoder) -> TokenHead:
    """Open ``RUN/head``; tied output weights are those of the encoder and are not stored twice."""
    stored = load_file(run.head / "head.safetensors")
    tied = "decoder.weight" not in stored
    transform = any(name.startswith("transform.0.") for name in stored)
    head = TokenHead(encoder.token_embedding, encoder.width, transform=transform, tie=tied)
    head.load_state_dict(stored, strict=not tied)
    return head.eval()
