"""The verb that updates a run: it learns, is judged, and counts from one moment on."""

from __future__ import annotations

import os
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import FinetuneConfig, PretrainConfig, UpdateConfig
from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.run import RunFolder
from headstart.verbs.learning import finetune, pretrain
from headstart.verbs.reading import Named, console, labeled_records, load, say, speaking
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.deployment.updating.gate import Verdict
    from headstart.deployment.updating.report import UpdateReport
    from headstart.deployment.updating.versions import Versions
    from headstart.encoders.opening import OpenedEncoder

#: Options of a fine-tuning that an update does not take over.
_OWN = {"run", "train", "val", "out", "resume", "overwrite", "budget", "columns", "seed", "quiet"}
_OWN |= {"unlabeled", "remove_overlap", "group", "split_by", "time_column", "names"}
#: Those of a pre-training besides: what it began with, and how its records were read.
_OWN_PRETRAINED = _OWN | {"sources", "modality", "modality_options", "encoder", "encoder_options"}
_OWN_PRETRAINED |= {"start", "embeddings", "probe", "length", "quality", "safeguards"}
_OWN_PRETRAINED |= {"document", "encoding"}


@speaking()
def update(run: Named, **options: Any) -> UpdateReport:
    """Learn from new data, and take the result only if nothing gets worse.

    The candidate goes on from the run with the new records and a replay of earlier ones. Both are
    scored on held-out records, earlier and new ones. The run becomes a link to its versions, which
    is replaced in one step; a killed update goes on with the same command.

    Args:
        run: folder of a fine-tuned classifier, which learns from labels, or of a pre-training,
            which learns without.
        options: see :class:`headstart.config.UpdateConfig`; ``history`` lists the versions, and
            ``rollback`` goes back to one.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        print(run.update(new="march.csv", index="reviews.index"))
        run.update(rollback=1)
    """
    plan = load(UpdateConfig, run=run, **options)
    from headstart.deployment.stores import address_of
    from headstart.deployment.updating.report import report_on
    from headstart.deployment.updating.versions import Versions

    if plan.index is not None and address_of(plan.index) is not None:
        raise HeadstartError(
            f"{plan.index} is a store, which has no records to embed anew; leave out --index, and "
            "fill it with `headstart index ... --overwrite` after the update."
        )
    versions = Versions(Path(plan.run))
    if plan.history:
        RunFolder.open(plan.run)
        return report_on(versions)
    if not versions.folder.exists():
        RunFolder.open(plan.run)  # before a folder is made beside it
    with versions.locked() as ended:
        if plan.rollback is not None:
            return _back(plan, versions)
        if ended is not None and _is_of(plan, versions, ended):
            return report_on(versions, f"the update to version {ended} is finished.")
        incumbent = _incumbent(plan)
        version = _begun(plan, versions, incumbent)
        candidate = _learned(plan, versions, version)
        verdict = _judged(plan, versions, version, incumbent, candidate)
        said = f"version {version} is refused: {verdict.reason}"
        if verdict.taken:
            _index(plan, candidate)
            said = f"{plan.run} is version {version} now: {verdict.reason}"
        decided = {"date": date.today().isoformat(), **_given(plan), **verdict.plain()}
        versions.decide(version, decided)
        return report_on(versions, f"{said}.")


def _given(plan: UpdateConfig) -> dict[str, Any]:
    """Return the options that make an update what it is."""
    new = os.path.abspath(os.path.expanduser(str(plan.new)))
    given = {"data": new, "replay": plan.replay, "seed": plan.seed}
    return given if plan.anchor is None else {**given, "anchor": plan.anchor}


def _is_of(plan: UpdateConfig, versions: Versions, version: int) -> bool:
    """Return whether a version was made by the same command."""
    verdict = versions.verdict(version) or {}
    return all(verdict.get(name) == value for name, value in _given(plan).items())


def _back(plan: UpdateConfig, versions: Versions) -> UpdateReport:
    """Make an earlier version the one that counts again."""
    from headstart.deployment.updating.report import report_on

    assert plan.rollback is not None
    how = "already" if plan.rollback == versions.current else "again"
    if plan.rollback in versions.numbers():
        _index(plan, RunFolder.open(versions.place(plan.rollback)))
    versions.swap(plan.rollback)
    return report_on(versions, f"{plan.run} is version {plan.rollback} {how}.")


