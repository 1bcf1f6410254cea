"""Verbs that use a trained model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
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
from headstart.errors import HeadstartError
from headstart.outputs import check_free
from headstart.run import RunFolder
from headstart.verbs.reading import Named, console, load, say, speaking
from headstart.working import working

if TYPE_CHECKING:
    import numpy as np

    from headstart.deployment.explain import Explanations


@speaking()
def predict(run: Named, *inputs: Any, **options: Any) -> Sequence[dict[str, Any]]:
    """Predict labels of records with a fine-tuned run; one row per row of the inputs, in order.

    A row has the columns of its input as ``record``; one that nothing can be predicted of, such as
    a blank one, has a ``reason``. A run that was pre-trained to separate voices writes them to the
    folder ``out`` and needs no fine-tuning.

    Args:
        run: folder of a fine-tuned run.
        inputs: files, folders or globs, or records themselves where they can be typed, such as
            texts.
        options: see :class:`headstart.config.PredictConfig`; with ``out`` the rows are also
            written to a .jsonl, .csv or .parquet file, transcripts to .srt or a folder, too.

    Returns:
        A list; with ``out`` a sequence of rows that stay on disk, so that memory does not grow
        with their number.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        rows = hs.predict("runs/stars", "new.csv")
        print(rows[0]["label"], rows[0]["score"])
        hs.predict("runs/stars", "a slow but rewarding film")
    """
    plan = load(PredictConfig, run=run, inputs=list(inputs), **options)
    from headstart.data.ledger import Ledger
    from headstart.downstream import predict as predicting
    from headstart.downstream.predictions import OWN, StoredRows, check_ending
    from headstart.downstream.predictors import predictor_of
    from headstart.encoders.opening import OpenedEncoder

    if plan.out:  # before the work; the run itself is asked below
        check_ending(Path(plan.out), *OWN)
    check_free(plan)
    tuned, ledger = RunFolder.open(plan.run), Ledger()
    unlabeled = predictor_of(tuned)
    if unlabeled is not None:
        with working("predicting", console(), say):
            return unlabeled(tuned, plan, say)
    if plan.out:
        predicting.check_out(tuned, Path(plan.out))
    read = predicting.reader(tuned, plan.inputs, plan)
    opened = OpenedEncoder(tuned.require_encoder())
    size = plan.batch_size
    with working("predicting", console(), say):
        records = predicting.typed(tuned, opened.modality, plan.inputs)
        if records is None:
            records = opened.read(plan.inputs, plan, say, read, ledger)
        found = predicting.predict(tuned, records, batch_size=size, options=plan, say=say)
        found = predicting.beside_rows(found, records, ledger, opened.modality.content)
        rows = StoredRows(found) if plan.out else list(found)
    if missing := ledger.sentence("prediction"):
        say(missing)
    if plan.out:
        predicting.write(tuned, rows, Path(plan.out))
    return rows


@speaking()
def embed(run: Named, *inputs: Any, **options: Any) -> Path | np.ndarray:
    """Return the vectors of records, or write them to a .npy or .parquet file.

    There is a vector for each row of the inputs, in order: NaN where a row has none, such as a
    blank one.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs; or records in memory, such as a list of texts.
        options: see :class:`headstart.config.EmbedConfig`.

    Returns:
        The vectors (N,D) float32; with ``out`` the path of the file.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        vectors = hs.embed("runs/reviews", ["a good film", "so long"])  # (2,D)
        items = hs.embed("runs/shop", parts=True)  # (I,D), in the order of its items.json
        hs.embed("runs/reviews", "new.csv", out="new.npy")
    """
    plan = load(EmbedConfig, run=run, inputs=list(inputs), **options)
    from headstart.data.ledger import Ledger
    from headstart.deployment.embed import check_out, vectors_of, write_vectors
    from headstart.deployment.embed import embed as embed_records
    from headstart.deployment.index_sources import note_sources, noted_sources
    from headstart.deployment.parts import parts_of
    from headstart.encoders.opening import OpenedEncoder

    out = Path(plan.out) if plan.out else None
    if out:  # before the work
        check_free(plan, *check_out(out))
    opened, ledger = OpenedEncoder(plan.run), Ledger(columns=False)
    if plan.parts:
        parts = parts_of(opened)
        if out:
            write_vectors(parts.names, parts.vectors, out)
        return out or parts.vectors
    noted = noted_sources(plan.inputs, plan, opened) if out else {}
    with working("reading the inputs", console(), say):
        records = opened.read(plan.inputs, plan, say, ledger=ledger)
    network = (opened.encoder, opened.processor, records)
    with working("embedding", console(), say) as progress:
        settings: dict[str, Any] = {"length": opened.length, "batch_size": plan.batch_size}
        settings |= {"ledger": ledger, "progress": progress}
        found = out or vectors_of(*network, **settings)
        if out:
            finish = functools.partial(note_sources, out, noted)
            embed_records(*network, out, **settings, finish=finish)
    if missing := ledger.sentence("vector"):
        say(missing)
    return found


@speaking()
def search(run: Named, *inputs: Any, query: Any, **options: Any) -> list[dict[str, Any]]:
    """Find the records nearest to a query; one row per neighbour, the nearest first.

    ``index`` names an index of :func:`headstart.index`, of which ``where`` may leave out records,
    or vectors of :func:`headstart.embed`. Without it the inputs, or the sources of the
    pre-training, are embedded once and stored in the run folder, or in the user's cache where that
    cannot be written.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs to search.
        query: a file, whose records are all queries, or a record itself where the kind of data can
            be typed, such as a text. What names a part of records, such as an item of histories by
            its id or title, finds the parts like it.
        options: see :class:`headstart.config.SearchConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        rows = hs.search("runs/reviews", query="a slow but rewarding film", count=3)
    """
    plan = load(SearchConfig, run=run, inputs=list(inputs), query=query, **options)
    from headstart.data.ledger import Ledger
    from headstart.deployment import search as searching
    from headstart.deployment.index_sources import open_index
    from headstart.deployment.parts import like_parts
    from headstart.downstream.predictions import check_ending, write_predictions
    from headstart.encoders.features import features
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities.inline import inline_records

    if plan.out:
        check_ending(Path(plan.out))
    check_free(plan)
    opened = OpenedEncoder(plan.run)
    if plan.where is not None and not plan.index:
        raise HeadstartError(
            "--where selects records of an index; make one with `headstart index` and name it with "
            "--index."
        )
    like = None if plan.index or plan.inputs else like_parts(opened, plan.query, plan.count)
    if like is not None:
        if plan.out:
            write_predictions(like, Path(plan.out))
        return like
    with working("searching", console(), say):
        queries = inline_records(opened.modality, [plan.query])
        if queries is None:
            asked = Ledger(columns=False)
            queries = opened.read([plan.query], plan, say, ledger=asked)
            if missing := asked.sentence("neighbours"):
                say(missing)
        index: searching.Searchable
        if plan.index:
            index = open_index(plan.index, opened, plan, say)
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


@speaking()
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

    check_free(plan)
    return generate_with(RunFolder.open(plan.run), plan)


@speaking()
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

    check_free(plan)
    with working("explaining", console(), say):
        return explain_predictions(plan, RunFolder.open(plan.run), say=say)
