"""Robustness: the same fitted probe on corrupted records, and on another domain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import Progress
from headstart.config import EvaluateConfig
from headstart.data.groups import alone, groups_of
from headstart.data.labels import known
from headstart.data.pairs import is_pairs
from headstart.errors import HeadstartError
from headstart.evaluation.corruptions import SEVERITIES, corrupt, requested
from headstart.evaluation.evaluate import evaluate, protocol_of
from headstart.evaluation.outcomes import Candidate, Outcome, Results, Shift
from headstart.evaluation.protocols import Headline
from headstart.evaluation.protocols.reading import labeled_file
from headstart.evaluation.protocols.resampling import Sampled
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.modalities import Modality, Processor

#: Maximum number of test records that are corrupted, each at every severity.
MOST = 2000
#: Maximum number of labels that a probe is fitted on for this: scores change little beyond it.
LABELS = 1000


@dataclass(frozen=True)
class Part:
    """Records to test on; the first of all parts has the original records.

    Attributes:
        name: the corruption, ``"as they are"``, or the file of the other domain.
        severity: 1 to 3; 0 where nothing is corrupted.
    """

    name: str
    severity: int
    records: Dataset


def parts(
    tested: Dataset,
    alone: bool,
    config: EvaluateConfig,
    modality: Modality,
    length: int,
    other: Dataset | None,
) -> list[Part]:
    """Return the additional records to test on; [] if none were requested.

    Args:
        tested: the original test records.
        alone: whether there is a single labeled file without a test split.
        length: positions, or pixels a side, that the encoder sees of a record.
        other: labeled records of another domain.

    Raises:
        HeadstartError: an unknown corruption, or no separate test records.
    """
    names = requested(config.corruptions, modality)
    if not names and other is None:
        return []
    if alone and not protocol_of(config).alone:
        raise HeadstartError(
            "--corruptions and --shifted need test records that nothing was learned from; name a "
            "file with --test."
        )
    sample = _sample(tested, derive(config.seed, "shifts"))
    found = [Part("as they are", 0, sample)]
    if names:
        plain = modality.as_seen(sample, length)
        found = [Part("as they are", 0, plain)]
        found += [
            Part(name, severity, corrupt(plain, modality, name, severity, config.seed))
            for name in names
            for severity in SEVERITIES
        ]
    if other is not None:
        found.append(Part(Path(str(config.shifted)).name, 0, other))
    return found


def other_domain(
    config: EvaluateConfig,
    train: Dataset,
    modality: Modality,
    processor: Processor,
    audits: dict[str, Any],
    notes: list[str],
) -> Dataset | None:
    """Return the records of ``config.shifted``; None if it is not set.

    Records of classes unknown in training are excluded, which is noted in ``notes``.

    Raises:
        HeadstartError: no record is left.
    """
    if config.shifted is None:
        return None
    records = labeled_file(
        config.shifted, "other domain", config, modality, processor, audits, notes
    )
    if not protocol_of(config).classes:
        return records
    return known(records, train["label"], config.shifted, notes)


def extended(test: Dataset | None, found: list[Part]) -> Dataset | None:
    """Return the test records followed by the records of all parts."""
    from datasets import concatenate_datasets

    pieces = [*([] if test is None else [test]), *(part.records for part in found)]
    if len(pieces) < 2:
        return test
    return concatenate_datasets([alone(piece) for piece in pieces])


def divided(
    candidates: list[Candidate], test: Dataset | None
) -> tuple[list[Candidate], list[Candidate]]:
    """Return candidates with the features of ``test`` only, and with those of the parts only."""
    count = 0 if test is None else len(test)
    usual = [
        candidate
        if candidate.test is None
        else replace(candidate, test=None if test is None else candidate.test[:count])
        for candidate in candidates
    ]
    return usual, [
        replace(candidate, test=candidate.test[count:])
        for candidate in candidates
        if candidate.test is not None
    ]


def measure_shifts(
    candidates: list[Candidate],
    train: Dataset,
    found: list[Part],
    results: Results,
    config: EvaluateConfig,
    content: Content,
    progress: Progress | None = None,
) -> list[Shift]:
    """Score every candidate on each part, with the same probes as in the evaluation.

    Probes are fitted on the largest number of labels up to 1,000, with the same draws as in
    ``results``.

    Args:
        candidates: with the concatenated features of all parts as ``test``.
        found: the result of :func:`parts`.
        results: of the original test records.
        content: the kind of record.
    """
    few = [count for count in results.counts if count <= LABELS]
    count = max(few, default=min(results.counts))
    label = "all" if results.counts[count] == "all" else str(count)
    config = config.model_copy(update={"labels": [label]})
    judged = {outcome.candidate: outcome.probe for outcome in results.judged(count)}
    candidates = [
        replace(each, heads=(judged[each.name],)) for each in candidates if each.name in judged
    ]
    headline = protocol_of(config).headline
    if headline is None:
        table = _by_measuring(candidates, train, found, config, content, progress)
    else:
        table = _by_slices(candidates, train, found, config, content, progress, headline)
    shifts = []
    for outcomes in table:
        clean = outcomes[0][1]
        for part, (outcome, sampled) in list(zip(found, outcomes, strict=True))[1:]:
            drop = Sampled(
                clean.by_draw - sampled.by_draw,
                clean.by_resample - sampled.by_resample,
                low=-np.inf,
                high=np.inf,
            )
            shifts.append(
                Shift(
                    candidate=outcome.candidate,
                    kind=outcome.kind,
                    probe=outcome.probe,
                    shift=part.name,
                    severity=part.severity,
                    labels=outcome.labels,
                    tested=len(part.records) // (2 if is_pairs(part.records) else 1),
                    clean=clean.estimate(),
                    score=sampled.estimate(),
                    drop=drop.estimate(),
                )
            )
    return shifts


_Table = list[list[tuple[Outcome, Sampled]]]


def _by_slices(
    candidates: list[Candidate],
    train: Dataset,
    found: list[Part],
    config: EvaluateConfig,
    content: Content,
    progress: Progress | None,
    headline: Headline,
) -> _Table:
    """Fit once, predict all parts, and score each part's slice of the predictions."""
    from datasets import concatenate_datasets

    wanted = ["id", "label"]
    whole = concatenate_datasets([part.records.select_columns(wanted) for part in found])
    results = evaluate(candidates, train, whole, config, content, progress=progress)
    together = [groups_of(part.records) for part in found]
    table = []
    names = {candidate.name for candidate in candidates}
    for outcome in results.judged(next(iter(results.counts))):
        if outcome.candidate not in names or outcome.predictions is None:
            continue
        row = []
        for rows, groups in zip(_slices(found), together, strict=True):
            predicted, truth = outcome.predictions[:, rows], results.truth[rows]
            row.append((outcome, headline(predicted, truth, config.seed, groups)))
        table.append(row)
    return table


