"""Recordings are read from files, folders, tables, archives and tables of bytes alike."""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sounding import AUDIO, encoded, held, records, tone, value, write

from headstart.data.audit import Audit
from headstart.data.content import Effort
from headstart.errors import HeadstartError
from headstart.modalities.audio.modality import AudioModality
from headstart.modalities.audio.near import near_pairs
from headstart.modalities.audio.options import AudioOptions
from headstart.modalities.guess import guess_content


def test_folders_are_classes_and_names_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path / "yes" / "a.wav", 1)
    write(tmp_path / "yes" / "b.FLAC", 2, format="FLAC")
    write(tmp_path / "no" / "c.ogg", 3, format="OGG")
    write(tmp_path / "no" / "d.mp3", 4, format="MP3")
    found = records(tmp_path)
    assert sorted(found["label"]) == ["no", "no", "yes", "yes"]
    assert guess_content([str(tmp_path)]) == "audio"


def test_a_table_names_recordings_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "a.wav")
    with open(tmp_path / "list.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "digit", "speaker"])
        rows.writerow(["clips/a.wav", "7", "ann"])
        rows.writerow(["clips/gone.wav", "8", "ann"])
        rows.writerow(["../outside.wav", "8", "ann"])
        rows.writerow(["", "8", "ann"])
    audit = Audit()
    found = records(tmp_path / "list.csv", audit=audit, label_column="digit")
    assert found["label"] == ["7"]
    told = " ".join(audit.reasons)
    assert "the recording that it names does not exist" in told
    assert "lies outside the folder" in told
    assert sum(audit.reasons.values()) == 3
    assert guess_content([str(tmp_path / "list.csv")]) == "audio"


def test_archives_hold_recordings_and_labels(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("yes/a.wav", encoded(tone(1)))
        archive.writestr("no/b.wav", encoded(tone(2)))
    assert sorted(records(tmp_path / "a.zip")["label"]) == ["no", "yes"]
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for key, label in (("000", "3"), ("001", "5")):
            for name, data in (
                (f"{key}.flac", encoded(tone(3), format="FLAC")),
                (f"{key}.cls", label.encode()),
            ):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    found = records(tmp_path / "set.tar")
    assert found["label"] == ["3", "5"]
    assert guess_content([str(tmp_path / "set.tar")]) == "audio"


def test_tables_of_bytes_are_told_from_pictures_by_the_name_of_the_column(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"bytes": encoded(tone(n)), "path": f"{n}.wav"} for n in range(3)]
    pq.write_table(pa.table({"audio": rows, "label": ["a", "b", "a"]}), tmp_path / "set.parquet")
    assert guess_content([str(tmp_path / "set.parquet")]) == "audio"
    assert records(tmp_path / "set.parquet")["label"] == ["a", "b", "a"]
    pq.write_table(pa.table({"image": rows}), tmp_path / "pictures.parquet")
    assert guess_content([str(tmp_path / "pictures.parquet")]) == "image"


def test_a_transcript_without_a_recording_is_set_aside(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    (tmp_path / "said.jsonl").write_text(
        '{"audio": "a.wav", "text": "seven"}\n{"audio": null, "text": "eight"}\n'
    )
    audit = Audit()
    assert len(records(tmp_path / "said.jsonl", audit=audit)) == 1
    assert audit.reasons == {"it has no recording": 1}


def test_what_cannot_be_decoded_is_set_aside_with_its_reason() -> None:
    bad = tone()
    bad[5] = np.nan
    given = held(encoded(tone()), b"words", encoded(tone()[:0]), encoded(bad, subtype="FLOAT"))
    modality, audit = AudioModality(), Audit()
    assert modality.readable(given, None, audit)["id"] == ["0"]
    assert sum(audit.reasons.values()) == 3
    with pytest.raises(HeadstartError, match="none of the 2 recordings"):
        modality.usable(given.select([1, 2]), None, Audit())


def test_a_channel_that_is_missing_is_a_reason() -> None:
    audit = Audit()
    modality = AudioModality(AudioOptions(channel=2))
    assert len(modality.readable(held(encoded(tone())), None, audit)) == 0
    assert "audio.channel asks for number 2" in next(iter(audit.reasons))


def test_copies_in_other_formats_are_near_duplicates_and_other_takes_are_not() -> None:
    base = tone(5)
    given = held(
        encoded(base),
        encoded(base, format="FLAC"),
        encoded(0.2 * base, subtype="FLOAT"),
        encoded(base, format="OGG"),
        encoded(base, format="MP3"),
        encoded(tone(6)),
        encoded(tone(7)),
    )
    notes: list[str] = []
    joined = {tuple(pair) for pair in near_pairs(given, notes).tolist()}
    assert {(n, 0) for n in range(1, 5)} <= joined
    assert not {5, 6} & {index for pair in joined for index in pair}
    assert notes == []
    found = list(AUDIO.find_matches(given.select([0, 5]), given.select([0, 3]), [], False))
    assert (0, 0, True) in found
    assert (0, 1, False) in found
    assert not any(index == 1 for index, _, _ in found)


def test_equal_bytes_have_equal_digests() -> None:
    one, two, three = AUDIO.digests(held(encoded(tone(1)), encoded(tone(2)), encoded(tone(1))))
    assert one == three != two


def test_the_survey_says_what_is_wrong_with_recordings() -> None:
    plain = tone(1)
    given = held(
        encoded(plain),
        encoded((20 * tone(2)).clip(-1, 1)),
        encoded(tone(3) + 0.3),
        encoded(np.stack([tone(4), np.zeros_like(plain)], 1)),
        encoded(np.zeros_like(plain)),
        b"words",
    )
    audit = Audit()
    AUDIO.survey(given, audit, Effort(AudioOptions()))
    facts = audit.findings["facts"]
    assert facts["recordings that are clipped"].startswith("1 of 5")
    assert facts["recordings that are silent"].startswith("1 of 5")
    assert facts["recordings that have an offset, which is removed"].startswith("1 of 5")
    assert facts["recordings that have a dead channel, which is left out of the mix"]
    assert audit.findings["lengths"]["unit"] == "hundredths of a second"
    assert sum(audit.reasons.values()) == 1


def test_recordings_are_exported_under_numbers(tmp_path: Path) -> None:
    names = AUDIO.export(held(encoded(tone()), encoded(tone(), format="FLAC")), tmp_path / "out")
    assert names == ["out/0001.wav", "out/0002.flac"]
    assert (tmp_path / "out" / "0001.wav").read_bytes() == encoded(tone())


def test_a_value_that_is_no_recording_says_so(tmp_path: Path) -> None:
    class Unit:
        path = tmp_path / "list.csv"

    take = AUDIO.fields[0].take
    assert take(b"", Unit())[1] == "it is empty"
    assert take(3, Unit())[1] == "its recording is neither bytes nor the path of a file"
    assert take(value(b"x"), Unit())[0] == {"bytes": b"x", "path": None}
