"""The verb that makes a run smaller and faster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import CompressConfig, ExportConfig, SourceOptions
from headstart.errors import CutOff, HeadstartError
from headstart.files import scratch, whole_folder, write_json, write_text
from headstart.outputs import check_free
from headstart.run import MARKER, RunFolder
from headstart.verbs.learning import pretrain
from headstart.verbs.reading import Named, console, load, say, speaking
from headstart.version import __version__
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.deployment.compressing.measuring import Contender
    from headstart.deployment.compressing.report import Compressed
    from headstart.downstream.portable import PortableHead
    from headstart.encoders import Encoder
    from headstart.encoders.opening import OpenedEncoder

#: AdamW's peak: the weights are good already, but what was left out must be made up for.
RATE = 5e-4
#: Fewest records to learn from, and to judge on.
FEWEST = 50
#: Quality was measured before, so an export need not agree as an export of the same network must.
_OVERLAP = 0.5


@speaking()
def compress(run: Named, *inputs: Any, **options: Any) -> Compressed:
    """Write a smaller and faster run that takes the place of another.

    Smaller networks begin with its weights and learn to give its vectors. All are measured, in
    floats and in 8 bits; the best that reaches the target within the loss is written as a run of
    its own. The run itself stays as it is. A killed command goes on where it was.

    Args:
        run: a run folder, or any encoder folder.
        inputs: records to learn from: files, folders or globs, or records in memory; the run's own
            by default.
        options: see :class:`headstart.config.CompressConfig`.

    Raises:
        HeadstartError: nothing reaches the target within the loss, or anything the user can fix.

    Example::

        small = hs.compress("runs/stars", target="4x", out="runs/stars-small")
        print(small.chosen.faster)
    """
    plan = load(CompressConfig, run=run, inputs=list(inputs), **options)
    from headstart.deployment.compressing.unfinished import clear_finished, unfinished

    clear_finished(plan.out)
    check_free(plan)
    from headstart.deployment.exporting.export import head_of
    from headstart.encoders.opening import OpenedEncoder

    opened = OpenedEncoder(plan.run)
    origin = RunFolder.open(plan.run) if (Path(plan.run) / "config.yaml").exists() else None
    students, head = _students(opened), head_of(origin, "auto")
    sources = _sources(plan, origin)
    with unfinished(plan.out, _given(plan, opened), say) as work:
        learned, held = _records(plan, opened, origin, work, sources)
        found = dict(_learned(plan, opened, origin, work, learned, students))
        report = _measured(plan, opened, head, work, held, found)
        _write(plan, opened, origin, sources, report, held, found)
    return report


def _students(opened: OpenedEncoder) -> list[tuple[str, Encoder]]:
    """Return the smaller networks before they learn, and their names.

    Raises:
        HeadstartError: there are none of this encoder.
    """
    if opened.encoder.joined:
        raise HeadstartError(
            f"encoders stand side by side here ({', '.join(opened.encoder.joined)}), and a smaller "
            "network takes the place of one; name the folder of a part, encoder/NAME in the run."
        )
    found = list(opened.encoder.smaller())
    if not found:
        raise HeadstartError(
            f"the encoder in {opened.folder} has no smaller form: networks of Transformers of two "
            "layers or more have one, and plain; for 8 bits alone use `headstart export "
            "--quantize int8`."
        )
    return found


def _sources(plan: CompressConfig, origin: RunFolder | None) -> list[str]:
    """Return what is read: what is named, or what the run has learned from.

    Raises:
        HeadstartError: there is neither.
    """
    if plan.inputs:
        return [os.path.abspath(each) if os.path.exists(each) else each for each in plan.inputs]
    known: list[str] = []
    if origin is not None:
        known = origin.sources()[0] or [str(origin.config()["options"].get("train") or "")]
    if not any(known):
        raise HeadstartError(
            f"{plan.run} is an encoder without its records; name some after it, to learn from."
        )
    return known


def _given(plan: CompressConfig, opened: OpenedEncoder) -> dict[str, Any]:
    """Return what makes the work what it is; not the bounds, so that other ones may be tried."""
    from headstart.evaluation.cache import digest_of_weights

    names = ("run", "budget", "seed", "held_share", "judged")
    given: dict[str, Any] = {name: getattr(plan, name) for name in names}
    # Records in memory are temporary files, of other names each time.
    read = [each for each in (*plan.inputs, plan.held_out) if each]
    given["read"] = [each for each in read if not each.startswith(str(scratch()))]
    return {**given, "weights": digest_of_weights(opened.encoder, opened.processor)}


def _records(
    plan: CompressConfig,
    opened: OpenedEncoder,
    origin: RunFolder | None,
    work: Path,
    sources: list[str],
) -> tuple[Path, Dataset]:
    """Return the folder of the records to learn from, and those to judge on; both are stored.

    Raises:
        HeadstartError: there are too few.
    """
    import numpy as np

    from headstart.data.store import saved
    from headstart.data.survey import spread
    from headstart.deployment.search import without_progress_bars

    places = {name: work / name for name in ("learned", "held")}
    if not all(place.is_dir() for place in places.values()):
        with working("reading the records", console(), say):
            records = _read(plan, opened, origin, sources)
            held = opened.read([plan.held_out], plan, say) if plan.held_out else None
        if held is None:
            order = np.random.default_rng(plan.seed).permutation(len(records))
            count = min(plan.judged, round(plan.held_share * len(records)))
            held = records.select(np.sort(order[:count]))
            records = records.select(np.sort(order[count:]))
        held = held.select(spread(len(held), plan.judged))
        if min(len(records), len(held)) < FEWEST:
            shutil.rmtree(work)
            raise HeadstartError(
                f"{len(records)} records to learn from and {len(held)} to judge on are too few: "
                f"{FEWEST} of each are needed; name more after the run."
            )
        parts = {"learned": records.select_columns(list(opened.modality.content.columns))}
        with without_progress_bars():
            for name, part in {**parts, "held": held}.items():
                with whole_folder(places[name]) as made:
                    part.save_to_disk(str(made / "records"))
    return places["learned"] / "records", saved(places["held"] / "records")


def _read(
    plan: CompressConfig, opened: OpenedEncoder, origin: RunFolder | None, sources: list[str]
) -> Dataset:
    """Read records as the run did, with the columns that are named now."""
    if origin is None or plan.inputs:
        return opened.read(sources, plan, say)
    options = origin.sources()[1]
    columns = {**options.columns, **plan.columns}
    reading: SourceOptions = options.model_copy(update={"columns": columns})
    return opened.read(sources, reading, say)


def _learned(
    plan: CompressConfig,
    opened: OpenedEncoder,
    origin: RunFolder | None,
    work: Path,
    learned: Path,
    students: list[tuple[str, Encoder]],
) -> Iterator[tuple[str, RunFolder]]:
    """Yield the name and the run of each smaller network, trained or gone on with."""
    from headstart.encoders.opening import save_encoder

    folder = str(opened.folder)
    common = {"budget": plan.budget, "seed": plan.seed, "start": "none", "tracker": "none"}
    copying = {"distill": {"teacher": folder, "loss": "copy"}}
    for number, (name, student) in enumerate(students):
        start = work / f"start {number}"
        if not start.is_dir():
            with whole_folder(start) as made:
                save_encoder(student, opened.processor, made, opened.note)
        own = {"encoder": str(start), "objective": "distill", "objective_options": copying}
        own |= {"safeguards": "off", "optimizer": {"learning_rate": RATE}}
        yield name, _trained(work / f"candidate {number}", name, learned, {**common, **own})
    # A head reads vectors of one encoder alone, and those of a static one are others.
    static = None if _is_tuned(origin) else _static(opened)
    if static is not None:
        own = {"encoder": static, "embeddings": f"distill:{folder}"}
        try:
            yield static, _trained(work / f"candidate {static}", static, learned, {**common, **own})
        except CutOff:
            raise
        except HeadstartError as error:
            say(f"{static} is left out: {str(error).splitlines()[0]}")


def _trained(place: Path, name: str, learned: Path, options: dict[str, Any]) -> RunFolder:
    run = RunFolder(place)
    if run.begun and run.is_ours():
        return run if run.finished else pretrain(out=str(place), resume=True)
    say(f"{name} learns")
    return pretrain(str(learned), out=str(place), **options)


def _is_tuned(origin: RunFolder | None) -> bool:
    return origin is not None and origin.config()["verb"] == "finetune"


def _static(opened: OpenedEncoder) -> str | None:
    """Return the name of an encoder that averages what this one reads; None without one."""
    from headstart.encoders import ENCODERS
    from headstart.training.distilled import STATIC

    if STATIC in opened.encoder.provides:
        return None
    able = {name for name, kind in ENCODERS.items() if STATIC in kind.provides}
    return next((name for name in able if ENCODERS[name].reads == opened.encoder.reads), None)


def _measured(
    plan: CompressConfig,
    opened: OpenedEncoder,
    head: PortableHead | None,
    work: Path,
    held: Dataset,
    found: dict[str, RunFolder],
) -> Compressed:
    """Return what was measured, and what of it is taken.

    Raises:
        HeadstartError: nothing reaches the target within the loss.
    """
    from headstart.deployment.compressing.choosing import Row, choose
    from headstart.deployment.compressing.measuring import in_bytes, in_floats, timed
    from headstart.deployment.compressing.quality import quality
    from headstart.deployment.compressing.report import Compressed
    from headstart.deployment.exporting.export import labels_of
    from headstart.encoders.opening import OpenedEncoder

    every = {"the original": opened}
    every |= {name: OpenedEncoder(run.require_encoder()) for name, run in found.items()}
    contenders: list[Contender] = []
    notes: list[str] = []
    with working("measuring", console(), say):
        for number, (name, each) in enumerate(every.items()):
            contenders.append(in_floats(name, each, held))
            try:
                contenders.append(in_bytes(name, each, held, work / f"int8 {number}"))
            except CutOff:
                raise
            except HeadstartError as error:
                notes.append(f"{name} has no 8 bits: {str(error).splitlines()[0]}")
        measure = quality(contenders[0].vectors, head, labels_of(held), plan.seed)
        seconds = timed(contenders)
        scores = [measure.of(each.vectors) for each in contenders]
    rows = [
        Row(
            each.name,
            each.weights,
            records_per_second=1 / cost,
            faster=seconds[0] / cost,
            megabytes=each.megabytes,
            quality=score,
            lost=100 * (scores[0] - score),
        )
        for each, cost, score in zip(contenders, seconds, scores, strict=True)
    ]
    chosen = choose(rows[1:], target=plan.factor, max_size=plan.max_size, loss=plan.loss)
    judged = f"{len(held):,} {opened.modality.content.noun} that were not learned from"
    if not plan.held_out and head is not None:
        judged += " by the smaller networks; the run may know their labels"
    return Compressed(Path(plan.out), chosen, rows, measure.name, judged, notes)


def _write(
    plan: CompressConfig,
    opened: OpenedEncoder,
    origin: RunFolder | None,
    sources: list[str],
    report: Compressed,
    held: Dataset,
    found: dict[str, RunFolder],
) -> None:
    """Write the run that was chosen, whole or not at all: as the former one, with its network."""
    chosen = report.chosen
    base = origin or found.get(chosen.name) or next(iter(found.values()))
    content = base.config()
    options = content["options"]
    options["out"] = os.path.abspath(plan.out)
    if origin is None:
        options["sources"] = sources
        # It began with a copy of the original's weights, which is deleted.
        if os.path.exists(options["encoder"]):
            options["encoder"] = os.path.abspath(opened.folder)
    content["resolved"]["compressed"] = {"run": os.path.abspath(plan.run), "to": chosen.name}
    encoder = found[chosen.name].encoder if chosen.name in found else Path(opened.folder)
    with whole_folder(Path(plan.out)) as made:
        run = RunFolder(made)
        write_text(made / MARKER, f"This folder is a run of headstart {__version__}.\n")
        shutil.copytree(encoder, run.encoder)
        if base.head.is_dir():
            shutil.copytree(base.checked_head(), run.head)
        if base.audit_file.is_file():
            shutil.copy(base.audit_file, run.audit_file)
        run.write_config(content)
        if chosen.weights == "int8":
            _export(run, held)
        write_json(run.compressed_file, report.summary())
        write_text(run.compressed_page, report.page())


def _export(run: RunFolder, held: Dataset) -> None:
    """Write what was chosen in 8 bits beside the floats."""
    from headstart.deployment.exporting.export import export
    from headstart.encoders.opening import OpenedEncoder

    options = ExportConfig(
        run=str(run.folder), out=str(run.rounded), quantize="int8", least_overlap=_OVERLAP
    )
    export(options, OpenedEncoder(run.folder), run, held, say)
