"""The tokenizer that an encoder works best with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenizerDefaults:
    """The tokenizer an encoder works best with.

    Attributes:
        unspaced: what it would rather have for a script without spaces, if anything.
        patient: what it would rather have where the budget is long enough to pay for it.
        sentinels: how many tokens stand for spans that were cut out, as T5's ``<extra_id_0>``;
            they come on top of ``vocab_size``.
    """

    kind: str = "bpe"
    vocab_size: int = 16384
    lowercase: bool = False
    wrap: bool = True
    unspaced: TokenizerDefaults | None = None
    patient: TokenizerDefaults | None = None
    sentinels: int = 0
