"""Every kind of source of pictures becomes the same records."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawing import draw, image_bytes, records, refusal

from headstart.data.audit import Audit
from headstart.modalities.image.decode import decode


def pixels(found: datasets.Dataset) -> list[np.ndarray]:
    return [decode(value) for value in found[:]["image"]]


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_a_folder_gives_paths_and_no_file_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    for name in ("b.PNG", "a.jpg", "deep/er/c.webp", ".hidden.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    found = records(folder)
    assert found.column_names == ["id", "image"]
    assert found["id"][:] == ["photos/a.jpg", "photos/b.PNG", "photos/deep/er/c.webp"]
    assert found[0]["image"] == {"bytes": None, "path": str(folder / "a.jpg")}


def test_one_folder_a_class_gives_labels(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/1.png", "dog/2.jpg"):
        draw(tmp_path / "pets" / name)
    found = records(tmp_path / "pets")
    assert found["id"][:] == ["pets/cat/1.png", "pets/dog/1.png", "pets/dog/2.jpg"]
    assert found["label"][:] == ["cat", "dog", "dog"]
    draw(tmp_path / "splits" / "train" / "1.png")
    draw(tmp_path / "splits" / "test" / "1.png")
    assert "label" not in records(tmp_path / "splits").column_names


def test_single_files_and_globs_are_named_by_themselves(tmp_path: Path) -> None:
    for name in ("x/a.jpg", "y/a.jpg", "y/b.gif"):
        draw(tmp_path / name)
    assert records(tmp_path / "x" / "a.jpg")["id"][:] == ["a.jpg"]
    assert records(tmp_path / "y" / "*.???")["id"][:] == ["a.jpg", "b.gif"]
    audit = Audit()
    both = records(tmp_path / "x" / "a.jpg", tmp_path / "y", audit=audit)
    assert both["id"][:] == ["a.jpg", "y/a.jpg", "y/b.gif"]
    assert audit.sources == {str(tmp_path / "x" / "a.jpg"): 1, str(tmp_path / "y"): 2}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz"])
def test_archives_give_bytes_and_folders_that_are_classes(tmp_path: Path, kind: str) -> None:
    members = {
        "cat/1.png": image_bytes(1),
        "dog/1.png": image_bytes(2),
        "dog/2.jpg": image_bytes(3),
    }
    path = tmp_path / f"pets.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        tar(path, members)
    found = records(path)
    assert found["id"][:] == [f"{path.name}/{name}" for name in members]
    assert found["label"][:] == ["cat", "dog", "dog"]
    assert [value["bytes"] for value in found[:]["image"]] == list(members.values())


def test_webdataset_shards_take_the_label_from_cls_or_json(tmp_path: Path) -> None:
    tar(
        tmp_path / "shard-0.tar",
        {
            "000.jpg": image_bytes(0),
            "000.cls": b"7\n",
            "000.txt": b"a caption",
            "001.cls": b"8",
            "001.png": image_bytes(1),
            "001.json": b'{"label": "x"}',
        },
    )
    tar(
        tmp_path / "shard-1.tar",
        {
            "002.jpg": image_bytes(2),
            "002.json": b'{"label": 9, "other": "z"}',
            "003.json": b"broken",
            "003.jpg": image_bytes(3),
        },
    )
    audit = Audit()
    found = records(tmp_path, audit=audit)
    assert found["label"][:] == ["7", "8", "9", None]
    assert audit.quarantined == 0
    audit = Audit()
    found = records(tmp_path, columns={"label": "other"}, audit=audit)
    assert found["id"][:] == [f"{tmp_path.name}/shard-1.tar/002.jpg"]
    assert found["label"][:] == ["z"]
    assert audit.quarantined == 3


@pytest.mark.parametrize("wrapped", [True, False])
def test_parquet_gives_bytes_from_a_binary_or_a_struct_column(
    tmp_path: Path, wrapped: bool
) -> None:
    values: list[Any] = [image_bytes(n) for n in range(150)]
    cells = [{"bytes": value, "path": "x.png"} for value in values] if wrapped else values
    table = pa.table({"note": ["some words"] * 150, "photo": cells, "label": [1, 0] * 75})
    pq.write_table(table, tmp_path / "a.parquet")
    found = records(tmp_path / "a.parquet")
    assert [value["bytes"] for value in found[:]["image"]] == values
    assert found["id"][149] == "a.parquet:150"
    assert found["label"][:2] == ["1", "0"]


def test_class_names_in_a_parquet_file_of_pictures_are_used(tmp_path: Path) -> None:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {"image": [{"bytes": image_bytes(), "path": None}] * 2, "label": [1, 0]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    assert records(tmp_path / "a.parquet")["label"][:] == ["dog", "cat"]


def test_a_saved_dataset_gives_undecoded_bytes_and_names_of_classes(tmp_path: Path) -> None:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {"image": [str(draw(tmp_path / f"{n}.png", n)) for n in range(3)], "label": [1, 0, 1]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    found = records(tmp_path / "saved")
    assert found["label"][:] == ["dog", "cat", "dog"]
    assert [value["bytes"] for value in found[:]["image"]] == [image_bytes(n) for n in range(3)]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_names_pictures_beside_it(tmp_path: Path, kind: str) -> None:
    draw(tmp_path / "in" / "1.png")
    draw(tmp_path / "2.png")
    rows = [("in/1.png", "a"), ("./2.png", "b"), ("gone.png", "c"), ("../out.png", "d")]
    rows += [("/etc/passwd.png", "e"), ("in/../../x.png", "f")]
    draw(tmp_path.parent / "out.png")
    path = tmp_path / f"labels.{kind}"
    if kind == "csv":
        path.write_text("file_name,label\n" + "".join(f"{name},{label}\n" for name, label in rows))
    else:
        path.write_text("".join(json.dumps({"file": n, "label": x}) + "\n" for n, x in rows))
    audit = Audit()
    found = records(path, audit=audit)
    assert found["label"][:] == ["a", "b"]
    assert [value["path"] for value in found[:]["image"]] == [
        str(tmp_path / "in" / "1.png"),
        str(tmp_path / "2.png"),
    ]
    assert [("outside" in reason, count) for reason, count in audit.reasons.most_common()] == [
        (True, 3),
        (False, 1),
    ]


def test_a_table_beside_pictures_is_passed_over_unless_it_is_named(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    (tmp_path / "labels.csv").write_text("a,b\nno,path\n")
    (tmp_path / "README.md").write_text("notes")
    audit = Audit()
    assert len(records(tmp_path, audit=audit)) == 1
    assert audit.quarantined == 2
    assert any("name the table itself" in reason for reason in audit.reasons)


def test_texts_do_not_become_pictures_nor_pictures_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some words")
    message = refusal(tmp_path / "a.txt")
    assert "JPEG" in message
    draw(tmp_path / "a.png")
    assert records(tmp_path)["id"][:] == [f"{tmp_path.name}/a.png"]


def test_a_missing_or_unclear_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x"], "a": [image_bytes()], "b": [image_bytes()]}), path)
    assert "--column image=COLUMN" in refusal(path)
    assert len(records(path, columns={"image": "b"})) == 1
    assert "no column 'c'" in refusal(path, columns={"image": "c"})
    assert "no column 'kind'" in refusal(path, columns={"image": "a", "label": "kind"})
    audit = Audit()
    pq.write_table(pa.table({"image": [1, 2]}), path)
    assert "neither bytes nor the path" in refusal(path, columns={"image": "image"}, audit=audit)


def test_a_label_column_cannot_be_asked_of_files(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    assert "holds picture files and has no column 'label'" in refusal(
        tmp_path, columns={"label": "label"}
    )


def test_labels_may_be_missing_where_nobody_asked(tmp_path: Path) -> None:
    rows = [{"image": image_bytes(n), "label": label} for n, label in enumerate(["x", None, "y"])]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert records(tmp_path / "a.parquet")["label"][:] == ["x", None, "y"]
    audit = Audit()
    assert len(records(tmp_path / "a.parquet", columns={"label": "label"}, audit=audit)) == 2
    assert audit.reasons == {"its label is missing or not a plain value": 1}
