"""Each ranker against a plain reference, written out in loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from headstart.errors import HeadstartError
from headstart.modalities.interactions.rankers import ease, markov, neighbours, popularity, slit
from headstart.modalities.interactions.rankers.blend import blended, even
from headstart.modalities.interactions.rankers.inverse import inverse
from headstart.modalities.interactions.rankers.linear import LinearRanker, weighted
from headstart.modalities.interactions.rankers.tuning import KINDS, Validation, tune
from headstart.modalities.interactions.sequences import Sequences

USERS = [[3, 1, 4, 1, 5], [2, 0, 4], [5, 3, 1], [4], [], [0, 1, 2, 3, 4, 5], [1, 4, 0]]
COUNT = 7  # item 6 has no event
TRAIN = Sequences.of(USERS, COUNT)
HISTORIES = [np.array([0, 3, 1]), np.array([], dtype=np.int64), np.array([6]), np.array([4, 2, 4])]


def history(items: np.ndarray, recency: float) -> np.ndarray:
    """Return the weights (I,) of a history."""
    found = np.zeros(COUNT)
    for distance, item in enumerate(reversed(items.tolist())):
        found[item] += recency**distance
    return found


def expected(ranker: LinearRanker, weights: np.ndarray, prior: np.ndarray) -> None:
    """Compare all scores with those of dense weights."""
    recency = ranker.settings["recency"]
    wanted = np.array([history(items, recency) @ weights + prior for items in HISTORIES])
    found = ranker.scores(HISTORIES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-6)


PRIOR = TRAIN.counts() / TRAIN.counts().max()


def test_sequences_are_cut_chosen_and_counted() -> None:
    assert len(TRAIN) == 7
    assert [user.tolist() for user in TRAIN] == USERS
    assert TRAIN[-1].tolist() == [1, 4, 0]
    assert [user.tolist() for user in TRAIN.without_last(2)] == [each[:-2] for each in USERS]
    assert [user.tolist() for user in TRAIN.last(2)] == [each[-2:] for each in USERS]
    assert [user.tolist() for user in TRAIN.take([5, 4, 0])] == [USERS[5], [], USERS[0]]
    assert TRAIN.counts().tolist() == [3, 5, 2, 3, 5, 3, 0]
    with pytest.raises(IndexError):
        TRAIN[7]


def test_times_go_with_their_events() -> None:
    timed = Sequences(np.array([0, 1, 2]), np.array([0, 2, 3]), 3, np.array([5, 6, 7]))
    assert timed.take(np.array([1, 0])).times.tolist() == [7, 5, 6]
    assert timed.without_last(1).times.tolist() == [5]


@pytest.mark.parametrize(
    ("items", "offsets", "says"),
    [([0, 3], [0, 2], "not in 0..2"), ([-1], [0, 1], "not in"), ([0, 1], [0, 1], "not ascending")],
)
def test_what_are_no_sequences_is_refused(items: list, offsets: list, says: str) -> None:
    with pytest.raises(HeadstartError, match=says):
        Sequences(np.array(items), np.array(offsets), 3)


def test_weights_of_a_history() -> None:
    found = weighted(HISTORIES, COUNT, 0.5).toarray()
    np.testing.assert_allclose(found, [history(items, 0.5) for items in HISTORIES])
    assert weighted(HISTORIES, COUNT, 0.0).toarray()[0].tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert weighted(HISTORIES, COUNT, 1.0).toarray()[3].tolist() == [0, 0, 1, 0, 2, 0, 0]


def test_popularity() -> None:
    found = popularity.Popularity(TRAIN).fit(popularity.Settings()).scores(HISTORIES)
    np.testing.assert_allclose(found, [PRIOR] * 4, rtol=1e-6)


def test_recent_popularity_without_times() -> None:
    counts = np.zeros(COUNT)
    for user in USERS:
        for distance, item in enumerate(reversed(user)):
            counts[item] += 0.5**distance
    settings = popularity.RecentSettings(decay=0.5)
    found = popularity.RecentPopularity(TRAIN).fit(settings)
    np.testing.assert_allclose(found.scores(HISTORIES)[1], counts / counts.max(), rtol=1e-6)
    assert found.settings == {"decay": 0.5}


def test_recent_popularity_with_times() -> None:
    timed = Sequences(np.array([0, 0, 1]), np.array([0, 1, 3]), 2, np.array([10, 0, 20]))
    settings = popularity.RecentSettings(half_life=0.25)
    found = popularity.RecentPopularity(timed).fit(settings).scores([np.array([0])])
    np.testing.assert_allclose(found, [[1 / 4 + 1 / 16, 1]], rtol=1e-6)


@pytest.mark.parametrize("most", [0, 2])
def test_item_knn(most: int) -> None:
    users = [set(user) for user in USERS]
    number = [sum(i in user for user in users) for i in range(COUNT)]
    weights = np.zeros((COUNT, COUNT))
    for i in range(COUNT):
        for j in range(COUNT):
            both = sum({i, j} <= user for user in users)
            if i != j and both:
                weights[i, j] = both / (np.sqrt(number[i] * number[j]) + 2.0)
    if most:
        for row in weights:
            row[np.argsort(-row, kind="stable")[most:]] = 0
    settings = neighbours.Settings(shrinkage=2.0, recency=0.5, neighbours=most, popularity=0.1)
    expected(neighbours.Neighbours(TRAIN).fit(settings), weights, 0.1 * PRIOR)


def test_ease() -> None:
    rows = np.array([[i in user for i in range(COUNT)] for user in USERS], dtype=float)
    inverted = np.linalg.inv(rows.T @ rows + 3.0 * np.eye(COUNT))
    weights = -inverted / np.diag(inverted)
    np.fill_diagonal(weights, 0)
    settings = ease.Settings(penalty=3.0, recency=0.7, popularity=0.01)
    expected(ease.Ease(TRAIN).fit(settings), weights, 0.01 * PRIOR)


def test_slit() -> None:
    past, future = [], []
    for user in USERS:
        for cut in range(1, len(user)):
            past.append(history(np.array(user[:cut]), 0.6))
            future.append(history(np.array(user[cut:][::-1]), 0.5))
    s, t = np.array(past), np.array(future)
    weights = np.linalg.inv(s.T @ s + 2.0 * np.eye(COUNT)) @ s.T @ t
    weights = weights / np.maximum(TRAIN.counts(), 1) ** 0.25
    settings = slit.Settings(past=0.6, future=0.5, penalty=2.0, recency=0.8, column=0.25)
    expected(slit.Slit(TRAIN).fit(settings), weights, 1e-4 * PRIOR)


def test_lagged_markov_mix() -> None:
    counts = np.zeros((COUNT, COUNT))
    for user in USERS:
        for i in range(len(user)):
            for lag in range(1, min(3, len(user) - 1 - i) + 1):
                counts[user[i], user[i + lag]] += 0.8 ** (lag - 1)
    counts = counts + 0.5 * counts.T
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = counts / counts.sum(1, keepdims=True) ** 0.5 / counts.sum(0) ** 0.25
    settings = markov.Settings(lags=3, recency=0.6)
    expected(markov.MarkovMix(TRAIN).fit(settings), np.nan_to_num(scaled), 1e-4 * PRIOR)


@pytest.mark.parametrize("kind", [ease.Ease, slit.Slit])
def test_of_a_large_catalogue_the_most_frequent_items_are_fitted(
    kind: Callable[..., ease.Ease | slit.Slit],
) -> None:
    said: list[str] = []
    few = kind(TRAIN, said.append, most=5)
    ranker = few.fit(few.defaults)
    assert "knows the 5 most frequent of 7 items (90% of the events)" in said[0]
    assert ranker.kept.tolist() == [0, 1, 3, 4, 5]
    scores = ranker.scores(HISTORIES)
    np.testing.assert_allclose(scores[:, [2, 6]], np.tile(1e-4 * PRIOR[[2, 6]], (4, 1)), rtol=1e-5)
    assert (scores[0, ranker.kept] != scores[1, ranker.kept]).any()


def test_a_large_inverse_is_mirrored_in_blocks() -> None:
    rows = sparse.random(300, 1100, 0.02, "csr", rng=np.random.default_rng(0))
    gram = (rows.T @ rows).tocsr()
    found = inverse(gram, 5.0)
    np.testing.assert_allclose(found, np.linalg.inv(gram.toarray() + 5 * np.eye(1100)), atol=1e-5)
    assert found.flags.c_contiguous


def test_a_gram_matrix_without_inverse_is_named() -> None:
    with pytest.raises(HeadstartError, match="no inverse with a penalty of -1: take a larger one"):
        ease.Ease(TRAIN).fit(ease.Settings(penalty=-1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_leaves_the_sequences_as_they_were(kind: type) -> None:
    users = Sequences.of(USERS, COUNT)
    made = kind(users, print)
    made.fit(made.defaults).scores(HISTORIES)
    assert [user.tolist() for user in users] == USERS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("users", [[], [[]], [[0]], [[0, 0, 0]]])
def test_next_to_no_data(kind: type, users: list[list[int]]) -> None:
    made = kind(Sequences.of(users, 1), print)
    found = made.fit(made.defaults).scores([np.array([0]), np.array([], dtype=np.int64)])
    assert found.shape == (2, 1)
    assert np.isfinite(found).all()


def chains() -> tuple[Sequences, np.ndarray]:
    """Return users who go around a ring of 12 items, and what comes next."""
    starts = np.arange(60) % 12
    users = [[(start + step) % 12 for step in range(4 + start % 3)] for start in starts]
    return Sequences.of(users, 12), np.array([(user[-1] + 1) % 12 for user in users])


def test_tuning_finds_better_settings_than_the_defaults() -> None:
    train, targets = chains()
    tuned = tune(markov.MarkovMix, train, train, targets, pytest.fail, seconds=60)
    assert tuned.validation == pytest.approx(1.0)
    assert tuned.tried > 5
    assert tuned.ranker.scores([np.array([3, 4])]).argmax() == 5


def test_tuning_says_what_was_cut_short() -> None:
    train, targets = chains()
    said: list[str] = []
    tuned = tune(slit.Slit, train, train, targets, said.append, seconds=0)
    assert tuned.tried == 1
    assert said == [
        "SLIT: 1 setting was tried in 0 s; other values of 'recency', 'column', 'penalty', "
        "'future', 'past' were left out."
    ]


def test_what_takes_little_is_tried_although_the_rest_is_cut_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first fit takes 60 of 100 seconds, ranking one."""
    now = 0.0
    fit, score = ease.Ease._weights, Validation.score

    def fitted(made: ease.Ease, penalty: float) -> np.ndarray:
        nonlocal now
        now += 60
        return fit(made, penalty)

    def scored(validation: Validation, ranker: LinearRanker) -> float:
        nonlocal now
        now += 1
        return score(validation, ranker)

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(ease.Ease, "_weights", fitted)
    monkeypatch.setattr(Validation, "score", scored)
    train, targets = chains()
    said: list[str] = []
    tuned = tune(ease.Ease, train, train, targets, said.append, seconds=100)
    assert tuned.tried > 1
    assert said == [
        f"EASE: {tuned.tried} settings were tried in 100 s; other values of 'penalty' were left "
        "out."
    ]


