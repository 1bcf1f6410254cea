"""Superwords: byte-level BPE of words, then phrases merged across the spaces between them.

A first pass learns words as any BPE. Then pairs of neighbours that occur far more often than by
chance (word2phrase, Mikolov et al. 2013, section 4, https://arxiv.org/abs/1310.4546) become merges,
twice, so that phrases of up to four words are single tokens: ``not very good``, ``waste of time``.
The result is an ordinary BPE, whose pre-tokenizer keeps runs of words together (SuperBPE, Liu et
al. 2025, https://arxiv.org/abs/2503.13423).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from headstart.modalities.text.scripts import MARKS, WORD, pattern

#: Share of the vocabulary for phrases.
PHRASES = 0.3
ROUNDS = 2
#: Least count of a phrase, its least ratio to chance, and the discount of rare phrases.
LEAST, SCORE, DISCOUNT = 40, 10.0, 20

_SPACE = "Ġ"
_WORD = rf" ?[\p{{L}}{MARKS}]+(?:['\x{{2019}}][\p{{L}}{MARKS}]+)?"
_OTHER = r" ?\p{N}+(?:[/.]\p{N}+)*| ?([^\s\p{L}\p{N}])\1*|\s+"


def fit_superwords(
    texts: Iterable[str],
    vocab_size: int,
    specials: list[str],
    *,
    lowercase: bool,
    least: int = LEAST,
) -> Tokenizer:
    """Fit words and phrases to texts, which are held in memory: pass a sample.

    Args:
        vocab_size: most entries, the 256 bytes and the specials included.
        lowercase: fold case first; accents and marks stay.
        least: lowest count of a phrase.
    """
    some = list(texts)
    phrases = int(PHRASES * vocab_size)
    tokenizer, trainer = byte_level(f"{_WORD}|{_OTHER}", vocab_size - phrases, specials)
    steps: list[Any] = [
        normalizers.Replace(Regex(r"<br\s*/?>"), " "),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Prepend(" "),
    ]
    tokenizer.normalizer = normalizers.Sequence([*steps, *composing(lowercase)])
    tokenizer.train_from_iterator(some, trainer)
    for _ in range(ROUNDS):
        room = min(phrases // ROUNDS, vocab_size - tokenizer.get_vocab_size())
        tokenizer = _merged(tokenizer, some, room, least)
    return tokenizer


def _merged(tokenizer: Tokenizer, texts: list[str], room: int, least: int) -> Tokenizer:
    """Return the tokenizer with up to ``room`` more merges, of the best phrases in the texts."""
    size = tokenizer.get_vocab_size()
    names = [str(tokenizer.id_to_token(index)) for index in range(size)]
    # Texts are separated by an id that is not a word.
    ids = np.concatenate(
        [
            np.array([*encoding.ids, 0])
            for start in range(0, len(texts), 1000)
            for encoding in tokenizer.encode_batch_fast(texts[start : start + 1000])
        ]
    )
    starts = np.array([n[0] == _SPACE and _continues(n[1:]) for n in names])
    goes_on = np.array([_continues(n) for n in names])
    first, second, after = ids[:-2], ids[1:-1], ids[2:]
    # Both words must be complete: they do not continue in the next token.
    whole = starts[first] & starts[second] & ~goes_on[after]
    pair, count = np.unique(first[whole] * size + second[whole], return_counts=True)
    occurs = np.bincount(ids, minlength=size)
    first, second = pair // size, pair % size
    score = (count - DISCOUNT * (least / LEAST)) / (occurs[first] * occurs[second]) * len(ids)
    good = np.flatnonzero((count >= least) & (score > SCORE))
    ranked = good[np.argsort(-count[good] * np.log(score[good]), kind="stable")][:room]
    described = json.loads(tokenizer.to_str())
    vocabulary, merges = described["model"]["vocab"], described["model"]["merges"]
    for one, other in zip(first[ranked], second[ranked], strict=True):
        phrase = names[one] + names[other]
        if phrase not in vocabulary:
            vocabulary[phrase] = len(vocabulary)
            merges.append([names[one], names[other]])
    grown = Tokenizer.from_str(json.dumps(described))
    grown.pre_tokenizer = _bytes_of(f"(?:{_WORD})+|{_OTHER}")
    return grown


def _continues(token: str) -> bool:
    """Return whether a token of bytes begins with a letter, a digit or a mark, or a part of one."""
    spelled = decoders.ByteLevel().decode([token])
    return pattern(f"{WORD}|<mark>|\ufffd").match(spelled) is not None


def composing(lowercase: bool) -> list[Any]:
    """Return the steps that compose texts (NFC), and fold case if so wished."""
    return [normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])]


def byte_level(
    parts: str, vocab_size: int, specials: list[str]
) -> tuple[Tokenizer, trainers.BpeTrainer]:
    """Return a byte-level BPE that is not fitted yet, and its trainer.

    Args:
        parts: an expression for the parts of a text that no token crosses.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _bytes_of(parts)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocab_size, 256 + len(specials)),
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
        # Chinese runs have no spaces: without a cap whole clauses become one token.
        max_token_length=24,
    )
    return tokenizer, trainer


def _bytes_of(parts: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(parts), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
