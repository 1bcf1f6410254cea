"""Boxes and masks come out as they were drawn; what is wrong with one record stays with it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.image import annotations
from headstart.modalities.image.annotations import mask_ids, read_boxes, read_masks

BOX = {"label": "cat", "xyxy": [1, 2, 11, 12]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name in "abc":
        Image.new("RGB", (40, 30)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path


def write(folder, *rows, name="boxes.jsonl"):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return str(folder / name)


def reasons(folder, *rows, read=read_boxes):
    """Read the rows beside a sound one, and return why they were set aside."""
    sound = {"image": "images/a.png", "boxes": [BOX], "mask": "a-mask.png"}
    Image.new("L", (40, 30)).save(folder / "a-mask.png")
    audit = Audit()
    records = read(write(folder, sound, *rows), audit)
    assert [record["id"] for record in records] == ["images/a.png"]
    return [found["reason"] for found in audit.summary()["records"]]


@pytest.mark.parametrize("key", annotations.IMAGE_KEYS)
def test_boxes_are_read_from_lines_whatever_the_picture_is_called(folder, key):
    corner = {"label": 7, "xywh": [1.5, 2, 10, 10]}
    row = {key: "images/a.png", "boxes": [BOX, corner], "split": "val", "width": 9}
    (record,) = read_boxes(write(folder, row, ""), Audit())
    assert record["image"] == {"bytes": None, "path": str(folder / "images" / "a.png")}
    assert record["boxes"] == [
        {"label": "cat", "xyxy": [1, 2, 11, 12]},
        {"label": "7", "xyxy": [1.5, 2, 11.5, 12]},
    ]


def test_a_list_in_json_is_read_like_lines(folder):
    row = {"image": "images/a.png", "boxes": []}
    (record,) = read_boxes(write(folder, json.dumps([row]), name="boxes.json"), Audit())
    assert record["boxes"] == []


def test_coco_is_read_with_names_for_numbers_and_without_crowds(folder):
    content = {
        "images": [{"id": 3, "file_name": "images/a.png"}, {"id": 4, "file_name": "images/b.png"}],
        "categories": [{"id": 9, "name": "dog"}],
        "annotations": [
            {"image_id": 3, "category_id": 9, "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"image_id": 3, "category_id": 9, "bbox": [1, 2, 30, 4], "iscrowd": 1},
        ],
    }
    audit = Audit()
    records = read_boxes(write(folder, json.dumps(content), name="coco.json"), audit)
    assert list(records["boxes"]) == [[{"label": "dog", "xyxy": [1, 2, 4, 6]}], []]
    assert audit.notes == ["1 boxes were left out, because they hold a crowd"]


def test_a_category_that_is_not_listed_sets_its_picture_aside(folder):
    content = {
        "images": [{"id": n, "file_name": f"images/{name}.png"} for n, name in enumerate("ab")],
        "categories": [{"id": 9, "name": "dog"}],
        "annotations": [{"image_id": 0, "category_id": 8, "bbox": [1, 2, 3, 4]}],
    }
    audit = Audit()
    records = read_boxes(write(folder, json.dumps(content), name="coco.json"), audit)
    assert list(records["id"]) == ["images/b.png"]
    assert audit.reasons == {annotations.NO_CATEGORY: 1}


def test_boxes_are_clipped_and_those_without_area_left_out_and_both_counted(folder):
    boxes = [
        {"label": "in", "xyxy": [-5, 20, 10, 99]},
        {"label": "out", "xyxy": [50, 5, 60, 9]},
        {"label": "turned", "xyxy": [20, 5, 10, 9]},
        {"label": "flat", "xywh": [3, 3, 0, 5]},
    ]
    audit = Audit()
    (record,) = read_boxes(write(folder, {"image": "images/a.png", "boxes": boxes}), audit)
    assert record["boxes"] == [{"label": "in", "xyxy": [0, 20, 10, 30]}]
    assert audit.notes == [
        "1 boxes were clipped to their picture",
        "3 boxes were left out, because they have no area inside their picture",
    ]


def test_boxes_belong_to_the_picture_as_it_is_seen(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(folder / "images" / "turned.jpg", exif=exif)
    box = {"label": "tall", "xyxy": [0, 0, 40, 40]}
    (record,) = read_boxes(write(folder, {"image": "images/turned.jpg", "boxes": [box]}), Audit())
    assert record["boxes"][0]["xyxy"] == [0, 0, 30, 40]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", annotations.NOT_JSON),
        ("[1]", annotations.NOT_OBJECT),
        ({"picture": "images/b.png", "boxes": [BOX]}, annotations.NO_IMAGE),
        ({"image": 3, "boxes": [BOX]}, annotations.NO_IMAGE),
        ({"image": "images/none.png", "boxes": [BOX]}, annotations.MISSING),
        ({"image": "../outside.png", "boxes": [BOX]}, annotations.OUTSIDE),
        ({"image": "/etc/hostname", "boxes": [BOX]}, annotations.OUTSIDE),
        ({"image": "images/b.png"}, annotations.NO_BOXES),
        ({"image": "images/b.png", "boxes": {"label": "cat"}}, annotations.NO_BOXES),
    ],
)
def test_a_bad_record_is_set_aside_with_its_reason(folder, row, reason):
    shutil.copy(folder / "images" / "a.png", folder.parent / "outside.png")
    assert reasons(folder, row) == [reason]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ({"xyxy": [1, 2, 3, 4]}, annotations.NO_LABEL),
        ({**BOX, "label": " "}, annotations.NO_LABEL),
        ("cat", annotations.NO_CORNERS),
        ({"label": "a"}, annotations.NO_CORNERS),
        ({"label": "a", "corners": [1, 2, 3, 4]}, annotations.NO_CORNERS),
        ({**BOX, "xyxy": [1, 2, 3]}, annotations.NO_CORNERS),
        ({**BOX, "xyxy": list("1234")}, annotations.NO_CORNERS),
        ({**BOX, "xywh": [1, 2, 3, 4]}, annotations.NO_CORNERS),
        ({**BOX, "xyxy": [1, float("nan"), 3, 4]}, annotations.NO_CORNERS),
    ],
)
def test_a_bad_box_sets_its_picture_aside(folder, box, reason):
    assert reasons(folder, {"image": "images/b.png", "boxes": [BOX, box]}) == [reason]


def test_a_picture_that_is_none_is_set_aside(folder):
    (folder / "images" / "text.jpg").write_text("hello")
    (why,) = reasons(folder, {"image": "images/text.jpg", "boxes": []})
    assert "no picture" in why


def test_a_source_that_cannot_serve_is_refused_in_a_sentence(folder):
    with pytest.raises(HeadstartError, match="nothing at"):
        read_boxes(str(folder / "none.jsonl"), Audit())
    with pytest.raises(HeadstartError, match=r"is a folder; name the file"):
        read_boxes(str(folder), Audit())
    with pytest.raises(HeadstartError, match="no file of annotations"):
        read_boxes(str(folder / "images" / "a.png"), Audit())
    with pytest.raises(HeadstartError, match="not valid JSON"):
        read_boxes(write(folder, "{", name="boxes.json"), Audit())
    with pytest.raises(HeadstartError, match="neither a list of pictures nor COCO"):
        read_boxes(write(folder, '{"images": 3}', name="boxes.json"), Audit())
    with pytest.raises(HeadstartError, match=r"no picture could be read .*does not exist"):
        read_boxes(write(folder, {"image": "none.png", "boxes": []}), Audit())


def test_masks_are_read_from_lines_and_from_sister_folders(folder):
    (folder / "masks").mkdir()
    ids = np.arange(1200, dtype=np.uint8).reshape(30, 40) % 5
    palette = Image.fromarray(ids).convert("P")
    palette.putpalette([9, 9, 9] * 256)
    palette.save(folder / "masks" / "a.png")
    Image.fromarray(ids).save(folder / "masks" / "b.png")
    audit = Audit()
    sisters = read_masks(str(folder), audit)
    assert audit.reasons == {annotations.NO_MASK: 1}  # of c.png
    lines = [{"image": f"images/{n}.png", "mask": f"masks/{n}.png"} for n in "ab"]
    for records in (sisters, read_masks(write(folder, *lines), Audit())):
        assert list(records["id"]) == ["images/a.png", "images/b.png"]
        assert all((mask_ids(mask) == ids).all() for mask in records["mask"])


def test_a_bad_mask_is_set_aside_with_its_reason(folder):
    Image.new("L", (40, 31)).save(folder / "large.png")
    Image.new("RGB", (40, 30)).save(folder / "colours.png")
    (folder / "text.png").write_text("hello")
    names = ["large.png", "colours.png", "text.png", "none.png", "../a.png", None]
    rows = [{"image": "images/b.png", "mask": name} for name in names]
    assert reasons(folder, *rows, read=read_masks) == [
        annotations.OTHER_SIZE,
        annotations.NOT_MASK,
        annotations.NOT_MASK,
        annotations.MISSING,
        annotations.OUTSIDE,
        annotations.NO_MASK,
    ]


def test_a_folder_without_its_sisters_is_refused(tmp_path):
    with pytest.raises(HeadstartError, match="no folders images/ and masks/"):
        read_masks(str(tmp_path), Audit())