def _incumbent(plan: UpdateConfig) -> RunFolder:
    """Return the run that is to be replaced.

    Raises:
        HeadstartError: it has not finished, is no classifier that was fine-tuned on labels, or a
            pre-training that cannot be gone on with so.
    """
    run = RunFolder.open(plan.run)
    if not run.finished:
        raise HeadstartError(
            f"{plan.run} is no finished run; go on with it first: `{run.command()}`."
        )
    if not _has_labels(run):
        from headstart.deployment.updating.views import check_views
        from headstart.encoders.formats import joined_parts

        if joined_parts(run.require_encoder()):
            raise HeadstartError(
                f"{plan.run} has a published encoder beside its own, and both would have to learn; "
                "pre-train anew on all records, or with `headstart pretrain --start none`."
            )
        check_views(_opened(run), plan.run)
        return run
    if plan.anchor is not None:
        raise HeadstartError(
            "--anchor holds what a pre-training knows, and this run has a head, which keeps what "
            "it knows by --replay; leave --anchor out."
        )
    task = run.config()["options"].get("task")
    if task != "classification":
        raise HeadstartError(
            f"{plan.run} was fine-tuned for {task}, and an update is judged by how many records "
            "get their one class: runs of --task classification can be updated, and "
            "pre-trainings; fine-tune this one anew on all records."
        )
    if not _trained_on(run):
        raise HeadstartError(
            f"{plan.run} is a classifier without labeled records that it was fine-tuned on, which "
            "an update replays; fine-tune it anew on all records instead."
        )
    return run


def _has_labels(run: RunFolder) -> bool:
    """Return whether a run was fine-tuned; else it is a pre-training."""
    return bool(run.config()["verb"] == "finetune")


def _trained_on(run: RunFolder) -> str:
    return str(run.config()["options"].get("train") or "")


def _begun(plan: UpdateConfig, versions: Versions, incumbent: RunFolder) -> int:
    """Return the version of this update, whose records are stored once; one may have been begun."""
    pending, given = versions.pending(), _given(plan)
    if pending is not None:
        from headstart.stored import read_json

        if read_json(versions.file(pending, "plan.json")) == given:
            say(f"going on with version {pending}, which was begun")
            return pending
        if not plan.discard:
            raise HeadstartError(
                f"an update of {plan.run} with other data or options was begun; finish it with the "
                "same command, or give it up with --discard."
            )
        versions.drop(pending)
    version = versions.next()
    import numpy as np

    from headstart.deployment.search import without_progress_bars

    opened = _opened(incumbent)
    new = _read(str(plan.new), plan, incumbent, opened)
    order = np.random.default_rng(plan.seed).permutation(len(new))
    tested = round(plan.tested_share * len(new))
    versions.drop(version)  # of a process that was killed before its plan was written
    parts = {"held_out": new.select(np.sort(order[:tested]))}
    with without_progress_bars():
        parts["records"] = _mixed(plan, incumbent, opened, new.select(np.sort(order[tested:])))
        for what, records in parts.items():
            with whole_folder(versions.file(version, what)) as unfinished:
                records.save_to_disk(str(unfinished / "records"))
    versions.note(version, "plan.json", given)
    return version


def _mixed(
    plan: UpdateConfig, incumbent: RunFolder, opened: OpenedEncoder, new: Dataset
) -> Dataset:
    """Return the new records with a replay of those that the run has learned from."""
    import numpy as np
    from datasets import concatenate_datasets

    if _has_labels(incumbent):
        settings = incumbent.plan(FinetuneConfig, resume=False)
        old = labeled_records(settings.train, settings, opened)
    else:
        old = opened.read(*incumbent.sources(), say)
    count = min(len(old), round(plan.replay * len(new)))
    if not count:
        return _bare(new, opened)
    rows = np.random.default_rng([plan.seed, 1]).choice(len(old), count, replace=False)
    return concatenate_datasets([_bare(new, opened), _bare(old.select(np.sort(rows)), opened)])


def _bare(records: Dataset, opened: OpenedEncoder) -> Dataset:
    """Return records with their id, content and label alone, the label, if any, as text."""
    kept = ["id", *opened.modality.content.columns, "label"]
    found = records.select_columns([name for name in kept if name in records.column_names])
    if "label" not in found.column_names:
        return found
    labels = [None if label is None else str(label) for label in found["label"]]
    return found.remove_columns(["label"]).add_column("label", labels)


def _opened(run: RunFolder) -> OpenedEncoder:
    from headstart.encoders.opening import OpenedEncoder

    return OpenedEncoder(run.require_encoder())


def _read(source: str, plan: UpdateConfig, run: RunFolder, opened: OpenedEncoder) -> Dataset:
    """Read records as the run does: labeled ones as a classifier, else all."""
    if not _has_labels(run):
        return _bare(opened.read([source], plan, say), opened)
    settings = FinetuneConfig(
        run=plan.run, train=source, out="unused", columns=plan.columns, document=plan.document,
        encoding=plan.encoding,
    )  # fmt: skip
    records = labeled_records(source, settings, opened)
    return records.select([i for i, label in enumerate(records["label"]) if label is not None])


