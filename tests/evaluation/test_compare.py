"""Several runs on the same labels: the answer first, and no claim that the figures do not bear."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import headstart as hs
from headstart.encoders.light import LightEncoder
from headstart.encoders.opening import save_encoder
from headstart.errors import HeadstartError
from headstart.evaluation.compare_page import compare_page
from headstart.evaluation.comparison import Comparison, pairs
from headstart.evaluation.outcomes import ACCURACY, Outcome, Results
from headstart.evaluation.protocols import PROTOCOLS, clustering
from headstart.evaluation.protocols.resampling import averaged
from headstart.modalities.text.processor import TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer

FRUIT, TOOL = ["apple", "pear", "plum", "fig"], ["saw", "axe", "drill", "file"]


def comparison(accuracies: dict[str, list[float]], labels: list[int], seed: int = 0) -> Comparison:
    """Return a comparison of runs with these accuracies."""
    random = np.random.default_rng(seed)
    truth, luck = np.ones(600, dtype=int), random.random((len(labels), 5, 600))
    outcomes = []
    for name, rates in accuracies.items():
        own = luck + 0.1 * random.standard_normal(luck.shape)  # right on much the same records
        for index, (count, rate) in enumerate(zip(labels, rates, strict=True)):
            right = own[index] < rate
            found = averaged(right.astype(float), 0)
            outcomes.append(
                Outcome(
                    candidate=name,
                    kind="other",
                    probe="logistic regression",
                    labels=count,
                    predictions=right.astype(int),
                    scores={"accuracy": found.estimate()},
                    by_draw=found.by_draw,
                    by_resample=found.by_resample,
                )
            )
    counts = {count: str(count) for count in labels}
    results = Results(
        task="classification",
        metric=ACCURACY,
        classes=["0", "1"],
        truth=truth,
        counts=counts,
        training=5000,
        seeds=5,
        outcomes=outcomes,
    )
    costs = {name: {"minutes": "1.0"} for name in accuracies}
    folders = {name: f"runs/{name}" for name in accuracies}
    return Comparison(results, pairs(results), costs, folders, [], "headstart compare", {})


def test_the_answer_says_who_is_best_and_from_where_on() -> None:
    found = comparison({"a": [0.6, 0.8, 0.9], "b": [0.6, 0.7, 0.8]}, [10, 100, 1000])
    assert (
        found.answer == "a is best from 100 labels on; a and b cannot be told apart with 10 labels."
    )


def test_equal_runs_are_tied() -> None:
    claims = 0
    for seed in range(20):
        found = comparison({"a": [0.7, 0.7], "b": [0.7, 0.7], "c": [0.7, 0.7]}, [10, 100], seed)
        claims += any(pair.clear for pair in found.pairs)
    assert claims <= 2


def test_what_is_clearly_behind_is_named() -> None:
    found = comparison({"a": [0.8, 0.8], "b": [0.8, 0.8], "c": [0.5, 0.5]}, [10, 100])
    assert found.answer.endswith(
        "cannot be told apart at any number of labels; c is clearly behind."
    )


def test_chances_are_adjusted_for_all_pairs_and_numbers_of_labels() -> None:
    found = comparison({"a": [0.8, 0.8], "b": [0.7, 0.7], "c": [0.6, 0.6]}, [10, 100])
    raw = [2 * min(pair.change.above, pair.change.below) for pair in found.pairs]
    assert len(found.pairs) == 6
    assert min(pair.p_value for pair in found.pairs) == pytest.approx(6 * min(raw))
    assert all(pair.p_value >= p for pair, p in zip(found.pairs, raw, strict=True))


def test_the_table_has_a_row_a_run_and_its_cost() -> None:
    text = str(comparison({"first": [0.8], "second": [0.6]}, [10]))
    lines = text.splitlines()
    assert lines[0] == "first is best with 10 labels."
    assert "80" in next(line for line in lines[1:] if line.strip().startswith("first "))
    assert "minutes" in text


def test_the_page_needs_nothing_from_elsewhere_and_escapes_names() -> None:
    page = compare_page(comparison({"<script>a": [0.8, 0.8], "b": [0.6, 0.7]}, [10, 100]))
    assert "<script>a" not in page
    assert "&lt;script&gt;a over b" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<title>headstart: which run is best?" in page


def sentences(file: Path, numbers: range) -> str:
    rows = []
    for number in numbers:
        label, words = (("fruit", FRUIT), ("tool", TOOL))[number % 2]
        picked = " ".join(words[(number // 2 * k) % 4] for k in (1, 2, 3))
        rows.append({"text": f"the {picked} lies on table n{number}", "label": label})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def open_lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, list[str]]:
    """A run as its folder tells it, with an encoder of random word vectors, and a copy of it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("compare")
    texts = [json.loads(x)["text"] for x in open_lines(sentences(folder / "u.jsonl", range(200)))]
    processor = TextProcessor(fit_tokenizer(texts, kind="word", vocab_size=300, lowercase=True))
    encoder = LightEncoder(torch.ones(processor.vocabulary.size), 16)
    torch.nn.init.normal_(encoder.token_embedding.weight)
    note = {"modality": "text", "length": 32}
    save_encoder(encoder, processor, folder / "run1" / "encoder", note)
    (folder / "run1" / "config.yaml").write_text(
        "verb: pretrain\noptions: {}\nresolved: {records: 200, finished: true}\n"
    )
    shutil.copytree(folder / "run1", folder / "run2")
    return folder, [str(folder / "run1"), str(folder / "run2")]


