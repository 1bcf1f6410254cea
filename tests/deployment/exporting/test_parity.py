"""An export that gives something else than the original is refused, with both numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headstart.deployment.exporting import Outputs
from headstart.deployment.exporting.parity import Parity, compared
from headstart.errors import HeadstartError

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(200, 16)).astype(np.float32)


def of(vectors: np.ndarray, **more: Any) -> Parity:
    return compared(Outputs(VECTORS), Outputs(vectors.astype(np.float32)), None, None, **more)


def test_the_same_vectors_pass() -> None:
    parity = of(VECTORS + 1e-6)
    parity.check(rounded=False, least_overlap=0.97)
    assert parity.overlap == 1.0


def test_nearest_that_are_as_near_count_as_the_same() -> None:
    twins = np.repeat(VECTORS[:10], 20, axis=0)
    ours, theirs = Outputs(twins), Outputs(twins + RNG.normal(size=twins.shape) * 1e-7)
    assert compared(ours, theirs, None, None).overlap == 1.0


def test_other_numbers_are_refused_in_float32() -> None:
    turned = VECTORS + 0.05 * RNG.normal(size=VECTORS.shape)
    with pytest.raises(HeadstartError, match=r"cosine 0\.9\d+, least allowed 0\.9999"):
        of(turned).check(rounded=False, least_overlap=0.97)
    with pytest.raises(HeadstartError, match="vectors differ"):
        of(VECTORS * 1.1).check(rounded=False, least_overlap=0.97)


def test_in_8_bits_the_nearest_decide() -> None:
    rough = of(VECTORS + 0.3 * RNG.normal(size=VECTORS.shape))
    assert rough.overlap is not None
    assert 0.3 < rough.overlap < 0.97
    with pytest.raises(HeadstartError, match=r"only \d+\.\d% of the ten nearest .* of 97% wanted"):
        rough.check(rounded=True, least_overlap=0.97)
    rough.check(rounded=True, least_overlap=0.3)


def test_too_few_records_tell_nothing_of_8_bits() -> None:
    few = compared(Outputs(VECTORS[:20]), Outputs(VECTORS[:20]), None, None)
    few.check(rounded=False, least_overlap=0.97)
    with pytest.raises(HeadstartError, match="20 are too few; name 50 records or more"):
        few.check(rounded=True, least_overlap=0.97)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(HeadstartError, match="not finite"):
        of(np.full_like(VECTORS, np.nan))


def test_a_classifier_below_the_interval_of_the_original_is_refused() -> None:
    labels = [str(int(row[0] > 0)) for row in VECTORS]
    same = compared(Outputs(VECTORS), Outputs(VECTORS), None, labels)
    assert same.accuracy is not None
    assert same.accuracy[0] == same.accuracy[1] > 0.8
    spoilt = VECTORS.copy()
    spoilt[:, 0] = RNG.normal(size=len(spoilt))
    worse = compared(Outputs(VECTORS), Outputs(spoilt), None, labels)
    with pytest.raises(HeadstartError, match="below the interval of the original's"):
        worse.check(rounded=True, least_overlap=0.01)
