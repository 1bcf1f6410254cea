"""The tokenizer that an encoder of tokens has by default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenizerDefaults:
    """The default tokenizer of an encoder.

    Attributes:
        unspaced: its defaults for scripts without spaces, if they differ.
        patient: its defaults for long budgets, if they differ.
        taught: its defaults where token vectors are distilled from another encoder, if they differ.
        least: lowest count of a phrase that becomes a token, where the family has phrases.
        sentinels: number of tokens for spans that were cut out, as T5's ``<extra_id_0>``; they are
            added to ``vocab_size``.
    """

    kind: str = "bpe"
    vocab_size: int = 16384
    lowercase: bool = False
    wrap: bool = True
    unspaced: TokenizerDefaults | None = None
    patient: TokenizerDefaults | None = None
    taught: TokenizerDefaults | None = None
    least: int = 40
    sentinels: int = 0