def test_a_kind_without_settings_is_fitted_once() -> None:
    train, targets = chains()
    assert tune(popularity.Popularity, train, train, targets, pytest.fail).tried == 1


def test_tuning_without_validation_users_takes_the_defaults() -> None:
    train, _ = chains()
    tuned = tune(neighbours.Neighbours, train, [], np.array([], dtype=np.int64), pytest.fail)
    assert tuned.ranker.settings["shrinkage"] == neighbours.Settings().shrinkage


class Fixed:
    """Scores that are looked up by the first item of the history."""

    def __init__(self, name: str, scores: np.ndarray) -> None:
        self.name, self.settings, self._scores = name, {}, scores.astype(np.float32)

    def scores(self, histories: list[np.ndarray]) -> np.ndarray:
        """Return the rows of the first items."""
        return self._scores[[items[0] for items in histories]]


def test_a_blend_takes_what_makes_it_better() -> None:
    """Of each user's two candidates one ranker puts the right one first, the other knows both."""
    first, second = np.zeros((8, 20)), np.zeros((8, 20))
    rows = np.arange(8)
    first[rows, rows + 8] = 1.0
    first[:, 16:] = 2.0
    second[:, 16:] = -30.0
    second[rows, rows + 8] = 3.0
    second[rows, (rows + 1) % 8 + 8] = 4.0
    rankers = [Fixed("first", first), Fixed("second", second), Fixed("none", np.zeros((8, 20)))]
    validation = Validation([np.array([row]) for row in rows], rows + 8, 20)
    found = blended(rankers, validation, pytest.fail)
    assert found.name == "second + first"
    assert validation.score(found) == 1.0
    assert validation.score(rankers[1]) == pytest.approx(1 / np.log2(3))
    weight = found.settings["first"]
    wanted = even(second) + weight * even(first)
    np.testing.assert_allclose(found.scores(validation.histories), wanted, rtol=1e-5)
    other = found.of({"first": Fixed("first", second), "second": Fixed("second", second)})
    assert other.weights == found.weights


