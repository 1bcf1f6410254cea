"""Pre-training from sources to an encoder folder."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config.loading import laid_over
from headstart.data.audit import Audit, set_aside
from headstart.data.content import Effort
from headstart.data.discovery import check_sources
from headstart.data.groups import alone, grouping
from headstart.data.split import hold_out
from headstart.encoders.opening import (
    create_encoder,
    encoder_folder,
    kind_of,
    open_encoder,
    read_note,
    save_encoder,
)
from headstart.errors import HeadstartError
from headstart.files import whole_folder, write_text
from headstart.modalities import Sheet, Words
from headstart.modalities.opening import modality_of, open_modality
from headstart.modalities.sifting import sift
from headstart.objectives import MIXTURE, OBJECTIVES
from headstart.objectives.building import build_objective, check_objectives, parse_mixture
from headstart.objectives.needs import check_fit
from headstart.seeding import generator, seeded
from headstart.stored import check, opening, seal
from headstart.training.defaults import Plan, decide
from headstart.training.embeddings import (
    COUNTS,
    keep_counts,
    refuse_without_tokens,
    take_counts,
    take_from_run,
)
from headstart.training.pairing import check_companions, companion_fields, paired
from headstart.training.plan import TrainingPlan
from headstart.training.probe import open_probe, store_probe
from headstart.training.processes import ProcessGroup, check_devices
from headstart.training.safeguards import Safeguards
from headstart.training.train import train
from headstart.training.watch import Watch, draw_watch
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

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
#: File of the probe's labeled records in the prepared folder.
PROBE = "probe.safetensors"
#: Records in the preview of the pretext task.
PREVIEWED = 8
#: Sample size of the survey before training; `headstart audit` takes more.
SURVEYED = 500
#: What to do if a file is damaged that training needs to go on.
_AGAIN = "start the run again with --overwrite"


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
    group.first(lambda: _ready(config, run, say, console))
    modality = _modality(run)
    plan = _plan(run)
    check(run.prepared / "processor")
    with opening(run.prepared / "processor", _AGAIN):
        processor = modality.load(run.prepared / "processor")
    encoder = new_encoder(config, plan, processor)
    if plan.embeddings == COUNTS:
        group.first(lambda: keep_counts(encoder, run.prepared, config, say))
        take_counts(encoder, run.prepared)
    with seeded(config.seed, "heads"):
        objective = build_objective(plan.objectives, plan.objective_options, encoder, processor)

    def rows(part: str, layout: str) -> Rows:
        folder = run.prepared / part
        check(folder)
        with opening(folder, _AGAIN):
            return processor.rows(folder, layout=layout, length=plan.length, seed=config.seed)

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

    def keep() -> None:
        _note_unreadable(run, modality)
        note = {"modality": modality.name, "length": plan.length}
        if options := modality.options.model_dump(mode="json", exclude_defaults=True):
            note["modality_options"] = {modality.name: options}
        with whole_folder(run.encoder) as folder:
            save_encoder(encoder, processor, folder, note)
            seal(folder)
        _save_head(objective, run)
        run.resolve(finished=True, **({"kept": result.verdict} if result.verdict else {}))
        shutil.rmtree(run.prepared, ignore_errors=True)

    group.first(keep)
    group.leave()
    return run


def _modality(run: RunFolder) -> Modality:
    return open_modality(run.recorded("modality", str), run.recorded("modality_options", dict))


def _plan(run: RunFolder) -> Plan:
    decided = run.recorded("plan", dict)
    with opening(run.config_file, _AGAIN):
        return Plan(**decided)


def _ready(
    config: PretrainConfig, run: RunFolder, say: Callable[[str], None], console: Any
) -> None:
    """Choose the modality and prepare the records, unless an earlier session did."""
    if "modality_options" not in run.resolved:
        name = run.resolved.get("modality") or modality_of(config)
        run.resolve(modality=name, modality_options=all_modality_options(config, name))
    if not run.resolved.get("prepared"):
        modality = _modality(run)
        check_companions(config, modality)
        refuse_misfits(config, modality)
        _prepare(config, run, modality, say, console)


def refuse_misfits(config: PretrainConfig, modality: Modality) -> None:
    """Refuse by name what cannot work, before any record is read."""
    check_sources(config.sources, modality.content)
    named = [] if config.objective == "auto" else list(parse_mixture(config.objective))
    check_fit(named, config.encoder, modality, config.length)
    if named:
        check_objectives(named, config.objective_options)
    else:
        for name in config.objective_options.keys() - {MIXTURE}:  # auto may choose it
            check_fit([name], config.encoder, modality, config.length)
            check_objectives([name], {name: config.objective_options[name]})
    refuse_without_tokens(config, modality)


def all_modality_options(config: PretrainConfig, name: str) -> dict[str, dict[str, Any]]:
    """Return the options of the kind of data; where training continues, those of its start, too."""
    start = None if config.encoder == "auto" or kind_of(config.encoder) else config.encoder
    known = {} if start is None else read_note(encoder_folder(start)).get("modality_options", {})
    given = config.modality_options
    return laid_over(given, {name: known[name]}) if name in known else given


def _note_unreadable(run: RunFolder, modality: Modality) -> None:
    """Add records that were found unreadable during training to the audit."""
    found: dict[str, str] = {}
    for part in ("train", "validation"):
        found |= modality.quarantine(run.prepared / part)
    if found:
        known = run.audits().get("pre-training")
        audit = Audit.of(known) if known else Audit()
        noted = {row["where"] for row in audit.summary()["records"]}  # by a session that was killed
        for name in sorted(found.keys() - noted):
            audit.quarantine(name, found[name])
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


def _prepare(
    config: PretrainConfig,
    run: RunFolder,
    modality: Modality,
    say: Callable[[str], None],
    console: Any,
) -> None:
    """Read the sources into memory-mapped rows, with an audit."""
    say("reading the sources")
    started = time.monotonic()
    audit = Audit()
    fields = companion_fields(config, modality.content)
    with working("reading the sources", console, say) as audit.watch:
        records = modality.read(
            config.sources, config, audit, run.prepared / "records", fields=fields
        )
    reading = round(time.monotonic() - started, 1)
    for note in audit.notes:
        say(note)
    probed = modality.read([config.probe], config.undivided(), Audit()) if config.probe else None
    with working("looking at the records", console, say):
        records = _survey(records, config, modality, audit)
    records = paired(records, modality, run, say)
    kept, held = _held_out(records, config, modality, audit)

    plan = decide(config, kept, modality)
    check_fit(plan.objectives, plan.encoder, modality, plan.length)
    check_objectives(plan.objectives, plan.objective_options)
    say(
        f"{len(kept):,} {modality.content.noun}; {' + '.join(plan.objectives)} on the "
        f"{plan.encoder} encoder, {plan.length} {modality.unit}"
    )
    needs = frozenset().union(*(OBJECTIVES[name].needs for name in plan.objectives))
    with working("preparing the records", console, say):
        processor = fitted_processor(config, plan, modality, kept)
        processor.configure(needs)
        modality.prepare(kept, processor, run.prepared / "train", audit, learn=True)
        if len(held):
            modality.prepare(held, processor, run.prepared / "validation", audit, learn=False)
    with whole_folder(run.prepared / "processor") as folder:
        processor.save(folder)
        seal(folder)
    if config.probe and probed is not None:
        file = run.prepared / PROBE
        store_probe(probed, processor, plan.length, config.seed, config.probe, file)
    run.write_audit(audit.summary())
    if audit.quarantined:
        named = run.out / run.audit_file.name
        say(f"{set_aside(audit.summary())}; {named} names them all")
    seconds = round(time.monotonic() - started, 1)
    run.resolve(
        plan=asdict(plan),
        records=len(records),
        prepared=True,
        reading_seconds=reading,
        preparation_seconds=seconds,
    )
    shutil.rmtree(run.prepared / "records", ignore_errors=True)


def _held_out(
    records: Dataset, config: PretrainConfig, modality: Modality, audit: Audit
) -> tuple[Dataset, Dataset]:
    """Split off the validation part; groups and copies are not divided."""
    groups = None
    if config.validation_share and (config.group is not None or audit.duplicates):
        where = config.sources[0] if len(config.sources) == 1 else "the sources"
        notes = [] if config.group is None else audit.notes
        groups = grouping(
            records, modality.content, notes, where=where, column=config.group, near=False
        )
    if groups is not None and not groups.any():
        audit.notes.append("All records are one group, or copies, so that none is held out.")
        return records, records.select(range(0))
    return hold_out(alone(records), config.validation_share, config.seed, groups)


def _survey(records: Dataset, config: PretrainConfig, modality: Modality, audit: Audit) -> Dataset:
    """Apply the user's filters, and describe the remaining records in the audit."""
    content = modality.content
    records = sift(records, config, modality, audit)
    effort = Effort(modality.options, SURVEYED, config.seed, tuple(content.rules), quick=True)
    content.survey(records, audit, effort)
    return records


