"""What an evaluation compares: the run's features, and everything that a user may take instead.

In their order: the run (where encoders stand side by side, each choice of its parts), the network
untrained, pre-trainings from other seeds, the checkpoint it started from, published encoders, those
that were named, the fine-tuned network, simple features, encoders joined with simple features, and
the network trained on the labels alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import Progress
from headstart.config import EvaluateConfig
from headstart.encoders.joined import OWN, Origin
from headstart.encoders.opening import (
    encoder_folder,
    first_part,
    open_encoder,
    open_processor,
    read_note,
)
from headstart.evaluation.cache import cached_candidates, digest
from headstart.evaluation.evaluate import protocol_of
from headstart.evaluation.frozen_encoders import (
    FrozenEncoder,
    beside,
    distinct,
    frozen,
    measured,
    start_of,
    started,
    untrained,
)
from headstart.evaluation.joined import beside_each_other, joined, weights_beside, weights_of
from headstart.evaluation.judged_records import JudgedRecords
from headstart.evaluation.naming import with_names
from headstart.evaluation.outcomes import Candidate, Kind
from headstart.evaluation.protocols import OpenedRun
from headstart.evaluation.published import published_encoders
from headstart.run import RunFolder
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality

#: Trains the same network on labels, from fresh weights or from its own: called with the labeled
#: records, the records to predict and a seed, it returns the predicted labels in order.
Learn = Callable[["Dataset", "Dataset", int], list[str]]


@dataclass(frozen=True)
class Training:
    """What a verdict has trained; the stages that train come later than this one.

    Attributes:
        from_scratch: trains the run's network on labels from fresh weights.
        fine_tuned: trains it on labels from its own weights.
        scratch_seconds: from a number of labels to the seconds that ``from_scratch`` takes.
        repeat: from a number of seeds to further runs like this one, one fewer.
    """

    from_scratch: Learn
    fine_tuned: Learn
    scratch_seconds: Callable[[int], float]
    repeat: Callable[[int], list[RunFolder]]


#: Fewest labels of a network that is trained on them alone.
LEAST_LABELS = 1000


def candidates_of(
    opened: OpenedRun,
    records: JudgedRecords,
    others: list[FrozenEncoder],
    config: EvaluateConfig,
    training: Training,
    trained: float,
    store: Path,
    console: Any,
) -> list[Candidate]:
    """Return all candidates with their features.

    Args:
        others: encoders that the user named.
        training: trains networks on labels, and the run again from other seeds.
        trained: seconds of the run's training, which a published encoder may take as well.
        store: folder of what is cached.
        console: where progress bars are shown, if it is a terminal.
    """
    protocol = protocol_of(config)
    kept = beside(encoder_folder(opened.run.require_encoder()))
    published = published_encoders(
        config.published,
        opened.modality,
        records.labeled,
        records.notes,
        records.digest_of,
        store,
        known=[
            start_of(opened.run),
            *(name for name, (_, origin) in kept.items() if origin != "simple"),
        ],
        seconds=trained,
    )
    encoders = _encoders(opened, config, training, [*published, *others], records.notes)
    # First those whose names the run knows, which are not numbered.
    encoders = distinct([encoders[0], *(each for each, _ in kept.values()), *encoders[1:]])
    found = []
    for each in encoders:
        with working(f"features of {each.name}", console, opened.say) as progress:
            found.append(
                measured(each, records.train, records.seen, records.digest_of, store, progress)
            )
    if config.finetuned:
        found.append(_network("fine-tuned", "pretrained", training.fine_tuned, records))
    with working("simple alternatives", console, opened.say) as progress:
        found += _baselines(opened.modality, records, config, store, progress)
    found = with_names(found, records.names)
    chooses = protocol.headline is not None or (protocol.alone and records.test is not None)
    if kept:
        origins: dict[str, Origin] = {OWN: "pre-trained"}
        origins |= {name: origin for name, (_, origin) in kept.items()}
        found = _with_parts(found, origins, chooses)
    if chooses:
        found += _joined(found, strong=[*(each.name for each in published), *kept])
    return [*found, *_from_scratch(config, training, records)]


def _encoders(
    opened: OpenedRun,
    config: EvaluateConfig,
    training: Training,
    others: list[FrozenEncoder],
    notes: list[str],
) -> list[FrozenEncoder]:
    """Return the run's encoder, and whatever else turns records into vectors."""
    processor, length = opened.processor, opened.length
    fresh = untrained(opened.encoder, config.seed)
    return [
        frozen("pre-trained", "pretrained", opened.encoder, processor, length),
        frozen("untrained", "untrained", fresh, processor, length),
        *(_repetition(each, opened.modality) for each in training.repeat(config.pretraining_seeds)),
        *started(opened.run, processor, length, notes),
        *others,
    ]


