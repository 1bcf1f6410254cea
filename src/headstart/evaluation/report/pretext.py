"""The pretext task on the user's records: images as a grid, texts with marked pieces."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.pages.markup import Markup, data_address, join, tag
from headstart.stored import opening, read_json

if TYPE_CHECKING:
    from headstart.run import RunFolder

#: Size in bytes above which the image is compressed and shrunk.
_ROOM = 500_000
_TEXTS = 3
#: Share of tokens with an answer above which the answers are listed separately.
_MANY = 0.5
#: Share of unknown pieces from which on the reason is said.
_UNKNOWN = 0.1


def section(run: RunFolder | None) -> Markup:
    """Return records with the input and targets that the pretext task makes of them."""
    parts: list[Markup] = []
    if run is not None and run.image_file.is_file():
        parts = _shown(run.image_file, lambda file: _image(file.read_bytes()))
    elif run is not None and run.words_file.is_file():
        parts = _shown(run.words_file, lambda file: _texts(read_json(file, records=list)))
    if not parts:
        return Markup("")
    return tag("section", tag("h2", "The pretext task on your data", id="pretext"), *parts)


def _shown(file: Path, show: Callable[[Path], list[Markup]]) -> list[Markup]:
    """Return the preview in a file; of a damaged one only that is said."""
    try:
        with opening(file):
            return show(file)
    except HeadstartError as error:
        return [tag("p", str(error), class_="small")]


def _image(content: bytes) -> list[Markup]:
    kind, content = _within(content)
    words = (
        "The first row shows records as they are; below each stands what the network was given "
        "to learn from in their place."
    )
    alt = "Records and what the pretext task makes of them"
    image = tag("img", src=data_address(content, kind), alt=alt, class_="sheet")
    return [image, tag("p", words, class_="small")]


def _within(content: bytes) -> tuple[str, bytes]:
    """Return the image's format and its bytes, compressed to the limit."""
    if len(content) <= _ROOM:
        return "png", content
    from PIL import Image

    image = Image.open(io.BytesIO(content)).convert("RGB")
    while True:
        held = io.BytesIO()
        image.save(held, format="WEBP", quality=80)
        if held.tell() <= _ROOM:
            return "webp", held.getvalue()
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)))


def _texts(content: dict[str, Any]) -> list[Markup]:
    records = content["records"][:_TEXTS]
    blocks = []
    for rows in records:
        rendered = [
            tag(
                "div",
                tag("dt", row["name"]),
                # Runs of earlier versions do not say it.
                tag("dd", *_pieces(row["pieces"], spaced=row.get("spaced", False))),
            )
            for row in rows
        ]
        blocks.append(tag("dl", *rendered, class_="pretext"))
    marks = {piece[1] for rows in records for row in rows for piece in row["pieces"]}
    answers = any(piece[2] for rows in records for row in rows for piece in row["pieces"])
    key = [
        tag("span", tag("mark", "grey", class_="hidden"), " hidden") if "hidden" in marks else "",
        tag("span", tag("mark", "red", class_="changed"), " replaced")
        if "changed" in marks
        else "",
        tag("span", tag("mark", "blue", class_="answer"), " must be said there") if answers else "",
    ]
    words = "Records as they are, and what the network was given to learn from in their place."
    note = unknown_note(content["records"])
    return [
        tag("p", f"{words} {note}".strip(), class_="small"),
        *blocks,
        tag("p", *key, class_="small keys") if any(key) else Markup(""),
    ]


def unknown_note(records: Sequence[Any]) -> str:
    """Return why many pieces of records are unknown to the tokenizer; "" where few are.

    Args:
        records: of each its rows, as :class:`headstart.modalities.Words` has them.
    """
    pieces = [piece for rows in records for row in rows for piece in row["pieces"]]
    unknown = {piece[0].strip() for piece in pieces if piece[1] == "unknown"}
    count = sum(piece[1] == "unknown" for piece in pieces)
    if count <= _UNKNOWN * len(pieces):
        return ""
    return (
        f"{min(unknown)} stands for what the tokenizer does not know: it learns what occurs twice "
        "or more in the data, and little does in so few. More data show more."
    )


def _pieces(pieces: list[list[Any]], *, spaced: bool) -> list[Markup]:
    answers = sum(bool(answer) for _, _, answer in pieces)
    dense = answers > _MANY * len(pieces)
    rendered = []
    for text, mark, answer in pieces:
        is_marked = mark and mark != "unknown"
        word = text.strip() or text
        written: Markup = tag("mark", word, class_=mark) if is_marked else tag("span", word)
        if answer and not dense:
            written = join(written, tag("mark", answer, class_="answer"))
        lead = " " if spaced and text[:1].isspace() else ""
        rendered.append(join(lead, written) if spaced else join(written, " "))
    if dense:
        targets = [
            join(tag("mark", answer, class_="answer"), " ") for _, _, answer in pieces if answer
        ]
        rendered.append(tag("p", tag("span", "must be said next: ", class_="small"), *targets))
    return rendered
