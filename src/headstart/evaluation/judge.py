"""From a run and labels to a report: collects the candidates and measures them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import Progress
from headstart.config import Budget, EvaluateConfig
from headstart.data.contradictions import Contradictions, ceiling, contradictory
from headstart.data.overlap import overlap
from headstart.encoders.joined import OWN, Origin
from headstart.encoders.opening import (
    encoder_folder,
    first_part,
    open_encoder,
    open_modality_of,
    open_processor,
    read_note,
)
from headstart.evaluation.allowance import Allowance
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.cache import cached_candidates, cached_overlap, digest, digests_of
from headstart.evaluation.evaluate import (
    check_needs,
    check_task,
    decided,
    evaluate,
    protocol_of,
)
from headstart.evaluation.frozen_encoders import (
    FrozenEncoder,
    beside,
    distinct,
    frozen,
    measured,
    named,
    start_of,
    started,
    untrained,
)
from headstart.evaluation.joined import beside_each_other, joined, weights_beside, weights_of
from headstart.evaluation.naming import followed_by, names_of, with_names
from headstart.evaluation.outcomes import Candidate, Kind
from headstart.evaluation.protocols import Answer, OpenedRun
from headstart.evaluation.protocols.reading import labeled_records
from headstart.evaluation.protocols.tested_groups import group_caution
from headstart.evaluation.published import published_encoders
from headstart.evaluation.report import Report
from headstart.evaluation.report.cost import seconds_of
from headstart.evaluation.report.reproduce import command, versions
from headstart.evaluation.samples import Samples
from headstart.evaluation.shifts import divided, extended, measure_shifts, other_domain, parts
from headstart.outputs import store_of
from headstart.run import RunFolder
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
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


#: Least seconds of the simple alternatives, and labels of a network that is trained on them alone.
LEAST, LEAST_LABELS = 90.0, 1000


def judge(
    config: EvaluateConfig,
    *,
    training: Training,
    write: Callable[[str], str],
    say: Callable[[str], None],
    console: Any = None,
) -> Answer:
    """Measure a run by the requested protocol, and write the page.

    Args:
        training: trains networks on labels, and the run again from other seeds.
        write: continues a text with the run's language model.
        say: called with messages.
        console: where progress bars are shown, if it is a terminal.

    Raises:
        HeadstartError: no finished run, an unsupported task, no labels, or too few.
    """
    run = RunFolder.open(config.run)
    # Of encoders that stand side by side it is the pre-trained one that is judged by itself.
    folder = first_part(encoder_folder(run.require_encoder()))
    note = read_note(folder)
    modality = open_modality_of(folder)
    check_task(config.task, modality)
    encoder, processor = open_encoder(folder), open_processor(folder)
    opened = OpenedRun(run, modality, encoder, processor, int(note["length"]), write, say)
    plan = decided(config, modality)
    check_needs(plan.task, modality, encoder, processor)
    protocol = protocol_of(plan)
    if protocol.run is not None:
        return protocol.run(opened, plan)
    report = _compared(opened, config, plan, training, console)
    out = Path(config.out) if config.out else RunFolder(store_of(run.folder)).report_file
    report.write(out)
    say(f"the report is in {out}")
    return report


def _compared(
    opened: OpenedRun,
    requested: EvaluateConfig,
    config: EvaluateConfig,
    training: Training,
    console: Any,
) -> Report:
    """Compare the run's frozen features with every simple alternative."""
    run, modality, processor = opened.run, opened.modality, opened.processor
    length, content = opened.length, opened.modality.content
    store = RunFolder(store_of(run.folder)).features
    digest_of = digests_of(modality)
    audits: dict[str, Any] = {}
    notes: list[str] = []
    cautions: list[str] = []
    others = named(config.against, modality)
    train, test = labeled_records(config, modality, processor, audits, notes)
    other = other_domain(config, train, modality, processor, audits, notes)
    for note in notes:
        opened.say(note)
    tested = train if test is None else test
    shifted = parts(tested, test is None, config, modality, length, other)
    names = names_of(config, train, modality, opened.say)
    seen = followed_by(extended(test, shifted), names)
    background = pretraining_records(run, modality, notes)
    if background is not None:
        search = partial(overlap, background, tested, content)
        shared = cached_overlap(store, background, tested, digest_of, search)
        notes += shared.sentences()
        if test is not None:
            cautions += shared.caution("in the pre-training data")
        audits.get("test", audits["train"])["overlap"] = shared.summary()
    if test is not None and not protocol_of(config).alone:
        search = partial(overlap, train, test, content)
        shared = cached_overlap(store, train, test, digest_of, search)
        cautions += shared.caution("among the labeled ones")
    cautions += group_caution(audits, len(tested))
    doubts: list[str] = []
    if protocol_of(config).classes:
        found = contradictory(train, test, content)
        cautions += found.caution()
        doubts += [*found.sentences(), *_ceiling(found, tested, config, content)]

    kept = beside(encoder_folder(run.require_encoder()))
    fresh = untrained(opened.encoder, config.seed)
    published = published_encoders(
        config.published,
        modality,
        [train] if test is None else [train, test],
        notes,
        digest_of,
        store,
        known=[start_of(run), *kept],
        seconds=seconds_of(run.metrics()),
    )
    encoders = [
        frozen("pre-trained", "pretrained", opened.encoder, processor, length),
        frozen("untrained", "untrained", fresh, processor, length),
        *(_repetition(each, modality) for each in training.repeat(config.pretraining_seeds)),
        *started(run, processor, length, notes),
        *published,
        *others,
    ]
    # First those whose names the run knows, which are not numbered.
    encoders = distinct([encoders[0], *(each for each, _ in kept.values()), *encoders[1:]])
    candidates = []
    for each in encoders:
        with working(f"features of {each.name}", console, opened.say) as progress:
            candidates.append(measured(each, train, seen, digest_of, store, progress))
    if config.finetuned:
        candidates.append(_network("fine-tuned", "pretrained", training.fine_tuned, train, test))
    with working("simple alternatives", console, opened.say) as progress:
        candidates += _baselines(
            modality, background, train, seen, config, store, digest_of, progress
        )
    candidates = with_names(candidates, names)
    if kept:
        origins: dict[str, Origin] = {OWN: "pre-trained"}
        origins |= {name: origin for name, (_, origin) in kept.items()}
        candidates = _with_parts(candidates, origins, protocol_of(config).headline is not None)
    strong = [*(each.name for each in published), *kept]
    candidates += [
        joined(encoder, simple, weights=weights_beside(encoder.name in strong))
        for simple in candidates
        if simple.joinable and protocol_of(config).headline
        for encoder in candidates
        if encoder.kind != "baseline" and encoder.train is not None and not encoder.parts
    ]
    if config.from_scratch == "on":
        network = _network("from scratch", "scratch", training.from_scratch, train, test)
        candidates.append(replace(network, required=True))
    elif config.from_scratch == "auto" and _trainable(config, train):
        last = _network("from scratch", "scratch", training.from_scratch, train, test)
        candidates.append(replace(last, most=True, seconds=training.scratch_seconds(len(train))))
    candidates, moved = divided(candidates, test)
    with working("classifiers", console, opened.say) as progress:
        results = evaluate(
            candidates,
            train,
            test,
            config,
            content,
            progress=progress,
            allowance=Allowance(_seconds(config, run)),
            say=opened.say,
        )
        costs = {each.name: each.cost for each in candidates if each.cost.speed}
        results = replace(results, costs=costs)
        if shifted:
            shifts = measure_shifts(moved, train, shifted, results, config, content, progress)
            results = replace(results, shifts=shifts)
    return Report(
        results,
        run=run,
        command=command("evaluate", requested, ["run"]),
        versions=versions(),
        audits={**run.audits(), **audits},
        notes=notes,
        cautions=cautions,
        doubts=doubts,
        sources=[source for source in (config.train, config.test) if source],
        samples=_samples(candidates, train, test, modality, config.seed),
    )