def test_a_blend_whose_time_is_up_is_the_best_ranker() -> None:
    train, targets = chains()
    kinds = [popularity.Popularity(train), markov.MarkovMix(train)]
    said: list[str] = []
    validation = Validation.of(train, targets, 12, keep_seen=False)
    found = blended([k.fit(k.defaults) for k in kinds], validation, said.append, seconds=0)
    assert found.name == "lagged Markov mix"
    assert said == ["blends with popularity were not tried: 0 s were up."]


@pytest.mark.parametrize("count", [3, 90, 5000])
def test_even_scores_have_mean_0_and_deviation_1_over_their_best(count: int) -> None:
    scores = np.random.default_rng(0).standard_normal((4, count)).astype(np.float32)
    scores[1] = 2.0
    scores[2] = np.round(scores[2])
    before = scores.copy()
    found = even(scores, 50)
    assert np.array_equal(scores, before)
    best = np.sort(scores, axis=1)[:, -50:].astype(np.float64)
    spread = best.std(1, keepdims=True)
    wanted = (scores - best.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert found.dtype == np.float32


def test_of_a_very_long_history_the_latest_items_are_counted() -> None:
    """Pairs of all items of one user would fill the memory."""
    from headstart.modalities.interactions.rankers.ease import WINDOW, presence

    long = list(range(3000))
    train = Sequences.of([long, [1, 2]], count=3000)
    rows = presence(train)
    assert rows[0].nnz == WINDOW
    assert rows[0].indices.min() == 3000 - WINDOW
    assert rows[1].indices.tolist() == [1, 2]
