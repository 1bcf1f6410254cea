"""From a run and labels to a report: reads the records, measures the candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import Budget, EvaluateConfig, SourceOptions
from headstart.config.loading import names_given
from headstart.config.models import QUICK
from headstart.encoders.opening import (
    encoder_folder,
    first_part,
    open_encoder,
    open_modality_of,
    open_processor,
    read_note,
)
from headstart.evaluation.allowance import Allowance
from headstart.evaluation.candidates import Training, candidates_of
from headstart.evaluation.evaluate import (
    check_needs,
    check_task,
    decided,
    evaluate,
    protocol_of,
)
from headstart.evaluation.frozen_encoders import named
from headstart.evaluation.judged_records import JudgedRecords, judged_records
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols import Answer, OpenedRun, Protocol
from headstart.evaluation.report import Report
from headstart.evaluation.report.cost import seconds_of
from headstart.evaluation.report.reproduce import command, versions
from headstart.evaluation.samples import Samples
from headstart.evaluation.shifts import divided, measure_shifts
from headstart.outputs import store_of
from headstart.pages.markup import listed
from headstart.run import RunFolder
from headstart.working import working

if TYPE_CHECKING:
    from headstart.modalities import Modality

#: Least seconds of the simple alternatives.
LEAST = 90.0
#: Options that every protocol heeds.
_OF_ALL = ("run", "train", "test", "task", "task_options", "seed", "quick", "out", "overwrite")


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
        _tell_unused(config, protocol, plan.task, say)
        return protocol.run(opened, plan)
    report = _compared(opened, config, plan, training, console)
    out = Path(config.out) if config.out else RunFolder(store_of(run.folder)).report_file
    report.write(out)
    say(f"the report is in {out}")
    return report


def _tell_unused(
    config: EvaluateConfig, protocol: Protocol, task: str, say: Callable[[str], None]
) -> None:
    """Say which of the given options a protocol that measures the run itself does not use."""
    known = {*_OF_ALL, *SourceOptions.model_fields, *protocol.uses}
    quick = QUICK if config.quick else {}
    given = {name.partition(".")[0] for name in names_given(config)}
    unused = sorted(
        f"--{name.replace('_', '-')}"
        for name in given - known
        if name not in quick or getattr(config, name) != quick[name]
    )
    if unused:
        verb = "is" if len(unused) == 1 else "are"
        say(f"{listed(unused)} {verb} not used by {task}, which measures the run itself.")


def _compared(
    opened: OpenedRun,
    requested: EvaluateConfig,
    config: EvaluateConfig,
    training: Training,
    console: Any,
) -> Report:
    """Compare the run's frozen features with every simple alternative."""
    run, modality = opened.run, opened.modality
    store = RunFolder(store_of(run.folder)).features
    # What may be refused is opened first, before anything is read or computed.
    others, trained = named(config.against, modality), seconds_of(run.metrics())
    records = judged_records(opened, config, store)
    candidates = candidates_of(opened, records, others, config, training, trained, store, console)
    candidates, moved = divided(candidates, records.test)
    train, test = records.train, records.test
    with working("classifiers", console, opened.say) as progress:
        results = evaluate(
            candidates,
            train,
            test,
            config,
            modality.content,
            progress=progress,
            allowance=Allowance(_seconds(config, trained)),
            say=opened.say,
        )
        costs = {each.name: each.cost for each in candidates if each.cost.speed}
        results = replace(results, costs=costs)
        if records.shifted:
            shifts = measure_shifts(
                moved, train, records.shifted, results, config, modality.content, progress
            )
            results = replace(results, shifts=shifts)
    return Report(
        results,
        run=run,
        command=command("evaluate", requested, ["run"]),
        versions=versions(),
        audits={**run.audits(), **records.audits},
        notes=records.notes,
        cautions=records.cautions,
        doubts=records.doubts,
        sources=[source for source in (config.train, config.test) if source],
        samples=_samples(candidates, records, modality, config.seed),
    )


def _samples(
    candidates: list[Candidate], records: JudgedRecords, modality: Modality, seed: int
) -> Samples | None:
    """Return the tested records for the report."""
    ours = candidates[0]
    vectors = ours.train if records.test is None else ours.test
    tested = records.train if records.test is None else records.test
    return None if vectors is None else Samples(tested, np.asarray(vectors), modality, seed)


def _seconds(config: EvaluateConfig, trained: float) -> float:
    """Return the time in which the simple alternatives may be fitted, in seconds.

    Their features are not counted: whether these are cached must not change a verdict.
    """
    if config.alternatives_budget != "auto":
        return 60 * Budget.parse(config.alternatives_budget).amount
    return max(LEAST, trained)
