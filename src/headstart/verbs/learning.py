"""Verbs that train: from data to a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import FinetuneConfig, PretrainConfig, sections, task_options
from headstart.config.loading import as_settings, stated
from headstart.errors import HeadstartError, did_you_mean
from headstart.files import delete
from headstart.outputs import check_unread
from headstart.ranks import is_first
from headstart.run import RunFolder
from headstart.verbs.reading import Named, console, labeled_records, say, speaking
from headstart.verbs.starting import begun
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.downstream import Task
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import Modality


@speaking()
def pretrain(
    *sources: Any, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> RunFolder:
    """Pre-train; see :func:`headstart.pretrain`."""
    named = {"sources": list(sources)} if sources else {}
    values = stated(
        PretrainConfig,
        file=config,
        settings=settings or (),
        sections=pretrain_sections(settings or ()),
        **named,
        **options,
    )
    with begun("pretrain", PretrainConfig, values, check_names) as (run, plan):
        if not run.finished:
            from headstart.training.pretrain import pretrain as pretrain_encoder

            pretrain_encoder(plan, run, say=say, console=console())
        elif is_first():
            delete(run.prepared)  # a session may have been killed just before
    return RunFolder(run.out)


def repeated(run: str, seeds: int) -> list[RunFolder]:
    """Return the same pre-training from other seeds, one run fewer than ``seeds``.

    They are in the folder ``seeds`` of the run. Those that are not there yet are trained, and
    interrupted ones go on.

    Args:
        run: folder of a pre-training run.
        seeds: number of pre-trainings, with the run itself.

    Raises:
        HeadstartError: the run is none of a pre-training.
    """
    if seeds < 2:  # a fine-tuned run has no pre-training to repeat
        return []
    opened, found = RunFolder.open(run), []
    if opened.config()["verb"] != "pretrain":
        raise HeadstartError(
            f"{run} was fine-tuned, and --pretraining-seeds repeats a pre-training; leave it out, "
            "or evaluate the run that it began with."
        )
    plan = opened.plan(PretrainConfig)
    options = plan.model_dump(exclude_unset=True)
    for seed in range(plan.seed + 1, plan.seed + seeds):
        out = opened.seeds / str(seed)
        if RunFolder(out).begun:
            found.append(pretrain(out=str(out), resume=True))
            continue
        say(f"the same pre-training from seed {seed}")
        # What stands beside the encoder does not depend on the seed.
        given = {**options, "start": "none", "seed": seed, "out": str(out)}
        given |= {"resume": False, "overwrite": False}
        found.append(pretrain(**given))
    return found


@speaking()
def finetune(
    run: Named | None = None,
    *,
    config: str | None = None,
    settings: list[str] | None = None,
    **options: Any,
) -> RunFolder:
    """Fine-tune; see :func:`headstart.finetune`."""
    from headstart.downstream import TASKS

    named = {"run": run} if run else {}
    values = stated(
        FinetuneConfig,
        file=config,
        settings=settings or (),
        sections=sections(TASKS, "task_options"),
        **named,
        **options,
    )
    with begun("finetune", FinetuneConfig, values, _check_task) as (target, plan):
        if not (target.finished and target.resolved.get("compared", True)):
            _finetune(plan, target)
            if is_first():
                target.resolve(compared=True)
    return RunFolder(target.out)


def _finetune(plan: FinetuneConfig, target: RunFolder) -> None:
    """Read the labeled records, and the unlabeled ones if there are any, and learn from them."""
    from headstart.data.labels import same_file_notes
    from headstart.downstream import TASKS
    from headstart.downstream.few_labels import are_too_few, learn_from_few
    from headstart.downstream.finetune import finetune as finetune_encoder
    from headstart.downstream.holding_out import gathered
    from headstart.downstream.semi_supervised import finetune_with_unlabeled
    from headstart.training.processes import check_devices

    check_devices(plan.devices)
    task = TASKS[plan.task]
    opened = _opened(plan, task)
    encoder, processor = opened.encoder, opened.processor
    task.check_encoder(encoder, processor)
    records = labeled_records(plan.train, plan, opened) if plan.train else None
    names = _names(plan, records, opened.modality)
    known: dict[str, Any] = {"note": opened.note, "console": console()}
    if are_too_few(records, names, plan):
        unlabeled, removed = _unlabeled(plan, opened)
        learn_from_few(
            encoder, processor, records, names, unlabeled, removed, plan, target, **known
        )
        return
    assert records is not None
    validation = labeled_records(plan.val, plan, opened) if plan.val else None
    notes = same_file_notes(plan.train, plan.val, "--val") if plan.val else []
    records, cautions = gathered(records, validation, plan, opened.modality.content, notes)
    validation = task.checked(records, validation, plan, notes)
    for note in notes:
        say(note)
    known |= {"cautions": cautions, "names": names}
    unlabeled, removed = _unlabeled(plan, opened)
    if unlabeled is None:
        finetune_encoder(encoder, processor, records, validation, plan, target, **known)
        return
    finetune_with_unlabeled(
        encoder,
        processor,
        records,
        validation,
        unlabeled,
        removed,
        plan,
        target,
        **known,
    )


def _opened(plan: FinetuneConfig, task: type[Task]) -> OpenedEncoder:
    """Open the run; its pre-trained part alone where a task needs what only that part gives."""
    from headstart.encoders.opening import OpenedEncoder, first_part
    from headstart.objectives.needs import phrase

    opened = OpenedEncoder(plan.run)
    task.check(opened.modality)
    missing = task.needs - opened.encoder.provides - opened.processor.provides
    part = first_part(plan.run)
    if not missing or part == str(plan.run):
        return opened
    say(
        f"{plan.task} needs {phrase(missing)}, so that {Path(part).name} is fine-tuned alone, "
        "without what stands beside it."
    )
    return OpenedEncoder(part)


def _names(plan: FinetuneConfig, records: Any, modality: Modality) -> Dataset | None:
    """Return the class names of a classifier, as records."""
    from headstart.downstream.few_labels import SPREADING
    from headstart.modalities.class_names import AUTO, OFF, class_names

    if plan.task != "classification":
        if plan.names not in (AUTO, OFF):
            say(f"--names is of no use to {plan.task}, and not read.")
        return None
    labels = set() if records is None else {each for each in records["label"] if each is not None}
    # Only what spreads from names can learn a class that no labeled record has.
    others = not plan.val and plan.semi in SPREADING
    return class_names(plan.names, labels, modality, say, others=others)


def _unlabeled(
    plan: FinetuneConfig, opened: OpenedEncoder
) -> tuple[Dataset | None, Dataset | None]:
    """Return the unlabeled records, and those that must not be among them."""
    if not plan.unlabeled:
        return None, None
    # Their labels are not read, so their column may be missing.
    blind = plan.without_label().undivided()
    with working("reading the unlabeled records", console(), say):
        unlabeled = opened.read(plan.unlabeled, blind, say)
        removed = opened.read(plan.remove_overlap, blind, say) if plan.remove_overlap else None
    return unlabeled, removed


def pretrain_sections(settings: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the option that ``--set NAME.key=value`` sets: of encoders, modalities, objectives.

    Raises:
        HeadstartError: one of ``settings`` could be of a kind of data and of an objective.
    """
    from headstart.modalities import MODALITIES
    from headstart.objectives import MIXTURE, OBJECTIVES

    for setting in as_settings(settings):
        name, dot, key = setting.partition("=")[0].strip().partition(".")
        if dot and name in MODALITIES and name in OBJECTIVES:
            raise HeadstartError(
                f"--set {setting}: a kind of data and an objective are called {name!r}; write "
                f"modality_options.{name}.{key} or objective_options.{name}.{key}."
            )
    return {
        "encoder": ("encoder_options",),
        **sections(MODALITIES, "modality_options"),
        **sections((MIXTURE, *OBJECTIVES), "objective_options"),
    }