def _ceiling(
    found: Contradictions, tested: Dataset, config: EvaluateConfig, content: Content
) -> list[str]:
    """Return what contradicting labels leave at best, where that is certain; else []."""
    if not found.records or config.task != "classification":
        return []
    best = ceiling(tested, content)
    if best is None:
        return []
    return [
        f"At most {best:.1%} of the tested {content.noun} can be right: some are the same in every "
        "byte and have different labels."
    ]


def _samples(
    candidates: list[Candidate],
    train: Dataset,
    test: Dataset | None,
    modality: Modality,
    seed: int,
) -> Samples | None:
    """Return the tested records for the report."""
    ours = candidates[0]
    vectors, records = (ours.train, train) if test is None else (ours.test, test)
    return None if vectors is None else Samples(records, np.asarray(vectors), modality, seed)


def _baselines(
    modality: Modality,
    background: Dataset | None,
    train: Dataset,
    test: Dataset | None,
    config: EvaluateConfig,
    store: Path,
    digest_of: Callable[[Dataset | None], str],
    progress: Progress | None,
) -> list[Candidate]:
    """Return the modality's simple alternatives, which are cached."""
    read = [digest_of(records) for records in (background, train, test)]
    return cached_candidates(
        store,
        digest("baselines", modality.name, config.task, config.seed, *read),
        lambda: [
            Candidate.of(found)
            for found in modality.baselines(
                background,
                train,
                test,
                protocol=config.task,
                seed=config.seed,
                progress=progress,
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


def _seconds(config: EvaluateConfig, run: RunFolder) -> float:
    """Return the time in which the simple alternatives may be fitted, in seconds.

    Their features are not counted: whether these are cached must not change a verdict.
    """
    if config.alternatives_budget != "auto":
        return 60 * Budget.parse(config.alternatives_budget).amount
    return max(LEAST, seconds_of(run.metrics()))


def _network(
    name: str, kind: Kind, learn: Learn, train: Dataset, test: Dataset | None
) -> Candidate:
    def fit_predict(indices: np.ndarray, seed: int) -> list[str]:
        return learn(train.select(indices), train if test is None else test, seed)

    return Candidate(name, kind, fit_predict=fit_predict)
