"""What one batch looks like before training: made by the objective itself, and nothing trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import headstart as hs
from headstart.errors import HeadstartError
from headstart.modalities.tokens.preview import sequences_in
from headstart.training import pretrain as pretraining
from headstart.verbs.previewing import Preview, _joined

TEXTS = [f"the {a} {b} sleeps in the sun" for a in ("red", "sly", "old") for b in ("fox", "hare")]


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a preview trains nothing")

    monkeypatch.setattr(pretraining, "train", refuse)


def test_texts_are_shown_with_hidden_tokens_and_their_answers(tmp_path: Path) -> None:
    out = tmp_path / "preview.html"
    options = {"layers": 1, "width": 16, "heads": 2}
    found = hs.preview(TEXTS, objective="mlm", encoder_options=options, length=32, out=out)
    rows = found.records[0]
    assert [row["name"] for row in rows] == ["original", "the network reads"]
    answers = [piece for piece in rows[1]["pieces"] if piece[2]]
    originals = [piece[0] for piece in rows[0]["pieces"]]
    assert answers
    assert all(piece[2] in originals for piece in answers)
    assert "mlm on the modernbert encoder makes this of 6 texts" in str(found)
    assert "->" in str(found)
    page = out.read_text(encoding="utf-8")
    assert 'class="answer"' in page
    assert hs.preview(TEXTS, out=out).to_dict()["out"] == str(out)  # its own page is replaced


def test_pictures_are_shown_as_views(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), dtype=np.uint8)
    found = hs.preview(pictures, objective="simclr", out=tmp_path / "new" / "folder" / "views.png")
    assert Image.open(found.out).width > 8 * 16
    page = hs.preview(pictures, objective="rotation", out=tmp_path / "views.html").out
    assert "data:image/png;base64" in page.read_text(encoding="utf-8")


def test_pictures_are_not_printed_so_the_page_is_named() -> None:
    found = Preview("rotation makes this of 12 pictures", [], None)
    assert str(found).startswith("rotation makes this of 12 pictures, which only a page can show")
    assert "\n" not in str(found)


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "notes.html"
    mine.write_text("mine")
    with pytest.raises(HeadstartError, match="exists already; replace it with overwrite=True"):
        hs.preview(TEXTS, out=mine)
    assert mine.read_text() == "mine"


def test_nothing_is_written_that_was_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        found = hs.preview(TEXTS, objective="contrast")
        assert "--out preview.html writes a page" in str(found)
    assert found.to_dict()["out"] is None
    assert list(tmp_path.iterdir()) == []


def test_words_that_are_unknown_among_so_few_are_explained(tmp_path: Path) -> None:
    once = ["my dog likes bones", "the sun is hot today"]
    out = tmp_path / "page.html"
    reason = "stands for what the tokenizer does not know"
    assert reason in str(hs.preview(once, objective="contrast", out=out))
    assert reason in out.read_text(encoding="utf-8")
    assert reason not in str(hs.preview(TEXTS, objective="contrast"))


def test_the_bytes_of_a_character_are_one_piece() -> None:
    letters = "a\N{CJK UNIFIED IDEOGRAPH-5317}b".encode()  # one byte a token
    ids = torch.tensor([list(letters)])
    whole = torch.ones_like(ids, dtype=torch.bool)
    targets = torch.full_like(ids, -100)
    hidden = ids.clone()
    hidden[0, 2], targets[0, 2] = 0, ids[0, 2]
    (rows,) = sequences_in(
        {"input_ids": ids, "mask": whole},
        {"input_ids": hidden, "targets": targets},
        lambda tokens: bytes(tokens).decode("utf-8", "replace"),
        0,
    )
    assert [piece[0] for piece in rows[0]["pieces"]] == ["a", "\N{CJK UNIFIED IDEOGRAPH-5317}", "b"]
    marks = [piece[1:] for piece in rows[1]["pieces"]]
    assert marks == [["", ""], ["", ""], ["hidden", "…"], ["", ""], ["", ""]]


def test_parts_of_words_are_joined() -> None:
    pieces = [["my", "", ""], [" d", "", ""], ["og", "changed", ""], [" [MASK]", "hidden", "is"]]
    assert _joined(pieces, spaced=True) == "my d*og* [MASK]->is"
    assert _joined([["a", "", ""], ["dog", "", ""]], spaced=False) == "a dog"


def test_nothing_is_announced_that_does_not_follow() -> None:
    found = Preview("rotation makes this of 12 pictures", [], Path("views.png"))
    assert str(found).startswith("rotation makes this of 12 pictures.\n")


def test_mistakes_are_those_of_a_pretraining(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="did you mean 'mlm'"):
        hs.preview(TEXTS, objective="mml", out=tmp_path / "a.html")
    with pytest.raises(HeadstartError, match="needs bidirectional"):
        hs.preview(TEXTS, objective="mlm", encoder="gpt", out=tmp_path / "a.html")