def _check_task(plan: FinetuneConfig) -> None:
    """Refuse what cannot be written, an unknown task and options that it does not have."""
    from headstart.downstream import TASKS
    from headstart.downstream.holding_out import check_division
    from headstart.evaluation.protocols import PROTOCOLS

    check_unread(plan)
    if not plan.train and (plan.task != "classification" or plan.names in ("auto", "off")):
        raise HeadstartError(
            "there is nothing to learn from: name labeled records with --train, or for the task "
            "classification the classes with --names FILE."
        )
    if plan.task in PROTOCOLS and plan.task not in TASKS:
        labeled = plan.train or "LABELED"
        words = ["headstart", "evaluate", plan.run, "--train", labeled, "--task", plan.task]
        raise HeadstartError(
            f"{plan.task!r} is a task of evaluation, for which nothing is fine-tuned; write "
            f"`{shlex.join(words)}`."
        )
    task_options(plan, TASKS[plan.task].Options)
    check_division(plan)


def check_names(plan: PretrainConfig) -> None:
    """Refuse what cannot be written, and unknown names, before a run folder is created."""
    from headstart.encoders import ENCODERS
    from headstart.encoders.opening import kind_of
    from headstart.modalities import MODALITIES
    from headstart.modalities.opening import modality_of, own_options
    from headstart.modalities.sifting import rules_named
    from headstart.objectives import MIXTURE, OBJECTIVES

    check_unread(plan)
    if plan.modality != "auto":
        MODALITIES.check(plan.modality)
    for name, given in plan.modality_options.items():
        own_options(name, given)
    if plan.quality:
        rules_named(MODALITIES[modality_of(plan)].content, plan.quality)
    for item in plan.objective.split(","):
        name = item.partition(":")[0].strip()
        if name != "auto":
            OBJECTIVES.check(name)
    for section in plan.objective_options:
        if section not in OBJECTIVES and section != MIXTURE:
            known = {MIXTURE, *OBJECTIVES}
            raise HeadstartError(
                f"objective_options: no objective is called {section!r}"
                f"{did_you_mean(section, known)}"
            )
    # Any other name may be one of the hub or its local cache; architectures are alike by chance.
    is_near = ENCODERS.near(plan.encoder) and not Path(plan.encoder).exists()
    if is_near and kind_of(plan.encoder) is None:
        ENCODERS.check(plan.encoder)
