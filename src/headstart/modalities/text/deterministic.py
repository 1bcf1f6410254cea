"""The same texts give the same vocabulary, whatever the order in which the library meets them.

The trainers of ``tokenizers`` walk over hash maps, whose order is another in every process. BPE on
bytes does not depend on it; WordPiece and Unigram number their entries by it, and with other
numbers a network of the same seed is another network.
"""

from __future__ import annotations

from collections.abc import Iterable
from json import loads

from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordPiece
from tokenizers.trainers import UnigramTrainer, WordPieceTrainer

#: What the library adds to the score of each further character that Unigram has to keep.
_STEP = 1e-4
#: The order of a sum moves a score by 1e-11 at most.
_DIGITS = 6


def fit_wordpiece(tokenizer: Tokenizer, texts: Iterable[str], trainer: WordPieceTrainer) -> None:
    """Fit WordPiece to texts, which are held in memory: a sample will do.

    A first pass finds the alphabet alone, which is sorted for the second: there, pairs that are
    equally frequent go by the numbers of their parts.
    """
    some, size, specials = list(texts), trainer.vocab_size, trainer.special_tokens
    names = [special.content for special in specials]
    trial = Tokenizer.from_str(tokenizer.to_str())
    trainer.vocab_size = 0
    trial.train_from_iterator(some, trainer)
    alphabet = sorted(trial.get_vocab().keys() - set(names))
    trainer.vocab_size, trainer.special_tokens = size, [*names, *alphabet]
    trial.train_from_iterator(some, trainer)
    # The alphabet was special for the trainer only.
    tokenizer.model = WordPiece(trial.get_vocab(), unk_token=tokenizer.model.unk_token)
    tokenizer.add_special_tokens(specials)


def fit_unigram(tokenizer: Tokenizer, texts: Iterable[str], trainer: UnigramTrainer) -> None:
    """Fit Unigram to texts, and order what it leaves to chance.

    Characters that its last step would drop are put back in any order, each with a score a step
    above that of the one before: here they are in their own order. The others go by their scores,
    rounded, and then by their spelling.
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
