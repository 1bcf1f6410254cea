"""A tiny network of tokens, and rows to corrupt, whose losses can be written out by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.encoders import TokenEncoder
from headstart.modalities import Vocabulary
from headstart.seeding import generator

VOCABULARY, PAD, MASK, CLS, SEP = 40, 0, 2, 3, 4
KNOWN = Vocabulary(
    size=VOCABULARY,
    pad_id=PAD,
    special_ids=(0, 1, 2, 3, 4),
    mask_id=MASK,
    start_id=CLS,
    end_id=SEP,
    prefix=1,
    suffix=1,
)


class Processor:
    """What objectives require of a processor."""

    vocabulary = KNOWN


class TinyContext(nn.Module):
    """Each vector, and the mean of those it may attend to, through a layer."""

    vocabulary, generates = TokenEncoder.vocabulary, TokenEncoder.generates
    with_ids, causal_visibility = TokenEncoder.with_ids, TokenEncoder.causal_visibility

    def __init__(self, width: int = 8, table: bool = True) -> None:
        super().__init__()
        self.width = width
        if table:
            self.table = nn.Embedding(VOCABULARY, width)
        self.mix = nn.Linear(width, width)

    @property
    def token_embedding(self) -> nn.Embedding:
        return self.table

    def embed(self, batch: Batch) -> Tensor:
        return self.table(batch["input_ids"])

    def contextualize(
        self, tokens: Tensor, visibility: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        if visibility is None:
            visibility = torch.ones(len(tokens), tokens.shape[1], tokens.shape[1])
        seen = visibility.to(tokens.dtype)
        return torch.tanh(self.mix(tokens + seen @ tokens / seen.sum(2, keepdim=True)))

    def narrower(self, share: float) -> TinyContext:
        return TinyContext(round(self.width * share), table=False)


def make_batch(rows: int = 64, length: int = 40, segments: bool = False) -> Batch:
    """Return rows between [CLS] and [SEP]; half of them are padded, or hold two documents."""
    ids = torch.randint(5, VOCABULARY, (rows, length), generator=generator(0, "ids"))
    ids[:, 0], ids[:, -1] = CLS, SEP
    mask = torch.ones_like(ids, dtype=torch.bool)
    if segments:
        half = length // 2
        ids[:, half - 1], ids[:, half] = SEP, CLS
        document = 1 + (torch.arange(length) >= half).long().expand_as(ids)
        return {"input_ids": ids, "mask": mask, "segments": document}
    mask[: rows // 2, length * 3 // 4 :] = False
    ids[~mask] = PAD
    return {"input_ids": ids, "mask": mask}


def in_context(encoder: TinyContext, vectors: Tensor, row: int, index: int, seen: Tensor) -> Tensor:
    """Return what the network makes of one position, computed by hand."""
    visible = [vectors[row, j] for j in range(vectors.shape[1]) if seen[row, index, j]]
    mean = torch.stack(visible).mean(0)
    return torch.tanh(encoder.mix.weight @ (vectors[row, index] + mean) + encoder.mix.bias)


def cross_entropy(scores: Tensor, target: int) -> Tensor:
    """Return ``-log softmax(scores)[target]``."""
    return torch.logsumexp(scores, 0) - scores[target]
