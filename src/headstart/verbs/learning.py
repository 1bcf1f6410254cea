"""Verbs that train: from data to a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.config import (
    FinetuneConfig,
    PretrainConfig,
    load,
    sections,
    spelled_out,
    task_options,
)
from headstart.config.loading import Model
from headstart.errors import HeadstartError, did_you_mean
from headstart.outputs import check_unread
from headstart.run import RunFolder
from headstart.verbs.reading import console, labeled_records, say


def pretrain(
    *sources: str, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> RunFolder:
    """Pre-train; see :func:`headstart.pretrain`."""
    if options.get("resume"):
        run, plan = _reopen(PretrainConfig, "pretrain", options, config, settings)
    else:
        named = {"sources": list(sources)} if sources else {}
        given = settings or ()
        plan = load(
            PretrainConfig,
            file=config,
            settings=given,
            sections=pretrain_sections(given),
            **named,
            **options,
        )
        _check_names(plan)
        run = _create("pretrain", plan)
    if run.finished:
        return run

    from headstart.training.pretrain import pretrain as pretrain_encoder

    with _removed_if_refused(run, fresh=not plan.resume):
        pretrain_encoder(plan, run, say=say, console=console())
    return run


def repeated(run: str, seeds: int) -> list[RunFolder]:
    """Return the same pre-training from other seeds, one run fewer than ``seeds``.

    They are in the folder ``seeds`` of the run. Those that are not there yet are trained, and
    interrupted ones go on.

    Args:
        run: folder of a pre-training run.
        seeds: number of pre-trainings, with the run itself.
    """
    folder, found = Path(run), []
    options = RunFolder.open(run).config()["options"]
    for seed in range(options["seed"] + 1, options["seed"] + seeds):
        out = folder / "seeds" / str(seed)
        if (out / "config.yaml").exists():
            found.append(pretrain(out=str(out), resume=True))
            continue
        say(f"the same pre-training from seed {seed}")
        given = {**options, "seed": seed, "out": str(out), "resume": False, "overwrite": False}
        found.append(pretrain(**given))
    return found


def finetune(
    run: str,
    *,
    config: str | None = None,
    settings: list[str] | None = None,
    **options: Any,
) -> RunFolder:
    """Fine-tune; see :func:`headstart.finetune`."""
    from headstart.downstream import TASKS

    if options.get("resume"):
        target, plan = _reopen(FinetuneConfig, "finetune", options, config, settings)
    else:
        plan = load(
            FinetuneConfig,
            file=config,
            settings=settings or (),
            sections=sections(TASKS, "task_options"),
            run=run,
            **options,
        )
        _check_task(plan)
        target = _create("finetune", plan)
    if target.finished:
        return target

    from headstart.data.labels import same_file_notes
    from headstart.downstream.finetune import finetune as finetune_encoder
    from headstart.downstream.semi_supervised import finetune_with_unlabeled
    from headstart.encoders.opening import OpenedEncoder

    with _removed_if_refused(target, fresh=not plan.resume):
        opened, task = OpenedEncoder(plan.run), TASKS[plan.task]
        task.check(opened.modality)
        encoder, processor = opened.encoder, opened.processor
        task.check_encoder(encoder, processor)
        records = labeled_records(plan.train, plan, opened)
        validation = labeled_records(plan.val, plan, opened) if plan.val else None
        notes = same_file_notes(plan.train, plan.val, "--val") if plan.val else []
        validation = task.checked(records, validation, plan, notes)
        for note in notes:
            say(note)
        known: dict[str, Any] = {"note": opened.note, "console": console()}
        if not plan.unlabeled:
            finetune_encoder(encoder, processor, records, validation, plan, target, **known)
            return target
        # Their labels are not read, so their column may be missing.
        blind = plan.without_label()
        finetune_with_unlabeled(
            encoder,
            processor,
            records,
            validation,
            opened.read(plan.unlabeled, blind, say),
            opened.read(plan.remove_overlap, blind, say) if plan.remove_overlap else None,
            plan,
            target,
            **known,
        )
    return target


def _create(verb: str, plan: PretrainConfig | FinetuneConfig) -> RunFolder:
    """Create the run folder; under torchrun only the first process does."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return RunFolder.create(plan.out, verb, plan, overwrite=plan.overwrite)
    from headstart.training.processes import ProcessGroup

    ProcessGroup.here().first(
        lambda: RunFolder.create(plan.out, verb, plan, overwrite=plan.overwrite)
    )
    return RunFolder(plan.out)


@contextmanager
def _removed_if_refused(run: RunFolder, fresh: bool) -> Iterator[None]:
    """Remove a new run folder if the run is refused before anything was trained.

    Otherwise the corrected command would fail because the folder exists.
    """
    try:
        yield
    except HeadstartError:
        first = os.environ.get("RANK", "0") == "0"
        if first and fresh and not any(run.checkpoints.glob("*")):
            shutil.rmtree(run.folder, ignore_errors=True)
        raise


def _reopen(
    model: type[Model],
    verb: str,
    options: dict[str, Any],
    config: str | None,
    settings: list[str] | None,
) -> tuple[RunFolder, Model]:
    """Open a run to resume, with the options it was started with."""
    out = options.get("out")
    if config or settings:
        raise HeadstartError(
            "--config and --set cannot change a run on --resume; leave them out: its own "
            "config.yaml holds."
        )
    if not out:
        raise HeadstartError("--resume needs --out: the folder of the run to go on with.")
    run = RunFolder.open(out)
    content = run.config()
    if content["verb"] != verb:
        raise HeadstartError(
            f"{out} was made by `headstart {content['verb']}`; resume it with that verb."
        )
    saved = content["options"]
    for name, value in spelled_out(options).items():
        if name == "columns":
            value = {**saved.get(name, {}), **value}
        if name not in ("resume", "overwrite", "out", "workers") and value != saved.get(name):
            raise HeadstartError(
                f"the option {name!r} is {saved.get(name)!r} in {out} and cannot change on "
                "--resume; leave it out, or start a new run."
            )
    workers = options.get("workers", saved.get("workers", 0))
    kept = {**saved, "resume": True, "overwrite": False, "workers": workers}
    try:
        return run, load(model, **kept)
    except HeadstartError as error:
        raise HeadstartError(
            f"{out} was made by another version of headstart, which had other options ({error}); "
            "start again with --overwrite."
        ) from None


def pretrain_sections(settings: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the option that ``--set NAME.key=value`` sets: of encoders, modalities, objectives.

    Raises:
        HeadstartError: one of ``settings`` could be of a kind of data and of an objective.
    """
    from headstart.modalities import MODALITIES
    from headstart.objectives import MIXTURE, OBJECTIVES

    for setting in settings:
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
    from headstart.evaluation.protocols import PROTOCOLS

    check_unread(plan)
    if plan.task in PROTOCOLS and plan.task not in TASKS:
        raise HeadstartError(
            f"{plan.task!r} is a task of evaluation, for which nothing is fine-tuned; write "
            f"`headstart evaluate {plan.run} --train {plan.train} --task {plan.task}`."
        )
    task_options(plan, TASKS[plan.task].Options)


def _check_names(plan: PretrainConfig) -> None:
    """Refuse what cannot be written, and unknown names, before a run folder is created."""
    from headstart.encoders import ENCODERS
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
    # Any other name may be one of the hub or its local cache.
    if ENCODERS.near(plan.encoder) and not Path(plan.encoder).exists():
        ENCODERS.check(plan.encoder)
