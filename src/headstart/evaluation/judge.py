"""From a run and labels to a report: which candidates there are, and what they may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import Progress
from headstart.config import EvaluateConfig, PretrainConfig, SourceOptions, load
from headstart.data.audit import Audit
from headstart.encoders.opening import encoder_folder, open_encoder, open_processor, read_note
from headstart.errors import HeadstartError
from headstart.evaluation.cache import cached_candidates, digest, digest_of_records, kept_overlap
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.frozen_encoders import frozen, measured, named, started, untrained
from headstart.evaluation.outcomes import Candidate, Kind
from headstart.evaluation.protocols.reading import labeled_records, task_of
from headstart.evaluation.report import Report
from headstart.evaluation.report.reproduce import command, versions
from headstart.evaluation.samples import Samples
from headstart.evaluation.shifts import divided, extended, measure_shifts, other_domain, parts
from headstart.modalities import Modality
from headstart.modalities.opening import open_modality
from headstart.modalities.sifting import sift
from headstart.run import RunFolder

if TYPE_CHECKING:
    from datasets import Dataset

#: Trains the same network on labels, from fresh weights or from its own: called with the labeled
#: records, the records to predict and a seed, it returns the predicted labels in order.
FromScratch = Callable[["Dataset", "Dataset", int], list[str]]


def judge(
    config: EvaluateConfig,
    *,
    from_scratch: FromScratch,
    fine_tuned: FromScratch,
    say: Callable[[str], None],
    console: Any = None,
) -> Report:
    """Compare the run's frozen features with every simple alternative and write the report.

    Raises:
        HeadstartError: no finished run, no labels, or too few of them.
    """
    run = RunFolder.open(config.run)
    folder = encoder_folder(run.require_encoder())
    note = read_note(folder)
    audits: dict[str, Any] = {}
    modality = open_modality(note["modality"])
    asked = config
    config = config.model_copy(update={"task": task_of(config, modality.content)})
    encoder, processor = open_encoder(folder), open_processor(folder)
    others = named(config.against, modality)
    train, test = labeled_records(config, modality, processor, audits)
    notes: list[str] = []
    other = other_domain(config, train, modality, processor, audits, notes)
    tested = train if test is None else test
    shifted = parts(tested, test is None, config, modality.content.name, int(note["length"]), other)
    seen = extended(test, shifted)
    background = pretraining_records(run, modality, notes)
    if background is not None:
        search = partial(modality.overlap, background, tested)
        shared = kept_overlap(run.features, background, tested, search)
        notes += shared.sentences()
        audits.get("test", audits["train"])["overlap"] = shared.summary()
    audits = {**run.audits(), **audits}

    length, store = int(note["length"]), run.features
    rivals = [
        frozen("pre-trained", "pretrained", encoder, processor, length),
        frozen("untrained", "untrained", untrained(encoder, config.seed), processor, length),
        *started(run, processor, length, notes),
        *others,
    ]
    with _bar(console, "features") as progress:
        candidates = [measured(candidate, train, seen, store, progress) for candidate in rivals]
    if config.from_scratch:
        candidates.append(_network("from scratch", "scratch", from_scratch, train, test))
    if config.finetuned:
        candidates.append(_network("fine-tuned", "pretrained", fine_tuned, train, test))
    with _bar(console, "simple alternatives") as progress:
        candidates += _baselines(modality, background, train, seen, config.seed, store, progress)
    candidates, moved = divided(candidates, test)
    with _bar(console, "probes") as progress:
        results = evaluate(candidates, train, test, config, progress=progress)
        if shifted:
            found = measure_shifts(moved, train, shifted, results, config, progress)
            results = replace(results, shifts=found)
    report = Report(
        results,
        run=run,
        command=command("evaluate", asked, ["run"]),
        versions=versions(),
        audits=audits,
        notes=notes,
        samples=_samples(candidates, train, test, processor, config.seed),
    )
    out = Path(config.out) if config.out else run.report_file
    report.write(out)
    say(f"the report is in {out}")
    return report


def _samples(
    candidates: list[Candidate], train: Dataset, test: Dataset | None, processor: Any, seed: int
) -> Samples | None:
    """Return what the report shows of the tested records."""
    ours = candidates[0]
    vectors, records = (ours.train, train) if test is None else (ours.test, test)
    return None if vectors is None else Samples(records, np.asarray(vectors), processor, seed)


def pretraining_records(run: RunFolder, modality: Modality, notes: list[str]) -> Dataset | None:
    """Return the records of the pre-training, so that the alternatives learn from the same.

    Where they cannot be read any more it says so in ``notes``.
    """
    options = run.config()["options"]
    known = {name: options[name] for name in SourceOptions.model_fields if name in options}
    try:
        modality = open_modality(modality.name, options.get("modality_options"))
        records = modality.read(options.get("sources", []), SourceOptions(**known), Audit())
        if options.get("remove_overlap") or options.get("quality"):
            # What the pre-training left out.
            records = sift(records, load(PretrainConfig, **options), modality, Audit())
        return records
    except HeadstartError as error:
        notes.append(
            f"The sources of the pre-training cannot be read any more ({error}), so the simple "
            "alternatives saw the labeled records only."
        )
        return None


def _baselines(
    modality: Modality,
    background: Dataset | None,
    train: Dataset,
    test: Dataset | None,
    seed: int,
    store: Path,
    progress: Progress | None,
) -> list[Candidate]:
    """Return the modality's simple alternatives, computed once and kept."""
    read = [digest_of_records(records) for records in (background, train, test)]
    return cached_candidates(
        store,
        digest("baselines", modality.name, seed, *read),
        lambda: [
            Candidate.of(found)
            for found in modality.baselines(background, train, test, seed=seed, progress=progress)
        ],
    )


def _network(
    name: str, kind: Kind, learn: FromScratch, train: Dataset, test: Dataset | None
) -> Candidate:
    def fit_predict(indices: np.ndarray, seed: int) -> list[str]:
        return learn(train.select(indices), train if test is None else test, seed)

    return Candidate(name, kind, fit_predict=fit_predict)


@contextmanager
def _bar(console: Any, title: str) -> Iterator[Progress | None]:
    """Show a progress bar with its ETA where somebody looks."""
    if console is None or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
