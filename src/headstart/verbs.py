"""The verbs: one function each, and the only file that knows all stages.

Each takes the options of its model in :mod:`headstart.config` as keyword arguments, validates
them there, and imports what it needs only when it is called.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import (
    EmbedConfig,
    EvaluateConfig,
    FinetuneConfig,
    GenerateConfig,
    PredictConfig,
    PretrainConfig,
    SearchConfig,
    SourceOptions,
    load,
)
from headstart.errors import HeadstartError, did_you_mean
from headstart.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.evaluation.report import Report
    from headstart.modalities import Modality


def pretrain(
    *sources: str, config: str | None = None, settings: list[str] | None = None, **options: Any
) -> Run:
    """Pre-train an encoder on unlabeled data and return its run.

    Args:
        sources: files, folders or globs.
        config: a YAML file of options.
        settings: ``key=value`` strings, as ``--set`` takes them.
        options: see :class:`headstart.config.PretrainConfig`.

    Raises:
        HeadstartError: anything the user can mend.
    """
    if options.get("resume"):
        run, resolved = _reopen("pretrain", options, config, settings)
        plan = PretrainConfig(**resolved)
    else:
        named = {"sources": list(sources)} if sources else {}
        plan = load(PretrainConfig, file=config, settings=settings or (), **named, **options)
        _check_names(plan)
        run = Run.create(plan.out, "pretrain", plan, overwrite=plan.overwrite)
    if run.finished:
        return run

    from headstart.training.pretrain import pretrain as pretrain_encoder

    with _undone_if_refused(run, fresh=not plan.resume):
        return pretrain_encoder(plan, run, say=_say, console=_console())


def finetune(
    run: str,
    *,
    config: str | None = None,
    settings: list[str] | None = None,
    **options: Any,
) -> Run:
    """Fine-tune a pre-trained encoder on labels and return the new run.

    Args:
        run: a run folder, or any encoder folder.
        options: see :class:`headstart.config.FinetuneConfig`.

    Raises:
        HeadstartError: anything the user can mend.
    """
    if options.get("resume"):
        target, resolved = _reopen("finetune", options, config, settings)
        plan = FinetuneConfig(**resolved)
    else:
        plan = load(FinetuneConfig, file=config, settings=settings or (), run=run, **options)
        target = Run.create(plan.out, "finetune", plan, overwrite=plan.overwrite)
    if target.finished:
        return target

    from headstart.downstream.finetune import finetune as finetune_encoder
    from headstart.encoders.opening import encoder_folder, open_encoder, read_note
    from headstart.modalities.opening import open_processor

    with _undone_if_refused(target, fresh=not plan.resume):
        folder = encoder_folder(plan.run)
        records = _labeled(plan.train, plan, folder)
        validation = _labeled(plan.val, plan, folder) if plan.val else None
        return finetune_encoder(
            open_encoder(folder),
            open_processor(folder),
            records,
            validation,
            plan,
            target,
            note=read_note(folder),
            console=_console(),
        )


def evaluate(run: str, *, config: str | None = None, **options: Any) -> Report:
    """Measure what the frozen features are worth with few labels, beside the simple rivals.

    Args:
        run: folder of a pre-training run.
        options: see :class:`headstart.config.EvaluateConfig`.

    Raises:
        HeadstartError: anything the user can mend.
    """
    plan = load(EvaluateConfig, file=config, run=run, **options)
    from headstart.downstream.scratch import train_from_scratch
    from headstart.evaluation.judge import judge

    def from_scratch(labeled: Dataset, unlabeled: Dataset, seed: int) -> list[str]:
        return train_from_scratch(plan.run, labeled, unlabeled, seed)

    return judge(plan, from_scratch=from_scratch, say=_say, console=_console())


def predict(run: str, *inputs: str, **options: Any) -> list[dict[str, Any]]:
    """Predict labels of records with a fine-tuned run; one row a record, in order.

    Args:
        run: folder of a fine-tuned run.
        inputs: files, folders or globs.
        options: see :class:`headstart.config.PredictConfig`; with ``out`` the rows are written
            to a .jsonl, .csv or .parquet file, too.
    """
    plan = load(PredictConfig, run=run, inputs=list(inputs), **options)
    from headstart.downstream.predict import predict as predict_rows
    from headstart.downstream.predict import write_predictions

    opened = Run.open(plan.run)
    records = _records(plan.inputs, plan, opened.require_encoder())
    rows = list(predict_rows(opened, records, batch_size=plan.batch_size))
    if plan.out:
        write_predictions(rows, Path(plan.out))
    return rows


def embed(run: str, *inputs: str, **options: Any) -> Path:
    """Write the vectors of records to a .npy or .parquet file and return its path.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs.
        options: see :class:`headstart.config.EmbedConfig`.
    """
    plan = load(EmbedConfig, run=run, inputs=list(inputs), **options)
    from headstart.deployment.embed import embed as embed_records
    from headstart.encoders.opening import encoder_folder, open_encoder, read_note
    from headstart.modalities.opening import open_processor

    folder = encoder_folder(plan.run)
    embed_records(
        open_encoder(folder),
        open_processor(folder),
        _records(plan.inputs, plan, folder),
        Path(plan.out),
        length=int(read_note(folder)["length"]),
        batch_size=plan.batch_size,
    )
    return Path(plan.out)


def search(run: str, *inputs: str, query: str, **options: Any) -> list[dict[str, Any]]:
    """Find the records nearest to a query; one row a neighbour, the nearest first.

    Without ``index`` the inputs, or the sources of the pre-training, are embedded once and kept in
    the run folder.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs to search.
        query: a file, each of whose records is asked for, or a text.
        options: see :class:`headstart.config.SearchConfig`.
    """
    plan = load(SearchConfig, run=run, inputs=list(inputs), query=query, **options)
    from headstart.deployment import search as searching
    from headstart.downstream.predict import write_predictions
    from headstart.encoders.opening import encoder_folder, open_encoder, read_note
    from headstart.evaluation.features import features
    from headstart.modalities.opening import open_processor

    folder = encoder_folder(plan.run)
    encoder, processor = open_encoder(folder), open_processor(folder)
    length = int(read_note(folder)["length"])
    asked = _queries(plan.query, plan, folder)
    if plan.index:
        index = searching.Index.open(Path(plan.index))
    else:
        sources = plan.inputs or Run.open(plan.run).config()["options"]["sources"]
        place = searching.place_of(Path(plan.run), folder, sources)
        if not place.is_dir():
            records = _records(sources, plan, folder)
            _say(f"embedding {len(records):,} records into {place}")
            searching.build(encoder, processor, records, place, length=length)
        index = searching.Index.open(place / searching.VECTORS)
    vectors = features(encoder, processor, asked, length=length)
    rows = searching.search(index, [str(name) for name in asked["id"]], vectors, plan.count)
    if plan.out:
        write_predictions(rows, Path(plan.out))
    return rows


def _queries(query: str, options: SourceOptions, encoder: str | Path) -> Dataset:
    """Read the records of a file; what is no file is the text to look for."""
    from headstart.encoders.opening import read_note

    if read_note(encoder)["modality"] != "text" or Path(query).exists():
        return _records([query], options, encoder)
    from datasets import Dataset

    return Dataset.from_dict({"id": [query], "text": [query]})


def generate(run: str, prompt: str = "", **options: Any) -> str | Path:
    """Continue a prompt with a run of ``clm``, or draw pictures with one that has a generator.

    Args:
        run: folder of the run.
        options: see :class:`headstart.config.GenerateConfig`.

    Returns:
        The text, or the path of the pictures.
    """
    plan = load(GenerateConfig, run=run, prompt=prompt, **options)
    from headstart.encoders.opening import read_note

    opened = Run.open(plan.run)
    if read_note(opened.require_encoder())["modality"] == "image":
        from headstart.deployment.draw import draw

        out = Path(plan.out) if plan.out else opened.folder / "samples.png"
        return draw(opened, out, count=plan.count, seed=plan.seed)
    from headstart.deployment.generate import generate as continue_prompt

    return continue_prompt(
        opened,
        plan.prompt,
        tokens=plan.tokens,
        temperature=plan.temperature,
        top_k=plan.top_k,
        seed=plan.seed,
    )


def info(run: str) -> dict[str, Any]:
    """Return what a run folder says of itself: its options, decisions, state and last figures."""
    opened = Run.open(run)
    content = opened.config()
    metrics = opened.metrics()
    size = sum(f.stat().st_size for f in opened.folder.rglob("*") if f.is_file())
    return {
        "folder": str(opened.folder),
        "verb": content["verb"],
        "finished": opened.finished,
        "options": content["options"],
        "resolved": content["resolved"],
        "last_metrics": metrics[-1] if metrics else {},
        "checkpoints": sorted(p.name for p in opened.checkpoints.glob("*")),
        "report": str(opened.report_file) if opened.report_file.exists() else None,
        "megabytes": round(size / 1e6, 1),
    }


@contextmanager
def _undone_if_refused(run: Run, fresh: bool) -> Iterator[None]:
    """Take a run folder away again if it was refused before anything was trained.

    Otherwise the corrected command would be told that a run lies there already.
    """
    try:
        yield
    except HeadstartError:
        if fresh and not any(run.checkpoints.glob("*")):
            shutil.rmtree(run.folder, ignore_errors=True)
        raise


def _reopen(
    verb: str, options: dict[str, Any], config: str | None, settings: list[str] | None
) -> tuple[Run, dict[str, Any]]:
    """Open a run to go on with; the options it was started with hold."""
    out = options.get("out")
    if config or settings:
        raise HeadstartError(
            "--config and --set cannot change a run on --resume; leave them out: its own "
            "config.yaml holds."
        )
    if not out:
        raise HeadstartError("--resume needs --out: the folder of the run to go on with.")
    run = Run.open(out)
    content = run.config()
    if content["verb"] != verb:
        raise HeadstartError(
            f"{out} was made by `headstart {content['verb']}`; resume it with that verb."
        )
    saved = content["options"]
    for name, value in options.items():
        if name not in ("resume", "overwrite", "out", "workers") and value != saved.get(name):
            raise HeadstartError(
                f"the option {name!r} is {saved.get(name)!r} in {out} and cannot change on "
                "--resume; leave it out, or start a new run."
            )
    workers = options.get("workers", saved.get("workers", 0))
    return run, {**saved, "resume": True, "overwrite": False, "workers": workers}


def _check_names(plan: PretrainConfig) -> None:
    """Refuse unknown names before a run folder is made."""
    from headstart.encoders import ENCODERS
    from headstart.modalities import MODALITIES
    from headstart.objectives import OBJECTIVES

    if plan.modality != "auto":
        MODALITIES.check(plan.modality)
    for item in plan.objective.split(","):
        name = item.partition(":")[0].strip()
        if name != "auto":
            OBJECTIVES.check(name)
    for section in plan.objective_options:
        if section not in OBJECTIVES:
            known = {"encoder", "tokenizer", "optimizer", *OBJECTIVES}
            raise HeadstartError(
                f"--set {section}.…: nothing is called {section!r}{did_you_mean(section, known)}"
            )
    # Any other name may be one that the hub or its local cache knows.
    if ENCODERS.near(plan.encoder) and not Path(plan.encoder).exists():
        ENCODERS.check(plan.encoder)


def _records(
    sources: list[str],
    options: SourceOptions,
    encoder: str | Path,
    read: Callable[[Modality, Audit], Dataset] | None = None,
) -> Dataset:
    """Read the records that an encoder folder's modality finds in the sources."""
    from headstart.data.audit import Audit
    from headstart.encoders.opening import read_note
    from headstart.modalities.opening import open_modality

    modality = open_modality(read_note(encoder)["modality"])
    audit = Audit()
    records = read(modality, audit) if read else modality.read(sources, options, audit)
    records = modality.readable(records, modality.load(encoder), audit)
    if audit.aside:
        _say(f"{audit.aside} records were set aside: {_reasons(audit.reasons)}")
    for note in audit.notes:
        _say(note)
    return records


def _labeled(source: str, options: FinetuneConfig, encoder: str | Path) -> Dataset:
    """Read labeled records the way that the task reads them."""
    from headstart.downstream import TASKS

    task = TASKS[options.task]
    return _records(
        [source],
        options,
        encoder,
        lambda modality, audit: task.read(source, options, modality, audit),
    )


def _reasons(reasons: Any) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)
