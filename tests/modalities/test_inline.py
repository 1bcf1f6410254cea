"""What is typed in the shell: a record itself, or the name of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.errors import HeadstartError
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.inline import inline_records, names_file
from headstart.modalities.text.modality import TextModality


def test_a_text_is_no_file_and_a_file_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a")
    assert names_file(str(tmp_path / "x.txt"))
    assert names_file("gone.csv")
    assert names_file("data.npz#test")
    assert not names_file("A good film. Really?")
    assert not names_file("good")
    assert not names_file("and/or")
    assert not names_file("km/h")
    assert names_file(f"{tmp_path}/gone")
    assert names_file("./gone")
    assert names_file("-")
    assert not names_file("好" * 500)
    assert not names_file("好" * 100 + "/" + "坏" * 40)
    assert not names_file(f"{'so_' * 90}long.txt")


def test_texts_can_be_typed_and_pictures_cannot() -> None:
    records = inline_records(TextModality(), ["a good film", "so long"])
    assert records is not None
    assert records["text"][:] == records["id"][:] == ["a good film", "so long"]
    assert inline_records(TextModality(), ["a good film", "films.csv"]) is None
    assert inline_records(ImageModality(), ["a cat"]) is None
    odd = inline_records(TextModality(), ["gr\udcc3\udcbcn", "gr\udcfcn", "half \ud800"])
    assert odd is not None
    assert odd["text"][:] == ["grün", "gr\ufffdn", "half ?"]


@pytest.mark.parametrize("given", ["", "  ", "\n\t"])
def test_a_blank_that_is_typed_is_near_nothing_and_refused(given: str) -> None:
    with pytest.raises(HeadstartError, match="what was typed is blank"):
        inline_records(TextModality(), ["a good film", given])
