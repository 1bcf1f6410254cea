"""The verb that makes and changes an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import IndexConfig
from headstart.outputs import check_free, check_unread
from headstart.verbs.reading import Named, console, in_lines, load, say, speaking
from headstart.working import working

if TYPE_CHECKING:
    from headstart.deployment.indexes.indexing import IndexReport


@speaking()
def index(run: Named, *inputs: Any, **options: Any) -> IndexReport:
    """Make an index of records to search in, or change one; as a whole or not at all.

    ``out`` is a folder, or a store: ``qdrant:PLACE#NAME``, ``pgvector:PLACE#NAME``.

    ``headstart search RUN --query ... --index INDEX`` searches in it, by this encoder alone. It
    holds the records, their vectors and all columns of their sources.

    Args:
        run: a run folder, or any encoder folder.
        inputs: files, folders or globs; or records in memory.
        options: see :class:`headstart.config.IndexConfig`; ``delete`` may be a list of ids.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        run.index("reviews.csv", out="reviews.index", id_column="nr")
        run.index("corrected.csv", out="reviews.index", id_column="nr", upsert=True)
        run.search(query="a slow film", index="reviews.index", where="stars >= 4")
    """
    if "delete" in options:
        options["delete"] = in_lines(options["delete"], "delete")
    plan = load(IndexConfig, run=run, inputs=list(inputs), **options)
    from headstart.deployment.indexes.indexing import change_index, check_out
    from headstart.deployment.stores import address_of
    from headstart.deployment.stores.indexing import change_store
    from headstart.encoders.opening import OpenedEncoder

    if (address := address_of(plan.out)) is not None:
        with working("indexing", console(), say) as progress:
            return change_store(plan, address, OpenedEncoder(plan.run), say, progress)
    check_out(plan)
    check_unread(plan)
    if not Path(plan.out).exists():
        check_free(plan)
    with working("indexing", console(), say) as progress:
        return change_index(plan, OpenedEncoder(plan.run), say, progress)
