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
)
from headstart.run import RunFolder
from headstart.verbs.reading import Named, console, load, say
from headstart.working import working

if TYPE_CHECKING:
    import numpy as np

    from headstart.deployment.explain import Explanations


def predict(run: Named, *inputs: Any, **options: Any) -> list[dict[str, Any]]:
    """Predict labels of records with a fine-tuned run; one row per record, in order.

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
    from headstart.downstream.predict import check_ending, reader, write_predictions
    from headstart.downstream.predict import predict as predict_rows
    from headstart.encoders.opening import OpenedEncoder

    if plan.out:  # before the work; a folder is for masks
        check_ending(Path(plan.out), "")
    tuned = RunFolder.open(plan.run)
    read = reader(tuned, plan.inputs, plan)
    records = OpenedEncoder(tuned.require_encoder()).read(plan.inputs, plan, say, read)
    rows = list(predict_rows(tuned, records, batch_size=plan.batch_size, options=plan, say=say))
    if plan.out:
        write_predictions(rows, Path(plan.out))
    return rows


def embed(run: Named, *inputs: Any, **options: Any) -> Path | np.ndarray:
    """Return the vectors of records, or write them to a .npy or .parquet file.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs; or records in memory, such as a list of texts.
        options: see :class:`headstart.config.EmbedConfig`.

    Returns:
        The vectors (N,D) float32 of the records that were read; with ``out`` the path of the file.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        vectors = hs.embed("runs/reviews", ["a good film", "so long"])  # (2,D)
        hs.embed("runs/reviews", "new.csv", out="new.npy")
    """
    plan = load(EmbedConfig, run=run, inputs=list(inputs), **options)
    from headstart.deployment.embed import ENDINGS
    from headstart.deployment.embed import embed as embed_records
    from headstart.encoders.opening import OpenedEncoder
    from headstart.evaluation.features import features
    from headstart.files import check_ending

    out = Path(plan.out) if plan.out else None
    if out:  # before the work
        check_ending(out, "vectors", ENDINGS)
    opened = OpenedEncoder(plan.run)
    encoder, processor = opened.encoder, opened.processor
    records = opened.read(plan.inputs, plan, say)
    settings = {"length": opened.length, "batch_size": plan.batch_size}
    with working("embedding", console(), say) as progress:
        if out is None:
            return features(encoder, processor, records, progress=progress, **settings)
        embed_records(encoder, processor, records, out, progress=progress, **settings)
    return out


def search(run: Named, *inputs: Any, query: Any, **options: Any) -> list[dict[str, Any]]:
    """Find the records nearest to a query; one row per neighbour, the nearest first.

    Without ``index`` the inputs, or the sources of the pre-training, are embedded once and stored
    in the run folder.

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
    from headstart.deployment import search as searching
    from headstart.downstream.predict import write_predictions
    from headstart.encoders.opening import OpenedEncoder
    from headstart.evaluation.cache import digest_of_encoder
    from headstart.evaluation.features import features
    from headstart.modalities.inline import inline_records

    opened = OpenedEncoder(plan.run)
    queries = inline_records(opened.modality, [plan.query])
    if queries is None:
        queries = opened.read([plan.query], plan, say)
    if plan.index:
        index = searching.Index.open(Path(plan.index))
    else:
        sources: list[str] = plan.inputs
        reading: SourceOptions = plan
        if not sources:
            sources, reading = RunFolder.open(plan.run).sources()
        key = digest_of_encoder(opened.encoder, opened.processor, opened.length)
        content = opened.modality.content
        built = searching.index_folder(Path(plan.run), key, sources, reading, content)
        if not built.is_dir():
            records = opened.read(sources, reading, say)
            say(f"embedding {len(records):,} records into {built}")
            searching.build(opened, records, built)
        index = searching.Index.of_records(built, opened.modality)
    vectors = features(opened.encoder, opened.processor, queries, length=opened.length)
    rows = searching.search(index, [str(name) for name in queries["id"]], vectors, plan.count)
    if plan.out:
        write_predictions(rows, Path(plan.out))
    return rows


def generate(run: Named, prompt: str = "", **options: Any) -> str | Path:
    """Generate with a run whose objective can: the continuation of a prompt, or images.

    Args:
        run: folder of the run.
        options: see :class:`headstart.config.GenerateConfig`.

    Returns:
        The text, or the path of the images.
    """
    plan = load(GenerateConfig, run=run, prompt=prompt, **options)
    from headstart.deployment.generators import generate as generate_with

    return generate_with(RunFolder.open(plan.run), plan)


def explain(run: Named, *inputs: Any, **options: Any) -> Explanations:
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

    return explain_predictions(plan, RunFolder.open(plan.run), say=say)
