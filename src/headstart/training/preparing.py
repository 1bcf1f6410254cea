"""From sources to what training reads: records, decisions, a processor and memory-mapped rows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from headstart.config.loading import laid_over
from headstart.data.audit import Audit, set_aside
from headstart.data.changes import state_of_sources
from headstart.data.content import Effort
from headstart.data.groups import alone, grouping
from headstart.data.split import hold_out
from headstart.encoders.opening import encoder_folder, kind_of, read_note
from headstart.files import whole_folder
from headstart.modalities.opening import modality_of, open_modality
from headstart.modalities.sifting import sift
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import check_objectives
from headstart.objectives.needs import check_fit
from headstart.stored import check, opening, seal
from headstart.training.beside import keep_beside, of_first_parts
from headstart.training.created import new_encoder
from headstart.training.defaults import Plan, decide
from headstart.training.distilled import keep_distilled
from headstart.training.embeddings import COUNTS
from headstart.training.misfits import refuse_misfits
from headstart.training.pairing import check_companions, companion_fields, paired
from headstart.training.probe import store_probe
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import PretrainConfig
    from headstart.modalities import Modality, Processor
    from headstart.run import RunFolder

#: File of the probe's labeled records in the prepared folder.
PROBE = "probe.safetensors"
#: Sample size of the survey before training; `headstart audit` takes more.
SURVEYED = 500
#: What to do if a file is damaged that training needs to go on.
AGAIN = "start the run again with --overwrite"


def ready(
    config: PretrainConfig,
    run: RunFolder,
    say: Callable[[str], None],
    console: Any,
    first: int | None = None,
) -> None:
    """Choose the modality and prepare the records, unless an earlier session did.

    Args:
        first: prepare so many of the training records, and none to validate on; None for all.
            What is decided is the same.
    """
    config = of_first_parts(config)
    if "modality_options" not in run.resolved:
        name = run.resolved.get("modality") or modality_of(config)
        run.resolve(modality=name, modality_options=_all_modality_options(config, name))
    if not run.resolved.get("prepared"):
        modality = _modality(run)
        check_companions(config, modality)
        refuse_misfits(config, modality)
        _prepare(config, run, modality, say, console, first)


def prepared(run: RunFolder) -> tuple[Modality, Plan, Processor]:
    """Return what :func:`ready` decided and fitted."""
    modality, decided = _modality(run), run.recorded("plan", dict)
    with opening(run.config_file, AGAIN):
        plan = Plan(**decided)
    check(run.prepared / "processor")
    with opening(run.prepared / "processor", AGAIN):
        return modality, plan, modality.load(run.prepared / "processor")


def _modality(run: RunFolder) -> Modality:
    return open_modality(run.recorded("modality", str), run.recorded("modality_options", dict))


def _all_modality_options(config: PretrainConfig, name: str) -> dict[str, dict[str, Any]]:
    """Return the options of the kind of data; where training continues, those of its start, too."""
    start = None if config.encoder == "auto" or kind_of(config.encoder) else config.encoder
    known = {} if start is None else read_note(encoder_folder(start)).get("modality_options", {})
    given = config.modality_options
    return laid_over(given, {name: known[name]}) if name in known else given


def _prepare(
    config: PretrainConfig,
    run: RunFolder,
    modality: Modality,
    say: Callable[[str], None],
    console: Any,
    first: int | None,
) -> None:
    """Read the sources into memory-mapped rows, with an audit."""
    say("reading the sources")
    started = time.monotonic()
    audit = Audit()
    fields = companion_fields(config, modality.content)
    state = state_of_sources(config.sources, modality.content)
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
        records = modality.trained_on(records)
    kept, held = _held_out(records, config, modality, audit)

    plan = decide(config, kept, modality)
    check_fit(plan.objectives, plan.encoder, modality, plan.length)
    check_objectives(plan.objectives, plan.objective_options)
    task = " + ".join(plan.objectives) or f"distilled from {config.teacher}"
    beside = f" and {len(held):,} held out" if len(held) and first is None else ""
    say(
        f"{len(kept):,} {modality.content.noun}{beside}; {task} on the {plan.encoder} encoder, "
        f"{plan.length} {modality.unit}"
    )
    needs = frozenset().union(*(OBJECTIVES[name].needs for name in plan.objectives))
    if first is not None:
        kept, held = kept.select(range(min(first, len(kept)))), held.select(range(0))
    kept = paired(kept, modality, run, say)
    held = paired(held, modality, run, say) if len(held) else held
    with working("preparing the records", console, say):
        processor = _fitted_processor(config, plan, modality, kept)
        processor.configure(needs)
        modality.prepare(kept, processor, run.prepared / "train", audit, learn=True)
        if len(held):
            modality.prepare(held, processor, run.prepared / "validation", audit, learn=False)
    if config.teacher and first is None:
        lesson = keep_distilled(
            new_encoder(config, plan, processor),
            processor,
            kept,
            config,
            modality,
            run.prepared,
            started=started,
            say=say,
            console=console,
        )
        run.resolve(distilled=lesson)
    with whole_folder(run.prepared / "processor") as folder:
        processor.save(folder)
        seal(folder)
    if config.probe and probed is not None:
        file = run.prepared / PROBE
        store_probe(probed, processor, plan.length, config.seed, config.probe, file)
    if first is None:
        with working("what stands beside the encoder", console, say):
            keep_beside(config, run, modality, kept, plan.length, say)
    run.write_audit(audit.summary())
    if audit.quarantined:
        named = "" if first else f"; {run.out / run.audit_file.name} names them all"
        say(f"{set_aside(audit.summary())}{named}")
    seconds = round(time.monotonic() - started, 1)
    run.resolve(
        plan=asdict(plan),
        records=len(records),
        sources_state=state,
        prepared=True,
        reading_seconds=reading,
        preparation_seconds=seconds,
    )
    shutil.rmtree(run.prepared / "records", ignore_errors=True)


def _survey(records: Dataset, config: PretrainConfig, modality: Modality, audit: Audit) -> Dataset:
    """Apply the user's filters, and describe the remaining records in the audit."""
    content = modality.content
    records = sift(records, config, modality, audit)
    effort = Effort(modality.options, SURVEYED, config.seed, tuple(content.rules), quick=True)
    content.survey(records, audit, effort)
    return records


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


def _fitted_processor(
    config: PretrainConfig, plan: Plan, modality: Modality, records: Dataset
) -> Processor:
    """Return the processor of the encoder that training starts from, or fit one to the records."""
    kind = kind_of(plan.encoder)
    # A student shares its teacher's processor.
    teacher = plan.objective_options.get("distill", {}).get("teacher")
    start = None if config.teacher or plan.embeddings == COUNTS else plan.embeddings
    start = start or (teacher if kind else plan.encoder)
    if start:
        return modality.reopen(encoder_folder(start), records, config, plan.length)
    assert kind is not None
    defaults = kind.processor_defaults
    if config.teacher and defaults is not None:
        defaults = defaults.taught or defaults
    return modality.fit(records, config, defaults, plan.length, patient=plan.patient)