def _by_measuring(
    candidates: list[Candidate],
    train: Dataset,
    found: list[Part],
    config: EvaluateConfig,
    content: Content,
    progress: Progress | None,
) -> _Table:
    """Measure each part separately, where little is fitted: the seeds make it the same probe."""
    table: dict[str, list[tuple[Outcome, Sampled]]] = {}
    for number, (part, rows) in enumerate(zip(found, _slices(found), strict=True), 1):
        sliced = [
            replace(candidate, test=candidate.test[rows])
            for candidate in candidates
            if candidate.test is not None
        ]
        results = evaluate(sliced, train, part.records, config, content)
        names = {candidate.name for candidate in sliced}
        judged = [x for x in results.judged(max(results.counts)) if x.candidate in names]
        for outcome in judged:
            low = 0.0 if results.metric.percent else -1.0
            sampled = Sampled(outcome.by_draw, outcome.by_resample, low)
            table.setdefault(outcome.candidate, []).append((outcome, sampled))
        if progress:
            progress(number, len(found))
    return list(table.values())


def _slices(found: list[Part]) -> list[slice]:
    ends = np.cumsum([len(part.records) for part in found]).tolist()
    return [slice(end - len(part.records), end) for part, end in zip(found, ends, strict=True)]


def _sample(records: Dataset, seed: int) -> Dataset:
    """Return at most :data:`MOST` random records; flattened pairs stay complete."""
    pairs = is_pairs(records)
    count = len(records) // 2 if pairs else len(records)
    if count <= MOST:
        return records
    rng = np.random.Generator(np.random.PCG64(seed))
    indices = np.sort(rng.permutation(count)[:MOST])
    return records.select(np.concatenate([indices, indices + count]) if pairs else indices)
