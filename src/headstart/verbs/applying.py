"""Verbs that use a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import (
    EmbedConfig,
    ExplainConfig,
    GenerateConfig,
    PredictConfig,
    SearchConfig,
    SourceOptions,
    load,
)
from headstart.outputs import check_free
from headstart.run import RunFolder
from headstart.verbs.reading import say

if TYPE_CHECKING:
    from headstart.deployment.explain import Explanations


def predict(run: str, *inputs: str, **options: Any) -> list[dict[str, Any]]:
    """Predict labels of records with a fine-tuned run; one row per row of the inputs, in order.

    A row has the columns of its input as ``record``; one that nothing can be predicted of, such as
    a blank one, has a ``reason``.

    Args:
        run: folder of a fine-tuned run.
        inputs: files, folders or globs.
        options: see :class:`headstart.config.PredictConfig`; with ``out`` the rows are also
            written to a .jsonl, .csv or .parquet file.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        rows = hs.predict("runs/stars", "new.csv")
        print(rows[0]["label"], rows[0]["score"])
    """
    plan = load(PredictConfig, run=run, inputs=list(inputs), **options)
    from headstart.data.ledger import Ledger
    from headstart.downstream import predict as predicting
    from headstart.encoders.opening import OpenedEncoder

    if plan.out:  # before the work; a folder is for masks
        predicting.check_ending(Path(plan.out), "")
    check_free(plan)
    tuned, ledger = RunFolder.open(plan.run), Ledger()
    if plan.out:
        predicting.check_out(tuned, Path(plan.out))
    read = predicting.reader(tuned, plan.inputs, plan)
    opened = OpenedEncoder(tuned.require_encoder())
    records = opened.read(plan.inputs, plan, say, read, ledger)
    size = plan.batch_size
    found = predicting.predict(tuned, records, batch_size=size, options=plan, say=say)
    rows = predicting.beside_rows(found, records, ledger, opened.modality.content)
    if missing := ledger.sentence("prediction"):
        say(missing)
    if plan.out:
        predicting.write_predictions(rows, Path(plan.out))
    return rows


def embed(run: str, *inputs: str, **options: Any) -> Path:
    """Write the vectors of records to a .npy or .parquet file and return its path.

    There is a vector for each row of the inputs, in order: NaN where a row has none, such as a
    blank one.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs.
        options: see :class:`headstart.config.EmbedConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        vectors = numpy.load(hs.embed("runs/reviews", "new.csv", out="new.npy"))  # (N,D)
    """
    plan = load(EmbedConfig, run=run, inputs=list(inputs), **options)
    from headstart.data.ledger import Ledger
    from headstart.deployment.embed import check_out
    from headstart.deployment.embed import embed as embed_records
    from headstart.encoders.opening import OpenedEncoder

    out = Path(plan.out)
    check_free(plan, *check_out(out))
    opened, ledger = OpenedEncoder(plan.run), Ledger(columns=False)
    records = opened.read(plan.inputs, plan, say, ledger=ledger)
    embed_records(
        opened.encoder,
        opened.processor,
        records,
        out,
        length=opened.length,
        batch_size=plan.batch_size,
        ledger=ledger,
    )
    if missing := ledger.sentence("vector"):
        say(missing)
    return out


def search(run: str, *inputs: str, query: str, **options: Any) -> list[dict[str, Any]]:
    """Find the records nearest to a query; one row per neighbour, the nearest first.

    Without ``index`` the inputs, or the sources of the pre-training, are embedded once and stored
    in the run folder, or in the user's cache where that cannot be written.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs to search.
        query: a file, whose records are all queries, or a record itself where the kind of data can
            be typed, such as a text.
        options: see :class:`headstart.config.SearchConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        rows = hs.search("runs/reviews", query="a slow but rewarding film", count=3)
    """
    plan = load(SearchConfig, run=run, inputs=list(inputs), query=query, **options)
    from headstart.data.ledger import Ledger
    from headstart.deployment import search as searching
    from headstart.downstream.predict import check_ending, write_predictions
    from headstart.encoders.opening import OpenedEncoder
    from headstart.evaluation.features import features
    from headstart.modalities.inline import inline_records

    if plan.out:
        check_ending(Path(plan.out))
    check_free(plan)
    opened = OpenedEncoder(plan.run)
    queries = inline_records(opened.modality, [plan.query])
    if queries is None:
        asked = Ledger(columns=False)
        queries = opened.read([plan.query], plan, say, ledger=asked)
        if missing := asked.sentence("neighbours"):
            say(missing)
    if plan.index:
        index = searching.Index.open(Path(plan.index))
    else:
        sources: list[str] = plan.inputs
        reading: SourceOptions = plan
        if not sources:
            sources, reading = RunFolder.open(plan.run).sources()
        index = searching.index_of(opened, plan.run, sources, reading, say)
    vectors = features(opened.encoder, opened.processor, queries, length=opened.length)
    rows = searching.search(index, [str(name) for name in queries["id"]], vectors, plan.count)
    if plan.out:
        write_predictions(rows, Path(plan.out))
    return rows


def generate(run: str, prompt: str = "", **options: Any) -> str | Path:
    """Generate with a run whose objective can: the continuation of a prompt, or images.

    Args:
        run: folder of the run.
        options: see :class:`headstart.config.GenerateConfig`.

    Returns:
        The text, or the path of the images.
    """
    plan = load(GenerateConfig, run=run, prompt=prompt, **options)
    from headstart.deployment.generators import generate as generate_with

    check_free(plan)
    return generate_with(RunFolder.open(plan.run), plan)


def explain(run: str, *inputs: str, **options: Any) -> Explanations:
    """Explain predictions: the parts that mattered, and the most similar labeled records.

    Args:
        run: folder of a fine-tuned run.
        inputs: files, folders or globs, or records themselves where they can be typed, such as
            texts.
        options: see :class:`headstart.config.ExplainConfig`.

    Raises:
        HeadstartError: anything the user can fix.
    """
    plan = load(ExplainConfig, run=run, inputs=list(inputs), **options)
    from headstart.deployment.explain import explain as explain_predictions

    check_free(plan)
    return explain_predictions(plan, RunFolder.open(plan.run), say=say)


def info(run: str) -> dict[str, Any]:
    """Return options, decisions, state and latest metrics of a run folder."""
    opened = RunFolder.open(run)
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
