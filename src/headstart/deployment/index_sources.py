"""What written vectors were made from, so that a search in them can show the records."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import SearchConfig, SourceOptions
from headstart.data.discovery import files_of
from headstart.data.ledger import Ledger
from headstart.data.store import stream
from headstart.deployment.embed import sources_of
from headstart.deployment.indexes.stored import StoredIndex
from headstart.deployment.search import Index, Searchable, described
from headstart.deployment.stores import address_of
from headstart.deployment.stores.searching import StoredElsewhere
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest_of_weights, state_of
from headstart.files import write_json
from headstart.stored import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.encoders.opening import OpenedEncoder

#: What one can do where the records of vectors cannot be shown.
_REMEDY = "name what was embedded, as in `headstart search RUN INPUT... --index VECTORS`"


def noted_sources(
    sources: Sequence[str], options: SourceOptions, opened: OpenedEncoder
) -> dict[str, Any]:
    """Return what vectors are made from: sources, options, and the files' states.

    It is asked for before they are read: a file that changes meanwhile is another one.
    """
    files = (file for source in sources for file in files_of(source, opened.modality.content))
    return {
        "sources": [os.path.abspath(os.path.expanduser(source)) for source in sources],
        "options": options.model_dump(include=set(SourceOptions.model_fields)),
        "weights": digest_of_weights(opened.encoder, opened.processor),
        "files": {os.path.abspath(file): state_of(os.stat(file)) for file in files},
    }


def note_sources(out: Path, noted: dict[str, Any]) -> None:
    """Write what vectors were made from beside them."""
    write_json(sources_of(out), noted)


def open_index(
    place: str, opened: OpenedEncoder, plan: SearchConfig, say: Callable[[str], None]
) -> Searchable:
    """Open an index, or written vectors with what is known of their records.

    Args:
        place: a folder of `headstart index`, the address of a store, or a file of vectors.
        plan: names with ``inputs`` what written vectors were made from; by default that is what
            was noted beside them.
        say: called with the reason where the records cannot be shown.

    Raises:
        HeadstartError: the file holds no vectors, or the folder no index.
    """
    inputs: Sequence[str] = plan.inputs
    options: SourceOptions = plan
    address, path = address_of(place), Path(place)
    if inputs and (address is not None or path.is_dir()):
        raise HeadstartError(
            f"the index {address or path} has its own records; leave out the inputs, or add them "
            "with `headstart index`."
        )
    if address is not None:
        return StoredElsewhere.open(address, opened, plan.where)
    if path.is_dir():
        return StoredIndex.open(path, opened, plan.where)
    if plan.where is not None:
        raise HeadstartError(
            f"{path} has no columns for --where; make an index of the inputs with "
            "`headstart index`."
        )
    index = Index.open(path)
    _check_encoder(path, opened)
    try:
        sources, reading = (inputs, options) if inputs else _noted(path)
    except HeadstartError as error:
        say(f"The {opened.modality.content.noun} themselves are not shown: {error}")
        return index

    def show(indices: np.ndarray) -> list[dict[str, Any]]:
        return _read_again([index.ids[i] for i in indices], sources, reading, opened, say)

    return Index(index.ids, index.vectors, show)


def _check_encoder(path: Path, opened: OpenedEncoder) -> None:
    """Refuse vectors of another encoder: similarities with them would mean nothing.

    Raises:
        HeadstartError: what is noted beside the vectors says so.
    """
    try:
        weights = read_json(sources_of(path), weights=str)["weights"]
    except HeadstartError:
        return  # nothing was noted, or it is told with the records
    if weights != digest_of_weights(opened.encoder, opened.processor):
        raise HeadstartError(
            f"the vectors in {path} were made with another encoder than {opened.folder}; search "
            "with the run that made them, or embed the records again with this one."
        )


def _noted(path: Path) -> tuple[list[str], SourceOptions]:
    """Return the sources of vectors and how they were read.

    Raises:
        HeadstartError: nothing was noted, or a file has changed since.
    """
    note = sources_of(path)
    if not note.is_file():
        raise HeadstartError(f"there is no {note}, which says where they are; {_REMEDY}.")
    found = read_json(note, sources=list, options=dict, files=dict)
    try:
        reading = SourceOptions(**found["options"])
    except (ValueError, TypeError):
        reading = None
    if reading is None or not all(isinstance(source, str) for source in found["sources"]):
        raise HeadstartError(f"{note} is damaged, or of another version; {_REMEDY}.")
    for file, state in found["files"].items():
        if not os.path.exists(file):
            raise HeadstartError(f"{file} is gone; {_REMEDY}.")
        if state_of(os.stat(file)) != state:
            raise HeadstartError(
                f"{file} has changed since it was embedded; embed it again, or {_REMEDY}."
            )
    return found["sources"], reading


def _read_again(
    names: list[str],
    sources: Sequence[str],
    options: SourceOptions,
    opened: OpenedEncoder,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Return what is known of the records with these ids; {} for one that is not there."""
    ledger, wanted = Ledger(), set(names)
    try:
        records = opened.read(list(sources), options, lambda sentence: None, ledger=ledger)
    except HeadstartError as error:
        say(f"The {opened.modality.content.noun} themselves are not shown: {error}")
        return [{} for _ in names]
    some = records.select([i for i, name in enumerate(stream(records, "id")) if name in wanted])
    kept = ledger.kept is not None
    columns = {row.id: row.columns for row in ledger if row.id in wanted} if kept else {}
    known = dict(zip(some["id"], described(some, opened.modality), strict=True)) if some else {}
    for name, row in columns.items():
        if row and name in known:
            known[name]["record"] = row
    if not known:
        say(f"None of the found ids is in {', '.join(sources[:3])}; {_REMEDY}.")
    return [known.get(name, {}) for name in names]
