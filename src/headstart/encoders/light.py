"""The light encoder: a weighted average of token vectors, as fast as word2vec.

A text is the mean of its token vectors, weighted by inverse frequency (SIF, Arora et al. 2017,
equation 3) and centred on the average text. All of this is linear, so it is saved as one table: a
sentence-transformers ``StaticEmbedding``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import EncoderKind, Features, TokenEncoder
from headstart.encoders.flat_table import FlatTable
from headstart.encoders.sentence_folders import check_settings, modules_of, write_modules
from headstart.encoders.visibility import mean_pool
from headstart.errors import HeadstartError, refused
from headstart.modalities import TokenProcessor
from headstart.modalities.tokens.tokenizer_defaults import TokenizerDefaults
from headstart.weights import check_finite

PARTS = "light.safetensors"
TABLE = "model.safetensors"


class LightOptions(Options):
    """Size and weighting of the table."""

    width: int = Field(256, ge=2, le=4096, description="Size of the vectors.")
    sif: float = Field(1e-3, gt=0, description="SIF's a: smaller mutes frequent tokens more.")
    window: int = Field(8, ge=1, description="Neighbours on each side that make a token's context.")


class LightEncoder(TokenEncoder):
    """A table of token vectors (V,D) with a weight for each token.

    Args:
        weights: (V,) weight of each token.
        width: D.
        window: neighbours on each side that :meth:`contextualize` averages.
        normalize: scale pooled vectors to length 1, as some published tables do.
    """

    provides = frozenset({"tokens", "token_embedding", "visibility", "bidirectional", "static"})

    def __init__(
        self, weights: Tensor, width: int, window: int = 8, normalize: bool = False
    ) -> None:
        super().__init__()
        self.width, self.window, self.normalize = width, window, normalize
        self.embedding = nn.Embedding(len(weights), width)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.weights: Tensor
        self.centre: Tensor
        self.register_buffer("weights", weights.float())
        self.register_buffer("centre", torch.zeros(width))

    def forward(self, batch: Batch) -> Features:
        return Features(self.embed(batch), batch["mask"], self.pool(batch))

    def pool(self, batch: Batch) -> Tensor:
        """Return the centred weighted mean (B,D) over real tokens."""
        ids, mask = batch["input_ids"], batch["mask"]
        real = ids[mask]
        lengths = mask.sum(1)
        offsets = F.pad(lengths.cumsum(0)[:-1], (1, 0))
        total = F.embedding_bag(
            real,
            self.embedding.weight,
            offsets,
            mode="sum",
            per_sample_weights=self.weights[real],
        )
        pooled = total / lengths.clamp(min=1)[:, None]
        if self.training:
            with torch.no_grad():
                self.centre.lerp_(pooled.mean(0).to(self.centre.dtype), 0.01)
        return self._scaled(pooled - self.centre * (lengths > 0)[:, None])

    def _scaled(self, pooled: Tensor) -> Tensor:
        return F.normalize(pooled, dim=1) if self.normalize else pooled

    def from_vectors(self, vectors: Tensor, batch: Batch) -> Features:
        mask = batch["mask"]
        pooled = mean_pool(vectors, mask) - self.centre * mask.any(1)[:, None]
        return Features(vectors, mask, self._scaled(pooled))

    def embed(self, batch: Batch) -> Tensor:
        ids = batch["input_ids"]
        return self.embedding(ids) * self.weights[ids][:, :, None]

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        """Add to each vector the mean of its visible neighbours: word2vec's CBOW context."""
        index = torch.arange(tokens.shape[1], device=tokens.device)
        distance = (index[:, None] - index).abs()
        near = ((distance > 0) & (distance <= self.window)).expand(len(tokens), -1, -1)
        seen = (near if visibility is None else near & visibility).to(tokens.dtype)
        return tokens + seen @ tokens / seen.sum(2, keepdim=True).clamp(min=1.0)

    @torch.no_grad()
    def take(self, vectors: Tensor, centre: Tensor, *, normalize: bool) -> None:
        """Replace the token vectors (V,D), the average text's (D,), and whether to normalise."""
        self.embedding.weight.copy_(vectors)
        self.centre.copy_(centre)
        self.normalize = normalize

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.embedding

    def layers(self) -> list[nn.Module]:
        """The embedding is its only part."""
        return [self.embedding]

    @property
    def flat(self) -> Tensor:
        """The table (V,D) whose plain mean over a text is its pooled vector."""
        table = self.embedding.weight.detach()
        return table * self.weights[:, None] - self.centre

    def exportable(self) -> FlatTable:
        """Return the flat table."""
        return FlatTable(self.flat, normalize=self.normalize)

    def untrained(self) -> LightEncoder:
        """Return an encoder of the same shape and weights, freshly initialised."""
        return LightEncoder(self.weights.clone(), self.width, self.window, self.normalize)

    def save(self, folder: Path) -> None:
        """Write a ``StaticEmbedding`` model, and the parameters it was computed from."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = {
            "weights": self.weights,
            "centre": self.centre,
            "window": torch.tensor(self.window),
        }
        save_file({k: v.contiguous() for k, v in parts.items()}, folder / PARTS)
        save_file({"embedding.weight": self.flat.contiguous()}, folder / TABLE)
        normalize = {"Normalize": "1_Normalize"} if self.normalize else {}
        write_modules(folder, {"StaticEmbedding": "", **normalize})

    @classmethod
    def load(cls, folder: str | Path) -> LightEncoder:
        """Open a folder that :meth:`save` wrote, or any ``StaticEmbedding`` model.

        Raises:
            HeadstartError: the files are missing or damaged, or other modules follow.
        """
        folder = Path(folder)
        kinds = [kind for kind, _ in modules_of(folder) or []]
        if kinds not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
            raise HeadstartError(
                f"the vectors of {folder} are made by {', '.join(kinds)}, and headstart knows a "
                "StaticEmbedding alone, or with Normalize; give another folder."
            )
        check_settings(folder)
        what = f"the light encoder in {folder} cannot be read"
        with refused(what, "pre-train it again or name another folder", Exception):
            flat = load_file(folder / TABLE)["embedding.weight"].float()
            parts = load_file(folder / PARTS) if (folder / PARTS).exists() else {}
        weights = parts.get("weights", torch.ones(len(flat)))
        check_finite({"embedding.weight": flat}, folder)
        window = int(parts.get("window", torch.tensor(8)))
        encoder = cls(weights, flat.shape[1], window, "Normalize" in kinds)
        encoder.centre.copy_(parts.get("centre", torch.zeros(flat.shape[1])))
        with torch.no_grad():
            unweighted = weights[:, None] == 0
            table = (flat + encoder.centre) / weights[:, None]
            encoder.embedding.weight.copy_(torch.where(unweighted, encoder.embedding.weight, table))
        return encoder


def sif_weights(counts: np.ndarray, a: float) -> Tensor:
    """Return ``a / (a + p(token))`` (V,) from token counts (V,)."""
    frequency = counts / max(1, counts.sum())
    return torch.from_numpy((a / (a + frequency)).astype(np.float32))


def _light(options: LightOptions, processor: TokenProcessor, length: int) -> LightEncoder:
    vocabulary = processor.vocabulary
    counts = np.ones(vocabulary.size) if vocabulary.counts is None else vocabulary.counts
    weights = sif_weights(counts, options.sif)
    # Special tokens carry no information.
    weights[list(vocabulary.special_ids)] = 0.0
    return LightEncoder(weights, options.width, options.window)


#: For scripts without spaces: frequent sequences of characters are mostly words.
_UNSPACED = TokenizerDefaults(kind="bpe", vocab_size=6000, lowercase=True, wrap=False)
_PHRASES = TokenizerDefaults(
    kind="superword", vocab_size=42000, lowercase=True, wrap=False, unspaced=_UNSPACED
)

LIGHT = EncoderKind(
    "Weighted average of token vectors; learns in minutes and runs as fast as word2vec.",
    LightOptions,
    _light,
    length=512,
    batch_size=1024,
    learning_rate=1e-2,
    reads="input_ids",
    provides=LightEncoder.provides,
    processor_defaults=TokenizerDefaults(
        kind="word",
        vocab_size=30000,
        lowercase=True,
        wrap=False,
        unspaced=_UNSPACED,
        patient=_PHRASES,
        # A teacher knows what a rare phrase means, too.
        taught=replace(_PHRASES, least=5),
    ),
)
