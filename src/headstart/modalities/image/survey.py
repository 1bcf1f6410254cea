"""Survey of images: sizes, formats, colour modes, and near duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit import Audit
from headstart.data.content import Effort
from headstart.data.survey import EXAMPLES, quantiles, sample
from headstart.modalities.image import near as same_images
from headstart.modalities.image.decode import BadImage, about, square

if TYPE_CHECKING:
    from datasets import Dataset

#: Most sizes, formats and so on that are listed.
_NAMED = 5
#: Side at which images are decoded to see whether they can be.
_SIDE = 32
#: Most images that are compared before training, at a millisecond each.
QUICK = 2000


def survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    """Look at a sample, and compare the images; findings go to ``audit``.

    Before training only headers are read, as what cannot be decoded is found there. Else the sample
    is decoded: where it is all images, those that cannot be are dropped, and counted otherwise.
    """
    chosen = sample(len(records), effort)
    if not effort.quick:
        records = _decodable(records, chosen, audit, effort.seed)
        chosen = chosen if len(chosen) < len(records) else np.arange(len(records))
    formats: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    unreadable = 0
    for start in range(0, len(chosen), 512):
        for value in records.select(chosen[start : start + 512])[:]["image"]:
            try:
                found = about(value)
            except BadImage:
                unreadable += 1
                continue
            formats[found.format] += 1
            modes[found.mode] += 1
            sizes[found.width, found.height] += 1
    shorter = np.array([min(size) for size in sizes.elements()])
    audit.findings["lengths"] = {
        "unit": "pixels of the shorter side",
        "quantiles": quantiles(shorter),
    }
    facts = audit.findings.setdefault("facts", {})
    facts["formats"] = _shares(formats)
    facts["kinds of colours"] = _shares(modes)
    facts["sizes in pixels"] = _shares(Counter({f"{w} x {h}": n for (w, h), n in sizes.items()}))
    if unreadable:
        facts["pictures whose headers cannot be read"] = f"{unreadable:,} of {len(chosen):,}"
    if len(chosen) < len(records):
        audit.notes.append(
            f"Sizes, formats and colours are those of a sample of {len(chosen):,} of the "
            f"{len(records):,} pictures (seed {effort.seed})."
        )
    if not effort.quick or len(records) <= QUICK:
        _near(records, audit)
    else:
        audit.notes.append(
            f"Near duplicates were not looked for among {len(records):,} pictures, which takes a "
            "while; `headstart audit` does."
        )


def _decodable(records: Dataset, chosen: np.ndarray, audit: Audit, seed: int) -> Dataset:
    """Return the images without those of a sample that cannot be decoded, if it is all of them."""
    bad: dict[int, str] = {}
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(chosen), 512):
            indices = chosen[start : start + 512]
            values = records.select(indices)[:]["image"]
            for index, fault in zip(indices.tolist(), pool.map(_fault, values), strict=True):
                if fault is not None:
                    bad[index] = fault
    if not bad:
        return records
    names = records.select(list(bad))["id"][:]
    if len(chosen) < len(records):
        (reason, _), *_ = Counter(bad.values()).most_common(1)
        named = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
        audit.notes.append(
            f"{len(bad):,} of a sample of {len(chosen):,} of the {len(records):,} pictures (seed "
            f"{seed}) cannot be decoded, and are set aside in a training: mostly {reason} "
            f"({named})."
        )
        return records
    for name, reason in zip(names, bad.values(), strict=True):
        audit.drop(name, reason)
    sound = records.select(np.setdiff1d(chosen, list(bad)))
    audit.duplicates = same_images.repeats(sound, audit)
    return sound


def _fault(value: Mapping[str, Any]) -> str | None:
    """Return why an image cannot be decoded, or None."""
    try:
        square(value, _SIDE)
    except BadImage as reason:
        return str(reason)
    return None


def _near(records: Dataset, audit: Audit) -> None:
    if not same_images.available():
        audit.notes.append(same_images.MISSING)
        return
    pairs = same_images.near_repeats(records, audit)
    indices = sorted({index for pair in pairs for index in pair})
    digests = dict(zip(indices, same_images.digests(records.select(indices)), strict=True))
    near = [pair for pair in pairs if digests[pair[0]] != digests[pair[1]]]
    names = records.select_columns(["id"])
    audit.findings["near_duplicates"] = {
        "count": len(near),
        "examples": [[names[index]["id"] for index in pair] for pair in near[:EXAMPLES]],
    }


def _shares(counts: Counter[str]) -> str:
    total = sum(counts.values())
    named = [f"{name} {count / total:.1%}" for name, count in counts.most_common(_NAMED)]
    more = len(counts) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")
