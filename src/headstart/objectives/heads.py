"""Output layers that objectives put on top of an encoder."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from headstart.files import write_json


class TokenHead(nn.Module):
    """Scores over the vocabulary, from the encoder's input table or a layer of their own.

    Args:
        embedding: the table (V,D) of input vectors; its rows are the output vectors.
        transform: BERT's dense layer, GELU and layer norm before the scores; GPT has none.
        tie: share the table; otherwise the output layer is its own and starts at zero.
    """

    def __init__(self, embedding: nn.Embedding, *, transform: bool, tie: bool = True) -> None:
        super().__init__()
        size, width = embedding.weight.shape
        self.transform = (
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
            if transform
            else nn.Identity()
        )
        self.decoder = nn.Linear(width, size)
        self.tied = tie
        if tie:
            self.decoder.weight = embedding.weight
        else:
            nn.init.zeros_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (..., V) of vectors (..., D)."""
        return self.decoder(self.transform(tokens))

    def save(self, folder: Path, objective: str) -> None:
        """Write ``head.safetensors``, without the table if it is tied, and ``head.json``."""
        shared = {"decoder.weight"} if self.tied else set()
        own = {k: v for k, v in self.state_dict().items() if k not in shared}
        save_file({k: v.contiguous() for k, v in own.items()}, folder / "head.safetensors")
        write_json(folder / "head.json", {"objective": objective})
