"""Survey of recordings: lengths, formats, rates, channels, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit import Audit
from headstart.data.content import Effort
from headstart.data.survey import EXAMPLES, quantiles, sample
from headstart.modalities.audio.decode import BadAudio, about, decode
from headstart.modalities.audio.near import near_pairs
from headstart.modalities.file_values import content

if TYPE_CHECKING:
    from datasets import Dataset

#: Most formats, rates and so on that are listed.
_NAMED = 5
#: Most recordings that are compared before training, at some milliseconds each.
QUICK = 2000
#: Seconds of a recording that are listened to, and their rate.
HEARD, RATE = 30.0, 8000
#: Share of the samples at the highest value from which a recording is clipped.
CLIPPED = 0.001
#: Means this far from 0 are an offset, and peaks this low are silence.
OFFSET, SILENCE = 0.02, 0.001


def survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    """Look at a sample, and compare the recordings; findings go to ``audit``.

    Before training only headers are read, as what cannot be decoded is found there. Else the sample
    is decoded: where it is all recordings, those that cannot be are dropped.
    """
    chosen = sample(len(records), effort)
    formats: Counter[str] = Counter()
    rates: Counter[str] = Counter()
    channels: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    bad: dict[int, str] = {}
    seconds = []
    for start in range(0, len(chosen), 512):
        indices = chosen[start : start + 512]
        rows = records.select(indices)[:]["audio"]
        for index, value in zip(indices.tolist(), rows, strict=True):
            try:
                found = about(value)
                if not effort.quick:
                    faults.update(_faults(value))
            except BadAudio as reason:
                bad[index] = str(reason)
                continue
            formats[f"{found.format} {found.subtype}"] += 1
            rates[f"{found.rate:,} Hz"] += 1
            channels[found.channels] += 1
            seconds.append(found.seconds)
    audit.findings["lengths"] = {
        "unit": "hundredths of a second",
        "quantiles": quantiles(np.array(seconds) * 100),
    }
    facts = audit.findings.setdefault("facts", {})
    facts["formats"] = _shares(formats)
    facts["rates"] = _shares(rates)
    facts["channels"] = _shares(Counter({str(n): count for n, count in channels.items()}))
    whole = len(chosen) == len(records)
    facts["seconds in all" if whole else "seconds of the sample"] = f"{sum(seconds):,.0f}"
    for fault, count in faults.most_common():
        facts[f"recordings that {fault}"] = f"{count:,} of {len(seconds):,}"
    if not whole:
        audit.notes.append(
            f"Lengths, formats and rates are those of a sample of {len(chosen):,} of the "
            f"{len(records):,} recordings (seed {effort.seed})."
        )
    if bad:
        records = _without(records, bad, audit, effort, whole)
    if not effort.quick or len(records) <= QUICK:
        _near(records, audit)
    else:
        audit.notes.append(
            f"Near duplicates were not looked for among {len(records):,} recordings, which takes a "
            "while; `headstart audit` does."
        )


def _without(
    records: Dataset, bad: Mapping[int, str], audit: Audit, effort: Effort, whole: bool
) -> Dataset:
    """Return the records without bad ones where all were looked at; else count them."""
    if not whole or effort.quick:
        (reason, _), *_ = Counter(bad.values()).most_common(1)
        audit.notes.append(
            f"{len(bad):,} of the recordings that were looked at cannot be decoded, and are set "
            f"aside in a training: mostly {reason}."
        )
        return records
    names = records.select(list(bad))["id"][:]
    for name, reason in zip(names, bad.values(), strict=True):
        audit.drop(name, reason)
    return records.select(np.setdiff1d(np.arange(len(records)), list(bad)))


def _faults(value: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a recording that can be decoded; raises :class:`BadAudio`."""
    import io

    import soundfile

    decode(value, RATE, seconds=HEARD)
    data = value["bytes"]
    with soundfile.SoundFile(value["path"] if data is None else io.BytesIO(data)) as file:
        samples = file.read(round(HEARD * file.samplerate), dtype="float32", always_2d=True)
    peak = np.abs(samples).max()
    found = []
    if peak < SILENCE:
        found.append("are silent")
    elif (np.abs(samples) >= 0.999 * max(float(peak), 0.9)).mean() > CLIPPED:
        found.append("are clipped")
    if np.abs(samples.mean(0)).max() > OFFSET:
        found.append("have an offset, which is removed")
    if samples.shape[1] > 1 and peak >= SILENCE and not samples.any(0).all():
        found.append("have a dead channel, which is left out of the mix")
    return found


def _near(records: Dataset, audit: Audit) -> None:
    pairs = near_pairs(records, audit.notes)
    values = records.select_columns(["id", "audio"])
    near = []
    for one, other in pairs.tolist():
        if content(values[one]["audio"]) != content(values[other]["audio"]):
            near.append([values[one]["id"], values[other]["id"]])
    audit.findings["near_duplicates"] = {
        "count": len({first for first, _ in near}),
        "examples": near[:EXAMPLES],
    }


def _shares(counts: Counter[str]) -> str:
    total = sum(counts.values())
    named = [f"{name} {count / total:.1%}" for name, count in counts.most_common(_NAMED)]
    more = len(counts) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")
