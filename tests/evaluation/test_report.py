from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from headstart.config import EvaluateConfig, PretrainConfig
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.outcomes import Candidate, Results
from headstart.evaluation.report import Report
from headstart.evaluation.report.reproduce import command
from headstart.modalities.text.content import TEXT
from headstart.run import RunFolder

HOSTILE = "<script>alert('x')</script>\"&"


@pytest.fixture(scope="module")
def results() -> Results:
    rng = np.random.default_rng(0)
    labels = [HOSTILE, "plain"] * 60
    signal = np.array([[1.0], [-1.0]] * 60)

    def features(strength: float) -> np.ndarray:
        return (strength * signal + rng.standard_normal((120, 4))).astype(np.float32)

    candidates = [
        Candidate("pre-trained", "pretrained", features(2), features(2)),
        Candidate("untrained", "untrained", features(0.1), features(0.1)),
        Candidate(HOSTILE, "baseline", features(0.5), features(0.5)),
    ]
    config = EvaluateConfig(run="r", train="t", labels=["10", "50%", "5000", "all"], seeds=3)
    records = Dataset.from_dict({"label": labels})
    return evaluate(candidates, records, records, config, TEXT)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    plan = PretrainConfig(sources=["texts"], out=str(tmp_path / "run"))
    run = RunFolder.create(plan.out, "pretrain", plan)
    run.resolve(records=1234)
    rows = [
        {
            "step": step,
            "loss": 7 - step / 500,
            "clock": {"seconds": step / 10, "tokens_per_second": 5000.0},
        }
        for step in range(1, 1001)
    ]
    rows += [
        {"step": step, "validation_loss": 7 - step / 600, "effective_rank": 10 + step / 50}
        for step in (0, 500, 1000)
    ]
    run.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


@pytest.fixture
def report(results: Results, run: RunFolder) -> Report:
    audit = {
        "kept": 10,
        "quarantine": 1,
        "blank": 2,
        "duplicates": 3,
        "records": [{"where": HOSTILE, "reason": f"not UTF-8 {HOSTILE}"}],
    }
    return Report(
        results,
        run=run,
        command=f"headstart evaluate '{HOSTILE}'",
        versions={"headstart": "1.0"},
        audits={HOSTILE: audit},
        notes=[f"3 test texts occur in pre-training {HOSTILE}"],
    )


class Page(HTMLParser):
    """Collects elements, and complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(report: Report, folder: Path) -> str:
    report.write(folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_hostile_text_is_displayed_and_never_executed(report: Report, tmp_path: Path) -> None:
    text = page(report, tmp_path)
    parsed = Page(text)
    assert parsed.open == []
    assert [name for name, _ in parsed.elements].count("script") == 1
    assert HOSTILE not in text
    # in the verdict, its list, chart titles, tables, the audit, a note and the command
    assert text.count("&lt;script&gt;") >= 8


def test_the_page_needs_nothing_from_outside(report: Report, tmp_path: Path) -> None:
    text = page(report, tmp_path)
    for _, attributes in Page(text).elements:
        assert not {"srcset", "action", "data"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert (attributes.get("src") or "data:").startswith("data:")
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", text)
    assert "default-src &#x27;none&#x27;" in text
    assert len(text) < 1_000_000


def test_the_policy_allows_the_one_script_that_is_there(report: Report, tmp_path: Path) -> None:
    text = page(report, tmp_path)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in text


def test_the_page_holds_verdict_figures_curves_data_cost_and_command(
    report: Report, tmp_path: Path
) -> None:
    text = page(report, tmp_path)
    first = report.verdict.splitlines()[0]
    assert first.startswith("Yes, from 10 labels on: pre-training gained ")
    assert first.partition(": ")[2][1:] in text
    # the labels' worth, three numbers, the choice, the seeds, how sure, two notes, the setting
    assert len(report.verdict.splitlines()) == 11
    for words in (
        "60 (50%) labels",
        "all 120 labels",
        "kNN",
        "Training loss fell from 6.99 to 5",
        "validation loss ended at 5.33",
        "Effective rank rose from 10 to 30",
        "about 500,000",
        "1,234",
        "5,000 labels cannot be drawn from 120.",
        "headstart 1.0",
    ):
        assert words in text, words
    assert len(max(re.findall(r'points="([^"]+)"', text), key=len).split()) <= 200


def test_the_summary_is_plain_json(report: Report) -> None:
    summary = json.loads(json.dumps(report.summary()))
    assert summary["verdict"] == report.verdict.splitlines()[0]
    assert [gain["outcome"] for gain in summary["gains"]][1:] == ["gain"] * 2
    # At three numbers of labels three candidates with two heads, and the majority class; at the
    # smallest of them labels are few enough to be spread.
    assert len(summary["scores"]) == 3 * (2 * 3 + 1) + 3
    low, high = summary["gains"][0]["difference_interval"]
    assert low < summary["gains"][0]["difference"] < high


def test_a_report_needs_neither_run_nor_alternatives(results: Results, tmp_path: Path) -> None:
    only = [outcome for outcome in results.outcomes if outcome.kind == "pretrained"]
    alone = Report(replace(results, outcomes=only))
    assert alone.verdict.startswith("No verdict")
    assert "No verdict" in page(alone, tmp_path)


def test_the_command_names_columns_one_by_one() -> None:
    config = EvaluateConfig(run="r", train="t", columns={"text": "body"}, label_column="stars")
    words = "headstart evaluate r --column text=body --column label=stars --train t"
    assert command("evaluate", config, ["run"]) == words
