"""Pictures with captions are read from every source in one pass; what lacks one is set aside."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from painted import painted, picture, records, table

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.guess import guess_content
from headstart.modalities.pairs.content import PAIRS
from headstart.modalities.pairs.layouts import name_as_caption

PNG = picture("red", "square")
OTHER = picture("blue", "bar")


def captions(found: Dataset) -> list[list[str]]:
    return list(found["captions"])


def test_a_table_names_pictures_and_captions(tmp_path: Path) -> None:
    source = table(tmp_path, painted(3))
    assert guess_content([str(source)]) == "pairs"
    found = records(source)
    assert captions(found) == [["a red square"], ["a green square"], ["a blue square"]]
    assert found[1]["image"]["path"] == str(tmp_path / "pairs001.png")


def test_rows_of_one_picture_are_one_record_with_all_captions(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_bytes(OTHER)
    rows = [("a.png", "red"), ("b.png", "blue"), ("a.png", "a red one"), ("a.png", "Red ")]
    (tmp_path / "t.jsonl").write_text(
        "".join(json.dumps({"image": name, "caption": text}) + "\n" for name, text in rows)
    )
    found = records(tmp_path / "t.jsonl")
    assert captions(found) == [["red", "a red one"], ["blue"]]
    assert found["id"][:] == ["t.jsonl:1", "t.jsonl:2"]


def test_several_captions_a_row_and_bytes_are_read(tmp_path: Path) -> None:
    columns = {
        "image": [{"bytes": PNG, "path": None}, {"bytes": OTHER, "path": None}],
        "captions": [["red", "a square"], ["blue"]],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    Dataset.from_dict(columns).save_to_disk(str(tmp_path / "saved"))
    for source in (tmp_path / "t.parquet", tmp_path / "saved"):
        assert guess_content([str(source)]) == "pairs"
        found = records(source)
        assert captions(found) == [["red", "a square"], ["blue"]]
        assert found[0]["image"]["bytes"] == PNG


def test_captions_in_five_languages_are_all_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    text = {"en": "A frog.", "zh": "青蛙。", "de": "Ein Frosch.", "ja": "カエル", "ru": "Лягушка."}
    row = json.dumps({"file": "a.png", "text": text}, ensure_ascii=False)
    (tmp_path / "t.jsonl").write_text(row + "\n", encoding="utf-8")
    assert captions(records(tmp_path / "t.jsonl")) == [list(text.values())]


def test_text_files_beside_pictures_are_their_captions(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.txt").write_text("a red square\nsomething red\n")
    (tmp_path / "b.png").write_bytes(OTHER)
    (tmp_path / "lost.txt").write_text("nobody drew this")
    audit = Audit()
    assert captions(records(tmp_path, audit=audit)) == [["a red square", "something red"]]
    reasons = {row["where"]: row["reason"] for row in audit.summary()["records"]}
    assert reasons == {
        f"{tmp_path.name}/b.png": "it has a picture and no caption",
        f"{tmp_path.name}/lost.txt": "it has a caption and no picture",
    }


def test_names_of_pictures_are_captions_where_they_are_words(tmp_path: Path) -> None:
    for name in ("a_red_apple-2.png", "IMG_1234.png", "青蛙.png"):
        (tmp_path / name).write_bytes(PNG)
    audit = Audit()
    found = records(tmp_path, audit=audit)
    assert sorted(captions(found)) == [["a red apple"], ["青蛙"]]
    assert audit.reasons == {"it has a picture and no caption": 1}
    assert name_as_caption("DSC00017.jpg") is None


def shard(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_samples_of_a_shard_have_captions_in_text_or_json(tmp_path: Path) -> None:
    files = {
        "1.png": PNG,
        "1.txt": b"a red square",
        "2.json": b'{"caption": "a blue bar"}',
        "2.png": OTHER,
        "3.png": PNG,
        "4.txt": b"nothing",
    }
    audit = Audit()
    found = records(shard(tmp_path / "s.tar", files), audit=audit)
    assert captions(found) == [["a red square"], ["a blue bar"]]
    assert audit.reasons == {
        "it has a picture and no caption": 1,
        "it has a caption and no picture": 1,
    }


def test_pages_show_pictures_with_alternative_texts(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a b.png").write_bytes(PNG)
    (tmp_path / "images" / "c.png").write_bytes(OTHER)
    (tmp_path / "index.html").write_text(
        '<img src="images/a%20b.png?v=1" alt="a red square">'
        '<figure><img src="images/c.png"><figcaption>a <b>blue</b> bar</figcaption></figure>'
        '<img src="images/a%20b.png" alt=""><img src="http://x.org/y.png" alt="far">'
    )
    audit = Audit()
    for source in (tmp_path, tmp_path / "index.html"):
        audit = Audit()
        found = records(source, audit=audit)
        assert captions(found) == [["a red square"], ["a blue bar"]]
    assert audit.reasons == {
        "it has a picture and no caption": 1,
        "the picture that it names does not exist": 1,
    }


def test_a_page_hides_no_picture_that_it_does_not_show(tmp_path: Path) -> None:
    (tmp_path / "a_red_square.png").write_bytes(PNG)
    (tmp_path / "report.html").write_text("<p>no pictures here</p><img src='data:,' alt='x'>")
    assert captions(records(tmp_path)) == [["a red square"]]


def test_what_lacks_a_picture_or_a_caption_is_set_aside(tmp_path: Path) -> None:
    source = table(tmp_path, [(PNG, "red"), (OTHER, " ")])
    with open(source, "a", encoding="utf-8") as file:
        file.write(",a caption alone\ngone.png,a lost one\n../x.png,outside\n")
    audit = Audit()
    assert captions(records(source, audit=audit)) == [["red"]]
    assert audit.reasons == {
        "it has a picture and no caption": 1,
        "it has a caption and no picture": 1,
        "the picture that it names does not exist": 1,
        "the picture that it names lies outside the folder of its file; move it inside": 1,
    }


def test_no_whole_pair_is_one_sentence(tmp_path: Path) -> None:
    source = table(tmp_path, [(PNG, "")])
    with pytest.raises(HeadstartError, match="it has a picture and no caption"):
        records(source, columns={"captions": "caption"})


def test_one_caption_for_all_pictures_is_told(tmp_path: Path) -> None:
    from headstart.data.content import Effort

    found = records(table(tmp_path, [(data, "a thing") for data, _ in painted(12)]))
    audit = Audit()
    PAIRS.survey(found, audit, Effort(None, quick=True))
    assert any("12 of 12 pictures have the same caption, 'a thing'" in each for each in audit.notes)


def test_copies_and_equal_captions_stay_on_one_side_of_a_split(tmp_path: Path) -> None:
    from headstart.data.groups import grouping

    drawn = [*painted(16), (PNG, "one"), (PNG, "other"), (OTHER, "A red  square")]
    found = records(table(tmp_path, drawn))
    groups = grouping(found, PAIRS, [], where="t", near=True)
    assert groups is not None
    assert groups[16] == groups[17]  # copies of a picture under two names
    assert groups[18] == groups[0]  # the same caption
    assert groups[1] != groups[0]


def test_a_figure_gives_its_caption_wherever_it_stands_and_to_nothing_else(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(picture("red", "square", ord(name)))
    (tmp_path / "page.html").write_text(
        "<figure><figcaption>a red apple</figcaption><img src='a.png'></figure>"
        "<figure><img src='b.png'><figcaption>a pear</figcaption></figure>"
        "<figcaption>of no figure</figcaption><img src='c.png' alt='a plum'>"
    )
    found = records(tmp_path / "page.html")
    assert captions(found) == [["a red apple"], ["a pear"], ["a plum"]]


def test_what_a_long_page_shows_is_left_to_the_page(tmp_path: Path) -> None:
    (tmp_path / "of_a_name.png").write_bytes(PNG)
    filler = "<p>" + "word " * 100_000 + "</p>"
    (tmp_path / "page.html").write_text(filler + "<img src='of_a_name.png' alt='a red apple'>")
    assert captions(records(tmp_path)) == [["a red apple"]]


def test_endings_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "p.PNG").write_bytes(PNG)
    (tmp_path / "p.txt").write_text("a red square")
    audit = Audit()
    assert captions(records(tmp_path, audit=audit)) == [["a red square"]]
    assert not audit.quarantined
