"""Simple baselines for text, which need no network and a minute or two.

All are fitted on text without labels: TF-IDF of words and word pairs, its latent semantic
analysis, and averaged word vectors. A pre-trained encoder must beat the best of them.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from headstart.batch import Progress
from headstart.data.store import stream
from headstart.data.vectors import unit_length
from headstart.modalities import Baseline
from headstart.modalities.text.lexicon import Corpus, Lexicon
from headstart.modalities.text.word_vectors import WordVectors
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

FEATURES = 200_000
LSA_SIZE = 300
#: Most documents for the SVD of the LSA; more change little and are slow.
LSA_DOCUMENTS = 25_000


def text_baselines(
    background: Dataset | None,
    train: Dataset,
    test: Dataset | None,
    *,
    protocol: str = "classification",
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Baseline]:
    """Return TF-IDF, LSA and averaged word vectors as candidates.

    All three are fitted on the unlabeled texts of the pre-training and on the training texts,
    never on the test texts.

    Args:
        background: records of the pre-training; None where they cannot be read any more.
        train: training records, in the order of their labels.
        test: test records; None when folds are cut from the training records.
        progress: called with the number of stages done and of all stages.
    """
    done = iter(range(1, 5))

    def tick() -> None:
        if progress:
            progress(next(done), 4)

    lexicon = Lexicon()
    seen = [train] if background is None else [background, train]
    fitted = lexicon.read(chain.from_iterable(stream(records, "text") for records in seen))
    labeled = [train] if test is None else [train, test]
    corpora = [lexicon.read(stream(records, "text")) for records in labeled]
    tick()
    tfidf = TfIdf(fitted, len(lexicon))
    counted = [tfidf.transform(corpus) for corpus in corpora]
    tick()
    topics = lsa(tfidf.transform(fitted), derive(seed, "lsa"))
    dense = [np.asarray(matrix @ topics.T, dtype=np.float32) for matrix in counted]
    tick()
    vectors = WordVectors(fitted, len(lexicon), derive(seed, "word vectors"))
    averages = [vectors.average(corpus) for corpus in corpora]
    tick()
    table = {"TF-IDF": counted, "LSA": dense, "word vectors": averages}
    return [
        Baseline(name, parts[0], parts[1] if len(parts) > 1 else None)
        for name, parts in table.items()
    ]


class TfIdf:
    """Words and word pairs, (1 + log tf) idf, rows of length 1.

    Features are those that occur in two documents or more (if there are any), the :data:`FEATURES`
    most widespread of them; idf = ln((1 + N) / (1 + df)) + 1.

    Args:
        corpus: text without labels.
        words: size of the lexicon.
    """

    def __init__(self, corpus: Corpus, words: int) -> None:
        self._words = words
        keys, owner = self._grams(corpus)
        features, columns = np.unique(keys, return_inverse=True)
        counts = _counts(owner, columns, (corpus.documents, len(features)))
        spread = np.bincount(counts.indices, minlength=len(features))
        order = np.argsort(-spread, kind="stable")[:FEATURES]
        if (spread > 1).any():
            order = order[spread[order] > 1]
        kept = np.sort(order)
        self._features = features[kept]
        self._idf = (np.log((1 + corpus.documents) / (1 + spread[kept])) + 1).astype(np.float32)

    def transform(self, corpus: Corpus) -> Any:
        """Return a CSR matrix (N,F) float32, one row per document."""
        keys, owner = self._grams(corpus)
        columns = np.searchsorted(self._features, keys)
        known = np.append(self._features, -1)[columns] == keys
        shape = (corpus.documents, len(self._features))
        counts = _counts(owner[known], columns[known], shape)
        counts.data = (1 + np.log(counts.data)) * self._idf[counts.indices]
        return unit_length(counts)

    def _grams(self, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
        """Return a key for every word and pair of neighbours, and the document of each.

        Words that were added to the lexicon after the fit are left out.
        """
        ids, owner = corpus.ids, corpus.owner
        known = ids < self._words
        pairs = (owner[1:] == owner[:-1]) & known[1:] & known[:-1]
        numbers = (ids[:-1] + 1) * self._words + ids[1:]
        return (
            np.concatenate([ids[known], numbers[pairs]]),
            np.concatenate([owner[known], owner[1:][pairs]]),
        )


def lsa(tfidf: Any, seed: int) -> np.ndarray:
    """Return the first right singular vectors (K,F) of TF-IDF rows, K at most 300.

    Deerwester et al., 1990, "Indexing by Latent Semantic Analysis".
    """
    from sklearn.utils.extmath import randomized_svd

    rng = np.random.Generator(np.random.PCG64(seed))
    rows = tfidf[np.sort(rng.permutation(tfidf.shape[0])[:LSA_DOCUMENTS])]
    size = min(LSA_SIZE, *rows.shape)
    _, _, right = randomized_svd(rows, size, n_iter=2, random_state=seed % 2**32)
    return np.asarray(right, dtype=np.float32)


def _counts(owner: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> Any:
    ones = np.ones(len(owner), dtype=np.float32)
    counts = sparse.csr_matrix((ones, (owner, columns)), shape=shape)
    counts.sum_duplicates()
    return counts
