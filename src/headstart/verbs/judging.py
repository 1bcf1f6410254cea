"""Verbs that assess: data, encoders, and what to label next."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import AuditConfig, CompareConfig, EvaluateConfig, LabelConfig, sections
from headstart.files import check_ending
from headstart.outputs import check_free
from headstart.run import RunFolder
from headstart.verbs.learning import repeated
from headstart.verbs.reading import Named, console, load, say, speaking
from headstart.working import working

if TYPE_CHECKING:
    from headstart.data.audit_page import AuditPage
    from headstart.evaluation.comparison import Comparison
    from headstart.evaluation.protocols import Answer
    from headstart.labeling.label import Labeling


@speaking()
def audit(
    *sources: Any, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> AuditPage:
    """Report on data: sizes, languages, duplicates, quality, and overlap with test data.

    Args:
        sources: files, folders or globs.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.AuditConfig`; with ``out`` the page is written, too.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        print(hs.audit("reviews.csv", against=["test.csv"]))
    """
    if sources:
        options["sources"] = list(sources)
    from headstart.modalities import MODALITIES

    named = sections(MODALITIES, "modality_options")
    plan = load(AuditConfig, file=config, settings=settings or (), sections=named, **options)
    from headstart.modalities.auditing import audit_sources

    out = Path(plan.out) if plan.out else None
    if out:
        check_ending(out, "an audit", (".json", ".html"))
    check_free(plan)
    with working("auditing", console(), say):
        page = audit_sources(plan)
    if out:
        page.write(out)
    return page


@speaking()
def evaluate(
    run: Named, *, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> Answer:
    """Evaluate a run: its frozen features with few labels, unless a task is named.

    Args:
        run: folder of a pre-training run.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.EvaluateConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        print(hs.evaluate("runs/reviews", train="labeled.csv"))
    """
    from headstart.evaluation.protocols import PROTOCOLS

    named = sections(PROTOCOLS, "task_options")
    plan = load(
        EvaluateConfig, file=config, settings=settings or (), sections=named, run=run, **options
    )
    if plan.out:
        out = Path(plan.out)
        check_ending(out, "a report", (".html",))
        figures = plan.task in PROTOCOLS and PROTOCOLS[plan.task].run is not None
        check_free(plan, out.with_suffix(".json") if figures else None)
    from headstart.downstream.scratch import fine_tuned, seconds_from_scratch, train_from_scratch
    from headstart.evaluation.candidates import Training
    from headstart.evaluation.judge import judge

    return judge(
        plan,
        training=Training(
            from_scratch=partial(train_from_scratch, plan.run),
            fine_tuned=partial(fine_tuned, plan.run),
            scratch_seconds=partial(seconds_from_scratch, plan.run),
            repeat=partial(repeated, plan.run),
        ),
        write=_writing(plan.run, plan.seed),
        say=say,
        console=console(),
    )


def _writing(run: str, seed: int) -> Callable[[str], str]:
    """Return a function that continues a text with a run, which is opened at the first call."""
    from headstart.deployment.generate import Sampling, continued, open_writer

    opened = cache(lambda: open_writer(RunFolder.open(run)))
    seeds = count(seed)  # a new seed for each text
    return lambda text: continued(opened(), text, Sampling(40, 0.8, seed=next(seeds)))


@speaking()
def compare(
    *runs: Named, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> Comparison:
    """Compare several runs, or encoder folders, on the same labels and test records.

    Args:
        runs: two folders or more.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.CompareConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        print(hs.compare("runs/mlm", "runs/simcse", train="labeled.csv"))
    """
    if runs:
        options["runs"] = list(runs)
    from headstart.evaluation.protocols import PROTOCOLS

    named = sections(PROTOCOLS, "task_options")
    plan = load(CompareConfig, file=config, settings=settings or (), sections=named, **options)
    from headstart.evaluation.compare import compare as compare_runs

    if plan.out:
        check_ending(Path(plan.out), "a comparison", (".html",))
    check_free(plan)
    with working("comparing", console(), say):
        return compare_runs(plan, say=say)


@speaking()
def label(run: Named, *unlabeled: Any, **options: Any) -> Labeling:
    """Choose the unlabeled records most worth labeling next, and write them to a file.

    Args:
        run: a run folder, or any encoder folder.
        unlabeled: files, folders or globs to choose from.
        options: see :class:`headstart.config.LabelConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        hs.label("runs/reviews", "unlabeled.csv", count=100, out="to_label.csv")
    """
    if unlabeled:
        options["unlabeled"] = list(unlabeled)
    plan = load(LabelConfig, run=run, **options)
    from headstart.labeling.label import label as label_records

    with working("choosing what to label", console(), say) as progress:
        return label_records(plan, say=say, progress=progress)
