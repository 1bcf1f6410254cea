"""Reading ``.xlsx``: one sheet, whose first row names the columns."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import IO, Any

from headstart.data.block import SAMPLE, Block, Choose, Tell
from headstart.data.columns import first_indices, listed, repeated
from headstart.data.lines import chunks
from headstart.data.streams import BROKEN, Meter, Stream, Unreadable
from headstart.errors import HeadstartError

_ROWS = 512


def read_workbook(
    stream: Stream, where: str, sheet: str | None, choose: Choose, tell: Tell
) -> Iterator[Block]:
    """Read rows; a record's number is its row in the sheet.

    Args:
        where: the file, for messages.
        sheet: its name; by default the first one with rows.

    Raises:
        HeadstartError: openpyxl is not installed, or there is no such sheet.
        Unreadable: it is broken or a bomb, or all its sheets are empty.
    """
    try:
        import openpyxl
    except ImportError:
        raise HeadstartError(
            f"{where} is a workbook; install what reads it with pip install 'headstart[excel]', or "
            "save it as .csv."
        ) from None
    with tempfile.TemporaryFile() as copy:
        for chunk in chunks(stream):
            copy.write(chunk)
        _weigh(copy)
        try:
            book = openpyxl.load_workbook(copy, read_only=True, data_only=True, keep_links=False)
            found = _sheet(book, where, sheet, tell)
            yield from _blocks(found.iter_rows(values_only=True), choose, tell)
        except (HeadstartError, Unreadable):
            raise
        except (KeyError, ValueError, TypeError, SyntaxError, AttributeError, IndexError):
            raise Unreadable(BROKEN) from None  # whatever openpyxl trips over


def _weigh(copy: IO[bytes]) -> None:
    """Refuse a bomb before it is unpacked; the members end at the sizes that they state."""
    meter = Meter(copy.tell())
    with zipfile.ZipFile(copy) as archive:
        for member in archive.infolist():
            meter.add(member.file_size)
    copy.seek(0)


def _sheet(book: Any, where: str, sheet: str | None, tell: Tell) -> Any:
    sheets = {found.title: found for found in book.worksheets}
    if sheet is not None:
        if sheet not in sheets:
            raise HeadstartError(
                f"{where} has no sheet {sheet!r}; {listed(sheets).replace('columns', 'sheets')}; "
                "name one of them behind the #."
            )
        return sheets[sheet]
    filled = [name for name, found in sheets.items() if _has_rows(found)]
    if not filled:
        raise Unreadable("none of its sheets has rows below a header; fill one")
    if len(filled) > 1:
        tell(f"only its sheet {filled[0]!r} is read; name another as in FILE.xlsx#{filled[1]}")
    return sheets[filled[0]]


def _has_rows(sheet: Any) -> bool:
    rows = islice(sheet.iter_rows(values_only=True), SAMPLE)
    return sum(map(_is_filled, rows)) > 1


def _blocks(rows: Iterator[Sequence[Any]], choose: Choose, tell: Tell) -> Iterator[Block]:
    numbered: Iterator[tuple[int, Sequence[Any]]] = enumerate(rows, start=1)
    header: list[str] = []
    for _, row in numbered:
        if _is_filled(row):
            header = ["" if cell is None else str(cell).strip() for cell in row]
            break
    if sum(map(bool, header)) == 1:
        numbered = _to_the_last(numbered)
    indices: dict[str, int] | None = None
    while some := list(islice(numbered, _ROWS if indices else SAMPLE)):
        if indices is None:
            columns = {
                name: [row[index] for _, row in some if len(row) > index and row[index] is not None]
                for name, index in first_indices(header).items()
                if name
            }
            chosen = choose({name: list(map(_plain, values)) for name, values in columns.items()})
            for sentence in repeated(header, chosen):
                tell(sentence)
            indices = {name: header.index(column) for name, column in chosen.items()}
        # A blank row is the record of a table with one column, and else a gap between two.
        if sum(map(bool, header)) > 1:
            some = [(number, row) for number, row in some if _is_filled(row)]
        else:
            some = [
                (number, row if _is_filled(row) else [""] * len(header)) for number, row in some
            ]
        yield Block(
            [number for number, _ in some],
            {
                name: [_plain(row[index]) if len(row) > index else None for _, row in some]
                for name, index in indices.items()
            },
        )


def _is_filled(row: Sequence[Any]) -> bool:
    return any(cell is not None for cell in row)


def _to_the_last(
    rows: Iterator[tuple[int, Sequence[Any]]],
) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield rows, without the blank ones that many workbooks have below their last."""
    blank = []
    for row in rows:
        blank.append(row)
        if _is_filled(row[1]):
            yield from blank
            blank.clear()


def _plain(cell: Any) -> Any:
    """Return a cell as text or number; dates in ISO form."""
    return cell if cell is None or isinstance(cell, str | int | float) else str(cell)