def _learned(plan: UpdateConfig, versions: Versions, version: int) -> RunFolder:
    """Return the candidate, trained or gone on with."""
    from headstart.data.store import saved

    place = versions.place(version)
    found = RunFolder(place)
    incumbent = RunFolder.open(plan.run)
    learn = finetune if _has_labels(incumbent) else pretrain
    if found.begun and found.is_ours():
        return learn(out=str(place), resume=True)
    if learn is pretrain:
        return _pretrained(plan, versions, version, incumbent)
    settings = incumbent.plan(FinetuneConfig, resume=False)
    given = settings.model_dump(exclude_unset=True)
    given = {name: value for name, value in given.items() if name not in _OWN}
    given |= {"budget": plan.budget, "seed": plan.seed, "names": "off"}
    records = saved(versions.file(version, "records") / "records")
    start = str(versions.place(versions.current))
    return finetune(start, train=records.remove_columns(["id"]), out=str(place), **given)


def _pretrained(
    plan: UpdateConfig, versions: Versions, version: int, incumbent: RunFolder
) -> RunFolder:
    """Go on with a pre-training, under the safeguards of what it knows."""
    from headstart.data.store import saved

    settings = incumbent.plan(PretrainConfig, resume=False)
    given = settings.model_dump(exclude_unset=True)
    given = {name: value for name, value in given.items() if name not in _OWN_PRETRAINED}
    given["budget"] = settings.budget if plan.budget == "auto" else plan.budget
    if plan.anchor is not None:
        guards = {**given.get("safeguard_options", {}), "anchor": plan.anchor}
        given["safeguard_options"] = guards
    given |= {"seed": plan.seed, "start": "none", "modality": _opened(incumbent).modality.name}
    records = saved(versions.file(version, "records") / "records").remove_columns(["id"])
    encoder = str(versions.place(versions.current))
    return pretrain(records, encoder=encoder, out=str(versions.place(version)), **given)


def _judged(
    plan: UpdateConfig,
    versions: Versions,
    version: int,
    incumbent: RunFolder,
    candidate: RunFolder,
) -> Verdict:
    """Score both on held-out records, earlier and new ones.

    Raises:
        HeadstartError: there are too few of either.
    """
    from headstart.data.store import saved
    from headstart.deployment.updating.gate import FEWEST, Verdict, compared, right
    from headstart.deployment.updating.views import matched

    opened = _opened(incumbent)
    old = _held_out(plan, versions, version, incumbent, opened)
    new = saved(versions.file(version, "held_out") / "records")
    for name, records in (("earlier", old), ("new", new)):
        if len(records) < FEWEST:
            raise HeadstartError(
                f"{len(records)} {name} records are held out, and {FEWEST} are needed to judge; "
                f"{'name some with --held-out' if name == 'earlier' else 'give more with --new'}."
            )
    measure = right if _has_labels(incumbent) else partial(matched, seed=plan.seed)
    with working("judging", console(), say):
        scores = [
            compared(measure(incumbent, each), measure(candidate, each), plan.seed)
            for each in (old, new)
        ]
    return Verdict(*scores)


def _held_out(
    plan: UpdateConfig,
    versions: Versions,
    version: int,
    incumbent: RunFolder,
    opened: OpenedEncoder,
) -> Dataset:
    """Return earlier records that no version has learned from."""
    from datasets import concatenate_datasets

    from headstart.data.store import saved

    parts = []
    first = RunFolder.open(versions.place(1)).config()["options"]
    if plan.held_out is not None:
        parts.append(_bare(_read(plan.held_out, plan, incumbent, opened), opened))
    elif first.get("val"):
        settings = RunFolder.open(versions.place(1)).plan(FinetuneConfig, resume=False)
        parts.append(_bare(labeled_records(first["val"], settings, opened), opened))
    for number in versions.judged():
        kept = versions.file(number, "held_out") / "records"
        if number < version and kept.is_dir():
            parts.append(_bare(saved(kept), opened))
    if not parts:
        raise HeadstartError(
            f"there are no earlier records that {plan.run} has not learned from; name some with "
            "--held-out."
        )
    return concatenate_datasets(parts)


def _index(plan: UpdateConfig, run: RunFolder) -> None:
    """Give an index the vectors of a version, so that both versions can search in it."""
    if plan.index is None:
        return
    from headstart.deployment.indexes.indexing import complete_index

    with working("embedding the index anew", console(), say) as progress:
        complete_index(Path(plan.index), _opened(run), progress)