def fitted_processor(
    config: PretrainConfig, plan: Plan, modality: Modality, records: Dataset
) -> Processor:
    """Return the processor of the encoder that training starts from, or fit one to the records."""
    kind = kind_of(plan.encoder)
    # A student shares its teacher's processor.
    teacher = plan.objective_options.get("distill", {}).get("teacher")
    start = plan.embeddings if plan.embeddings != COUNTS else None
    start = start or (teacher if kind else plan.encoder)
    if start:
        return modality.reopen(encoder_folder(start), records, config, plan.length)
    assert kind is not None
    defaults = kind.processor_defaults
    return modality.fit(records, config, defaults, plan.length, patient=plan.patient)


def new_encoder(config: PretrainConfig, plan: Plan, processor: Processor) -> Encoder:
    """Return the encoder that training starts from."""
    if not kind_of(plan.encoder):
        if plan.encoder_options:
            raise HeadstartError(
                f"the encoder {plan.encoder} has its size already; leave out "
                f"{', '.join(f'encoder.{key}' for key in plan.encoder_options)}."
            )
        if plan.embeddings:
            raise HeadstartError(
                f"the encoder {plan.encoder} has its token vectors already; leave out --embeddings."
            )
        return open_encoder(plan.encoder, length=plan.length)
    encoder = create_encoder(
        plan.encoder, plan.encoder_options, processor, length=plan.length, seed=config.seed
    )
    if plan.embeddings and plan.embeddings != COUNTS:
        take_from_run(encoder, plan.embeddings)
    return encoder


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
