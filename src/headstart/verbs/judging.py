"""Verbs that look before anything is built on it: data, encoders, and what to label next."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import AuditConfig, CompareConfig, EvaluateConfig, LabelConfig, load
from headstart.run import RunFolder
from headstart.verbs.reading import console, records_of, say

if TYPE_CHECKING:
    from headstart.data.audit_page import AuditPage
    from headstart.evaluation.comparison import Comparison
    from headstart.evaluation.perplexity import Perplexity
    from headstart.evaluation.report import Report
    from headstart.labeling.label import Labeling


def audit(
    *sources: str, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> AuditPage:
    """Say what data hold: sizes, languages, duplicates, quality, and overlap with test data.

    Args:
        sources: files, folders or globs.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.AuditConfig`; with ``out`` the page is written, too.

    Raises:
        HeadstartError: anything the user can mend.
    """
    if sources:
        options["sources"] = list(sources)
    from headstart.modalities import MODALITIES

    sections = {name: ("modality_options", name) for name in MODALITIES}
    plan = load(AuditConfig, file=config, settings=settings or (), sections=sections, **options)
    from headstart.data.audit_page import AuditPage, checked
    from headstart.modalities.auditing import audit_sources

    out = checked(plan.out)
    page = AuditPage(audit_sources(plan))
    if out:
        page.write(out)
    return page


def evaluate(run: str, *, config: str | None = None, **options: Any) -> Report | Perplexity:
    """Measure what the frozen features are worth with few labels, beside the simple rivals.

    Args:
        run: folder of a pre-training run.
        options: see :class:`headstart.config.EvaluateConfig`.

    Raises:
        HeadstartError: anything the user can mend.
    """
    plan = load(EvaluateConfig, file=config, run=run, **options)
    if plan.task == "perplexity":
        return _perplexity(plan)
    from headstart.downstream.scratch import fine_tuned, train_from_scratch
    from headstart.evaluation.judge import judge

    return judge(
        plan,
        from_scratch=partial(train_from_scratch, plan.run),
        fine_tuned=partial(fine_tuned, plan.run),
        say=say,
        console=console(),
    )


def _perplexity(plan: EvaluateConfig) -> Perplexity:
    """Measure how well a run that writes foresees the texts of ``--test``, or of ``--train``."""
    from headstart.deployment.generate import continued, open_writer
    from headstart.evaluation.judge import pretraining_records
    from headstart.evaluation.perplexity import perplexity
    from headstart.evaluation.report.perplexity import write_perplexity
    from headstart.evaluation.report.reproduce import command, versions
    from headstart.files import write_json
    from headstart.modalities.opening import open_modality

    opened = RunFolder.open(plan.run)
    writer = open_writer(opened)
    modality = open_modality("text")
    # Nothing is learned from the texts, so their labels are not read.
    blind = plan.without_label()
    records = records_of([plan.test or plan.train], blind, opened.require_encoder())
    notes: list[str] = []
    background = pretraining_records(opened, modality, notes)
    if background is not None:
        notes += modality.overlap(background, records).sentences()
    seeds = count(plan.seed)  # each sample is drawn anew
    found = perplexity(
        writer.encoder,
        writer.head,
        writer.processor,
        writer.objective,
        records,
        background,
        context=writer.context,
        seed=plan.seed,
        write=lambda prompt: continued(
            writer, prompt, tokens=40, temperature=0.8, seed=next(seeds)
        ),
    )
    found.notes.extend(notes)
    out = (Path(plan.out) if plan.out else opened.folder / "perplexity.html").with_suffix(".html")
    write_perplexity(
        found,
        out,
        run=opened,
        command=command("evaluate", plan, ["run"]),
        versions=versions(),
        audits=opened.audits(),
    )
    write_json(out.with_suffix(".json"), found.summary())
    say(f"the report is in {out}, and its figures beside it")
    return found


def compare(*runs: str, **options: Any) -> Comparison:
    """Compare several runs, or encoder folders, on the same labels and tested records.

    Args:
        runs: two folders or more.
        options: see :class:`headstart.config.CompareConfig`.

    Raises:
        HeadstartError: anything the user can mend.
    """
    plan = load(CompareConfig, runs=list(runs), **options)
    from headstart.evaluation.compare import compare as compare_runs

    return compare_runs(plan, say=say)


def label(run: str, *unlabeled: str, **options: Any) -> Labeling:
    """Name the unlabeled records most worth labeling next, and write them to a file.

    Args:
        run: a run folder, or any encoder folder.
        unlabeled: files, folders or globs to choose from.
        options: see :class:`headstart.config.LabelConfig`.

    Raises:
        HeadstartError: anything the user can mend.
    """
    if unlabeled:
        options["unlabeled"] = list(unlabeled)
    plan = load(LabelConfig, run=run, **options)
    from headstart.labeling.label import label as label_records

    return label_records(plan, say=say)
