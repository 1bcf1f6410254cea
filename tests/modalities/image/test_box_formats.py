"""Boxes in the formats of the common tools: the same boxes, whatever the tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.image import box_folders, label_studio
from headstart.modalities.image.annotated import NO_PICTURE
from headstart.modalities.image.annotations import read_boxes

#: Of the first picture, which is 40 wide and 30 high; the second one has none.
BOXES = [
    {"label": "cat", "xyxy": [4, 3, 20, 27]},
    {"label": "dog", "xyxy": [10, 15, 40, 30]},
]
VOC = (
    "<annotation><filename>{name}</filename><size><width>40</width><height>30</height></size>"
    "{objects}</annotation>"
)
OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
    "</bndbox></object>"
)


def pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in "ab":
        Image.new("RGB", (40, 30)).save(folder / f"{name}.png")


def voc(folder: Path) -> str:
    pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    objects = "".join(OBJECT.format(box["label"], *box["xyxy"]) for box in BOXES)
    for name, own in (("a", objects), ("b", "")):
        text = VOC.format(name=f"C:\\old\\{name}.png", objects=own)
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    return str(folder)


def yolo(folder: Path, names: str = "data.yaml", below: str = "train/") -> str:
    pictures(folder / f"{below}images")
    labels = folder / f"{below}labels"
    labels.mkdir(exist_ok=True)
    lines = ["1 0.3 0.5 0.4 0.8", "0 0.25 0.5 1 0.5 1 1 0.25 1"]
    (labels / "a.txt").write_text("\n".join(lines))
    text = "names:\n  0: dog\n  1: cat\n" if names == "data.yaml" else "dog\ncat\n"
    (folder / names).write_text(text)
    return str(folder)


def regions() -> list[dict[str, Any]]:
    found = []
    for box in BOXES:
        left, top, right, bottom = box["xyxy"]
        value = {"x": left / 0.4, "y": top / 0.3, "rotation": 0}
        value |= {"width": (right - left) / 0.4, "height": (bottom - top) / 0.3}
        found.append({**value, "rectanglelabels": [box["label"]]})
    return found


def studio(folder: Path, full: bool) -> str:
    pictures(folder / "deep")
    size = {"original_width": 40, "original_height": 30}
    if full:
        result = [{"type": "rectanglelabels", **size, "value": value} for value in regions()]
        cancelled = {"was_cancelled": True, "result": []}
        tasks: list[Any] = [
            {
                "data": {"image": "/data/upload/1/0a1b2c3d-a.png"},
                "annotations": [cancelled, {"result": result}],
            },
            {
                "data": {"image": "/data/local-files/?d=deep/b.png"},
                "annotations": [{"result": []}],
            },
        ]
    else:
        own = [{**value, **size} for value in regions()]
        tasks = [{"image": "https://x.org/a.png", "label": own}, {"image": "deep/b.png", "id": 2}]
    (folder / "export.json").write_text(json.dumps(tasks))
    return str(folder / "export.json")


@pytest.mark.parametrize(
    "write",
    [
        voc,
        yolo,
        lambda folder: yolo(folder, "classes.txt", below=""),
        lambda folder: studio(folder, full=True),
        lambda folder: studio(folder, full=False),
    ],
    ids=["voc", "yolo", "yolo with classes.txt", "label studio", "label studio, min"],
)
def test_every_format_gives_the_same_boxes(tmp_path: Path, write: Any) -> None:
    audit = Audit()
    one, other = read_boxes(write(tmp_path), audit)
    assert [box["label"] for box in one["boxes"]] == ["cat", "dog"]
    for found, wanted in zip(one["boxes"], BOXES, strict=True):
        assert found["xyxy"] == pytest.approx(wanted["xyxy"])
    assert (Path(one["image"]["path"]).name, Path(other["image"]["path"]).name) == (
        "a.png",
        "b.png",
    )
    assert other["boxes"] == []
    assert not audit.reasons


def test_what_one_file_of_a_folder_lacks_sets_its_picture_aside(tmp_path: Path) -> None:
    voc(tmp_path / "voc")
    wrong = tmp_path / "voc" / "Annotations"
    (wrong / "c.xml").write_text(VOC.format(name="c.png", objects=""))
    (wrong / "d.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>')
    audit = Audit()
    read_boxes(str(tmp_path / "voc"), audit)
    assert audit.reason_of() == {
        "Annotations/c.xml": NO_PICTURE,
        "Annotations/d.xml": box_folders.NOT_VOC,
    }
    folder = Path(yolo(tmp_path / "yolo", below=""))
    audit = Audit()
    for line, reason in (
        ("7 0.3 0.5 0.4 0.8", box_folders.NO_NAME),
        ("a", box_folders.NOT_YOLO),
        ("1 0.3 0.5 0.4 0.8 0.9", box_folders.NOT_YOLO),
        ("1 0.3 0.5 0.4 0.8 0.9 12", box_folders.NOT_YOLO),
        ("1 0.3 0.5 0.4 0.8 0.2 0.3 2 0.3 0.4 2", box_folders.NOT_YOLO),
        ("nan 0.3 0.5 0.4 0.8", box_folders.NO_NAME),
    ):
        (folder / "labels" / "b.txt").write_text(f"0 0.5 0.5 0.2 0.2\n\n{line}")
        read_boxes(str(folder), audit := Audit())
        assert audit.reason_of() == {"labels/b.txt:3": reason}


def test_seven_numbers_are_an_outline_only_among_outlines(tmp_path: Path) -> None:
    """Else they may be a box with its confidence and track, or with a key point."""
    folder = Path(yolo(tmp_path, below=""))
    (folder / "labels" / "b.txt").write_text("1 0.5 0 1 0.5 0.5 0.5")
    _, second = read_boxes(str(folder), Audit())
    assert second["boxes"] == [{"label": "cat", "xyxy": [20.0, 0.0, 40.0, 15.0]}]
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2")
    assert len(read_boxes(str(folder), audit := Audit())) == 1
    assert audit.reason_of() == {"labels/b.txt:1": box_folders.OF_SEVEN}


def test_key_points_behind_a_box_are_passed_over(tmp_path: Path) -> None:
    folder = Path(yolo(tmp_path, below=""))
    (folder / "data.yaml").write_text("names: [dog, cat]\nkpt_shape: [3, 2]\n")
    points = "0.31 0.5 0.32 0.5 0.33 0.5"
    (folder / "labels" / "a.txt").write_text(f"1 0.5 0.5 0.5 0.5 {points}")
    one, _ = read_boxes(str(folder), Audit())
    assert one["boxes"] == [{"label": "cat", "xyxy": [10.0, 7.5, 30.0, 22.5]}]


def test_a_turned_box_and_a_task_that_nobody_labeled_are_set_aside(tmp_path: Path) -> None:
    file = Path(studio(tmp_path, full=True))
    tasks = json.loads(file.read_text())
    tasks.append({**tasks[1], "annotations": []})
    turned = json.loads(json.dumps(tasks[0]))
    turned["annotations"][1]["result"][0]["value"]["rotation"] = 30
    file.write_text(json.dumps([*tasks, turned]))
    audit = Audit()
    assert len(read_boxes(str(file), audit)) == 2
    assert audit.reason_of() == {
        "export.json, task 3": label_studio.UNJUDGED,
        "export.json, task 4": label_studio.TURNED,
    }


def test_what_is_none_of_these_names_what_can_be_read(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "labels.csv").write_text("a.png,1,2,3,4,cat")
    for source in (tmp_path, tmp_path / "labels.csv"):
        with pytest.raises(HeadstartError, match=r"Label Studio .* Pascal VOC .* YOLO"):
            read_boxes(str(source), Audit())


def test_a_part_of_a_data_set_of_yolo_has_the_names_of_the_whole(tmp_path: Path) -> None:
    one, _ = read_boxes(f"{yolo(tmp_path)}/train", Audit())
    assert [box["label"] for box in one["boxes"]] == ["cat", "dog"]


def test_names_of_classes_in_another_encoding_are_refused_by_their_file(tmp_path: Path) -> None:
    folder = Path(yolo(tmp_path, "classes.txt", below=""))
    (folder / "classes.txt").write_bytes("Bär\n".encode("latin-1"))
    with pytest.raises(HeadstartError, match=r"classes\.txt cannot be read"):
        read_boxes(str(folder), Audit())


def test_a_part_inside_images_has_the_labels_and_names_beside_it(tmp_path: Path) -> None:
    for part in ("train", "val"):
        pictures(tmp_path / "images" / part)
        (tmp_path / "labels" / part).mkdir(parents=True)
        (tmp_path / "labels" / part / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("names: [cat]")
    found = read_boxes(str(tmp_path / "images" / "train"), Audit())
    assert list(found["id"]) == ["images/train/a.png", "images/train/b.png"]
    assert [box["label"] for box in found[0]["boxes"]] == ["cat"]


def test_two_label_files_that_differ_and_one_without_a_picture_are_told(tmp_path: Path) -> None:
    folder = Path(yolo(tmp_path, below=""))
    (folder / "images" / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (folder / "labels" / "zz.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (folder / "labels" / "README.txt").write_text("made by hand\n")
    read_boxes(str(folder), audit := Audit())
    assert audit.reason_of() == {
        "images/a.txt": box_folders.TWO_FILES,
        "labels/zz.txt": NO_PICTURE,
    }


def test_pictures_whose_labels_are_all_missing_are_no_pictures_without_objects(
    tmp_path: Path,
) -> None:
    folder = Path(yolo(tmp_path, below=""))
    (folder / "labels").rename(folder / "annotated")
    with pytest.raises(HeadstartError, match=r"no picture .* has a file of labels.*labels/a\.txt"):
        read_boxes(str(folder), Audit())


@pytest.mark.parametrize(
    "names",
    ["5", "cat", "[[cat], [dog]]", "{x: cat}", "{.inf: cat}", "[null]", "&a [*a]", "[" * 2000],
)
def test_names_of_classes_that_are_none_are_refused_by_their_file(
    tmp_path: Path, names: str
) -> None:
    folder = Path(yolo(tmp_path, below=""))
    (folder / "data.yaml").write_text(f"names: {names}")
    with pytest.raises(HeadstartError, match=r"data\.yaml"):
        read_boxes(str(folder), Audit())


def test_a_blank_line_among_the_names_of_classes_counts(tmp_path: Path) -> None:
    folder = Path(yolo(tmp_path, "classes.txt", below=""))
    (folder / "classes.txt").write_text("dog\n\ncat\n")
    (folder / "labels" / "a.txt").write_text("2 0.3 0.5 0.4 0.8")
    one, _ = read_boxes(str(folder), Audit())
    assert [box["label"] for box in one["boxes"]] == ["cat"]


def test_an_entity_is_refused_in_every_encoding_and_a_type_alone_is_not(tmp_path: Path) -> None:
    file = Path(voc(tmp_path)) / "Annotations" / "b.xml"
    entity = '<!DOCTYPE a [<!ENTITY b "c">]><annotation><filename>b.png</filename></annotation>'
    for text, reasons in (
        (f'<?xml version="1.0" encoding="utf-16"?>{entity}', {box_folders.NOT_VOC: 1}),
        ("<!DOCTYPE annotation><annotation/>", {}),
    ):
        file.write_text(text, encoding="utf-16" if "utf-16" in text else "utf-8")
        read_boxes(str(tmp_path), audit := Audit())
        assert audit.reasons == reasons


def test_an_xml_that_names_the_picture_of_another_is_set_aside(tmp_path: Path) -> None:
    file = Path(voc(tmp_path)) / "Annotations" / "b.xml"
    file.write_text(VOC.format(name="a.png", objects=OBJECT.format("cat", 1, 1, 5, 5)))
    (one,) = read_boxes(str(tmp_path), audit := Audit())
    assert len(one["boxes"]) == len(BOXES)
    assert audit.reasons == {box_folders.TWO_PICTURES: 1}


def test_xml_beside_its_pictures_is_read_where_labels_of_yolo_lie_as_well(tmp_path: Path) -> None:
    voc(tmp_path / "images")
    (tmp_path / "labels").mkdir()
    found = read_boxes(str(tmp_path / "images"), audit := Audit())
    assert len(found) == 2
    assert not audit.reasons


def test_a_relation_of_two_boxes_is_no_shape(tmp_path: Path) -> None:
    file = Path(studio(tmp_path, full=True))
    tasks = json.loads(file.read_text())
    relation = {"type": "relation", "from_id": "1", "to_id": "2", "labels": ["near"]}
    tasks[0]["annotations"][1]["result"].append(relation)
    file.write_text(json.dumps(tasks))
    read_boxes(str(file), audit := Audit())
    assert not audit.notes


def test_other_shapes_than_boxes_do_not_become_pictures_without_objects(tmp_path: Path) -> None:
    file = Path(studio(tmp_path, full=True))
    tasks = json.loads(file.read_text())
    polygon = {"value": {"points": [[1, 2], [9, 2], [9, 9]], "polygonlabels": ["cat"]}}
    tasks[0]["annotations"][1]["result"].append(polygon)
    tasks[1]["annotations"][0]["result"].append(polygon)
    file.write_text(json.dumps(tasks))
    (one,) = read_boxes(str(file), audit := Audit())
    assert len(one["boxes"]) == len(BOXES)
    assert audit.reasons == {label_studio.NO_BOX: 1}
    assert audit.notes == ["1 shapes beside boxes were left out, because they are no boxes"]


def test_all_fields_of_boxes_of_a_task_count(tmp_path: Path) -> None:
    file = Path(studio(tmp_path, full=False))
    tasks = json.loads(file.read_text())
    tasks[0]["more"] = [tasks[0]["label"].pop()]
    file.write_text(json.dumps(tasks))
    one, _ = read_boxes(str(file), Audit())
    assert len(one["boxes"]) == len(BOXES)


@pytest.mark.parametrize("change", [{"result": 5}, {"result": [{"value": None}]}])
def test_a_task_that_is_written_in_another_way_ends_no_run(tmp_path: Path, change: Any) -> None:
    file = Path(studio(tmp_path, full=True))
    tasks = json.loads(file.read_text())
    tasks.append({"data": {"image": "http://[::1"}, "annotations": [change]})
    file.write_text(json.dumps(tasks))
    assert len(read_boxes(str(file), Audit())) == 2


@pytest.mark.parametrize(
    "box", [[10**400, 1, 5, 5], [1, 1, 5, 10**400], [1e308, 1e308, 1e308, 1e308]]
)
def test_numbers_of_any_length_set_their_picture_aside(tmp_path: Path, box: list[Any]) -> None:
    pictures(tmp_path)
    rows = [
        {"image": "a.png", "boxes": [{"label": "cat", "xywh": box}]},
        {"image": "b.png", "width": 10**400, "height": 30, "boxes": []},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    (one,) = read_boxes(str(tmp_path / "boxes.json"), audit := Audit())
    assert one["id"] == "b.png"
    assert audit.reasons.total() == 1


@pytest.mark.parametrize("text", ["5", "null", '"a"', "true"])
def test_json_without_a_list_names_what_can_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "boxes.json").write_text(text)
    with pytest.raises(HeadstartError, match="holds no list of pictures"):
        read_boxes(str(tmp_path / "boxes.json"), Audit())


def test_a_folder_with_a_file_of_annotations_names_it(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "_annotations.coco.json").write_text("{}")
    with pytest.raises(HeadstartError, match=r"such as .*/_annotations\.coco\.json"):
        read_boxes(str(tmp_path), Audit())
