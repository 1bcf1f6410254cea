"""Recordings as content: bytes, or the path of a file that is opened on demand."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.columnar import holds_bytes
from headstart.data.content import Content
from headstart.data.field import Field
from headstart.data.unit import FILES
from headstart.modalities.audio import near
from headstart.modalities.audio.survey import survey
from headstart.modalities.file_values import FileValues, only, size, struct

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

#: Suffixes of sound files.
SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au"}
)

_SOUNDS = (
    *("audio", "wav", "sound", "speech", "recording", "clip", "waveform", "flac", "mp3", "ogg"),
    "audio_bytes",
)
_NAMES = (
    *_SOUNDS,
    *("bytes", "audio_path", "audio_file", "audio_filepath", "wav_path", "file"),
    *("file_name", "filename", "path", "filepath", "file_path", "clip_path", "audio_filename"),
)
_IGNORED_TABLES = (
    "tables beside recordings are passed over; to read the recordings and labels that it lists, "
    "name the table itself"
)
_FILES = FileValues("audio", "recording", SUFFIXES)


def _recognises(name: str, schema: pa.Schema | None) -> bool | None:
    if os.path.splitext(name.lower())[1] in SUFFIXES:
        return True
    held = [] if schema is None else [each for each in schema if holds_bytes(each.type)]
    if held:  # bytes of another name are those of pictures
        return any(each.name.lower() in _SOUNDS for each in held)
    return None  # a table may name recordings


def _matches(
    background: Dataset, tested: Dataset, notes: list[str], thorough: bool
) -> Iterator[tuple[int, int, bool]]:
    for index, match in _FILES.same_bytes(background, tested):
        yield index, match, True
    most = None if thorough else near.MOST_COMPARED
    for index, match in near.matches(background, tested, notes, most=most):
        yield index, match, False


def _export(records: Dataset, folder: Path) -> list[str]:
    """Copy the recordings into ``folder``, which must not exist yet; see :class:`Content`."""
    return _FILES.export(records, folder, _suffix)


def _of_object(value: Any) -> bytes | None:
    """Return the bytes of a file as they are."""
    return value if isinstance(value, bytes) else None


def _begins(data: bytes) -> bool:
    """Return whether bytes begin as a WAV, AIFF, FLAC, Ogg, AU or MP3 file does."""
    if data[:4] in (b"RIFF", b"RF64", b"FORM"):
        return data[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] in (0xFA, 0xFB, 0xF2, 0xF3)
    return is_frame or data.startswith((b"fLaC", b"OggS", b".snd", b"ID3"))


def _suffix(data: bytes) -> str:
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return f".{file.format.lower()}"


AUDIO = Content(
    name="audio",
    fields=(
        Field(
            name="audio",
            names=_NAMES,
            fits=_FILES.fits,
            take=_FILES.take,
            type=struct,
            size=size,
            obvious=only,
        ),
    ),
    reads=(
        "WAV, FLAC, Ogg, Opus, MP3, AIFF or AU files, .zip, .tar (.tar.gz), .parquet, a saved "
        "dataset, or .csv, .tsv, .xlsx, .jsonl or .json that name recordings beside them"
    ),
    tables=frozenset({".jsonl", ".json", ".csv", ".tsv"}),
    stores=frozenset({".parquet", ".xlsx"}),
    archives=frozenset({".zip", ".tar"}),
    files=SUFFIXES,
    class_files=SUFFIXES,
    columnless={FILES: "holds sound files"},
    ignored_tables=_IGNORED_TABLES,
    recognises=_recognises,
    repeats=lambda records, audit: _FILES.repeats(records, audit, "recordings"),
    noun="recordings",
    digests=_FILES.digests,
    matches=_matches,
    near=near.near_pairs,
    survey=survey,
    export=_export,
    rows=64,
    of_object=_of_object,
    begins=_begins,
)
