"""The time of a record, for a split in which training comes before the test."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.field import Field, string
from headstart.data.groups import groups_of
from headstart.data.store import stream
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.unit import Unit

_NAMES = (
    *("time", "timestamp", "date", "datetime", "created_at", "created", "published", "day", "year"),
)
_YEAR, _MONTH = re.compile(r"[12]\d{3}"), re.compile(r"[12]\d{3}-\d{2}")


def _take(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    text = value.isoformat() if isinstance(value, date) else str(value).strip()
    if value is None or text in ("", "nan", "NaT"):
        return None, None
    if _number(text) is None and _seconds(text) is None:
        return None, f"its time {text[:30]!r} is no date such as 2024-05-31, and no number"
    return text, None


#: The time of a record: a number, or a date as ISO 8601 writes it. A record without is quarantined.
TIME = Field(
    name="time",
    names=_NAMES,
    fits=lambda value: _take(value, None)[0] is not None,  # type: ignore[arg-type]
    take=_take,
    type=string,
    missing="it has no time, so --split-by time cannot place it",
)


def times(records: Dataset, where: str) -> np.ndarray:
    """Return the time (N,) of each record: numbers as they are, dates in seconds.

    A date without a zone is of UTC; ``2024`` and ``2024-05`` are their first days.

    Args:
        where: the file, for messages.

    Raises:
        HeadstartError: some times are numbers and others dates.
    """
    texts = list(stream(records, TIME.name))
    numbers = [_number(text) for text in texts]
    if None not in numbers:
        return np.array(numbers, dtype=np.float64)
    seconds = [_seconds(text) for text in texts]
    if None in seconds:
        number, day = texts[seconds.index(None)], texts[numbers.index(None)]
        raise HeadstartError(
            f"{where}: some times are numbers ({number!r}) and others dates ({day!r}); write all "
            "in one way, or name another column with --time-column."
        )
    return np.array(seconds, dtype=np.float64)


def latest(records: Dataset, share: float, where: str, notes: list[str]) -> tuple[Dataset, Dataset]:
    """Split off about the latest ``share`` of the records.

    Records of one time stay together: the cut is the one between two times that is nearest to the
    share. A group or copies on both sides of it would be divided, so that its earlier records are
    left out, which is noted.

    Args:
        where: the file, for messages.
        notes: extended by a sentence on what is trained on and what is tested.

    Raises:
        HeadstartError: there is one time only, or no earlier record is left.
    """
    when = times(records, where)
    texts = records[TIME.name]
    moments, counts = np.unique(when, return_counts=True)
    if len(moments) < 2:
        raise HeadstartError(
            f"{where}: every record has the same time {texts[0]!r}, so none is later than others; "
            "name another column with --time-column, or leave out --split-by time."
        )
    later = len(when) - np.cumsum(counts)[:-1]  # records after each moment but the last
    cut = int(np.abs(later - share * len(when)).argmin())
    tested = when > moments[cut]
    groups = groups_of(records)
    divided = np.zeros(len(when), dtype=bool)
    if groups is not None:
        divided = ~tested & np.isin(groups, groups[tested])
    trained = ~tested & ~divided
    if not trained.any():
        raise HeadstartError(
            f"{where}: every group or text of the earlier records occurs among the later ones, so "
            "nothing is left to train on; leave out --group or --split-by time."
        )
    ends = [texts[int(index)] for index in (when.argmin(), _last(when, ~tested))]
    notes.append(
        f"{where}: {int(trained.sum()):,} records from {ends[0]} to {ends[1]} are trained on, and "
        f"the {int(tested.sum()):,} later ones tested (--split-by time)."
    )
    if divided.any():
        notes.append(
            f"{where}: {int(divided.sum()):,} earlier records are left out, as copies of them or "
            "others of their group are among the later ones."
        )
    return records.select(np.flatnonzero(trained)), records.select(np.flatnonzero(tested))


def _last(when: np.ndarray, among: np.ndarray) -> int:
    return int(np.where(among, when, -np.inf).argmax())


def moment(value: Any) -> float | None:
    """Return the time of one value: a number as it is, a date in seconds; None for neither."""
    text = value.isoformat() if isinstance(value, date) else str(value).strip()
    found = _number(text)
    return _seconds(text) if found is None else found


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if np.isfinite(found) else None


def _seconds(text: str) -> float | None:
    if _YEAR.fullmatch(text):
        text += "-01-01"
    elif _MONTH.fullmatch(text):
        text += "-01"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
