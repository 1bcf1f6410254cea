"""Comparing new records with a baseline: windows, tests, and what has moved.

::

    baseline, new --read--> records --measure--> features, classes, tokens
    new --times--> windows --tests, one level for the whole watch--> drift or none --> what moved
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import concatenate_datasets

from headstart.config.watching import MonitorConfig
from headstart.data.store import stream
from headstart.data.times import TIME, times
from headstart.deployment.monitoring.measures import (
    Measured,
    measured,
    names_of_tokens,
    plain,
    sampler,
    tested,
)
from headstart.deployment.monitoring.mmd import witness
from headstart.deployment.monitoring.shifts import Moved, moved, moved_categories
from headstart.deployment.monitoring.watching import level_of, spans
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Preview
    from headstart.run import RunFolder

#: Records of the baseline that are measured; more are sampled.
MEASURED = 20_000
#: Side of the previews in pixels.
_SIDE = 96


@dataclass(frozen=True)
class Window:
    """New records of one period.

    Attributes:
        name: the period, or empty where there is one window.
        records: their number.
        p_values: by kind of test, of this window alone; {} where it is too thin.
        statistic: the discrepancy of the features.
    """

    name: str
    records: int
    p_values: dict[str, float]
    statistic: float | None = None


@dataclass(frozen=True)
class Alarm:
    """A test whose p-value is below the level of the watch.

    Attributes:
        first, last: names of the first and the last window of the span.
    """

    kind: str
    first: str
    last: str
    windows: int
    p_value: float


@dataclass(frozen=True)
class Foreign:
    """A new record that is unlike the baseline, and the record of the baseline nearest to it."""

    id: str
    preview: Preview
    near_id: str
    near: Preview


@dataclass(frozen=True)
class Findings:
    """All that a look at new data found.

    Attributes:
        level: of each test, so that the whole watch has 5%.
        planned: windows of the whole watch.
        moved: by kind, what moved; empty without an alarm.
        foreign: of the windows of the alarms.
    """

    noun: str
    baseline: int
    kinds: list[str]
    level: float
    planned: int
    windows: list[Window]
    alarms: list[Alarm]
    moved: dict[str, list[Moved]] = field(default_factory=dict)
    foreign: list[Foreign] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look(
    plan: MonitorConfig,
    opened: OpenedEncoder,
    run: RunFolder | None,
    say: Callable[[str], None],
    progress: Progress | None = None,
) -> Findings:
    """Compare new records with a baseline.

    Args:
        run: a fine-tuned run, whose predictions are compared, too.

    Raises:
        HeadstartError: data of another kind, too thin a baseline, or anything the user can fix.
    """
    generator = np.random.default_rng(plan.seed)
    records = opened.read(plan.baseline, plan.undivided(), say)
    if len(records) < plan.least:
        raise HeadstartError(
            f"the baseline has {len(records):,} {opened.modality.content.noun}, and at least "
            f"{plan.least} are needed; name more data, or a lower --least."
        )
    if len(records) > MEASURED:
        rows = np.sort(generator.choice(len(records), MEASURED, replace=False))
        records = records.select(rows)
    baseline = measured(records, opened, run)
    periods = list(_periods(opened.read(plan.new, plan, say), plan))
    planned = max(plan.windows, len(periods))
    draw = sampler(plan.sample, generator)
    found: list[Window] = []
    alarms: list[Alarm] = []
    known: list[Measured | None] = []
    kinds, level = baseline.kinds, 1.0
    for index, (name, part) in enumerate(periods):
        thin = len(part) < plan.least
        known.append(None if thin else measured(part, opened, run))
        if progress:
            progress(index + 1, len(periods))
        if thin:
            found.append(Window(name, len(part), {}))
            continue
        kinds = [kind for kind in kinds if kind in _required(known[-1]).kinds]
    level = level_of(planned, len(kinds))
    for index, (name, part) in enumerate(periods):
        p_values: dict[str, float] = {}
        statistic = None
        for span in spans(index):
            parts = [each for each in (known[i] for i in span) if each is not None]
            if known[index] is None or (len(span) > 1 and len(parts) < 2):
                continue
            one, two = draw(baseline), draw(together(parts))
            for kind in kinds:
                result = tested(kind, one, two, level, generator)
                if len(span) == 1:
                    p_values[kind] = result.p_value
                    statistic = result.statistic if kind == "features" else statistic
                if result.p_value <= level:
                    first = periods[span[0]][0]
                    alarms.append(Alarm(kind, first, name, len(span), result.p_value))
        if known[index] is not None:
            found.append(Window(name, len(part), p_values, statistic))
    found.sort(key=lambda window: [each[0] for each in periods].index(window.name))
    noun, notes = opened.modality.content.noun, _notes(found, plan)
    findings = Findings(noun, len(baseline), kinds, level, planned, found, alarms, notes=notes)
    if alarms:
        names = [name for name, _ in periods]
        _explain(findings, baseline, known, names, opened, plan.count)
    return findings


def together(parts: list[Measured]) -> Measured:
    """Return the records of several windows as one."""
    if len(parts) == 1:
        return parts[0]
    tokens = [part.tokens for part in parts if part.tokens is not None]
    unknown = [part.unknown for part in parts if part.unknown is not None]
    return Measured(
        concatenate_datasets([part.records for part in parts]),
        np.concatenate([part.features for part in parts]),
        {
            kind: [each for part in parts for each in part.classes[kind]]
            for kind in parts[0].classes
            if all(kind in part.classes for part in parts)
        },
        np.concatenate(unknown) if len(unknown) == len(parts) else None,
        np.sum(tokens, axis=0) if len(tokens) == len(parts) else None,
    )


def _required(found: Measured | None) -> Measured:
    assert found is not None
    return found


def _periods(records: Dataset, plan: MonitorConfig) -> Iterator[tuple[str, Dataset]]:
    """Yield the name and the records of each period, the earliest first."""
    if plan.every == "all":
        yield "", records
        return
    where = ", ".join(plan.new)
    texts = next(iter(stream(records, TIME.name)))
    when = times(records, where)
    if _is_number(texts):
        raise HeadstartError(
            f"{where}: the times are numbers such as {texts!r}, and --every {plan.every} divides "
            "by dates; write dates such as 2024-05-31, or name another --time-column."
        )
    names = np.array([_period(seconds, plan.every) for seconds in when])
    for name in np.unique(names):
        yield str(name), records.select(np.flatnonzero(names == name))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) != 4  # a year


def _period(seconds: float, every: str) -> str:
    """Return the name of the period of a time, such that names sort as their times do."""
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(seconds))
    if every == "week":
        year, week, _ = day.isocalendar()
        return f"{year:04d}-W{week:02d}"
    return day.strftime({"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}[every])


def _notes(windows: list[Window], plan: MonitorConfig) -> list[str]:
    thin = [window for window in windows if not window.p_values]
    if not thin:
        return []
    which = f"{len(thin):,} windows have" if len(thin) > 1 else "1 window has"
    which = "the new data has" if plan.every == "all" else which
    return [f"Nothing is said where there is too little: {which} fewer than {plan.least} records."]


def _explain(
    findings: Findings,
    baseline: Measured,
    known: list[Measured | None],
    names: list[str],
    opened: OpenedEncoder,
    count: int,
) -> None:
    """Fill in what moved in the windows of the alarms."""
    where: set[int] = set()
    for alarm in findings.alarms:
        where |= set(range(names.index(alarm.first), names.index(alarm.last) + 1))
    new = together([part for i in sorted(where) if (part := known[i]) is not None])
    for kind in findings.kinds:
        if kind in baseline.classes:
            shifts = moved_categories(baseline.classes[kind], new.classes[kind])
            findings.moved[kind] = [each for each in shifts if abs(each.score) >= 2]
    if baseline.tokens is not None and new.tokens is not None:
        ids = np.flatnonzero(baseline.tokens + new.tokens)
        shifts = moved([str(each) for each in ids], baseline.tokens[ids], new.tokens[ids])
        tokens = names_of_tokens(opened, np.array([int(each.name) for each in shifts]))
        if tokens is not None:
            findings.moved["words"] = [
                Moved(name, each.before, each.after, each.score)
                for name, each in zip(tokens, shifts, strict=True)
            ]
    findings.foreign.extend(_foreign(baseline, new, opened, count))


def _foreign(baseline: Measured, new: Measured, opened: OpenedEncoder, count: int) -> list[Foreign]:
    """Return the records that speak most for a difference, each with the nearest of before."""
    if not count:
        return []
    from headstart.deployment.indexes.exact import UnitVectors

    some = sampler(2000, np.random.default_rng(0))
    one, two = some(baseline), some(new)
    order = np.argsort(-witness(one.features, two.features), kind="stable")[:count]
    near, _ = UnitVectors(one.features).nearest(two.features[order], 1)
    rows, others = two.records.select(order), one.records.select(near[:, 0])
    shown = [opened.modality.preview(each, _SIDE) for each in (rows, others)]
    ids = [[str(name) for name in each["id"]] for each in (rows, others)]
    return [Foreign(*each) for each in zip(ids[0], shown[0], ids[1], shown[1], strict=True)]


def as_plain(findings: Findings) -> dict[str, Any]:
    """Return the findings as plain values."""
    return {
        "drift": bool(findings.alarms),
        "baseline": findings.baseline,
        "tests": findings.kinds,
        "level": plain(findings.level),
        "windows_planned": findings.planned,
        "windows": [
            {
                "name": window.name,
                "records": window.records,
                "statistic": None if window.statistic is None else plain(window.statistic),
                "p_values": {kind: plain(p) for kind, p in window.p_values.items()},
            }
            for window in findings.windows
        ],
        "alarms": [{**vars(alarm), "p_value": plain(alarm.p_value)} for alarm in findings.alarms],
        "moved": {
            kind: [{name: plain(value) for name, value in vars(each).items()} for each in shifts]
            for kind, shifts in findings.moved.items()
        },
        "foreign": [
            {"id": each.id, "preview": each.preview.text, "nearest": each.near_id}
            for each in findings.foreign
        ],
        "notes": findings.notes,
    }
