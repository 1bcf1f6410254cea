"""An evaluation by the protocol for a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from headstart.batch import Progress
from headstart.config import EvaluateConfig, task_options
from headstart.data.columns import LABEL
from headstart.data.tables import label_sample
from headstart.errors import HeadstartError, did_you_mean
from headstart.evaluation.allowance import Allowance
from headstart.evaluation.heads.foreseen import foreseen
from headstart.evaluation.outcomes import Candidate, Results
from headstart.evaluation.protocols import PROTOCOLS, Measure, Protocol, protocols_for
from headstart.evaluation.protocols.measuring import LabeledData, Measurement, collapsed
from headstart.evaluation.protocols.reading import task_of

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

AUTO = "auto"
#: Seconds of fitting from which they are said beforehand.
WORTH_SAYING = 60


def check_task(task: str, modality: Modality) -> None:
    """Refuse an unknown or unsupported task, before anything is read.

    Raises:
        HeadstartError: it names the supported tasks.
    """
    if task == AUTO:
        return
    if task not in PROTOCOLS:
        known = (AUTO, *PROTOCOLS)
        raise HeadstartError(f"unknown evaluation task {task!r}{did_you_mean(task, known)}")
    PROTOCOLS.check(task)
    suited = protocols_for(modality)
    if task not in suited:
        raise HeadstartError(
            f"the evaluation task {task!r} is not for {modality.content.noun}; choose one of "
            f"{', '.join(suited)}."
        )


def decided(config: EvaluateConfig, modality: Modality) -> EvaluateConfig:
    """Return the options with the task ``auto`` replaced by that of the labels.

    If the modality does not support it, the first task of the modality is taken.

    Raises:
        HeadstartError: options are not those of the task.
    """
    first = modality.protocols[0]
    if config.task == AUTO and PROTOCOLS[first].unlabeled and not _is_labeled(config, modality):
        task = first
    elif not config.train and not protocol_of(config).unlabeled:
        raise HeadstartError("no labeled records are named; give them with --train FILE.")
    else:
        task = task_of(config, modality.content)
        if config.task == AUTO and task not in modality.protocols:
            task = first
    config = config.model_copy(update={"task": task})
    task_options(config, protocol_of(config).Options)
    return config


def _is_labeled(config: EvaluateConfig, modality: Modality) -> bool:
    """Return whether labeled records are named."""
    if not config.train or LABEL.name in config.columns:
        return bool(config.train)
    return label_sample(config.train, modality.content, None)[0] is not None


def check_needs(task: str, modality: Modality, encoder: Encoder, processor: Processor) -> None:
    """Refuse a task whose needs an encoder and its processor do not provide.

    Raises:
        HeadstartError: it names the tasks that are possible.
    """
    offered = encoder.provides | processor.provides
    missing = PROTOCOLS[task].needs - offered
    if missing:
        able = [name for name in protocols_for(modality) if PROTOCOLS[name].needs <= offered]
        wanted = " and ".join(sorted(name.replace("_", " ") for name in missing))
        others = f"choose one of {', '.join(able)}" if able else "choose another encoder"
        raise HeadstartError(
            f"the evaluation task {task!r} needs {wanted}, which this encoder cannot give; "
            f"{others}."
        )


def protocol_of(config: EvaluateConfig) -> Protocol:
    """Return the protocol of ``config.task``; ``auto`` is classification.

    Raises:
        HeadstartError: there is no such protocol.
    """
    protocol: Protocol = PROTOCOLS["classification" if config.task == AUTO else config.task]
    return protocol


def measure_of(config: EvaluateConfig) -> Measure:
    """Return how the protocol of ``config.task`` measures features.

    Raises:
        HeadstartError: there is no such protocol, or it measures a single network.
    """
    protocol = protocol_of(config)
    if protocol.measure is None:
        other = "RUN --against OTHER`" if "against" in protocol.uses else "RUN` for each"
        raise HeadstartError(
            f"{config.task} is measured of one run at a time; use `headstart evaluate {other}."
        )
    return protocol.measure


def evaluate(
    candidates: list[Candidate],
    train: Dataset,
    test: Dataset | None,
    config: EvaluateConfig,
    content: Content,
    *,
    progress: Progress | None = None,
    allowance: Allowance | None = None,
    say: Callable[[str], None] | None = None,
) -> Results:
    """Measure all candidates by the protocol of ``config.task``.

    Args:
        train: labeled records, in the order of the candidates' features.
        test: the same for the test records; None where the training records are cross-validated.
        content: the kind of record.
        progress: called with the number of fits done and the total.
        allowance: the time of the simple alternatives.
        say: called with the notes on the labels, and with how long it will take and how much
            memory, where that is much.

    Raises:
        HeadstartError: the protocol cannot measure these records, or measures a single network.

    Example::

        candidates = [Candidate("mine", "pretrained", features_train, features_test)]
        results = evaluate(candidates, train, test, config, content)
    """
    measurement = measure_of(config)(LabeledData(train, test, content), config)
    if say:
        for note in [*measurement.results.notes, *collapsed(candidates)]:
            say(note)
        left = None if allowance is None else allowance.left
        if measurement.heads and (sentence := expected(candidates, measurement, left)):
            say(sentence if config.quick else f"{sentence}; --quick takes a first look")
    results = measurement.of(candidates, progress, allowance)
    if test is None or not protocol_of(config).alone:
        return results
    return _chosen_by_training(results, candidates, LabeledData(train, None, content), config)


def _chosen_by_training(
    results: Results, candidates: list[Candidate], training: LabeledData, config: EvaluateConfig
) -> Results:
    """Return results of a protocol that learns nothing, with the scores on the training records.

    These choose among candidates, as cross-validation does where something is learned. What needs
    other records than those it is scored on has a score of its own.
    """
    alone = config.model_copy(update={"test": None})
    try:
        found = measure_of(alone)(training, alone).of(candidates)
    except HeadstartError as error:
        return replace(results, notes=[*results.notes, f"Training records chose nothing: {error}"])
    scores = {(each.candidate, each.probe): each.mean for each in found.outcomes}
    outcomes = [
        replace(each, validation=scores.get((each.candidate, each.probe), each.validation))
        for each in results.outcomes
    ]
    return replace(results, outcomes=outcomes)


def expected(
    candidates: list[Candidate], measurement: Measurement, left: float | None
) -> str | None:
    """Return in a sentence what fitting the heads of the candidates will take; None if little.

    Args:
        left: seconds after which the simple alternatives stop; None for no bound.
    """
    draws = {labels: len(seeds) for labels, seeds in measurement.seeds.items()}
    classes, tested = len(measurement.results.classes), len(measurement.results.truth)
    found = {
        each.name: foreseen(
            draws, classes, each.train, each.heads, tested=tested, blocks=max(1, len(each.blocks))
        )
        for each in candidates
        if each.train is not None
    }
    simple = sum(found[each.name].seconds for each in candidates if each.kind == "baseline")
    seconds = sum(each.seconds for each in found.values()) - simple
    seconds += simple if left is None else min(simple, left)
    size = max((each.bytes for each in found.values()), default=0)
    if seconds < WORTH_SAYING and size < 2**30:
        return None
    return (
        f"measuring {len(found)} candidates with {classes:,} classes: up to about "
        f"{max(1, round(seconds / 60))} min and {size / 2**30:.1f} GiB beside the features"
    )
