"""The tokenizer that an encoder of tokens has by default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenizerDefaults:
    """The default tokenizer of an encoder.

    Attributes:
        unspaced: its defaults for scripts without spaces, if they differ.
        patient: its defaults for long budgets, if they differ.
        sentinels: number of tokens for spans that were cut out, as T5's ``<extra_id_0>``; they are
            added to ``vocab_size``.
    """

    kind: str = "bpe"
    vocab_size: int = 16384
    lowercase: bool = False
    wrap: bool = True
    unspaced: TokenizerDefaults | None = None
    patient: TokenizerDefaults | None = None
    sentinels: int = 0
