"""What a class is called as an example of it."""

from __future__ import annotations

import pytest

from headstart.errors import HeadstartError
from headstart.modalities.class_names import class_names, spoken
from headstart.modalities.opening import open_modality


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("card_arrival", "card arrival"),
        ("cardArrival", "card arrival"),
        ("HTTPError", "http error"),
        ("Refund_not_showing_up", "refund not showing up"),
        ("top 10 cards", "top 10 cards"),
        ("positive!", "positive!"),
        ("酒店", "酒店"),
        ("no", "no"),
    ],
)
def test_labels_are_read_as_words(label: str, words: str) -> None:
    assert spoken(label) == words


@pytest.mark.parametrize("label", ["17", "LABEL_3", "a1b2", "B", "-1.5", "class 2", "x"])
def test_numbers_and_codes_are_no_words(label: str) -> None:
    assert spoken(label) is None


def test_labels_are_their_own_names_and_codes_are_told_once() -> None:
    said: list[str] = []
    records = class_names("auto", {"lost_card", "7", "8"}, open_modality("text"), said.append)
    assert records["text"] == ["lost card"]
    assert records["label"] == ["lost_card"]
    assert said == [
        "2 labels are no words ('7', ...) and not used as class names; --names FILE gives names."
    ]
    assert class_names("auto", {"7", "8"}, open_modality("text"), said.append) is None
    assert class_names("off", {"lost_card"}, open_modality("text"), said.append) is None


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_file_gives_names_or_descriptions(ending, tmp_path) -> None:
    file = tmp_path / f"names.{ending}"
    file.write_text(
        "label,name\n1,an_angry_customer\n2,a thankful one\n"
        if ending == "csv"
        else '{"label": 1, "description": "an_angry_customer"}\n'
        '{"label": 2, "description": "a thankful one"}\n'
    )
    said: list[str] = []
    records = class_names(str(file), {"1"}, open_modality("text"), said.append)
    assert records["text"] == ["an angry customer"]
    assert "1 name is of a class that no labeled record has ('2'); it is left out." in said[-1]
    both = class_names(str(file), {"1"}, open_modality("text"), said.append, others=True)
    assert both["label"] == ["1", "2"]
    assert said[-1].endswith("('2'); it can be predicted by name alone.")
    with pytest.raises(HeadstartError, match="none of the labeled records"):
        class_names(str(file), {"a", "b"}, open_modality("text"), said.append)


def test_a_file_without_labels_is_refused(tmp_path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("name\nan angry customer\n")
    with pytest.raises(HeadstartError, match="needs a label and a name"):
        class_names(str(file), {"1"}, open_modality("text"), print)


def test_a_class_without_a_name_is_told(tmp_path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("label,name\n1,an angry customer\n")
    said: list[str] = []
    records = class_names(str(file), {"1", "2", "3"}, open_modality("text"), said.append)
    assert records["label"] == ["1"]
    assert "2 classes have no name there ('2', '3')" in said[-1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "1,an angry one\n2,\n",
            r"names.csv:3' \(2\) has no name; write one, or leave the row out",
        ),
        ("1,an angry one\n2,  \n", r"names.csv:3' \(2\) has no name"),
        ("1,an angry one\n1,a thankful one\n", "'1' has two names, 'an angry one' and 'a thank"),
        ("1,\n2,\n", "a column name or description, with a text in each row"),
    ],
)
def test_a_file_with_an_empty_or_a_second_name_is_refused(rows, message, tmp_path) -> None:
    file = tmp_path / "names.csv"
    file.write_text(f"label,name\n{rows}")
    with pytest.raises(HeadstartError, match=message):
        class_names(str(file), {"1", "2"}, open_modality("text"), print)


def test_a_repeated_row_is_one_name_and_a_shared_name_is_told(tmp_path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("label,name\n1,an angry one\n1,an angry one\n2,an angry one\n,\n")
    said: list[str] = []
    records = class_names(str(file), {"1", "2"}, open_modality("text"), said.append)
    assert records["label"] == ["1", "2"]
    assert "same name does not tell these classes apart: '1', '2'" in said[-1]


def test_what_is_no_file_is_refused_with_what_there_is() -> None:
    labels = {"negative", "positive"}
    with pytest.raises(HeadstartError, match="no such file; write auto, off, or a file with"):
        class_names("negative,positive", labels, open_modality("text", {}), print)


def test_a_kind_that_cannot_be_typed_has_no_names() -> None:
    assert class_names("auto", {"cat", "dog"}, open_modality("image"), print) is None
    with pytest.raises(HeadstartError, match="where a record can be typed, and pictures cannot"):
        class_names("names.csv", {"cat"}, open_modality("image"), print)
