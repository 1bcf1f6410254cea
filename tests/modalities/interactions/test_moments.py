"""Times of several units become one, and what is no time of theirs is seen."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import HeadstartError
from headstart.modalities.interactions.moments import in_one_unit

MAY = 1714700000.0  # 3 May 2024


def converted(*times: float) -> list[float]:
    return in_one_unit(np.array(times)).times.tolist()


def test_milliseconds_micro_and_nanoseconds_are_seconds() -> None:
    assert converted(MAY, 1e3 * (MAY + 5)) == [MAY, MAY + 5]
    assert converted(1e6 * MAY, 1e9 * (MAY + 1)) == pytest.approx([MAY, MAY + 1])
    found = in_one_unit(np.array([MAY, 1e3 * MAY, np.nan]))
    assert np.isnan(found.times[2])
    assert not found.strange.any()
    assert found.notes == [
        "Times such as 1714700000000 (1 of them) are read as milliseconds since 1970, and "
        "converted to seconds."
    ]


def test_days_that_are_written_as_numbers_are_dates() -> None:
    second = 24 * 3600
    assert converted(20240301, 20240228) == [19783 * second, 19781 * second]  # 2024 is a leap year
    assert converted(20240301, MAY) == [19783 * second, MAY]
    assert converted(20249999, 20240228) == [20249999, 20240228]  # a counter


def test_a_year_among_dates_is_its_first_day_and_alone_it_is_a_number() -> None:
    assert converted(2024, MAY) == [1704067200, MAY]
    assert converted(2024, 2023) == [2024, 2023]


@pytest.mark.parametrize(
    "times",
    [
        [0, 1, 2, 3],
        [-5, -30, 7],
        [0.0, 1e9, 5e8, 4e7],
        np.arange(0, 3e9, 1e7).tolist(),
        np.arange(0, 2e8, 1e6).tolist(),
        [MAY, MAY + 1],
        [-2e9, -1e9, MAY],
    ],
)
def test_other_clocks_stay_as_they_are(times: list[float]) -> None:
    found = in_one_unit(np.array(times))
    assert found.times.tolist() == times
    assert found.notes == []
    assert not found.strange.any()


def test_a_few_numbers_among_dates_are_strange_and_many_are_refused() -> None:
    few = np.concatenate([MAY + np.arange(500), [12]])
    assert np.flatnonzero(in_one_unit(few).strange).tolist() == [500]
    assert np.flatnonzero(in_one_unit(np.array([0, MAY, -1])).strange).tolist() == [0, 2]
    with pytest.raises(HeadstartError, match=r"numbers such as 3,.*such as 1714700000;.*--column"):
        in_one_unit(np.array([MAY, 3, 5]))


def test_nothing_and_no_time_at_all() -> None:
    assert converted() == []
    assert in_one_unit(np.array([np.nan])).notes == []


def test_dates_in_several_units_are_one_clock_beside_some_others() -> None:
    seconds, old = np.linspace(1.7e9, 1.71e9, 90), np.full(10, -3.1e8)
    for strange, as_seconds in (
        (np.linspace(1.7e12, 1.71e12, 90), np.linspace(1.7e9, 1.71e9, 90)),
        (np.full(90, 20240101.0), np.full(90, 1704067200.0)),
    ):
        found = in_one_unit(np.concatenate([seconds, old, strange]))
        assert found.times[:90] == pytest.approx(seconds)
        assert found.times[100:] == pytest.approx(as_seconds)
        assert np.flatnonzero(found.strange).tolist() == [*range(90, 100)]
        assert found.notes
