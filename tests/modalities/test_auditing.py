"""`headstart audit`: what is found, how it is told, and what is said of what was not looked at."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from drawing import draw, image_bytes
from reading import write

import headstart as hs
from headstart.data.audit_page import AuditPage
from headstart.data.survey import counted
from headstart.errors import HeadstartError
from headstart.modalities.image import near as same_images
from headstart.modalities.text import languages
from headstart.modalities.text import near as near_texts
from headstart.pages.style import STYLE

WORDS = ["the", "cat", "and", "a", "dog", "of", "that", "house", "with", "tall", "old", "trees"]


def sentence(seed: int, words: int = 40) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words)).capitalize() + f" {seed}."


@pytest.fixture
def texts(tmp_path: Path) -> str:
    rows = [sentence(n) for n in range(60)]
    rows += [rows[3], rows[5].upper(), rows[7].replace("cat", "cow", 1), "", "{ code } " * 60]
    return str(write(tmp_path / "texts.txt", "\n".join(rows)))


@pytest.fixture
def tested(tmp_path: Path) -> str:
    rows = [sentence(4), sentence(900), sentence(9).replace("dog", "fox", 1)]
    return str(write(tmp_path / "test.txt", "\n".join(rows)))


def test_labels_are_counted_and_what_is_doubtful_about_them_is_said(tmp_path: Path) -> None:
    rows = [{"text": sentence(n), "label": "good" if n % 3 else "bad"} for n in range(12)]
    rows += [{"text": sentence(1), "label": "bad"}, {"text": sentence(20)}]
    rows += [{"text": sentence(21), "label": "Good"}]
    source = write(tmp_path / "labeled.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    page = hs.audit(str(source))
    found = page.summary()
    assert found["labels"] == {"classes": {"good": 8, "bad": 5, "Good": 1}, "missing": 1}
    text = " ".join(str(page).split())
    assert "(no label)" in text
    assert "2 records have a copy with another label" in text
    assert "'Good' and 'good' differ only in case" in text
    page.write(tmp_path / "page.html")
    assert "(no label)" in (tmp_path / "page.html").read_text(encoding="utf-8")
    numbers = [{"text": sentence(n), "label": n / 7} for n in range(30)]
    write(tmp_path / "rated.jsonl", "".join(json.dumps(row) + "\n" for row in numbers))
    assert "may be quantities" in " ".join(str(hs.audit(tmp_path / "rated.jsonl")).split())


def test_texts_are_counted_measured_and_compared(texts: str, tested: str) -> None:
    pytest.importorskip("rensa")
    found = hs.audit(texts, against=[tested]).summary()
    assert (found["kept"], found["blank"], found["duplicates"]) == (64, 1, 2)
    assert found["near_duplicates"] == {
        "count": 1,
        "examples": [["texts.txt:63", "texts.txt:8"]],
    }
    assert found["lengths"]["quantiles"]["longest"] == 540
    assert found["quality"]["c4.brackets"] == 1
    assert found["quality"]["gopher.words"] == 63
    assert found["overlap"] == {
        "tested": 3,
        "exact": 1,
        "near": 1,
        "pretraining": 2,
        "examples": [["test.txt:1", "texts.txt:5"], ["test.txt:3", "texts.txt:10"]],
    }
    assert found["against"]["kept"] == 3
    json.dumps(found)


def test_the_finding_comes_first_and_the_page_names_both_sides(texts: str, tested: str) -> None:
    pytest.importorskip("rensa")
    page = str(hs.audit(texts, against=[tested]))
    first = page.splitlines()[0]
    assert first == (
        "4.7% of 64 texts are duplicates; 2 of 3 test texts are in the pre-training data "
        "(1 of them nearly)."
    )
    assert "test.txt:3" in page
    assert "texts.txt:10" in page
    assert "gopher.words" in page


def test_without_the_extra_a_sentence_says_what_was_not_looked_at(
    texts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_texts, "available", lambda: False)
    monkeypatch.setattr(languages, "available", lambda: False)
    page = hs.audit(texts)
    found = page.summary()
    assert found["notes"] == [near_texts.MISSING, languages.MISSING]
    assert "near_duplicates" not in found
    assert "languages" not in found
    assert page.headline() == ("3.1% of 64 texts are duplicates (only exact ones were looked for).")
    assert near_texts.MISSING.replace("\n", " ") in " ".join(str(page).split())


def test_a_sample_is_seeded_and_said(texts: str) -> None:
    found = [hs.audit(texts, sample=20, seed=seed).summary() for seed in (0, 0, 1, 2, 3, 4)]
    one = found[0]
    assert one["quality_looked_at"] == 20
    assert one == found[1]
    assert {seed["quality"]["c4.brackets"] for seed in found} == {0, 1}
    assert any("sample of 20 of the 64 texts" in note for note in one["notes"])
    assert hs.audit(texts, sample=0).summary()["quality_looked_at"] == 64


def test_rules_and_their_numbers_can_be_chosen(texts: str) -> None:
    numbers = {"text": {"quality_numbers": {"min_words": 30}}}
    chosen = {"quality": ["gopher.words"], "modality_options": numbers}
    assert hs.audit(texts, **chosen).summary()["quality"] == {"gopher.words": 0}
    page = hs.audit(texts, quality=["gopher.words"], settings=["text.quality_numbers.min_words=30"])
    assert page.summary()["quality"] == {"gopher.words": 0}
    assert "quality" not in hs.audit(texts, quality=["none"]).summary()


def test_pictures_have_sizes_formats_and_near_duplicates(tmp_path: Path) -> None:
    if not same_images.available():
        pytest.skip("ImageHash is not installed (extra `audit`)")
    for number in range(6):
        draw(tmp_path / "p" / f"{number}.png", number, size=(40, 30))
    draw(tmp_path / "p" / "same.png", 2, size=(40, 30))
    (tmp_path / "p" / "near.jpg").write_bytes(image_bytes(3, (40, 30), "JPEG"))
    draw(tmp_path / "test" / "x.png", 4, size=(40, 30))
    page = hs.audit(str(tmp_path / "p"), against=[str(tmp_path / "test")])
    found = page.summary()
    assert found["content"] == "image"
    assert found["duplicates"] == 1
    assert found["near_duplicates"]["count"] == 1
    assert set(found["near_duplicates"]["examples"][0]) == {"p/near.jpg", "p/3.png"}
    assert found["facts"]["formats"] == "PNG 87.5%, JPEG 12.5%"
    assert found["facts"]["sizes in pixels"] == "40 x 30 100.0%"
    assert (found["overlap"]["exact"], found["overlap"]["near"]) == (1, 0)
    assert "25.0% of 8 pictures are duplicates; 1 of 1 test pictures" in str(page)


def test_pictures_that_cannot_be_decoded_are_set_aside_or_counted_in_a_sample(
    tmp_path: Path,
) -> None:
    for number in range(6):
        data = image_bytes(number // 2, (40, 30))  # whose header is sound
        path = tmp_path / "p" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data[: len(data) // 2] if number in (1, 2, 3) else data)
    page = hs.audit(str(tmp_path / "p"))
    found = page.summary()
    assert (found["kept"], found["quarantine"], found["duplicates"]) == (3, 3, 1)
    assert page.headline().startswith("3 records were set aside (50.0% of all): 3 it is cut short")
    assert "(p/1.png, p/2.png, p/3.png)" in page.headline()
    sampled = hs.audit(str(tmp_path / "p"), sample=5).summary()
    assert (sampled["kept"], sampled["quarantine"]) == (6, 0)
    said = next(note for note in sampled["notes"] if "cannot be decoded" in note)
    assert "of a sample of 5 of the 6 pictures (seed 0) cannot be decoded" in said
    assert "mostly it is cut short; copy or download it again (p/" in said
    for number in (0, 4, 5):
        (tmp_path / "p" / f"{number}.png").unlink()
    assert "3 records were set aside (100.0% of all)" in str(hs.audit(str(tmp_path / "p")))


def test_it_is_written_as_json_or_a_page_of_its_own(texts: str, tmp_path: Path) -> None:
    hs.audit(texts, out=str(tmp_path / "a.json"))
    assert json.loads((tmp_path / "a.json").read_text())["kept"] == 64
    page = hs.audit(texts, out=str(tmp_path / "a.html"))
    html = (tmp_path / "a.html").read_text()
    assert f"<h1><strong>{page.headline()}</strong></h1>" in html
    assert "gopher.words" in html
    assert "default-src &#x27;none&#x27;" in html
    assert "://" not in html


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "audit.txt"}, "can be written to .json or .html, not to 'audit.txt'"),
        ({"quality": ["gofer"]}, "did you mean 'gopher'"),
        ({"modality": "sound"}, "unknown modality 'sound'"),
        ({"against": ["nowhere.txt"]}, "there is no file or folder nowhere.txt"),
        ({"sample": -1}, "must be at least 0"),
        ({"settings": ["txt.tokenizer.kind=bpe"]}, "nothing is called 'txt'; did you mean 'text'"),
        ({"modality_options": {"text": {"tokeniser": {}}}}, "did you mean 'tokenizer'"),
        ({"modality_options": {"image": {}}}, "is an option of image, and the records are texts"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    options: dict[str, Any], message: str, texts: str
) -> None:
    with pytest.raises(HeadstartError, match=message) as caught:
        hs.audit(texts, **options)
    assert "\n" not in str(caught.value)


def test_words_for_shares_at_both_ends() -> None:
    def headline(duplicates: int, near: int, kept: int) -> str:
        found = {"noun": "texts", "kept": kept, "duplicates": duplicates, "quarantine": 0}
        return AuditPage({**found, "near_duplicates": {"count": near}}).headline()

    assert headline(0, 0, 10) == "None of 10 texts is a duplicate."
    assert headline(1, 0, 10_000) == "Less than 0.1% of 10,000 texts are duplicates."
    assert headline(6, 4, 10) == "100.0% of 10 texts are duplicates."


def test_a_kind_of_data_shows_tables_that_only_it_has() -> None:
    counts = {"noun": "series", "kept": 2, "duplicates": 0, "quarantine": 0, "blank": 0}
    tables = [counted("Rates, in Hz", {"100 <fast>": 1999, "50": 1}).plain()]
    page = AuditPage({**counts, "reasons": {}, "records": [], "tables": tables})
    assert "less than 0.1%" in str(page)
    html = page._html()
    assert "<h2>Rates, in Hz</h2>" in html
    assert 'class="bar"' in html
    assert "100 &lt;fast&gt;" in html
    assert STYLE in html


def test_the_page_shows_records_pairs_and_languages_by_name(tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    pytest.importorskip("rensa")
    german = "Der Film war leider langweilig, und die Geschichte kannte ich schon lange vorher"
    lines = [f"{german}, Nummer {number}." for number in range(5)]
    out = tmp_path / "audit.html"
    page = hs.audit([*lines, lines[0]], against=[lines[:1]], out=out)
    assert "German" in str(page)
    html = out.read_text(encoding="utf-8")
    assert '<th scope="row">German</th>' in html
    assert {f'id="{name}"' in html for name in ("examples", "sizes", "repeats", "overlap")} == {
        True
    }
    assert html.count('class="duo"') >= 2
    assert "Nummer 3" in html
    assert "in the test data" in html


def test_copies_with_different_labels_are_told(tmp_path: Path) -> None:
    rows = [f"{sentence(n)},{label}" for n in range(6) for label in ("pos", "neg")]
    rows += [f"{sentence(n)},pos" for n in range(10, 40)]
    source = str(write(tmp_path / "a.csv", "\n".join(["text,label", *rows])))
    page = hs.audit(source)
    found = page.summary()["contradictions"]
    assert (found["records"], found["labeled"]) == (12, 42)
    assert found["examples"][0] == ["a.csv:2", "pos", "a.csv:3", "neg"]
    assert "28.6% of those with a label have a copy with another label" in page.headline()
    assert "Copies with different labels" in str(page)
    assert "12 of 42 labeled texts (28.6%) have a copy with another label" in str(page)


def test_a_picture_that_cannot_be_decoded_ends_no_audit(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "empty.png").touch()
    found = hs.audit(str(tmp_path), out=str(tmp_path / "audit.html"))
    assert found.summary()["kept"] == 3
    page = (tmp_path / "audit.html").read_text()
    assert "empty.png" in page
    assert page.count("data:image/webp") >= 3
