"""What tasks that write a text are tested with: plain rows, a tiny T5, and Transformers' loss."""

from __future__ import annotations

from typing import Any

import language
import torch
from tokens import CLS, PAD, SEP, VOCABULARY, Processor
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from headstart.batch import Batch
from headstart.encoders.seq2seq import Seq2SeqEncoder
from headstart.seeding import generator

SENTINELS = tuple(range(VOCABULARY + 19, VOCABULARY - 1, -1))


class Writing(Processor):
    """What such objectives ask of a processor."""

    sentinels = SENTINELS


class Bare(Writing):
    """Rows that nothing opens, as T5's."""

    prefix = 0


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
    """Return rows of so many different tokens each, between [CLS] (if any) and [SEP]."""
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
