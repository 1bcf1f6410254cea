"""Deterministic vocabularies: the same texts give the same ids in every process.

The trainers of ``tokenizers`` iterate over hash maps, whose order differs between processes. BPE on
bytes does not depend on it; WordPiece and Unigram number their entries by it, and with other ids a
network of the same seed differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from json import loads

from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordPiece
from tokenizers.trainers import UnigramTrainer, WordPieceTrainer

#: Step between the scores that the library gives to the characters that Unigram must keep.
_STEP = 1e-4
#: Digits of scores; the order of a sum changes them by at most 1e-11.
_DIGITS = 6


def fit_wordpiece(tokenizer: Tokenizer, texts: Iterable[str], trainer: WordPieceTrainer) -> None:
    """Fit WordPiece to texts, which are held in memory: pass a sample.

    A first pass finds only the alphabet, which is sorted for the second: there, ties between
    equally frequent pairs are broken by the ids of their parts.
    """
    some, size, specials = list(texts), trainer.vocab_size, trainer.special_tokens
    names = [special.content for special in specials]
    trial = Tokenizer.from_str(tokenizer.to_str())
    trainer.vocab_size = 0
    trial.train_from_iterator(some, trainer)
    alphabet = sorted(trial.get_vocab().keys() - set(names))
    trainer.vocab_size, trainer.special_tokens = size, [*names, *alphabet]
    trial.train_from_iterator(some, trainer)
    # Only the trainer treats the alphabet as special.
    tokenizer.model = WordPiece(trial.get_vocab(), unk_token=tokenizer.model.unk_token)
    tokenizer.add_special_tokens(specials)


def fit_unigram(tokenizer: Tokenizer, texts: Iterable[str], trainer: UnigramTrainer) -> None:
    """Fit Unigram to texts, and sort the entries whose order is random.

    The library adds the characters that its last step dropped in random order, each with a score
    one step above the previous one: here they are sorted. The others are sorted by their rounded
    scores, then by their spelling.
    """
    tokenizer.train_from_iterator(texts, trainer)
    fitted = loads(tokenizer.to_str())["model"]
    specials = len(trainer.special_tokens)
    pieces = {piece: round(score, _DIGITS) for piece, score in fitted["vocab"][specials:]}
    characters = [piece for piece in pieces if len(piece) == 1]
    lowest = min(pieces.values(), default=0.0) + _STEP * len(characters)
    kept = [piece for piece in characters if pieces[piece] < lowest]
    scores = sorted((pieces[piece] for piece in kept), reverse=True)
    pieces |= dict(zip(sorted(kept), scores, strict=True))
    ordered = sorted(pieces.items(), key=lambda entry: (-entry[1], entry[0]))
    vocabulary = [*map(tuple, fitted["vocab"][:specials]), *ordered]
    tokenizer.model = Unigram(vocabulary, fitted["unk_id"], fitted["byte_fallback"])
