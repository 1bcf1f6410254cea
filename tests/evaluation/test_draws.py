from __future__ import annotations

import numpy as np
import pytest

from headstart.config import EvaluateConfig, load
from headstart.errors import HeadstartError
from headstart.evaluation.draws import allocate, draw, label_counts


def test_counts_shares_and_all_are_read_in_rising_order() -> None:
    counts, dropped = label_counts(["all", "5%", "10", "1000"], 1000, 2)
    assert counts == {10: "10", 50: "5%", 1000: "all"}
    assert dropped == []


def test_numbers_that_cannot_be_drawn_are_dropped_with_a_word() -> None:
    counts, dropped = label_counts(["10", "100", "1000", "all"], 300, 77)
    assert counts == {100: "100", 300: "all"}
    assert dropped == [
        "10 labels are too few for 77 different ones.",
        "1,000 labels cannot be drawn from 300.",
    ]


def test_a_quick_look_takes_all_where_there_are_fewer_than_it_asks_for() -> None:
    counts, dropped = label_counts(["10", "100", "1000"], 300, 3, at_most=True)
    assert (counts, dropped) == ({10: "10", 100: "100", 300: "all"}, [])


@pytest.mark.parametrize("text", ["many", "0", "-3", "0%", "101%", "1.5", "", "5 %x"])
def test_what_is_no_number_of_labels_is_refused_by_name(text: str) -> None:
    with pytest.raises(HeadstartError, match="option 'labels'"):
        load(EvaluateConfig, run="run", train="labeled.csv", labels=[text])


def test_nothing_left_to_draw_is_an_error() -> None:
    with pytest.raises(HeadstartError, match="none of 1000 can be drawn from 300"):
        label_counts(["1000"], 300, 2)


def test_labels_are_shared_out_by_largest_remainder_with_one_each() -> None:
    assert allocate(np.array([90, 9, 1]), 3).tolist() == [1, 1, 1]
    assert allocate(np.array([50, 50]), 10).tolist() == [5, 5]
    assert allocate(np.array([90, 10]), 10).tolist() == [9, 1]
    assert allocate(np.array([90, 9, 1]), 100).tolist() == [90, 9, 1]


def test_every_share_fits_its_class() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        sizes = rng.integers(1, 30, rng.integers(2, 9))
        count = int(rng.integers(len(sizes), sizes.sum() + 1))
        taken = allocate(sizes, count)
        assert taken.sum() == count
        assert (taken >= 1).all()
        assert (taken <= sizes).all()


def test_a_draw_depends_on_its_seed_alone() -> None:
    classes = np.arange(200) % 4
    first, again, other = (draw(classes, 20, 0, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    assert np.bincount(classes[first]).tolist() == [5, 5, 5, 5]
    assert len(set(first.tolist())) == 20
