"""Encoders as readers of items: of what is said of them, or of their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.audit import Audit
from headstart.data.located import records_of_files
from headstart.downstream.interactions.item_features import Reader, Vectors, said_of
from headstart.encoders.features import features
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.modalities.interactions.item_table import Item


def item_reader(folder: str, say: Callable[[str], None]) -> Reader:
    """Return an encoder of texts or of pictures as a reader of items.

    Args:
        say: hears how many pictures cannot be read.

    Raises:
        HeadstartError: it reads something else.
    """
    opened = OpenedEncoder(folder)
    content = opened.modality.content
    if "sentences" in opened.modality.provides:
        return lambda items: _of_words(opened, items)
    if content.files and "pixels" in opened.modality.provides:
        return lambda items: _of_pictures(opened, items, say)
    raise HeadstartError(
        f"{folder} reads {content.noun}, and of items there are texts and pictures; name a run on "
        "these, or a published encoder of them, with --items-encoder."
    )


def _of_words(opened: OpenedEncoder, items: Sequence[Item]) -> Vectors:
    said = [said_of(item) for item in items]
    rows = [row for row, text in enumerate(said) if text]
    if not rows:
        raise HeadstartError(
            f"{opened.folder} reads texts, and the table of items has none; give one with a column "
            "of titles, texts or categories, or leave out --items-encoder."
        )
    records = opened.modality.inline([said[row] for row in rows])
    assert records is not None  # what has sentences can be typed
    found = features(opened.encoder, opened.processor, records, length=opened.length)
    return Vectors(np.array(rows), found)


def _of_pictures(
    opened: OpenedEncoder, items: Sequence[Item], say: Callable[[str], None]
) -> Vectors:
    files = list(dict.fromkeys(item.image for item in items if item.image))
    audit = Audit()
    records = records_of_files(opened.modality.content, files)
    if records is not None:
        records = opened.modality.usable(records, opened.processor, audit)
    if not records:
        raise HeadstartError(
            f"{opened.folder} reads pictures, and {'none of them can be read' if files else 'no'}"
            f"{'' if files else ' item has one'}; give a table with a column of files inside its "
            "folder (--column image=COLUMN), or leave out --items-encoder."
        )
    if audit.quarantined:
        (reason, _), *_ = audit.reasons.most_common(1)
        say(f"{audit.quarantined:,} of {len(files):,} pictures of items cannot be read: {reason}.")
    found = features(opened.encoder, opened.processor, records, length=opened.length)
    index = {file: row for row, file in enumerate(records["id"])}
    rows = [row for row, item in enumerate(items) if item.image in index]
    return Vectors(np.array(rows), found[[index[items[row].image] for row in rows]])