def test_two_runs_are_compared_on_the_same_records(runs) -> None:
    folder, names = runs
    found = hs.compare(
        *names,
        train=sentences(folder / "train.jsonl", range(200, 300)),
        test=sentences(folder / "test.jsonl", range(300, 340)),
        labels=["10", "all"],
        seeds=2,
        out=str(folder / "compare.html"),
    )
    summary = found.summary()
    assert [run["name"] for run in summary["runs"]] == ["run1", "run2"]
    assert summary["test_records"] == 40
    assert "cannot be told apart" in summary["answer"]  # the second is a copy of the first
    assert {row["labels"] for row in summary["scores"]} == {10, 100}
    assert all(run["cost"]["records"] == "200" for run in summary["runs"])
    assert json.loads(json.dumps(summary)) == summary
    assert (folder / "compare.html").stat().st_size < 100_000
    assert any((Path(names[0]) / "features").iterdir())  # kept for the next time


def test_a_run_that_can_go_on_with_a_text_is_compared_like_any_other(
    runs, tmp_path, monkeypatch, capsys
) -> None:
    folder, names = runs
    written = Path(shutil.copytree(names[1], tmp_path / "written"))
    monkeypatch.chdir(tmp_path)
    (written / "head").mkdir()
    head = {"objective": "clm", "generates": "continuation"}
    (written / "head" / "head.json").write_text(json.dumps(head))
    found = hs.compare(
        names[0],
        str(written),
        train=sentences(folder / "train.jsonl", range(200, 300)),
        labels=["10"],
        seeds=2,
    )
    assert [run["name"] for run in found.summary()["runs"]] == ["run1", "written"]
    assert [path.name for path in tmp_path.iterdir()] == ["written"]  # no page was asked for
    assert 'out="compare.html" writes a page' in capsys.readouterr().err


def test_runs_that_cannot_be_written_are_compared_all_the_same(runs, tmp_path, monkeypatch) -> None:
    folder, names = runs
    copies = [Path(shutil.copytree(name, tmp_path / Path(name).name)) for name in names]
    for copy in copies:
        shutil.rmtree(copy / "features", ignore_errors=True)
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) not in copies and access(path, mode)
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    train = sentences(folder / "train.jsonl", range(200, 300))
    out = str(tmp_path / "compare.html")
    assert hs.compare(*map(str, copies), train=train, labels=["10"], seeds=2, out=out).answer
    assert not any((copy / "features").exists() for copy in copies)
    # Features of both parts of the records, and the speed of the encoder.
    assert len(list((tmp_path / "cache" / "headstart").glob("run*/features/*"))) == 6


def test_a_damaged_run_is_refused_before_any_features_are_kept(runs, tmp_path) -> None:
    folder, names = runs
    copies = [Path(shutil.copytree(name, tmp_path / Path(name).name)) for name in names]
    for copy in copies:
        shutil.rmtree(copy / "features", ignore_errors=True)
    (copies[1] / "metrics.jsonl").mkdir()
    train = sentences(folder / "train.jsonl", range(200, 300))
    with pytest.raises(HeadstartError, match=r"metrics\.jsonl cannot be opened"):
        hs.compare(*map(str, copies), train=train, labels=["10"], seeds=2)
    assert not any((copy / "features").exists() for copy in copies)


def test_one_run_alone_or_named_twice_is_refused(runs) -> None:
    folder, names = runs
    train = sentences(folder / "train.jsonl", range(200, 300))
    with pytest.raises(HeadstartError, match="two runs or more"):
        hs.compare(names[0], train=train)
    with pytest.raises(HeadstartError, match="named twice"):
        hs.compare(names[0], names[0], train=train)


def test_what_cannot_be_compared_is_refused_before_anything_is_read(runs, monkeypatch) -> None:
    _, names = runs
    with pytest.raises(HeadstartError, match="perplexity is measured of one run at a time"):
        hs.compare(*names, train="nowhere.jsonl", task="perplexity")
    needy = replace(PROTOCOLS["clustering"], needs=frozenset({"patches"}))
    monkeypatch.setattr(clustering, "PROTOCOL", needy)
    with pytest.raises(HeadstartError, match="'clustering' needs patches"):
        hs.compare(*names, train="nowhere.jsonl", task="clustering")


def test_runs_of_several_modalities_are_refused(runs, tmp_path) -> None:
    folder, names = runs
    image = tmp_path / "pictures" / "encoder"
    image.mkdir(parents=True)
    (image / "headstart.json").write_text('{"modality": "image", "length": 32}')
    with pytest.raises(HeadstartError, match=r"reads texts and .* reads pictures"):
        hs.compare(
            names[0],
            str(image.parent),
            train=sentences(folder / "train.jsonl", range(200, 300)),
        )


def test_fine_tuned_runs_of_several_sets_of_labels_are_refused(runs, tmp_path) -> None:
    folder, names = runs
    for run, labels in zip(names, (["fruit", "tool"], ["good", "bad"]), strict=True):
        copy = tmp_path / Path(run).name
        (copy / "head").mkdir(parents=True)
        (copy / "encoder").symlink_to(Path(run) / "encoder")
        (copy / "head" / "head.json").write_text(json.dumps({"labels": labels}))
    train = sentences(folder / "train.jsonl", range(200, 300))
    with pytest.raises(HeadstartError, match=r"fine-tuned on fruit, tool and .* on bad, good"):
        hs.compare(str(tmp_path / "run1"), str(tmp_path / "run2"), train=train)
    with pytest.raises(HeadstartError, match=r"know bad, good, and .* has fruit, tool"):
        hs.compare(names[0], str(tmp_path / "run2"), train=train)
