"""Where captions lie beside pictures: text files, names of files, samples of archives, pages."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from headstart.data.block import Block, Located
from headstart.data.lines import NOT_UTF8, chunks
from headstart.data.streams import Unreadable
from headstart.data.walking import printable
from headstart.modalities.class_names import spoken
from headstart.modalities.pairs.captions import LONGEST, NAMES

if TYPE_CHECKING:
    from headstart.data.unit import Unit

#: The ending of a file of captions beside a picture, one a line.
SIDECAR = ".txt"
#: Suffixes of pages that show pictures.
PAGES = frozenset({".html", ".htm"})
#: Words that cameras and programs name pictures by.
_OF_CAMERAS = frozenset(
    {"img", "image", "picture", "photo", "pict", "scan", "screenshot", "untitled", "file", "page"}
)
_NUMBER = re.compile(r"[\s_\-.(]*\d+\)?$")
_MOST_BYTES = 4 * LONGEST


def block_of_files(unit: Unit) -> Block:
    """Return the pictures of a folder with their captions.

    A text file of the same name holds the captions of a picture, one a line. In a folder without
    any the names of the pictures are their captions, where they are words: ``a_red_apple.png``.
    What a page beside them shows is left to the page, where it has no text file.
    """
    folder = unit.path
    beside = {name: folder / (os.path.splitext(name)[0] + SIDECAR) for name in unit.files}
    has_file = {name: path.is_file() for name, path in beside.items()}
    shown = _shown(folder, Path(os.path.expanduser(unit.source)))
    at = os.path.abspath(folder)
    names = [name for name in unit.files if has_file[name] or os.path.join(at, name) not in shown]
    captions: list[Any]
    if any(has_file.values()):
        captions = [_lines_of(beside[name]) if has_file[name] else None for name in names]
    else:
        captions = [name_as_caption(name) for name in names]
    pictures = [Located(os.path.join(folder, name)) for name in names]
    return Block([printable(name) for name in names], {"image": pictures, "captions": captions})


def name_as_caption(name: str) -> str | None:
    """Return the words in the name of a picture; None if it is a number or a code.

    Example::

        name_as_caption("a_red_apple-2.png"), name_as_caption("IMG_1234.jpg")
        # "a red apple", None
    """
    stem = printable(os.path.splitext(os.path.basename(name))[0])
    words = spoken(_NUMBER.sub("", stem) or stem)
    return None if words is None or words.lower() in _OF_CAMERAS else words


def captions_of_sample(beside: Mapping[str, bytes]) -> Mapping[str, Any]:
    """Return the captions of a sample of a WebDataset shard, from the files beside its picture.

    They are in ``txt``, one a line, or in an object in ``json`` under a well-known name.
    """
    for suffix in ("txt", "caption", "text"):
        if suffix in beside:
            return {"captions": _decoded(beside[suffix][:_MOST_BYTES])}
    try:
        found = json.loads(beside.get("json", b"{}")[:_MOST_BYTES])
    except (ValueError, RecursionError):
        return {}
    known = {str(key).lower(): value for key, value in found.items()} if _is_object(found) else {}
    return next(({"captions": known[name]} for name in NAMES if known.get(name)), {})


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _lines_of(path: Path) -> list[str] | None:
    try:
        with open(path, "rb") as file:
            return _decoded(file.read(_MOST_BYTES))
    except OSError:
        return None


def _decoded(data: bytes) -> list[str]:
    """Return the lines of a text; bytes that are no UTF-8 stay marked, and are refused later."""
    text = data.decode("utf-8-sig", errors="surrogateescape")
    return text.splitlines()


def _shown(folder: Path, root: Path) -> set[str]:
    """Return the paths of the pictures that pages show, in a folder or above it inside ``root``.

    They are read with the pages where the user named a folder, and else not at all.
    """
    found: set[str] = set()
    folder, root = Path(os.path.abspath(folder)), Path(os.path.abspath(root))
    for above in (folder, *folder.parents) if root.is_dir() else ():
        for page in above.iterdir():
            if page.suffix.lower() in PAGES and page.is_file():
                shown = _shown_on(page, page.stat().st_mtime_ns)
                found |= {os.path.normpath(above / _path(source)) for source in shown}
        if above == root or root not in above.parents:
            break
    return found


@lru_cache(maxsize=64)
def _shown_on(page: Path, changed: int) -> list[str]:
    """Return the sources of the pictures on a page; it is parsed once for all folders below it."""
    return [source for source, _, _ in _pictures_of(page.read_bytes().decode(errors="replace"))]


def read_page(unit: Unit, named: Mapping[str, str]) -> Iterator[Block]:
    """Yield the pictures that a page shows, with their alternative texts and figure captions.

    Raises:
        Unreadable: the page is not UTF-8.
    """
    with closing(unit.open()) as stream:
        data = b"".join(chunks(stream))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(NOT_UTF8) from None
    found = _pictures_of(text)
    columns: dict[str, Sequence[Any]] = {
        "image": [_path(source) for source, _, _ in found],
        "captions": [captions for _, captions, _ in found],
    }
    yield Block([line for _, _, line in found], columns)


def _pictures_of(text: str) -> list[tuple[str, list[str], int]]:
    """Return the source, the captions and the line of each picture on a page."""
    page = _Page()
    page.feed(text)
    page.close()
    return page.found


def _path(source: str) -> str:
    """Return the file that a page names; an address stays one, which names no file here."""
    parts = urlsplit(source)
    return source if parts.scheme or parts.netloc else unquote(parts.path)


class _Page(HTMLParser):
    """Collects the source, the captions and the line of each picture on a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, list[str], int]] = []
        #: The first picture of the figure that is open, and what its captions say.
        self._figure: int | None = None
        self._said: list[str] = []
        self._words: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "figure":
            self._figure, self._said = len(self.found), []
        elif tag == "figcaption" and self._figure is not None:
            self._words = []
        elif tag == "img" and values.get("src"):
            captions = [each for each in (values.get("alt"), values.get("title")) if each]
            self.found.append((str(values["src"]), captions, self.getpos()[0]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "figcaption" and self._words is not None:
            self._said.append(" ".join("".join(self._words).split()))
            self._words = None
        elif tag == "figure" and self._figure is not None:  # its caption may stand first or last
            for _, captions, _ in self.found[self._figure :]:
                captions += self._said
            self._figure = None

    def handle_data(self, data: str) -> None:
        if self._words is not None:
            self._words.append(data)
