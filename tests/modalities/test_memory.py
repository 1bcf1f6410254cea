"""Records in memory become files, which are read like any other."""

from __future__ import annotations

import io
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities import MODALITIES
from headstart.modalities.guess import guess_content
from headstart.modalities.memory import source_of, sources_of

TEXTS = ["a good film", "so long"]
ROWS = [{"text": text, "label": index} for index, text in enumerate(TEXTS)]


class Streamed:
    """A frame of another library, such as polars, as Arrow's PyCapsule protocol shows it."""

    columns = ("text", "label")

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.Table.from_pylist(ROWS).__arrow_c_stream__(requested_schema)


class Interchanged:
    """A frame that has the DataFrame interchange protocol only."""

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object:
        return pa.Table.from_pylist(ROWS).__dataframe__()


def read(given: Any, folder: Path) -> datasets.Dataset:
    sources = sources_of(given, folder)
    modality = MODALITIES[guess_content(sources)]()
    return modality.read(sources, SourceOptions(), Audit())


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame(ROWS, index=[7, 9]),
        pd.DataFrame({"text": TEXTS, "label": [0, 1], "note": [1, "x"]}),
        Streamed(),
        Interchanged(),
        datasets.Dataset.from_list(ROWS),
        pa.Table.from_pylist(ROWS),
        ROWS,
        [ROWS],
        {"text": TEXTS, "label": np.array([0, 1])},
        [(TEXTS, [0, 1])],
        [(pd.Series(TEXTS), pd.Series([0, 1]))],
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_form_of_labeled_texts_gives_the_same_records(given: Any, tmp_path: Path) -> None:
    records = read(given, tmp_path)
    assert records["text"][:] == TEXTS
    assert records["label"][:] == ["0", "1"]


@pytest.mark.parametrize("given", [[TEXTS], [np.array(TEXTS)], pd.Series(TEXTS)], ids=repr)
def test_bare_texts_need_no_name_of_a_column(given: Any, tmp_path: Path) -> None:
    assert read(given, tmp_path)["text"][:] == TEXTS


def test_pictures_are_taken_as_arrays_and_as_objects_of_pillow(tmp_path: Path) -> None:
    pixels = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)
    arrays = read([(pixels, ["a", "b", "a"])], tmp_path)
    assert arrays["label"][:] == ["a", "b", "a"]
    assert len(read(pixels / 255.0, tmp_path)) == 3
    images = read([Image.fromarray(picture) for picture in pixels], tmp_path)
    ragged = read([[*pixels[:2], pixels[0, :2]]], tmp_path)
    assert len(images) == len(ragged) == 3
    image = MODALITIES["image"]()
    first = [image.preview(records, 8)[0].image for records in (arrays, images)]
    assert first[0] == first[1]


def _files() -> tuple[bytes, bytes]:
    """Return the files of a picture and of a recording."""
    packed = io.BytesIO()
    Image.new("L", (8, 8)).save(packed, "PNG")
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(200)) * 20)
    return packed.getvalue(), sound.getvalue()


def test_bytes_are_of_the_kind_that_most_begin_like(tmp_path: Path) -> None:
    picture, sound = _files()
    for given, kind in (
        ([picture], "image"),
        ([sound], "audio"),
        ([b"damaged", sound, sound], "audio"),
        ([picture, sound, sound], "audio"),
        ([sound, picture, picture], "image"),
    ):
        assert guess_content(sources_of(given, tmp_path)) == kind
    with pytest.raises(HeadstartError, match="as many of the records in memory are"):
        sources_of([picture, sound], tmp_path)


def test_recordings_that_are_bytes_are_read_and_others_among_them_set_aside(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="the extra `audio` is not installed")
    picture, sound = _files()
    records = read([picture, sound, sound[:20], sound], tmp_path)
    assert set(records.features) == {"id", "audio"}
    audit = Audit()
    modality = MODALITIES["audio"]()
    assert len(modality.usable(records, None, audit)) == 2
    assert audit.quarantined == 2


def test_names_stay_names(tmp_path: Path) -> None:
    assert sources_of(["a.csv", Path("b")], tmp_path) == ["a.csv", "b"]
    assert sources_of([["a.csv", Path("b.csv")]], tmp_path) == ["a.csv", "b.csv"]
    assert source_of(Path("b"), tmp_path) == "b"
    assert not list(tmp_path.iterdir())


