"""Synonyms as an edit of texts: words are replaced by synonyms (EDA, section 2).

Single tokens are replaced, so that it works on whole batches: a token that is a whole English word
can become another one, in the same case. Words of several tokens and stop words are unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.errors import HeadstartError
from headstart.modalities.text.edits import some
from headstart.modalities.text.wordnet import synonyms, wordnet_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from headstart.modalities.text.stored_tokenizer import StoredTokenizer

_MARKS = ("Ġ", "▁")


@dataclass(frozen=True)
class Synonyms:
    """The synonyms of a vocabulary of V tokens; an :data:`headstart.modalities.text.edits.Edit`.

    Attributes:
        table: (V,K) ids; the first ``count`` of a row are the token's synonyms.
        count: (V,) how many it has.
        starts: (V,) bool, True where a token begins a word.
    """

    table: Tensor
    count: Tensor
    starts: Tensor

    def __call__(
        self, batch: Batch, inner: Tensor, generator: torch.Generator, share: float, pad_id: int
    ) -> Batch:
        """Replace as many of the possible words as are a ``share`` of the tokens."""
        ids = batch["input_ids"]
        starts, count = (table.to(ids.device)[ids] for table in (self.starts, self.count))
        # A word continues in the next token, unless that begins a word or is not part of the text.
        ends = torch.ones_like(inner)
        ends[:, :-1] = starts[:, 1:] | ~inner[:, 1:]
        able = inner & starts & ends & (count > 0)
        chosen = some(able, share, generator, of=inner)
        draw = torch.rand(ids.shape, generator=generator, device=ids.device)
        index = (draw * count).long().minimum((count - 1).clamp(min=0))
        other = self.table.to(ids.device)[ids, index]
        return {"input_ids": torch.where(chosen, other, ids), "mask": batch["mask"]}


def synonyms_of(
    tokenizer: PreTrainedTokenizerFast | StoredTokenizer, starts: list[bool]
) -> Synonyms:
    """Look up the whole words of a vocabulary.

    Args:
        starts: for each id whether it begins a word.

    Raises:
        HeadstartError: WordNet is not installed, or knows none of the words.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    vocabulary = tokenizer.get_vocab()
    whole: dict[int, tuple[str, str]] = {}
    for token, index in vocabulary.items():
        mark = token[0] if token.startswith(_MARKS) else ""
        word = token[len(mark) :]
        if starts[index] and word.isascii() and word.isalpha() and len(word) > 1:
            whole[index] = (mark, word)
    words = {word.lower() for _, word in whole.values()} - ENGLISH_STOP_WORDS
    known = synonyms(words, wordnet_folder())
    rows: dict[int, list[int]] = {}
    for index, (mark, word) in whole.items():
        pieces = [mark + _cased(other, word) for other in known.get(word.lower(), [])]
        found = [vocabulary[piece] for piece in pieces if vocabulary.get(piece) in whole]
        if found:
            rows[index] = found
    if not rows:
        raise HeadstartError(
            "WordNet has synonyms for none of the vocabulary's words: it knows English; use other "
            "views."
        )
    table = torch.zeros(len(starts), max(map(len, rows.values())), dtype=torch.long)
    count = torch.zeros(len(starts), dtype=torch.long)
    for index, found in rows.items():
        table[index, : len(found)] = torch.tensor(found)
        count[index] = len(found)
    return Synonyms(table, count, torch.tensor(starts))


def _cased(word: str, like: str) -> str:
    """Return a word in lower case as ``like`` is written: Title, UPPER, or as it is."""
    if like.istitle():
        return word.capitalize()
    return word.upper() if like.isupper() else word
