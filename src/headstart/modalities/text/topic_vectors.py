"""Texts as LSA vectors of words and characters that are kept with an encoder.

The same features as the baseline's (:mod:`headstart.modalities.text.tfidf`), of fewer n-grams, so
that their axes take some tens of megabytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from headstart.batch import Batch
from headstart.data.store import stream
from headstart.files import write_json
from headstart.modalities import VectorProcessor
from headstart.modalities.text import AXES, WORDS
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.lexicon import Lexicon, sample
from headstart.modalities.text.ngrams import CharacterGrams, WordGrams
from headstart.modalities.text.tfidf import tfidf, topics
from headstart.seeding import derive
from headstart.stored import read_json

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.portable import Portable

#: Maximum number of n-grams of words, and of characters: 300 axes of both take 36 MB.
FEATURES = 30_000
#: Maximum number of texts that they are fitted to, and of their letters.
TEXTS, LETTERS = 25_000, 15_000_000


class TopicProcessor(VectorProcessor):
    """TF-IDF of words, word pairs and characters within words, on the axes of an LSA.

    Args:
        words: those of the kept n-grams, by their numbers.
        tensors: ``words`` and ``after`` (F,) int64, the numbers in each n-gram of words, -1 for
            none; ``characters`` (G,) int64, the hash of each n-gram of characters; ``word_idf``
            (F,) and ``character_idf`` (G,) float32; ``axes`` (F+G,K) float16.
    """

    content = TEXT
    name = "LSA"

    def __init__(self, words: list[str], tensors: dict[str, np.ndarray]) -> None:
        self._words, self._tensors = words, tensors
        self._numbers = {word: number for number, word in enumerate(words)}
        self._keys = WordGrams.keys_of(tensors["words"], tensors["after"])
        self._characters = tensors["characters"].view(np.uint64)
        self._axes = tensors["axes"].astype(np.float32)
        self.width = self._axes.shape[1]

    @classmethod
    def fit(cls, records: Dataset, seed: int) -> TopicProcessor | None:
        """Return the axes of texts without labels; None if they have no words."""
        lexicon = Lexicon()
        fitted = lexicon.read(stream(sample(records, TEXTS, LETTERS, seed), "text"))
        if not lexicon.words:
            return None
        words = WordGrams(lexicon, fitted, FEATURES)
        characters = CharacterGrams(lexicon, fitted, FEATURES)
        axes = topics(fitted, words, characters, seed=derive(seed, "lsa"))
        first, after = words.parts()
        used = np.unique(np.concatenate([first, after[after >= 0]]))
        known = lexicon.words
        # The words are numbered anew, and n-grams must be in the order of their numbers.
        new = np.searchsorted(used, first), np.where(after < 0, -1, np.searchsorted(used, after))
        order = np.argsort(WordGrams.keys_of(*new), kind="stable")
        rows = np.concatenate([order, np.arange(len(order), len(axes))])
        tensors = {
            "words": new[0][order],
            "after": new[1][order],
            "characters": characters.keys.view(np.int64),
            "word_idf": words.idf[order],
            "character_idf": characters.idf,
            "axes": axes[rows].astype(np.float16),
        }
        return cls([known[number] for number in used], tensors)

    def vectors(self, texts: list[str]) -> np.ndarray:
        """Return the vectors (B,K) float32 of texts."""
        lexicon = Lexicon(self._numbers)
        corpus = lexicon.read(texts)
        words = WordGrams.known(lexicon, self._keys, self._tensors["word_idf"])
        idf = self._tensors["character_idf"]
        characters = CharacterGrams.known(lexicon, self._characters, idf)
        found: np.ndarray = tfidf(corpus, words, characters) @ self._axes
        return found

    def collate(self, records: Dataset, length: int) -> Batch:
        """Return ``vectors`` (B,K) of whole texts; ``length`` is ignored."""
        return {"vectors": torch.from_numpy(self.vectors(list(records["text"])))}

    def portable(self, folder: Path, length: int) -> Portable:
        """Write the n-grams, their weights and their axes; ``length`` is ignored."""
        from headstart.modalities.text.topic_portable import portable_topics

        tensors = {**self._tensors, "words": self._keys, "characters": self._characters}
        del tensors["after"]
        return portable_topics(self._words, tensors, folder)

    def save(self, folder: Path) -> None:
        """Write the n-grams with their axes, and the words."""
        tensors = {name: np.ascontiguousarray(each) for name, each in self._tensors.items()}
        save_file(tensors, folder / AXES)
        write_json(folder / WORDS, {"words": self._words})

    @classmethod
    def load(cls, folder: Path) -> TopicProcessor:
        """Open what :meth:`save` wrote."""
        words: Any = read_json(folder / WORDS, words=list)["words"]
        return cls([str(word) for word in words], load_file(folder / AXES))