def _joined(candidates: list[Candidate], strong: list[str]) -> list[Candidate]:
    """Return each encoder beside each of the simple features.

    Args:
        strong: names of encoders that are better than simple features more often than not.
    """
    return [
        joined(encoder, simple, weights=weights_beside(encoder.name in strong))
        for simple in candidates
        if simple.joinable
        for encoder in candidates
        if encoder.kind != "baseline" and encoder.train is not None and not encoder.parts
    ]


def _from_scratch(
    config: EvaluateConfig, training: Training, records: JudgedRecords
) -> list[Candidate]:
    """Return the network trained on the labels alone, if it is to be one; else []."""
    network = _network("from scratch", "scratch", training.from_scratch, records)
    if config.from_scratch == "on":
        return [replace(network, required=True)]
    if config.from_scratch == "auto" and _trainable(config, records.train):
        seconds = training.scratch_seconds(len(records.train))
        return [replace(network, most=True, seconds=seconds)]
    return []


def _baselines(
    modality: Modality,
    records: JudgedRecords,
    config: EvaluateConfig,
    store: Path,
    progress: Progress | None,
) -> list[Candidate]:
    """Return the modality's simple alternatives, which are cached."""
    sources = (records.background, records.train, records.seen)
    read = [records.digest_of(each) for each in sources]
    return cached_candidates(
        store,
        digest("baselines", modality.name, config.task, config.seed, *read),
        lambda: [
            Candidate.of(found)
            for found in modality.baselines(
                *sources, protocol=config.task, seed=config.seed, progress=progress
            )
        ],
    )


def _with_parts(
    candidates: list[Candidate], origins: Mapping[str, Origin], chooses: bool
) -> list[Candidate]:
    """Return the candidates of a run that joins encoders, what it can take first.

    The published part alone is an alternative, too, and all parts with an untrained network in
    place of the pre-trained one, so that the gain is that of the pre-training. Pre-trainings from
    other seeds stand beside the same parts as the first.

    Args:
        candidates: the parts first, in their order.
        origins: of the parts by name, the pre-trained one first.
        chooses: whether labels can choose among the parts; else all are taken.
    """
    parts = dict(zip(origins, candidates, strict=False))
    others = candidates[len(parts) :]
    fresh = next(each for each in others if each.kind == "untrained")
    _, *rest = parts.values()
    instead = joined(fresh, *rest, weights=weights_of(list(parts), origins))
    most = None if chooses else 2
    repeated = [
        replace(made, kind="repeated")
        for each in others
        if each.kind == "repeated"
        for made in beside_each_other({**parts, OWN: each}, origins)[:most]
        if OWN in made.parts
    ]
    return [
        *beside_each_other(parts, origins)[:most],
        *repeated,
        *(each for each in others if each.kind != "repeated"),
        *(each for name, each in parts.items() if origins[name] == "published"),
        replace(instead, parts=("untrained", *list(origins)[1:])),
    ]


def _repetition(run: RunFolder, modality: Modality) -> FrozenEncoder:
    """Return the encoder of the same pre-training from another seed."""
    folder = first_part(encoder_folder(run.require_encoder()))
    name = f"pre-trained, seed {run.config()['options']['seed']}"
    length = int(read_note(folder)["length"])
    encoder = frozen(name, "repeated", open_encoder(folder), open_processor(folder), length)
    return replace(encoder, repeats="pre-trained")


def _trainable(config: EvaluateConfig, train: Dataset) -> bool:
    """Return whether a network that is trained on all these labels is a strong alternative."""
    return protocol_of(config).networks and not config.folds and len(train) >= LEAST_LABELS


def _network(name: str, kind: Kind, learn: Learn, records: JudgedRecords) -> Candidate:
    tested = records.train if records.test is None else records.test

    def fit_predict(indices: np.ndarray, seed: int) -> list[str]:
        return learn(records.train.select(indices), tested, seed)

    return Candidate(name, kind, fit_predict=fit_predict)
