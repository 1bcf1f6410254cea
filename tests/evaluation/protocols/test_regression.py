from __future__ import annotations

import numpy as np
import pytest
from making import measuring, plan, records
from scipy import sparse
from sklearn.metrics import r2_score

from headstart.errors import HeadstartError
from headstart.evaluation.heads import rows
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols.regression import RidgeProbe

measure = measuring("regression")


def line(count: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.random((count, 6), dtype=np.float32)
    targets = features @ np.arange(1, 7) + 3 + noise * rng.standard_normal(count)
    return features, targets


@pytest.mark.parametrize("cast", [np.asarray, sparse.csr_matrix])
def test_a_line_is_found_and_noise_is_not(cast) -> None:
    (x, y), (x_test, y_test) = line(200, 0, 0.1), line(100, 1, 0.1)
    rng = np.random.default_rng(2)
    candidates = [
        Candidate("ours", "pretrained", cast(x), cast(x_test)),
        Candidate("noise", "untrained", *(cast(rng.random((n, 6))) for n in (200, 100))),
    ]
    train, test = records(y.tolist()), records(y_test.tolist())
    results = measure(candidates, train, test, plan(labels=["3", "20", "all"], seeds=3))
    assert results.counts == {20: "20", 200: "all"}
    assert results.notes == ["3 label(s) are too few to learn from."]
    found = {(o.candidate, o.labels): o for o in results.outcomes}
    # Sparse rows are brought to length 1, which loses a part of this line.
    least = 0.95 if cast is np.asarray else 0.4
    assert found["ours", 200].scores["R2"].mean > least
    assert found["ours", 200].scores["Spearman"].mean > 0.6
    assert found["noise", 200].scores["R2"].mean < 0.1
    assert found["ours", 200].scores["MAE"].mean < found["noise", 200].scores["MAE"].mean
    assert found["ours", 20].by_draw.shape == (3,)
    # The best that can be said of the mean: each record is predicted by the mean of the others.
    left_out = (y.sum() - y) / 199
    assert found["the mean", 200].validation == pytest.approx(r2_score(y, left_out))


def test_the_penalty_grows_with_the_noise() -> None:
    """Twenty noisy labels and 300 directions of chance: no line is better than a wild one."""
    rng = np.random.default_rng(0)
    x, x_test = (rng.standard_normal((n, 300)).astype(np.float32) for n in (20, 50))
    found = RidgeProbe(x).predict(x, rng.standard_normal(20), x_test)[0]
    assert found.std() < 0.5


def test_many_sparse_records_are_cross_validated_in_no_order(monkeypatch) -> None:
    """Targets that rise: a third of them at one end is unlike the rest."""
    monkeypatch.setattr(rows, "SPANNED", 50)
    group = np.arange(120) // 10
    x = sparse.csr_matrix(np.eye(12, dtype=np.float32)[group])
    found, validation = RidgeProbe(x).predict(x, group.astype(float), x)
    np.testing.assert_allclose(found, group, atol=0.2)
    assert validation > 0.95


def test_noise_is_validated_no_better_than_the_mean() -> None:
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((60, 20)).astype(np.float32)
        found.append(RidgeProbe(x).predict(x, rng.standard_normal(60), x)[1])
    assert -0.15 < np.mean(found) < 0.0


def test_the_unit_of_the_label_changes_nothing() -> None:
    (x, y), (x_test, _) = line(60, 0, 0.5), line(10, 1, 0.5)
    once = RidgeProbe(x).predict(x, y, x_test)[0]
    np.testing.assert_allclose(RidgeProbe(x).predict(x, 1000 * y + 7, x_test)[0], 1000 * once + 7)


def test_equal_labels_are_refused_in_a_sentence() -> None:
    ours = Candidate("ours", "pretrained", np.ones((20, 2)), np.ones((5, 2)))
    with pytest.raises(HeadstartError, match=r"train.csv: all labels are equal"):
        measure([ours], records([1.5] * 20), records([1.5] * 5), plan())
    with pytest.raises(HeadstartError, match="option 'labels'"):
        measure([ours], records([1.0, 2.5] * 10), records([1.5, 2] * 2), plan(labels=["3"]))


def test_few_tested_numbers_do_not_blow_up_the_interval() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((30, 3), dtype=np.float32)
    only = Candidate("ours", "pretrained", features[:26], features[26:])
    train, test = records(rng.random(26).tolist()), records([1.5, 2.5, 1.5, 2.5])
    (found, _) = measure([only], train, test, plan(labels=["all"])).outcomes
    # One resample in eight has equal labels, whose R2 is undefined.
    assert np.isfinite(found.by_resample).all()
    assert abs(found.by_resample).max() < 1e3
