"""Open the head that an objective saved in a run beside the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from headstart.objectives.heads import TokenHead
from headstart.stored import opening, read_json, read_tensors

if TYPE_CHECKING:
    from headstart.encoders import TokenEncoder
    from headstart.run import RunFolder


def described_head(run: RunFolder) -> dict[str, Any]:
    """Return the description of a run's head: its ``objective`` and what it ``generates``."""
    file = run.checked_head() / "head.json"
    return read_json(file) if file.exists() else {}


def objective_of(run: RunFolder) -> str | None:
    """Return the objective whose head is in the run; None without a head."""
    name: str | None = described_head(run).get("objective")
    return name


def open_token_head(run: RunFolder, encoder: TokenEncoder) -> TokenHead:
    """Open ``RUN/head``; tied output weights are those of the encoder and are not stored twice."""
    stored = read_tensors(run.checked_head() / "head.safetensors")
    tied = "decoder.weight" not in stored
    transform = any(name.startswith("transform.0.") for name in stored)
    with torch.device("meta"):  # what is replaced need not be drawn
        head = TokenHead(encoder.token_embedding, encoder.width, transform=transform, tie=tied)
    if tied:
        stored["decoder.weight"] = encoder.token_embedding.weight
    with opening(run.head):
        head.load_state_dict(stored, assign=True)
    return head.eval()
