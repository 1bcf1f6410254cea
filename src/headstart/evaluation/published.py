"""Published encoders as candidates: what a user would take instead of pre-training one."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from headstart.encoders.published import VARIABLE, Found, Published, Suited
from headstart.errors import HeadstartError, did_you_mean
from headstart.evaluation.cache import cached, digest
from headstart.evaluation.frozen_encoders import FrozenEncoder, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datasets import Dataset

    from headstart.modalities import Modality

#: Most encoders that ``auto`` takes, and the least seconds that the features of one may take.
MOST, LEAST = 2, 600.0
#: Records whose features are timed.
TIMED = 64


def published_encoders(
    asked: Sequence[str],
    modality: Modality,
    records: Sequence[Dataset],
    notes: list[str],
    digest_of: Callable[[Dataset], str],
    store: Path,
    *,
    known: Sequence[str] = (),
    seconds: float = 0.0,
) -> list[FrozenEncoder]:
    """Return the published encoders to compare with; what is left out is noted.

    Args:
        asked: ``auto``, ``off``, or names.
        records: the training and the test records, whose features will be computed.
        notes: sentences on what was left out are added.
        digest_of: gives the digest of records, see :func:`headstart.evaluation.cache.digests_of`.
        store: keeps how long the features of each would take, which is measured once: the same
            command takes the same encoders again, however busy the machine is.
        known: names and folders of those that are compared with anyway: what a pre-training began
            with, or stands beside it.
        seconds: that the features of one may take, at least :data:`LEAST`; what is named may take
            any time.

    Raises:
        HeadstartError: an unknown name, or an encoder of another kind of data.
    """
    kind = modality.name
    known = [each for each in known if each]
    if list(asked) == ["off"]:
        other = "other published" if known else "published"
        notes.append(f"No {other} encoder was compared with (`--published off`, or `--quick`).")
        return []
    found = Found.here()
    told, by_name = len(notes), list(asked) != ["auto"]
    if by_name:
        chosen = [_named(name, found, kind) for name in asked]
    else:
        chosen = _chosen(found.suited(modality, records[0]), notes)
        notes += [
            f"Not compared with {name}: {reason}"
            for name, reason in found.unusable.items()
            if name in found.expected
        ]
    chosen = [each for each in chosen if not any(_is_same(each, other) for other in known)]
    kept: list[FrozenEncoder] = []
    for each in chosen:
        encoder = _opened(each, modality, notes)
        if encoder is None or any(encoder.key == other.key for other in kept):
            continue  # a package and the cache of the hub may hold the same
        if by_name:
            kept.append(encoder)
            continue
        key = digest("seconds", encoder.key, *map(digest_of, records))
        took = float(cached(store, key, partial(_foreseen, encoder, records))[0, 0])
        if took <= max(LEAST, seconds):
            kept.append(encoder)
            continue
        notes.append(
            f"Not compared with {each.name}, whose features would take about {took / 60:.0f} "
            f"minutes, as was measured once: `--published {each.name}` takes them."
        )
    if not kept and not chosen and not known and len(notes) == told:
        notes.append(_none_at_hand(modality))
    return kept


def _chosen(suited: Suited, notes: list[str]) -> list[Published]:
    """Return those that speak a language of the records, at most :data:`MOST`."""
    understood, foreign = suited.understood, suited.foreign
    if foreign and not understood:
        notes.append(
            f"Not compared with {', '.join(each.name for each in foreign)}: the records are in "
            f"other languages ({', '.join(sorted(suited.spoken))}); `--published "
            f"{foreign[0].name}` does it all the same."
        )
    if len(understood) > MOST:
        more = ", ".join(each.name for each in understood[MOST:][:5])
        notes.append(f"More published encoders are at hand (`--published NAME`): {more}.")
    return understood[:MOST]


def _named(name: str, found: Found, kind: str) -> Published:
    known = found.named(name)
    if known is not None and known.modality == kind:
        return known
    if name in found.unusable:
        raise HeadstartError(f"the published encoder {name} cannot be used: {found.unusable[name]}")
    if known is not None:
        raise HeadstartError(
            f"--published {name}: that is an encoder of {known.modality}; see `headstart list "
            "starts`."
        )
    names = [each.name for each in found.encoders if each.modality == kind]
    raise HeadstartError(
        f"no published encoder {name!r} is on this machine{did_you_mean(name, names)} `headstart "
        "list starts` shows those that are; --against takes a folder."
    )


def _opened(each: Published, modality: Modality, notes: list[str]) -> FrozenEncoder | None:
    try:
        encoder = named([str(each.folder)], modality)[0]
    except HeadstartError as error:
        notes.append(f"Not compared with {each.name}: {str(error).splitlines()[0]}")
        return None
    if each.is_restricted:
        notes.append(f"The licence of {each.name}, {each.licence}, restricts its use.")
    return replace(encoder, name=each.short)


def _foreseen(encoder: FrozenEncoder, records: Sequence[Dataset]) -> np.ndarray:
    """Return the seconds (1,1) that the features of all records will take."""
    total = sum(map(len, records))
    sample = np.unique(np.linspace(0, len(records[0]) - 1, TIMED).round().astype(int))
    trial = records[0].select(sample)
    encoder.vectors(trial.select(range(min(4, len(trial)))), None)  # the first call is slow
    start = time.perf_counter()
    encoder.vectors(trial, None)
    return np.array([[(time.perf_counter() - start) * total / len(sample)]])


def _is_same(each: Published, start: str) -> bool:
    names = (each.name, each.short)
    return start in names or os.path.realpath(each.folder) == os.path.realpath(start)


def _none_at_hand(modality: Modality) -> str:
    how = f"`{modality.published.install}`, or " if modality.published else ""
    return (
        f"Not compared with a published encoder, as none for {modality.name} is on this machine: "
        f"{how}name one with --against, or its folder in {VARIABLE}."
    )
