from __future__ import annotations

import numpy as np
import pytest
from making import measuring, plan, records
from scipy import sparse

from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate

measure = measuring("clustering")

LABELS = [("a", "b", "c")[index % 3] for index in range(60)]
CORNERS = np.eye(3, 8, dtype=np.float32)[np.arange(60) % 3]


@pytest.mark.parametrize("cast", [np.asarray, sparse.csr_matrix])
def test_clear_groups_are_found_and_random_ones_are_not(cast) -> None:
    rng = np.random.default_rng(0)
    near = CORNERS + 0.02 * rng.random((60, 8), dtype=np.float32)
    far = rng.random((60, 8), dtype=np.float32)
    candidates = [
        Candidate("ours", "pretrained", cast(near)),
        Candidate("chance", "untrained", cast(far)),
    ]
    results = measure(candidates, records(LABELS), None, plan(seeds=3))
    ours, noise = results.outcomes
    # k-means++ may start two clusters in one group, so not every start finds all three.
    assert ours.scores["NMI"].mean > 0.8
    assert noise.scores["NMI"].mean < 0.2
    assert abs(noise.scores["ARI"].mean) < 0.1
    assert ours.by_draw.shape == (3,)
    assert ours.predictions is not None
    assert ours.predictions.shape == (3, 60)


def test_test_records_are_clustered_where_there_are_some() -> None:
    ours = Candidate("ours", "pretrained", CORNERS[:2], CORNERS)
    results = measure([ours], records(["a", "b"]), records(LABELS), plan(seeds=2, test="t.csv"))
    assert results.classes == ["a", "b", "c"]
    assert len(results.truth) == 60


def test_one_label_cannot_be_clustered() -> None:
    ours = Candidate("ours", "pretrained", CORNERS)
    with pytest.raises(HeadstartError, match="each of the 60 records has the label 'a'"):
        measure([ours], records(["a"] * 60), None, plan())
