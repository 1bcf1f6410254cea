"""The unit of times: seconds since 1970 wherever they tell that they are dates. No torch here.

Every date that is written as text is read as seconds since 1970. Numbers may be milliseconds in one
file and seconds in another, ``20240531`` or ``2024``; what they are is seen by their size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.errors import HeadstartError

#: Seconds from 1974 to 2103, and the units by a thousand smaller; no two of them overlap.
_LOW, _HIGH = 1.5e8, 4.2e9
_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")
#: Share of the times that decides for all of them.
_MOST = 0.99
#: Numbers below this one among dates are no seconds since 1970, but of another clock.
_OTHER = 1e7


class Moments(NamedTuple):
    """Times in one unit.

    Attributes:
        times: (N,) float64; NaN where there is none.
        strange: (N,) whether a time is far from all others, as 0 is among dates.
        notes: what was converted, in sentences.
    """

    times: np.ndarray
    strange: np.ndarray
    notes: list[str]


def in_one_unit(times: np.ndarray) -> Moments:
    """Return times (N,) in seconds since 1970 where they are dates, and else as they are.

    Example::

        in_one_unit(np.array([1714700000, 1714700050000])).times  # [1714700000, 1714700050]

    Raises:
        HeadstartError: some are dates, and many others are numbers such as 5.
    """
    times = np.asarray(times, dtype=np.float64)
    none = np.zeros(len(times), dtype=bool)
    known = np.isfinite(times)
    if not known.any():
        return Moments(times, none, [])
    notes: list[str] = []
    days = known & _is_day(times)
    unit = np.full(len(times), -1)
    for number in range(len(_UNITS)):
        scale = 1000.0**number
        unit[known & (times >= _LOW * scale) & (times <= _HIGH * scale)] = number
    dated, total = unit >= 0, int(known.sum())
    if days.sum() >= _MOST * total or (dated.any() and (dated | days)[known].mean() >= _MOST):
        times, dated = _with_days(times, days, notes), dated | days
    if dated.any():
        years = known & ~dated & (times >= 1900) & (times < 2101) & (times == np.floor(times))
        if (dated | years)[known].mean() >= _MOST:
            times, dated = _with_years(times, years, notes), dated | years
    others = known & ~dated
    # What many programs write where there is no time.
    sure = known & ~np.isin(times, (0, -1))
    if dated.any() and dated[sure].mean() >= _MOST:
        return Moments(_scaled(times, unit, notes), others, notes)
    others &= sure
    if dated[known].mean() > 1 - _MOST and (np.abs(times[others]) < _OTHER).mean() >= _MOST:
        raise HeadstartError(
            f"some times are numbers such as {times[others][0]:.15g}, and others dates or seconds "
            f"since 1970 such as {times[dated][0]:.15g}; write all in one way, or name another "
            "column with --column time=COLUMN."
        )
    written = [unit == number for number in range(len(_UNITS))]
    if sum(each.any() for each in (*written, days)) > 1 and (dated | days)[known].mean() > 0.5:
        # Dates in several units are no clock as they are; what is none of them is set aside.
        times = _with_days(times, days, notes)
        return Moments(_scaled(times, unit, notes), known & ~dated & ~days, notes)
    return Moments(times, none, [])


def _is_day(times: np.ndarray) -> np.ndarray:
    """Return which times (N,) are written as 20240531."""
    with np.errstate(invalid="ignore"):
        year, month, day = times // 10_000, times // 100 % 100, times % 100
        whole = times == np.floor(times)
        return (
            whole & (year >= 1900) & (year < 2101)
            & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        )  # fmt: skip


def _with_days(times: np.ndarray, days: np.ndarray, notes: list[str]) -> np.ndarray:
    if not days.any():
        return times
    found = times[days].astype(np.int64)
    months = (found // 10_000 - 1970).astype("datetime64[Y]").astype("datetime64[M]")
    months = months + (found // 100 % 100 - 1)
    first = months.astype("datetime64[D]").astype(np.int64) + found % 100 - 1
    notes.append(f"Times such as {found[0]} ({int(days.sum()):,} of them) are read as dates.")
    return _replaced(times, days, first * 86_400.0)


def _with_years(times: np.ndarray, years: np.ndarray, notes: list[str]) -> np.ndarray:
    if not years.any():
        return times
    found = times[years].astype(np.int64)
    notes.append(
        f"Times such as {found[0]} ({int(years.sum()):,} of them) stand among dates and are read "
        "as the first day of a year."
    )
    first = (found - 1970).astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)
    return _replaced(times, years, first.astype(np.float64))


def _scaled(times: np.ndarray, unit: np.ndarray, notes: list[str]) -> np.ndarray:
    for number, name in enumerate(_UNITS[1:], 1):
        these = unit == number
        if these.any():
            one = times[these][0]
            notes.append(
                f"Times such as {one:.15g} ({int(these.sum()):,} of them) are read as {name} since "
                "1970, and converted to seconds."
            )
            times = _replaced(times, these, times[these] / 1000.0**number)
    return times


def _replaced(times: np.ndarray, which: np.ndarray, values: np.ndarray) -> np.ndarray:
    times = times.copy()
    times[which] = values
    return times
