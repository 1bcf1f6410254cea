"""The page of a run that writes: what it found, in words, figures and shades, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made import HOSTILE, made_perplexity, made_run

import headstart as hs
from headstart.evaluation.report.perplexity import write_perplexity
from headstart.pages.markup import tag


@pytest.mark.parametrize(
    ("gain", "word", "title"),
    [
        (0.4, "Yes", "This run needs 20% fewer bits for these texts than 4-grams"),
        (0.0, "Not clear", "Neither this run nor 4-grams clearly predicts these texts better"),
        (-0.4, "No", "This run needs 20% more bits for these texts than 4-grams"),
    ],
)
def test_the_page_says_what_was_found(tmp_path: Path, gain: float, word: str, title: str) -> None:
    found = made_perplexity(gain)
    assert found.verdict.startswith(f"{word}: ")
    run = made_run(tmp_path / "run", [{"step": n, "loss": 5 - n / 9} for n in range(9)])
    out = tmp_path / "page.html"
    write_perplexity(
        found, out, run=run, command="headstart evaluate x", versions={"headstart": "1"}, audits={}
    )
    page = out.read_text(encoding="utf-8")
    assert f"<strong>{word}.</strong>" in page
    assert f"<figcaption>{title}</figcaption>" in page
    assert "headstart evaluate x" in page
    assert "2.000 [1.900, 2.100]" in page
    for method in ("tested.csv", "2026-01-31", "of order 2, fitted on all 5,000 tokens"):
        assert method in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    for piece, bits in found.surprises[0].pieces:
        share = min(1.0, bits / 12)
        assert tag("span", piece, style=f"--share: {share:.2f}", title=f"{bits:.1f} bits") in page
    assert HOSTILE not in page


def test_evaluating_a_language_model_writes_the_page_and_its_figures(tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("".join(f"the cat {n} sat on the mat\n" for n in range(40)))
    run = hs.pretrain(
        str(source),
        objective="clm",
        encoder="gpt",
        encoder_options={"layers": 1, "width": 16, "heads": 2},
        out=str(tmp_path / "run"),
        budget="3steps",
        tracker="none",
    )
    found = run.evaluate(task="perplexity", train=str(source), out=str(tmp_path / "a" / "b.html"))
    page = (tmp_path / "a" / "b.html").read_text(encoding="utf-8")
    assert f"--task perplexity --train {source}" in page
    figures = json.loads((tmp_path / "a" / "b.json").read_text(encoding="utf-8"))
    assert figures["verdict"] == found.verdict
    run.evaluate(task="perplexity", train=str(source))
    assert (run.folder / "perplexity.html").is_file()
    assert (run.folder / "perplexity.json").is_file()
