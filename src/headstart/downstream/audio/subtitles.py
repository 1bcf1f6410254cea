"""Transcripts with times as subtitles: SubRip files, which players open."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headstart.downstream.audio.file_names import file_names
from headstart.errors import HeadstartError
from headstart.files import whole_folder, write_text

#: Most letters and seconds of a subtitle, and the pause in seconds that ends one.
LETTERS, SECONDS, PAUSE = 42, 6.0, 0.7

Word = dict[str, Any]


def write_transcripts(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Write transcripts to an ``.srt`` file of one recording, or to a new folder.

    In the folder each recording has NAME.srt, NAME.txt and NAME.json (text, words with their times
    and scores); one without a prediction has none.

    Args:
        rows: predictions with ``id``, ``text`` and ``words``.

    Raises:
        HeadstartError: an ``.srt`` of several recordings, or a folder with files in it.
    """
    known = [row for row in rows if row.get("text") is not None]
    if out.suffix == ".srt":
        if len(rows) != 1:
            raise HeadstartError(
                f"{out.name} can hold the subtitles of one recording, and there are {len(rows):,}; "
                "name a folder with --out, or a .jsonl file."
            )
        write_text(out, subtitles(known[0]["words"]) if known else "")
        return
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise HeadstartError(f"{out} exists already; choose another --out, or move it.")
    names = file_names([str(row["id"]) for row in known])
    with whole_folder(out) as folder:
        for name, row in zip(names, known, strict=True):
            (folder / f"{name}.srt").write_text(subtitles(row["words"]), encoding="utf-8")
            (folder / f"{name}.txt").write_text(row["text"] + "\n", encoding="utf-8")
            plain = {key: row[key] for key in ("id", "text", "score", "words")}
            text = json.dumps(plain, ensure_ascii=False, indent=1)
            (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def subtitles(words: Sequence[Word]) -> str:
    """Return words with ``start`` and ``end`` in seconds as SubRip text."""
    parts = []
    for number, line in enumerate(_lines(words), start=1):
        times = f"{_time(line[0]['start'])} --> {_time(line[-1]['end'])}"
        text = " ".join(word["word"] for word in line)
        parts.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(parts)


def _lines(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Divide words at pauses, and where a subtitle would be too long."""
    line: list[Word] = []
    for word in words:
        letters = sum(len(each["word"]) + 1 for each in line) + len(word["word"])
        if line and (
            letters > LETTERS
            or word["end"] - line[0]["start"] > SECONDS
            or word["start"] - line[-1]["end"] > PAUSE
        ):
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _time(seconds: float) -> str:
    """Return a time as SubRip writes it.

    >>> _time(3661.5)
    '01:01:01,500'
    """
    whole = round(seconds * 1000)
    return (
        f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},"
        f"{whole % 1000:03}"
    )
