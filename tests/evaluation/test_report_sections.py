from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import HOSTILE, made_images, made_results, made_run, made_texts
from PIL import Image

from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import Metric, Shift
from headstart.evaluation.report import Report
from headstart.evaluation.report.cost import cost_of
from headstart.evaluation.report.training import section as training_section
from headstart.pages.tables import Table

CLASSES = ["cats", "dogs", "owls"]


def written(report: Report, folder: Path) -> str:
    report.write(folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def page(tmp_path: Path) -> str:
    samples, truth = made_texts(CLASSES)
    return written(Report(made_results(CLASSES, truth), samples=samples), tmp_path)


def test_the_map_has_a_mark_with_words_for_each_record(page: str) -> None:
    marks = re.findall(r"<use [^>]*><title>([^<]*)</title></use>", page)
    assert len(marks) == 60
    assert any(mark.startswith("cats · predicted cats ✓\ntext 0 about cats") for mark in marks)
    assert sum("✗" in mark for mark in marks) == page.count(" wrong&quot;") + len(
        re.findall(r'class="dot fill\d wrong"', page)
    )
    assert HOSTILE not in page


def test_the_map_says_how_much_labels_lie_together(page: str) -> None:
    share, expected = re.findall(
        r"Records of one label lie together: (\d+)% .*? \(by chance (\d+)%\)", page
    )[0]
    assert int(share) > 80
    assert expected == "32"  # (20 - 1) of (60 - 1)


def test_neighbours_are_the_nearest_and_never_the_record_itself(page: str) -> None:
    section = page[page.index('id="neighbours"') : page.index('id="confusions"')]
    groups = section.split('class="neighbours"')[1:]
    assert len(groups) == 6
    for group in groups:
        names = re.findall(r"text (\d+) about (\w+)", group)
        assert len(names) == 6
        assert names[0] not in names[1:]
        cosines = [float(x) for x in re.findall(r"cosine ([\d.-]+)", group)]
        assert cosines == sorted(cosines, reverse=True)


def test_the_most_confused_classes_come_with_examples_of_them(page: str) -> None:
    section = page[page.index('id="confusions"') :]
    first, second = re.findall(r"Most confused: \d+% of “(\w+)” are taken for “(\w+)”", section)[0]
    # The wrong are taken for the class that follows.
    assert CLASSES[(CLASSES.index(first) + 1) % 3] == second
    pair = section[section.index(f"{first} → {second}") :].split("</ul>")[0]
    examples = re.findall(r"text \d+ about (\w+)", pair)
    assert examples == [first] * 3


def test_many_classes_are_named_without_the_whole_table(tmp_path: Path) -> None:
    classes = [f"intent {n}" for n in range(40)]
    samples, truth = made_texts(classes, 120)
    text = written(Report(made_results(classes, truth), samples=samples), tmp_path)
    assert 'class="heat' not in text
    assert "Most confused: " in text


def test_a_protocol_without_labels_gets_dots_instead_of_a_curve(tmp_path: Path) -> None:
    samples, _ = made_texts(CLASSES)
    found = made_results(
        [],
        np.linspace(0, 5, 30),
        counts={0: "no labels"},
        metric=Metric("Spearman", percent=False),
        task="similarity",
        unit="pairs",
    )
    text = written(Report(found, samples=samples), tmp_path)
    assert "Spearman of each candidate" in text
    assert "pre-trained: 0.800 [0.770, 0.830]" in text
    assert "Bands are" not in text
    assert "30 pairs" in text
    assert "predicted" not in text
    assert "share its label" not in text  # what people said of a pair is no kind of a record
    assert 'class="key"' not in text
    assert "NaN" not in text


def test_shifts_stand_beside_the_clean_score_and_the_worst_is_named(tmp_path: Path) -> None:
    def shift(candidate: str, name: str, severity: int, score: float) -> Shift:
        def near(value: float) -> Estimate:
            return Estimate(value, value - 0.01, value + 0.01)

        kind = "pretrained" if candidate == "pre-trained" else "baseline"
        drop = near(0.8 - score)
        return Shift(candidate, kind, "lr", name, severity, 100, 500, near(0.8), near(score), drop)

    _, truth = made_texts(CLASSES)
    shifts = [
        shift(who, "typos", severity, 0.8 - loss * severity)
        for who, loss in (("pre-trained", 0.05), ("TF-IDF", 0.1))
        for severity in (1, 2, 3)
    ]
    shifts += [shift("pre-trained", "other.csv", 0, 0.75), shift("TF-IDF", "other.csv", 0, 0.76)]
    text = written(Report(made_results(CLASSES, truth, shifts=shifts)), tmp_path)
    assert "500 of those as they are and corrupted, 500 of other.csv" in text
    assert "take that there" not in text  # one point is within the intervals
    shifts[-1] = shift("TF-IDF", "other.csv", 0, 0.79)
    text = written(Report(made_results(CLASSES, truth, shifts=shifts)), tmp_path)
    assert "On other.csv TF-IDF does better (79.0% against 75.0%)" in text
    assert "typos of severity 3 hurts most: -15.0 points, to 65.0%, still ahead of TF-IDF" in text
    assert "50.0" in text
    assert "other.csv" in text


def test_alarms_and_every_health_metric_have_the_untrained_value_beside_them(
    tmp_path: Path,
) -> None:
    keys = ("effective_rank", "alpha_req", "alignment", "uniformity", "lidar", "spread")
    rows: list[dict[str, Any]] = [
        {"step": step, "validation_loss": 5.0 - step / 100, **dict.fromkeys(keys, 2.0 + step)}
        for step in (0, 50, 100)
    ]
    alarm = {"kind": "collapse", "message": "The features are collapsing: lower the rate."}
    rows.append({"step": 60, "alarm": alarm})
    run = made_run(tmp_path / "run", rows)
    _, truth = made_texts(CLASSES)
    report = Report(made_results(CLASSES, truth), run=run)
    text = written(report, tmp_path)
    for name in ("Effective rank", "Alpha-ReQ", "Alignment", "Uniformity", "LiDAR", "Spread of"):
        assert f"{name}" in text
    assert text.count("untrained: 2<") == len(keys)
    assert "⚠ Step 60: collapse. " in text
    assert alarm["message"] in report.advice
    assert re.search("headstart pretrain texts .*--budget 5steps", text)


def test_no_alarm_is_stated_as_such(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", [{"step": n, "loss": 1.0 / (n + 1)} for n in range(9)])
    _, truth = made_texts(CLASSES)
    report = Report(made_results(CLASSES, truth), run=run)
    assert "No alarm rang" in written(report, tmp_path)


def test_the_corrupted_words_are_marked_and_answered(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", [])
    read = [["the", "", ""], ["[MASK]", "hidden", "river"], ["cup", "changed", HOSTILE]]
    rows = [
        {"name": "original", "pieces": [["the river rose", "", ""]]},
        {"name": "the network reads", "pieces": [*read, *[["on", "", ""]] * 3]},
    ]
    run.words_file.write_text(json.dumps({"records": [rows]}))
    _, truth = made_texts(CLASSES)
    text = written(Report(made_results(CLASSES, truth), run=run), tmp_path)
    hidden, answer = '<mark class="hidden">[MASK]</mark>', '<mark class="answer">river</mark>'
    assert hidden + answer in text
    assert HOSTILE not in text


def test_energy_is_estimated_from_processor_time_over_all_processes(tmp_path: Path) -> None:
    sittings = [(60, 100.0), (120, 200.0), (180, 50.0), (240, 160.0)]
    rows = [
        {"step": n, "clock": {"seconds": s, "cpu_seconds": cpu, "peak_memory": 2e9}}
        for n, (s, cpu) in enumerate(sittings)
    ]
    run = made_run(tmp_path / "run", rows)
    cost = cost_of(run, rows)
    assert cost["processor time"] == "6.0 core minutes"  # 200 and 160 seconds
    assert cost["peak memory"] == "2.00 GB"
    # 0.1 core hours of 12 W and 1/15 hour of 2 GB at 0.3725 W
    assert cost["energy, estimated"] == "1.2 Wh"


def test_a_page_of_the_largest_images_stays_below_five_megabytes(tmp_path: Path) -> None:
    classes = [f"class {n}" for n in range(12)]
    samples, truth = made_images(classes, 120, 96)
    run = made_run(tmp_path / "run", [])
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(run.image_file)
    assert run.image_file.stat().st_size > 2_000_000
    text = written(Report(made_results(classes, truth), run=run, samples=samples), tmp_path)
    assert len(text.encode()) < 5_000_000
    assert text.count("data-image=") == 120
    (sheet,) = re.findall(r'<img src="data:image/webp;base64,([^"]+)"[^>]*class="sheet"', text)
    assert len(sheet) < 700_000


def test_records_are_left_out_before_the_page_grows_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, truth = made_texts(CLASSES)
    report = Report(made_results(CLASSES, truth), samples=samples)
    whole = len(written(report, tmp_path))
    monkeypatch.setattr("headstart.evaluation.report.report.LIMIT", whole - 1)
    without = written(report, tmp_path)
    assert len(without) < whole
    assert 'id="map"' not in without
    assert 'id="efficiency"' in without


def test_advice_follows_from_what_was_found(tmp_path: Path) -> None:
    _, truth = made_texts(CLASSES)
    good = Report(made_results(CLASSES, truth))
    assert good.advice[0].startswith("Use this encoder")
    audits: dict[str, dict[str, Any]] = {
        "pre-training": {"kept": 100, "duplicates": 30},
        "test": {"kept": 60, "overlap": {"exact": 2, "near": 1, "examples": [["a", "b"]]}},
    }
    losses = [{"step": n, "validation_loss": 5 - n / 10} for n in range(20)]
    run = made_run(tmp_path / "run", losses)
    bad = Report(made_results(CLASSES, truth, right=(0.5, 0.4, 0.8)), run=run, audits=audits)
    advice = "\n".join(bad.advice)
    assert bad.advice[0].startswith("“TF-IDF” does better and costs less")
    assert "3 tested records occur in the pre-training data, exactly or nearly" in advice
    assert "try a longer `--budget`" in advice
    run.resolve(capped=True)
    capped = Report(made_results(CLASSES, truth, right=(0.5, 0.4, 0.8)), run=run, audits=audits)
    assert "ends at the same number of epochs" in "\n".join(capped.advice)
    assert "More labels still pay" in advice
    assert "30% of the pre-training records repeat others" in advice
    assert "Overlap of test with the pre-training data: 2 exact, 1 near." in written(bad, tmp_path)


def test_facts_lengths_and_the_tables_of_the_data_are_listed(tmp_path: Path) -> None:
    gaps = Table("Gaps", [["over a <day>", "3"]], ["gap", "records"], "None is longer.")
    audits = {
        "pre-training": {
            "kept": 10,
            "near_duplicates": {"count": 4321, "examples": []},
            "facts": {"share of numbers": 0.125},
            "lengths": {"unit": "characters", "quantiles": {"median": 640}},
            "tables": [gaps.plain()],
        }
    }
    _, truth = made_texts(CLASSES)
    text = written(Report(made_results(CLASSES, truth), audits=audits), tmp_path)
    for words in ("4,321", "share of numbers", "0.125", "median, in characters", "640"):
        assert words in text, words
    for words in ("Gaps", "over a &lt;day&gt;", "pre-training: None is longer."):
        assert words in text, words


def test_figures_of_the_pretext_task_stand_beside_their_chance_level() -> None:
    rows = [
        {
            "step": step,
            "loss": 2.0 - step / 10,
            "accuracy": 0.9,
            "validation_accuracy": 0.5 + step / 20,
            "validation_accuracy_chance": 0.914,
            "validation_found": 0.1 * step,
        }
        for step in range(5)
    ]
    page = training_section(rows)
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", page)
    assert cells == ["Pretext task", "first", "last", "chance", "Accuracy", "0.5", "0.7", "0.914"]
    assert "chance: 0.914" in page
    assert "chance</figcaption>" not in page.lower()
    assert "chance" not in training_section([{"step": n, "loss": 1.0 / n} for n in (1, 2, 3)])
