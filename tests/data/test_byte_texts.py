"""Columns that Spark and databases write: texts as bytes, numbers of few bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from drawing import image_bytes
from reading import OPTIONS, quarantined

from headstart.data.audit import Audit
from headstart.data.sources import read
from headstart.modalities.guess import guess_content

TEXTS = [f"text number {number}" for number in range(4)]
SPELLED = ["é", "b", "é", "b"]


def labels(folder: Path, values: Any, audit: Audit | None = None, **columns: str) -> list[Any]:
    pq.write_table(pa.table({"text": TEXTS, "label": values}), folder / "a.parquet")
    named = OPTIONS | {"columns": columns}
    found = read([str(folder / "a.parquet")], audit=audit or Audit(), **named)
    return list(found["label"])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_labels_in_bytes_are_the_texts_that_they_spell(tmp_path: Path, kind: pa.DataType) -> None:
    spelled = pa.array([name.encode() for name in SPELLED], kind)
    assert labels(tmp_path, spelled) == SPELLED
    assert labels(tmp_path, spelled.dictionary_encode(), label="label") == SPELLED
    assert labels(tmp_path, pa.array([None, b"a", b"b", b"a"], kind)) == [None, "a", "b", "a"]


def test_a_label_in_bytes_that_is_no_text_is_set_aside(tmp_path: Path) -> None:
    audit = Audit()
    assert labels(tmp_path, pa.array([b"a", b"\xff", b"b", b"a"]), audit) == ["a", "b", "a"]
    assert quarantined(audit) == {"a.parquet:2": "its label is bytes that are no UTF-8 text"}


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_numbers_of_few_bits_are_the_labels_that_a_csv_has(
    tmp_path: Path, kind: pa.DataType
) -> None:
    whole = pa.array([1.0, 2.0, 1.0, None], pa.float32()).cast(kind)
    assert labels(tmp_path, whole) == ["1", "2", "1", None]
    shares = pa.array([1.1, 2.3, -0.7, float("nan")], pa.float64()).cast(pa.float32())
    if kind == pa.float32():
        assert labels(tmp_path, shares) == ["1.1", "2.3", "-0.7", None]


@pytest.mark.parametrize("saved", [False, True])
def test_bytes_that_hold_texts_make_no_table_of_pictures(tmp_path: Path, saved: bool) -> None:
    texts = {"text": [one.encode() for one in TEXTS], "label": [one.encode() for one in SPELLED]}
    pictures = {"image": [image_bytes(0), image_bytes(1)], "label": [b"a", b"b"]}
    for name, columns, kind in (("t", texts, "text"), ("p", pictures, "image")):
        path = tmp_path / f"{name}.parquet"
        if saved:
            path = tmp_path / name
            Dataset.from_dict(columns).save_to_disk(str(path))
        else:
            pq.write_table(pa.table(columns), path)
        assert guess_content([str(path)]) == kind
        if kind == "text":
            found = read([str(path)], audit=Audit(), **OPTIONS)
            assert list(found["text"]) == TEXTS
            assert list(found["label"]) == SPELLED
