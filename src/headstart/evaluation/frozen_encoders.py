"""Frozen encoders as candidates of an evaluation.

The pre-trained one, the same network untrained, the checkpoint that a continued pre-training
started from, and other encoders that the user names.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.batch import Progress
from headstart.encoders.features import features
from headstart.encoders.formats import joined_parts
from headstart.encoders.joined import Origin, origin_of
from headstart.encoders.opening import (
    OpenedEncoder,
    kind_of,
    open_encoder,
)
from headstart.encoders.sentence_transformers import open_sentence_transformer
from headstart.errors import HeadstartError
from headstart.evaluation.cache import cached, digest, digest_of_encoder
from headstart.evaluation.outcomes import Candidate, Cost, Kind
from headstart.evaluation.speed import rate
from headstart.run import RunFolder
from headstart.seeding import seeded

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

#: Records whose features are timed, and for how many seconds.
TIMED, SECONDS = 128, 0.5


@dataclass(frozen=True)
class FrozenEncoder:
    """An encoder and what its features depend on.

    Attributes:
        key: a digest of everything that the features depend on, except the records.
        vectors: from records and a progress callback to features (N,D).
        repeats: as of :class:`headstart.evaluation.outcomes.Candidate`.
        megabytes: of its weights; 0 where that is not known.
    """

    name: str
    kind: Kind
    key: str
    vectors: Callable[[Dataset, Progress | None], np.ndarray]
    repeats: str = ""
    megabytes: float = 0.0


def frozen(
    name: str, kind: Kind, encoder: Encoder, processor: Processor, length: int
) -> FrozenEncoder:
    """Return an opened encoder as a frozen one that sees ``length`` positions of a record."""

    def vectors(records: Dataset, progress: Progress | None) -> np.ndarray:
        return features(encoder, processor, records, length=length, progress=progress)

    megabytes = sum(each.numel() * each.element_size() for each in encoder.parameters()) / 1e6
    key = digest_of_encoder(encoder, processor, length)
    return FrozenEncoder(name, kind, key, vectors, megabytes=megabytes)


def untrained(encoder: Encoder, seed: int) -> Encoder:
    """Return an untrained encoder of the same shape, with weights that depend on the seed."""
    with seeded(seed, "untrained"):
        return encoder.untrained()


def start_of(run: RunFolder) -> str:
    """Return the checkpoint that a pre-training went on from; "" where it began from scratch."""
    # The plan of a fine-tuned run names no encoder: it started from another run.
    name = str((run.resolved.get("plan") or {}).get("encoder", ""))
    try:
        return "" if not name or (kind_of(name) is not None and "." not in name) else name
    except HeadstartError:  # an architecture that is not known any more
        return name


def started(
    run: RunFolder, processor: Processor, length: int, notes: list[str]
) -> list[FrozenEncoder]:
    """Return the checkpoint that a continued pre-training started from; [] if there is none.

    If it cannot be opened any more, a note is added to ``notes``.
    """
    name = start_of(run)
    if not name:
        return []
    try:
        encoder = open_encoder(name, length=length)
    except (HeadstartError, OSError) as error:
        notes.append(
            f"The checkpoint that the pre-training began with ({name}) cannot be opened any more "
            f"({str(error).splitlines()[0]}), so whether continuing it helped is not known."
        )
        return []
    return [frozen("starting checkpoint", "start", encoder, processor, length)]


def named(folders: list[str], modality: Modality) -> list[FrozenEncoder]:
    """Return the encoders that the user named.

    Raises:
        HeadstartError: an encoder cannot be opened, or is for another kind of data.
    """
    short = [Path(folder).name for folder in folders]
    names = [
        each if short.count(each) == 1 else folder
        for each, folder in zip(short, folders, strict=True)
    ]
    return [_opened(folder, name, modality) for folder, name in zip(folders, names, strict=True)]


def _opened(given: str, name: str, modality: Modality) -> FrozenEncoder:
    opened = OpenedEncoder(given)
    content = opened.modality.content
    if content.name != modality.content.name:
        raise HeadstartError(
            f"--against {given}: that is an encoder of {content.noun}, but the records are "
            f"{modality.content.noun}; name another."
        )
    try:
        return frozen(name, "other", opened.encoder, opened.processor, opened.length)
    except HeadstartError:
        # Modules that are not known here may be known to their own library.
        foreign = open_sentence_transformer(opened.folder)
        if foreign is None:
            raise
    return FrozenEncoder(name, "other", digest("foreign", *foreign.stamps), foreign.vectors)


def beside(folder: str | Path) -> dict[str, tuple[FrozenEncoder, Origin]]:
    """Return what stands beside the pre-trained encoder of a folder, with its origin, by name."""
    found = {}
    for part in joined_parts(folder)[1:]:
        opened = OpenedEncoder(Path(folder) / part["name"])
        encoder = frozen(part["name"], "other", opened.encoder, opened.processor, opened.length)
        found[part["name"]] = encoder, origin_of(part)
    return found


def distinct(encoders: list[FrozenEncoder]) -> list[FrozenEncoder]:
    """Return the encoders under different names: the second of a name is numbered."""
    kept: list[FrozenEncoder] = []
    for each in encoders:
        same = sum(one.name == each.name for one in kept)
        kept.append(replace(each, name=f"{each.name} ({same + 1})") if same else each)
    return kept


def measured(
    encoder: FrozenEncoder,
    train: Dataset,
    test: Dataset | None,
    digest_of: Callable[[Dataset], str],
    store: Path,
    progress: Progress | None,
) -> Candidate:
    """Return a candidate with its features, which are cached in ``store``.

    Args:
        digest_of: gives the digest of records, see :func:`headstart.evaluation.cache.digests_of`.
    """
    parts = [
        cached(
            store,
            digest("features", encoder.key, digest_of(part)),
            lambda part=part: encoder.vectors(part, progress),  # type: ignore[misc]
        )
        for part in (train, test)
        if part is not None
    ]
    # Beside cached features the speed of this machine is kept as well.
    timed = digest("speed", encoder.key, digest_of(train), platform.node())
    speed = cached(store, timed, lambda: np.array([[_speed(encoder, train)]]))
    return Candidate(
        encoder.name,
        encoder.kind,
        parts[0],
        parts[1] if test is not None else None,
        repeats=encoder.repeats,
        cost=Cost(float(speed[0, 0]), encoder.megabytes),
    )


def _speed(encoder: FrozenEncoder, records: Dataset) -> float:
    """Return how many records a second the encoder reads and turns into vectors."""
    sample = np.unique(np.linspace(0, len(records) - 1, TIMED).round().astype(int))
    trial = records.select(sample)
    return rate(lambda: encoder.vectors(trial, None), len(sample), SECONDS)
