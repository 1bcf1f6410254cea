"""Pre-training from sources to an encoder folder."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.audit import Audit
from headstart.encoders.opening import (
    note_of,
    save_encoder,
)
from headstart.files import whole_folder, write_text
from headstart.modalities import Sheet, Words
from headstart.objectives.building import build_objective
from headstart.seeding import generator, seeded
from headstart.stored import check, opening, seal
from headstart.training.beside import joined_beside
from headstart.training.created import new_encoder
from headstart.training.defaults import Plan
from headstart.training.distilled import take_distilled
from headstart.training.embeddings import (
    COUNTS,
    keep_counts,
    take_counts,
)
from headstart.training.plan import TrainingPlan
from headstart.training.preparing import AGAIN, PROBE, prepared, ready
from headstart.training.probe import open_probe
from headstart.training.processes import ProcessGroup, check_devices
from headstart.training.safeguards import Safeguards
from headstart.training.train import train
from headstart.training.watch import Watch, draw_watch

if TYPE_CHECKING:
    from headstart.batch import Batch, Rows
    from headstart.config import PretrainConfig
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor
    from headstart.objectives import Objective
    from headstart.run import RunFolder

#: Records whose features are measured during training.
WATCHED = 256
#: Minimum number of held-out records for view matching.
FEWEST_MATCHED = 64
#: Records in the preview of the pretext task.
PREVIEWED = 8


def pretrain(
    config: PretrainConfig, run: RunFolder, *, say: Callable[[str], None], console: Any = None
) -> RunFolder:
    """Read, prepare, train and save; an interrupted run resumes.

    What is expensive or may change (sources, tokenizer, sizes, steps) is resolved once and stored
    in the run folder until training has finished.

    Raises:
        HeadstartError: any error that the user can fix.
    """
    started = time.monotonic()
    check_devices(config.devices)
    group = ProcessGroup.here()
    group.first(lambda: ready(config, run, say, console))
    modality, plan, processor = prepared(run)
    encoder = new_encoder(config, plan, processor)
    if plan.embeddings == COUNTS:
        group.first(lambda: keep_counts(encoder, run.prepared, config, say))
        take_counts(encoder, run.prepared)
    if config.teacher:
        take_distilled(encoder, run.prepared)

    def rows(part: str, layout: str) -> Rows:
        folder = run.prepared / part
        check(folder)
        with opening(folder, AGAIN):
            return processor.rows(folder, layout=layout, length=plan.length, seed=config.seed)

    def keep(verdict: str | None = None, objective: Objective | None = None) -> None:
        _note_unreadable(run, modality)
        kept = joined_beside(encoder, processor, run, rows, plan.length)
        with whole_folder(run.encoder) as folder:
            save_encoder(*kept, folder, note_of(modality, plan.length))
            seal(folder)
        if objective is not None:
            _save_head(objective, run)
        run.resolve(finished=True, **({"kept": verdict} if verdict else {}))
        shutil.rmtree(run.prepared, ignore_errors=True)

    if not plan.objectives:
        group.first(keep)
        group.leave()
        return run
    objective = new_objective(config, plan, encoder, processor)
    objective.begin(rows("train", objective.layout), config.seed)

    config = config.model_copy(
        update={"optimizer": config.optimizer.model_copy(update=plan.optimizer)}
    )
    validation = run.prepared / "validation"
    guards = Safeguards(**plan.safeguards) if plan.safeguards else None
    watch = _watch(config, guards, run, processor, rows)
    if guards and guards.measure == "view_matching" and not watch.view_matching:
        guards = replace(guards, measure=None)
    if group.rank == 0:
        shown = rows("train", objective.layout)
        save_preview(objective, shown, processor, run, config.seed)
        if warning := objective.warning(shown.batch(np.arange(min(WATCHED, len(shown))), 0)):
            say(warning)
    training = TrainingPlan(
        objective=objective,
        rows=rows("train", objective.layout),
        run=run,
        config=config,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        validation=rows("validation", objective.layout) if validation.is_dir() else None,
        watch=watch,
        guards=guards,
        most_epochs=plan.most_epochs,
        started=started,
    )
    result = train(training, console)
    group.first(lambda: keep(result.verdict, objective))
    group.leave()
    return run


def _note_unreadable(run: RunFolder, modality: Modality) -> None:
    """Add records that were found unreadable during training to the audit."""
    found: dict[str, str] = {}
    for part in ("train", "validation"):
        found |= modality.quarantine(run.prepared / part)
    known = run.audits().get("pre-training")
    if found and known:
        audit = Audit.of(known)
        noted = {row["where"] for row in audit.summary()["records"]}  # by a session that was killed
        for name in sorted(found.keys() - noted):
            audit.drop(name, found[name])
        run.write_audit(audit.summary())


def _save_head(objective: Objective, run: RunFolder) -> None:
    """Save the head for ``generate``: of a mixture the causal member's, or the first."""
    members = sorted(objective.members(), key=lambda member: not member.makes_causal)
    with whole_folder(run.head) as folder:
        saved = any(member.save_head(folder) for member in members)
        if saved:
            seal(folder)
    if not saved:
        run.head.rmdir()


def save_preview(
    objective: Objective, rows: Rows, processor: Processor, run: RunFolder, seed: int
) -> None:
    """Save a preview of the pretext task on the first records, as an image or as words."""
    batch = rows.batch(np.arange(min(PREVIEWED, len(rows))), 0)
    corrupted = objective.corrupt(batch, generator(seed, "picture"))
    preview = processor.show(batch, corrupted, objective.preview_images(corrupted))
    if isinstance(preview, Sheet):
        from headstart.pages.contact_sheet import contact_sheet

        contact_sheet(list(preview.rows.values()), run.image_file, names=list(preview.rows))
    elif isinstance(preview, Words):
        words = json.dumps({"records": preview.records}, ensure_ascii=False)
        write_text(run.words_file, words + "\n")


def new_objective(
    config: PretrainConfig, plan: Plan, encoder: Encoder, processor: Processor
) -> Objective:
    """Return the objective with its heads, freshly initialised."""
    with seeded(config.seed, "heads"):
        return build_objective(plan.objectives, plan.objective_options, encoder, processor)


def _watch(
    config: PretrainConfig,
    guards: Safeguards | None,
    run: RunFolder,
    processor: Processor,
    rows: Callable[[str, str], Rows],
) -> Watch:
    """Return the records measured during training: held-out ones if there are any."""

    def first(part: str) -> Batch:
        found = rows(part, "documents")
        return found.batch(np.arange(min(WATCHED, len(found))), 0)

    watched = first("validation" if (run.prepared / "validation").is_dir() else "train")
    view_matching = None
    if "view_matching" in (config.watch, guards and guards.measure):
        # Among few records matching is trivial; then training records are used.
        few = len(next(iter(watched.values()))) < FEWEST_MATCHED
        view_matching = first("train") if few else watched
    probe = open_probe(run.prepared / PROBE)
    return draw_watch(processor, watched, config.seed, view_matching_of=view_matching, probe=probe)
