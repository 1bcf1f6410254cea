"""Fixtures for sequence-to-sequence tasks: rows, networks that write, Transformers' loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import language
import torch
from tokens import CLS, KNOWN, PAD, SEP, VOCABULARY, Processor
from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

from headstart.batch import Batch
from headstart.encoders import Features
from headstart.encoders.seq2seq import Seq2SeqEncoder
from headstart.encoders.visibility import mean_pool
from headstart.objectives import OBJECTIVES
from headstart.seeding import generator

SENTINELS = tuple(range(VOCABULARY + 19, VOCABULARY - 1, -1))


class Writing(Processor):
    """What such objectives require of a processor."""

    vocabulary = replace(KNOWN, sentinel_ids=SENTINELS)


class Bare(Writing):
    """Rows that nothing opens, as T5's."""

    vocabulary = replace(Writing.vocabulary, prefix=0)


def tiny_t5() -> Seq2SeqEncoder:
    """Return a network far from uniform, so that what it sees shows."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=64,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        pad_token_id=PAD,
        eos_token_id=SEP,
        decoder_start_token_id=PAD,
    )
    return Seq2SeqEncoder(T5ForConditionalGeneration(config)).eval()


def texts(*sizes: int, prefix: int = 1) -> Batch:
    """Return rows with the given numbers of different tokens, between [CLS] (if any) and [SEP]."""
    width = max(sizes) + prefix + 1
    ids = torch.full((len(sizes), width), PAD)
    for row, size in enumerate(sizes):
        body = 5 + (torch.arange(size) + 3 * row) % (VOCABULARY - 5)
        ids[row, : size + prefix + 1] = torch.tensor([*[CLS] * prefix, *body.tolist(), SEP])
    batch = {"input_ids": ids, "mask": ids != PAD}
    return {**batch, "word_starts": torch.ones_like(batch["mask"])}


def row_of(batch: Batch, row: int, name: str = "") -> list[int]:
    """Return the real tokens of a row; ``name`` is ``written/`` for what must be written."""
    ids: list[int] = batch[f"{name}input_ids"][row][batch[f"{name}mask"][row]].tolist()
    return ids


def theirs(encoder: Seq2SeqEncoder, batch: Batch) -> Tensor:
    """Return the mean loss over all tokens: Transformers' own, row by row, without any padding."""
    total, count = torch.zeros(()), 0
    for row in range(len(batch["input_ids"])):
        read, written = (torch.tensor([row_of(batch, row, name)]) for name in ("", "written/"))
        loss = encoder.model(input_ids=read, labels=written).loss
        total, count = total + loss * written.shape[1], count + written.shape[1]
    return total / count


class Neighbours(nn.Module):
    """A network that reads and writes, and begins with habits that others take minutes to find.

    A token it reads knows its neighbours and the mean of the text; what it writes looks for the
    token that was written last. So what can be learned in seconds is what the tokens mean.
    """

    width = 48

    def __init__(self) -> None:
        super().__init__()
        size = language.processor().vocabulary.size
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.table = nn.Embedding(size, self.width)
            nn.init.normal_(self.table.weight, std=0.3)
            self.near = nn.Linear(4 * self.width, self.width)
            self.combine = nn.Linear(3 * self.width, self.width)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, batch: Batch) -> Features:
        own = self.table(batch["input_ids"]) * batch["mask"][:, :, None]
        left, right = own.roll(1, 1), own.roll(-1, 1)
        mean = mean_pool(own, batch["mask"])[:, None].expand_as(own)
        tokens = own + torch.tanh(self.near(torch.cat([left, own, right, mean], 2)))
        return Features(tokens, batch["mask"], mean_pool(tokens, batch["mask"]))

    def pool(self, batch: Batch) -> Tensor:
        pooled: Tensor = self(batch).pooled
        return pooled

    def write(self, memory: Tensor, mask: Tensor, written: Tensor) -> Tensor:
        last = self.table(nn.functional.pad(written, (1, 0))[:, :-1])
        match = (last @ memory.transpose(1, 2)).masked_fill(~mask[:, None], -1e9)
        mean = mean_pool(memory, mask)[:, None].expand_as(last)
        seen = torch.cat([last, match.softmax(2) @ memory, mean], 2)
        return last + torch.tanh(self.combine(seen))

    def score(self, vectors: Tensor) -> Tensor:
        return vectors @ self.table.weight.T + self.bias


def on_neighbours(name: str) -> Any:
    """Return an objective that writes, on a fresh :class:`Neighbours`."""
    kind = OBJECTIVES[name]
    torch.manual_seed(0)
    return kind(Neighbours(), language.processor(), kind.Options())


def spoken(objective: Any, unread: bool = False) -> float:
    """Return the mean loss on unseen articles; ``unread`` gives each row what another one reads."""
    objective.eval()
    losses = []
    with torch.no_grad():
        for part in range(4):
            batch = language.unseen(objective.layout, range(50 * part, 50 * part + 50))
            corrupted = objective.corrupt(batch, generator(part))
            if unread:
                for name in ("input_ids", "mask"):
                    corrupted[name] = corrupted[name].roll(1, 0)
            losses.append(objective(corrupted)["loss"].item())
    return sum(losses) / len(losses)
