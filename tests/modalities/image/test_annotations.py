"""Boxes and masks come out as they were drawn; what is wrong with one record stays with it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.image import annotations, content
from headstart.modalities.image import boxes as boxes_of
from headstart.modalities.image import masks as masks_of
from headstart.modalities.image.annotations import read_boxes, read_masks
from headstart.modalities.image.masks import mask_ids

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


def coco(folder, boxes, *, images=None, name="coco.json", **stated):
    """Write one annotation of a dog for each box, all of the first picture, and read the file."""
    images = images or [{"id": n, "file_name": f"images/{x}.png"} for n, x in enumerate("ab")]
    content = {
        "images": [{**image, **stated} for image in images],
        "categories": [{"id": 9, "name": "dog"}],
        "annotations": [{"image_id": 0, "category_id": 9, **box} for box in boxes],
    }
    audit = Audit()
    return list(read_boxes(write(folder, json.dumps(content), name=name), audit)), audit


def corners(record):
    return [box["xyxy"] for box in record["boxes"]]


def test_boxes_that_were_drawn_on_a_larger_picture_are_scaled(folder):
    (first, _), audit = coco(folder, [{"bbox": [20, 10, 40, 20]}], width=80, height=60)
    assert corners(first) == [[10, 5, 30, 15]]
    assert audit.notes == ["1 boxes were scaled to the size of their picture"]


@pytest.mark.parametrize(
    ("stated", "box", "reason"),
    [
        ((80, 80), [20, 10, 40, 20], boxes_of.OTHER_SIZE),
        ((20, 15), [20, 10, 20, 20], boxes_of.OTHER_SIZE),
        ((30, 40), [2, 1, 4, 2], boxes_of.OTHER_SIZE),
    ],
    ids=["other shape", "boxes of another size", "turned"],
)
def test_boxes_of_another_picture_are_set_aside(folder, stated, box, reason):
    (row,) = reasons(
        folder,
        {
            "image": "images/b.png",
            "width": stated[0],
            "height": stated[1],
            "boxes": [{"label": "dog", "xywh": box}],
        },
    )
    assert row == reason


def test_boxes_of_a_picture_before_it_was_turned_are_set_aside(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(folder / "images" / "turned.jpg", exif=exif)
    row = {"image": "images/turned.jpg", "boxes": [BOX]}
    assert reasons(folder, {**row, "width": 40, "height": 30}) == [boxes_of.TURNED]
    records = read_boxes(write(folder, {**row, "width": 30, "height": 40}), Audit())
    assert corners(records[0]) == [BOX["xyxy"]]


def test_an_outline_must_be_where_its_box_is(folder):
    outline = [[1, 2, 11, 2, 11, 12, 1, 12]]
    good, bad = {"bbox": [1, 2, 10, 10]}, {"bbox": [20, 12, 10, 10]}
    (first, _), _ = coco(folder, [{**good, "segmentation": outline}])
    assert corners(first) == [[1, 2, 11, 12]]
    (second,), audit = coco(folder, [{**bad, "segmentation": outline}])
    assert second["id"] == "images/b.png"
    assert audit.reasons == {boxes_of.OTHER_OUTLINE: 1}


def test_corners_that_were_written_as_corner_and_size_are_told_by_all_boxes(folder):
    boxes = [{"bbox": [x, 10, x + 9, 28]} for x in (1, 5, 10, 20, 30)]
    (first, _), audit = coco(folder, boxes)
    assert corners(first) == [box["bbox"] for box in boxes]
    assert audit.notes == ["boxes named xywh fit their pictures as xyxy only, and were read so"]
    (first, _), audit = coco(folder, [*boxes, {"bbox": [20, 10, 15, 8]}])  # fits as xywh only
    assert corners(first)[5] == [20, 10, 35, 18]


def test_shares_of_the_picture_become_pixels(folder):
    boxes = [{"label": "a", "xyxy": [0.25, 0.5, 0.5, 1]}, {"label": "b", "xywh": [0, 0, 0.5, 0.1]}]
    audit = Audit()
    row = {"image": "images/a.png", "boxes": boxes, "width": 7, "height": 9}
    (record,) = read_boxes(write(folder, row), audit)
    np.testing.assert_allclose(corners(record), [[10, 15, 20, 30], [0, 0, 20, 3]])
    assert audit.notes == ["all boxes are within 0..1, and were read as shares of their picture"]


def test_one_class_has_one_spelling(folder):
    labels = ["cat", "cat ", "caf\u00e9", "cafe\u0301", 1, 1.0]
    boxes = [{"label": label, "xywh": [n, n, 5, 5]} for n, label in enumerate(labels)]
    (record,) = read_boxes(write(folder, {"image": "images/a.png", "boxes": boxes}), Audit())
    assert {box["label"] for box in record["boxes"]} == {"cat", "caf\u00e9", "1"}
    audit = Audit()
    boxes = [{**BOX, "label": "Cat"}, BOX]
    read_boxes(write(folder, {"image": "images/a.png", "boxes": boxes}), audit)
    assert "'Cat' and 'cat' differ only in case" in audit.notes[0]


def test_lines_of_one_picture_are_joined_and_repeated_boxes_left_out(folder):
    rows = [{"image": "images/a.png", "boxes": [box]} for box in (BOX, {**BOX, "label": "b"}, BOX)]
    audit = Audit()
    (record,) = read_boxes(write(folder, *rows), audit)
    assert [box["label"] for box in record["boxes"]] == ["cat", "b"]
    assert audit.notes == [
        "2 records are of pictures listed before, and were joined",
        "1 boxes were left out, because they are listed twice",
    ]


def test_ids_of_coco_are_the_same_as_numbers_and_as_texts_and_must_be_of_one_picture(folder):
    (first, _), audit = coco(folder, [{"bbox": [1, 2, 3, 4], "image_id": "0", "category_id": "9"}])
    assert corners(first) == [[1, 2, 4, 6]]
    _, audit = coco(folder, [{"bbox": [1, 2, 3, 4], "image_id": 5}])
    assert audit.notes == ["1 boxes were left out, because their picture is not listed"]
    images = [
        {"id": n, "file_name": f"images/{x}.png"} for n, x in zip((0, 0, 1), "abc", strict=True)
    ]
    (third,), audit = coco(folder, [{"bbox": [1, 2, 3, 4]}], images=images)
    assert third["id"] == "images/c.png"
    assert audit.reasons == {annotations.SAME_ID: 2}


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
        {"label": "turned", "xyxy": [20, 5, 10, 9]},
        {"label": "flat", "xywh": [3, 3, 0, 5]},
    ]
    audit = Audit()
    (record,) = read_boxes(write(folder, {"image": "images/a.png", "boxes": boxes}), audit)
    assert record["boxes"] == [
        {"label": "in", "xyxy": [0, 20, 10, 30]},
        {"label": "turned", "xyxy": [10, 5, 20, 9]},
    ]
    assert audit.notes == [
        "1 boxes were clipped to their picture",
        "1 boxes were given by other corners, which were exchanged",
        "1 boxes were left out, because they have no area",
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
        ({"image": "images/none.png", "boxes": [BOX]}, content.MISSING),
        ({"image": "../outside.png", "boxes": [BOX]}, content.OUTSIDE),
        ({"image": "/etc/hostname", "boxes": [BOX]}, content.OUTSIDE),
        ({"image": "images/b.png"}, boxes_of.NO_BOXES),
        ({"image": "images/b.png", "boxes": {"label": "cat"}}, boxes_of.NO_BOXES),
    ],
)
def test_a_bad_record_is_set_aside_with_its_reason(folder, row, reason):
    shutil.copy(folder / "images" / "a.png", folder.parent / "outside.png")
    assert reasons(folder, row) == [reason]


def test_a_picture_whose_name_is_not_utf8_is_set_aside(folder):
    name = "images/b\udcff.png"
    shutil.copy(folder / "images" / "b.png", folder / name)
    assert reasons(folder, {"image": name, "boxes": [BOX]}) == [content.NOT_UTF8]
    assert reasons(folder, {"image": name, "mask": "a-mask.png"}, read=read_masks) == [
        content.NOT_UTF8
    ]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ({"xyxy": [1, 2, 3, 4]}, boxes_of.NO_LABEL),
        ({**BOX, "label": " "}, boxes_of.NO_LABEL),
        ("cat", boxes_of.NO_CORNERS),
        ({"label": "a"}, boxes_of.NO_CORNERS),
        ({"label": "a", "corners": [1, 2, 3, 4]}, boxes_of.NO_CORNERS),
        ({**BOX, "xyxy": [1, 2, 3]}, boxes_of.NO_CORNERS),
        ({**BOX, "xyxy": list("1234")}, boxes_of.NO_CORNERS),
        ({**BOX, "xywh": [1, 2, 3, 4]}, boxes_of.NO_CORNERS),
        ({**BOX, "xyxy": [1, float("nan"), 3, 4]}, boxes_of.NO_CORNERS),
        ({**BOX, "xyxy": [50, 5, 60, 9]}, boxes_of.BEYOND),
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
    with pytest.raises(HeadstartError, match="holds no annotations that can be read"):
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
    Image.new("RGB", (40, 30), "red").save(folder / "colours.png")
    (folder / "text.png").write_text("hello")
    names = ["large.png", "colours.png", "text.png", "none.png", "../a.png", None]
    rows = [{"image": "images/b.png", "mask": name} for name in names]
    assert reasons(folder, *rows, read=read_masks) == [
        annotations.OTHER_SIZE,
        masks_of.NOT_MASK,
        masks_of.NOT_MASK,
        content.MISSING,
        content.OUTSIDE,
        annotations.NO_MASK,
    ]


def test_a_folder_without_its_sisters_is_refused(tmp_path):
    with pytest.raises(HeadstartError, match="no folders images/ and masks/"):
        read_masks(str(tmp_path), Audit())


def save_masks(folder, *arrays, suffix="png", **options):
    rows = []
    for name, array in zip("abc", arrays, strict=False):
        Image.fromarray(array).save(folder / f"{name}-mask.{suffix}", **options)
        rows.append({"image": f"images/{name}.png", "mask": f"{name}-mask.{suffix}"})
    return write(folder, *rows)


def values(*levels):
    """Return a mask (30,40) that holds these values in stripes."""
    return np.repeat(np.array(levels, np.uint8), -(-40 // len(levels)))[None, :40].repeat(30, 0)


@pytest.mark.parametrize(
    ("masks", "found"),
    [
        ([[0, 255], [0]], [[0, 1], [0]]),
        ([[0, 128, 255], [0, 255]], [[0, 1, 2], [0, 2]]),
        ([[0, 85], [170, 255]], [[0, 1], [2, 3]]),
        ([[0, 1], [1, 255]], [[0, 1], [1, 255]]),
        ([[0, 5, 7], [255]], [[0, 5, 7], [255]]),
    ],
    ids=["two levels", "three levels", "four levels", "ids", "more ids"],
)
def test_levels_of_grey_are_told_from_label_ids_by_all_masks(folder, masks, found):
    audit = Audit()
    records = read_masks(save_masks(folder, *(values(*mask) for mask in masks)), audit)
    assert [np.unique(mask_ids(mask)).tolist() for mask in records["mask"]] == found
    assert bool(audit.notes) == (masks != found)


def test_blurred_masks_of_two_levels_are_read_and_other_jpegs_set_aside(folder):
    square = np.zeros((30, 40), np.uint8)
    square[8:24, 8:32] = 255
    audit = Audit()
    (record,) = read_masks(save_masks(folder, square, suffix="jpg", quality=60), audit)
    assert (mask_ids(record["mask"]) == square // 255).all()
    assert "grey levels 0, 255" in audit.notes[0]
    with pytest.raises(HeadstartError, match="JPEG, which blurs label ids"):
        read_masks(save_masks(folder, square // 50, suffix="jpg", quality=60), Audit())


def test_grey_saved_as_colours_or_in_16_bits_is_grey(folder):
    ids = values(0, 1, 2)
    opaque = np.stack([ids, ids, ids, np.full_like(ids, 255)], 2)
    path = save_masks(folder, np.stack([ids] * 3, 2), opaque, ids.astype(np.uint16))
    records = read_masks(path, Audit())
    assert len(records) == 3
    assert all((mask_ids(mask) == ids).all() for mask in records["mask"])