def test_the_same_records_have_the_same_name(tmp_path: Path) -> None:
    assert source_of(TEXTS, tmp_path) == source_of(list(TEXTS), tmp_path)
    assert source_of(TEXTS[:1], tmp_path) != source_of(TEXTS, tmp_path)
    assert all(not file.name.startswith(".") for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "int is no collection of records"),
        ([1, 2], "int is no collection of records"),
        ([[1, 2]], "records in memory cannot be int"),
        (np.zeros((3, 4)), r"cannot be an array \(3, 4\)"),
        ([(TEXTS, ["a"])], r"2 of 'text', 1 of 'label'.*one label for each"),
        ([[]], "are empty; give one or more"),
        (datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS)), "name one of 'train'"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_anything_else_is_refused_in_a_sentence(given: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match=message) as found:
        sources_of(given, tmp_path)
    assert len(str(found.value)) <= 300


def test_writers_at_the_same_time_get_their_own_records(tmp_path: Path) -> None:
    def write(number: int) -> tuple[int, list[str]]:
        path = source_of([f"text {number} {row}" for row in range(50)], tmp_path)
        return number, pa.parquet.read_table(path)["text"].to_pylist()

    with ThreadPoolExecutor(8) as pool:
        for number, found in pool.map(write, range(64)):
            assert found == [f"text {number} {row}" for row in range(50)]
    assert len(list(tmp_path.iterdir())) == 64


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"one", "two"}, "a set has no order"),
        ({"text": {"one", "two"}, "label": ["a", "b"]}, "a set has no order"),
        (np.array("one"), "a single value is no collection"),
        ([{"text": "one"}, None], "cannot be rows and NoneType"),
        (pd.DataFrame([["one", "two"]], columns=["text", "text"]), "several columns of the name"),
    ],
)
def test_what_would_be_read_in_another_order_or_in_part_is_refused(
    given: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(HeadstartError, match=message):
        source_of(given, tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        {"text": {0: "one", 5: "two"}},
        [{"text": "one", 1: 10**30}, {"text": "two", 1: "x"}],
        pd.DataFrame({"text": ["one", "two"], "number": [10**30, 1]}),
        pd.DataFrame({"text": ["one", "two"], "array": [np.zeros((2, 2)), "x"]}),
    ],
)
def test_columns_of_odd_values_are_texts(given: Any, tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(source_of(given, tmp_path))
    assert table["text"].to_pylist() == ["one", "two"]


def test_a_tensor_of_torch_is_an_array_whatever_it_needs(tmp_path: Path) -> None:
    import torch

    pictures = torch.zeros(2, 8, 8, 3)
    expected = source_of(pictures.numpy(), tmp_path)
    assert source_of(pictures.clone().requires_grad_(), tmp_path) == expected
    assert source_of(pictures.bfloat16(), tmp_path) == expected


def test_half_of_a_character_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    given = {"text": ["a \ud800 b", "好\U0001f600"], "mixed": ["\udfff", 1]}
    table = pyarrow.parquet.read_table(source_of(given, tmp_path))
    assert table["text"].to_pylist() == ["a \ufffd b", "好\U0001f600"]
    assert table["mixed"].to_pylist() == ["\ufffd", "1"]


@pytest.mark.parametrize("missing", [pd.NA, pd.NaT, np.float64("nan"), np.datetime64("NaT")])
def test_what_stands_for_no_value_is_no_text(missing: Any, tmp_path: Path) -> None:
    rows = [{"text": "a", "label": label} for label in ("x", 1, missing)]
    table = pyarrow.parquet.read_table(source_of(rows, tmp_path))
    assert table["label"].to_pylist() == ["x", "1", None]


@pytest.mark.parametrize("form", ["list", "nothing", "rows", "frame", "data set"])
def test_what_is_empty_is_called_so(form: str, tmp_path: Path) -> None:
    empty = {
        "list": [],
        "nothing": [None, float("nan")],
        "rows": {"text": []},
        "frame": pd.DataFrame({"text": []}),
        "data set": datasets.Dataset.from_dict({"text": []}),
    }[form]
    with pytest.raises(HeadstartError, match=r"empty|one or more"):
        source_of(empty, tmp_path)


def test_texts_that_begin_with_none_are_texts(tmp_path: Path) -> None:
    assert read([[float("nan"), None, "a text"]], tmp_path)["text"] == ["a text"]
