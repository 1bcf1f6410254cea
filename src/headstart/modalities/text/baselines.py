"""Simple alternatives for text, which need no network and a minute or two.

For classifiers: TF-IDF of words and characters, its latent semantic analysis, averaged word
vectors, and words and word pairs alone. For cosines, where no label can weigh features: the same
kinds apart. A pre-trained encoder must beat the best of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from headstart.batch import Progress
from headstart.data.sparse_products import SparseRows
from headstart.data.store import stream
from headstart.data.vectors import Matrix, unit_length
from headstart.modalities import Baseline
from headstart.modalities.text.lexicon import Corpus, Lexicon, sample
from headstart.modalities.text.ngrams import CharacterGrams, WordGrams, Words
from headstart.modalities.text.tfidf import tfidf, topics
from headstart.modalities.text.word_vectors import WordVectors
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

#: Maximum number of features of words, and of characters.
FEATURES = 100_000
#: Maximum number of unlabeled texts that are read, and of their letters; more change little.
BACKGROUND, LETTERS = 75_000, 120_000_000
#: Classifiers of dense features.
DENSE = ("logistic regression", "auto")
#: Protocols that compare records by cosine, and fit nothing to labels.
BY_COSINE = ("similarity", "retrieval", "clustering")
#: A name, the heads, the features (N,D) of training and test texts, and the seconds they took.
Features = tuple[str, tuple[str, ...], list[Matrix], float]


def text_baselines(
    background: Dataset | None,
    train: Dataset,
    test: Dataset | None,
    *,
    protocol: str = "classification",
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[Baseline]:
    """Yield the simple alternatives for a protocol, each computed when it is asked for.

    All are fitted on the unlabeled texts of the pre-training and on the training texts, never on
    the test texts.

    Args:
        background: records of the pre-training; None where they cannot be read any more.
        train: training records, in the order of their labels.
        test: test records; None when folds are cut from the training records.
        protocol: the name of the evaluation task that they are measured by.
        seed: of samples and of random projections.
        progress: called with the number of kinds done and of all kinds.
    """
    begun = time.perf_counter()
    lexicon = Lexicon()
    sources = [train]
    if background is not None:
        sources.insert(0, sample(background, BACKGROUND, LETTERS, seed))
    fitted = lexicon.read(chain.from_iterable(stream(records, "text") for records in sources))
    reading = (time.perf_counter() - begun) / max(1, fitted.documents)
    corpora = [fitted[fitted.documents - len(train) :]]
    if test is not None:
        corpora.append(lexicon.read(stream(test, "text")))
    compared, kinds = (_by_cosine, 5) if protocol in BY_COSINE else (_by_classifier, 4)
    rows = compared(lexicon, fitted, corpora, seed)
    for number, (name, heads, features, seconds) in enumerate(rows, 1):
        if progress:
            progress(number, kinds)
        tested = features[1] if test is not None else None
        joinable = name == "LSA" and bool(heads)
        seconds += reading * sum(each.shape[0] for each in features)
        yield Baseline(name, features[0], tested, heads, joinable=joinable, seconds=seconds)


def _by_classifier(
    lexicon: Lexicon, fitted: Corpus, corpora: list[Corpus], seed: int
) -> Iterator[Features]:
    """Yield features for classifiers that weigh them."""
    words = WordGrams(lexicon, fitted, FEATURES)
    characters = CharacterGrams(lexicon, fitted, FEATURES)
    rows, weighing = _timed(lambda corpus: tfidf(corpus, words, characters), corpora)
    yield "TF-IDF", ("logistic regression", "linear SVM", "naive Bayes SVM"), rows, weighing
    axes = topics(fitted, words, characters, seed=derive(seed, "lsa"))
    reduced, turning = _timed(lambda row: SparseRows(row).times(axes), rows)
    yield "LSA", DENSE, reduced, weighing + turning
    vectors = WordVectors(lexicon, fitted, derive(seed, "word vectors"))
    yield "word vectors", DENSE, *_timed(vectors.average, corpora)
    # In plain counts the commonest words drown the others where labels are few.
    weighted = _timed(lambda corpus: tfidf(corpus, words), corpora)
    yield "words and pairs", ("low-rank averages",), *weighted


def _by_cosine(
    lexicon: Lexicon, fitted: Corpus, corpora: list[Corpus], seed: int
) -> Iterator[Features]:
    """Yield features whose cosine says how similar two texts are."""
    # A word that only the test texts have needs no fit to be told from others.
    words = Words(lexicon, fitted)
    yield "words", (), *_timed(lambda corpus: unit_length(words.count(corpus).sign()), corpora)
    yield "TF-IDF of words", (), *_timed(lambda corpus: tfidf(corpus, words), corpora)
    characters = CharacterGrams(lexicon, fitted, FEATURES)
    yield "TF-IDF of characters", (), *_timed(lambda corpus: tfidf(corpus, characters), corpora)
    vectors = WordVectors(lexicon, fitted, derive(seed, "word vectors"))
    yield "SIF", (), *_timed(vectors.average, corpora)
    axes = topics(fitted, words, characters, seed=derive(seed, "lsa"))
    yield "LSA", (), *_timed(lambda corpus: tfidf(corpus, words, characters) @ axes, corpora)


def _timed(features: Callable[[Any], Matrix], parts: list[Any]) -> tuple[list[Matrix], float]:
    """Return the features of training and test texts, and the seconds that they took."""
    begun = time.perf_counter()
    found = [features(part) for part in parts]
    return found, time.perf_counter() - begun
