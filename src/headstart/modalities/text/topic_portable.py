"""LSA vectors without this library: words and n-grams by Python, their weights by numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headstart.files import write_json
from headstart.modalities.portable import Portable
from headstart.modalities.text.lexicon import WORD
from headstart.modalities.text.ngrams import BASE, LONGEST, SHORTEST, WORD_BITS
from headstart.modalities.text.portable import typed
from headstart.modalities.text.scripts import pattern

#: Its files: words, rules and settings, and the arrays.
ABOUT, ARRAYS = "lsa.json", "lsa.npz"
#: Python as of :class:`headstart.modalities.text.topic_vectors.TopicProcessor`, of one text.
_CODE = f"""\
about = json.loads((HERE / "{ABOUT}").read_text(encoding="utf-8"))
arrays = dict(np.load(HERE / "{ARRAYS}"))
numbers = {{word: number for number, word in enumerate(about["words"])}}
WORD, BASE = re.compile(about["word"]), np.uint64(about["base"])


def word_keys(tokens):
    words = [word for token in tokens for word in WORD.findall(token)]
    ids = np.array([numbers.get(word, -1) for word in words], np.int64)
    pairs = (ids[:-1] + 1 << about["word_bits"]) + ids[1:]
    pairs = pairs[(ids[:-1] >= 0) & (ids[1:] >= 0)]
    return np.concatenate([ids[ids >= 0], pairs]).astype(np.uint64)


def character_keys(tokens):
    text = f" {{' '.join(tokens)}} ".encode("utf-32-le", "surrogatepass")
    letters = np.frombuffer(text, np.uint32).astype(np.uint64)
    space, keys = letters == ord(" "), []
    hashed, inside = letters + BASE, np.ones(len(letters), bool)
    for length in range(about["shortest"], about["longest"] + 1):
        hashed = hashed[:-1] * BASE + letters[length - 1 :]
        inside = inside[:-1] & ~space[length - 2 : -1] if length > 2 else inside[:-1]
        keys.append(hashed[inside])
    return np.concatenate(keys)


def weighted(features, idf, keys):
    columns = np.searchsorted(features, keys)
    columns[columns == len(features)] = 0
    columns, times = np.unique(columns[features[columns] == keys], return_counts=True)
    weights = (1 + np.log(times)) * idf[columns]
    return columns, weights / max(np.linalg.norm(weights), 1e-12)


def vector(text):
    tokens = unicodedata.normalize("NFC", text.lower()).split()
    words, first = weighted(arrays["words"], arrays["word_idf"], word_keys(tokens))
    letters, second = weighted(
        arrays["characters"], arrays["character_idf"], character_keys(tokens)
    )
    columns = np.concatenate([words, letters + len(arrays["words"])])
    weights = np.concatenate([first, second])
    weights = weights / max(np.linalg.norm(weights), 1e-12)
    return weights.astype(np.float32) @ arrays["axes"][columns].astype(np.float32)


def read(texts):
    return {{"features": np.stack([vector(text) for text in texts])}}
"""


def portable_topics(words: list[str], arrays: dict[str, np.ndarray], folder: Path) -> Portable:
    """Write the words, the n-grams and their axes, and return how texts become vectors.

    Args:
        words: by number.
        arrays: ``words`` (F,) and ``characters`` (G,) uint64, rising, the keys of n-grams; their
            ``word_idf`` and ``character_idf``; ``axes`` (F+G,K).
    """
    # What counts as a letter depends on the version of Unicode, so the rule goes along.
    rules = {"word": pattern(WORD).pattern, "word_bits": WORD_BITS, "base": int(BASE)}
    lengths = {"shortest": SHORTEST, "longest": LONGEST}
    write_json(folder / ABOUT, {**rules, **lengths, "words": words})
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
    return Portable(
        tensors={"features": "vectors"},
        lengths={},
        imports=("import re", "import unicodedata"),
        code=_CODE,
        usage='"a text"',
        packages=(),
        values=typed,
        settings={"about": ABOUT, "arrays": ARRAYS, **lengths},
        limits=("whole texts are read, and words are told by Python 3.11 or newer.",),
    )
