"""The wiring of the verdict: who the candidates are, and what each may see."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.config import PretrainConfig
from headstart.data.changes import state_of_sources
from headstart.errors import HeadstartError
from headstart.evaluation import judge as judging
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols import PROTOCOLS
from headstart.modalities.opening import open_modality
from headstart.modalities.text.modality import TextModality
from headstart.run import RunFolder

FRUIT, TOOL = ["apple", "pear", "plum", "fig"], ["saw", "axe", "drill", "file"]


def sentence(number: int) -> tuple[str, str]:
    """A text of one of two topics that no other number has."""
    label, words = (("fruit", FRUIT), ("tool", TOOL))[number % 2]
    picked = " ".join(words[(number // 2 * k) % 4] for k in (1, 2, 3))
    return f"the {picked} lies on table n{number} beside the {words[number % 4]}", label


def write(file: Path, numbers: range, *, labels: bool = True) -> str:
    rows = []
    for number in numbers:
        text, label = sentence(number)
        rows.append({"text": text, "label": label} if labels else {"text": text})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> hs.Run:
    folder = tmp_path_factory.mktemp("judge")
    source = write(folder / "unlabeled.jsonl", range(200), labels=False)
    return hs.pretrain(
        source,
        out=str(folder / "run"),
        budget="40steps",
        batch_size=32,
        tracker="none",
        encoder_options={"width": 16},
    )


@pytest.fixture
def seen(run, monkeypatch) -> dict[str, object]:
    """Keep what reaches the protocol, and the texts that reach the simple alternatives."""
    shutil.rmtree(run.features, ignore_errors=True)  # features are kept, and not computed again
    recorded: dict[str, object] = {}
    evaluate, baselines = judging.evaluate, TextModality.baselines

    def spy_evaluate(candidates, train, test, config, content, **options):
        recorded.update(candidates=candidates, train=list(train["label"]))
        recorded.update(test=[] if test is None else list(test["label"]))
        return evaluate(candidates, train, test, config, content, **options)

    def spy_baselines(modality, background, train, test, **options):
        recorded.update(background=list(background["text"]), train_texts=list(train["text"]))
        recorded.update(test_texts=None if test is None else list(test["text"]))
        return baselines(modality, background, train, test, **options)

    monkeypatch.setattr(judging, "evaluate", spy_evaluate)
    monkeypatch.setattr(TextModality, "baselines", spy_baselines)
    return recorded


def by_name(seen) -> dict[str, Candidate]:
    return {candidate.name: candidate for candidate in seen["candidates"]}


def test_every_candidate_sees_the_same_texts_and_no_baseline_is_fitted_on_test(run, seen, tmp_path):
    train = write(tmp_path / "train.jsonl", range(300, 360))
    test = write(tmp_path / "test.jsonl", range(400, 430))
    report = run.evaluate(train, test=test, labels=["10", "all"], seeds=2)
    assert seen["train_texts"] == [sentence(n)[0] for n in range(300, 360)]
    names = ["fruit", "tool"]  # read as the tested texts are, and never tested
    assert seen["test_texts"] == [*(sentence(n)[0] for n in range(400, 430)), *names]
    assert seen["test"] == [sentence(n)[1] for n in range(400, 430)]
    fitted = set(seen["background"])
    assert fitted == {sentence(n)[0] for n in range(200)}
    assert not fitted & set(seen["test_texts"])
    for candidate in seen["candidates"]:
        assert candidate.train.shape[0] == 60
        assert candidate.test.shape[0] == 30
        assert candidate.names.shape[0] == 2
    simple = {"TF-IDF", "LSA", "word vectors", "words and pairs"}
    joined = {"pre-trained + LSA", "untrained + LSA"}
    assert set(by_name(seen)) == {"pre-trained", "untrained", *joined, *simple}
    assert report.verdict
    assert run.report_file.exists()


def test_the_untrained_network_has_the_shape_and_not_the_weights(run, seen, tmp_path):
    from headstart.encoders.opening import open_encoder, open_processor

    train = write(tmp_path / "train.jsonl", range(300, 360))
    run.evaluate(train, labels=["10"], seeds=2, test=write(tmp_path / "t.jsonl", range(400, 410)))
    candidates = by_name(seen)
    batch = open_processor(run.encoder).collate_texts([sentence(300)[0]], 512)
    ours = open_encoder(run.encoder).eval()(batch).pooled[0].detach().numpy()
    np.testing.assert_allclose(candidates["pre-trained"].train[0], ours, rtol=1e-3, atol=1e-7)
    fresh = candidates["untrained"].train
    assert fresh.shape == candidates["pre-trained"].train.shape
    alike = np.corrcoef(fresh.ravel(), candidates["pre-trained"].train.ravel())[0, 1]
    assert abs(alike) < 0.5


def test_one_labeled_file_is_split_by_class_or_cross_validated(run, seen, tmp_path):
    train = write(tmp_path / "train.jsonl", range(300, 360))
    run.evaluate(train, labels=["10"], seeds=2)
    assert (len(seen["train"]), len(seen["test"])) == (48, 12)
    assert seen["test"].count("fruit") == 6
    run.evaluate(train, labels=["10"], seeds=2, folds=3)
    assert (len(seen["train"]), seen["test"]) == (60, [])
    with pytest.raises(HeadstartError, match="leave out test=, or folds="):
        run.evaluate(train, test=train, folds=3)


def test_test_texts_that_pre_training_saw_are_reported(run, tmp_path):
    train = write(tmp_path / "train.jsonl", range(300, 360))
    report = run.evaluate(
        train, test=write(tmp_path / "t.jsonl", range(190, 210)), labels=["10"], seeds=2
    )
    notes = [note for note in report.notes if "of 20 test texts also occur" in note]
    assert len(notes) == 1
    assert notes[0].startswith("10 of 20 ")
    assert "; but 75.0% of the test texts occur in the pre-training data" in report.answer


def test_from_scratch_gets_the_drawn_labels_only_and_a_fresh_network(run, tmp_path, monkeypatch):
    """The network that is fine-tuned must be none of the run's weights."""
    from headstart.downstream import scratch
    from headstart.encoders.opening import open_encoder

    given = []
    finetune = scratch.finetune

    def spy(encoder, processor, records, *rest, **options):
        given.append((encoder.token_embedding.weight.detach().clone(), records["text"][:]))
        return finetune(encoder, processor, records, *rest, **options)

    monkeypatch.setattr(scratch, "finetune", spy)
    train = write(tmp_path / "train.jsonl", range(300, 360))
    test = write(tmp_path / "test.jsonl", range(400, 430))
    report = run.evaluate(train, test=test, labels=["20"], seeds=2, from_scratch="on")
    ours = open_encoder(run.encoder).token_embedding.weight
    assert len(given) == 2
    for weights, texts in given:
        assert weights.shape == ours.shape
        assert not (abs(weights - ours) < 1e-6).all(1).any()
        assert len(texts) == 20
        assert set(texts) <= {sentence(n)[0] for n in range(300, 360)}
    assert given[0][1] != given[1][1]
    scores = {s["candidate"]: s["accuracy"] for s in report.summary()["scores"]}
    assert scores["from scratch"] > 0.6


def test_an_encoder_that_the_user_names_is_a_candidate_and_features_are_cached(run, seen, tmp_path):
    train = write(tmp_path / "train.jsonl", range(300, 360))
    run.evaluate(train, labels=["10"], seeds=2, against=[str(run.folder)])
    first = by_name(seen)
    named = first[run.folder.name]
    assert named.kind == "other"
    np.testing.assert_allclose(named.train, first["pre-trained"].train, rtol=1e-5)
    kept = sorted(run.features.glob("*.np?"))
    report = run.evaluate(train, labels=["10", "all"], seeds=2)
    assert "--against" not in report.summary()["command"]
    again = by_name(seen)
    for name in ("pre-trained", "untrained", "LSA"):
        assert again[name].train.tolist() == first[name].train.tolist()
    assert sorted(run.features.glob("*.np?")) == kept  # nothing was computed anew


def test_what_the_pre_training_left_out_is_left_out_again_with_its_own_numbers(tmp_path):
    source = tmp_path / "texts.txt"
    source.write_text("one two\none two three\none two three four")
    numbers = {"text": {"quality_numbers": {"min_words": 3}}}
    config = PretrainConfig(
        sources=[str(source)], out="run", quality=["gopher.words"], modality_options=numbers
    )
    run = RunFolder.create(tmp_path / "run", "pretrain", config)
    notes: list[str] = []
    found = pretraining_records(run, open_modality("text", numbers), notes)
    assert found["text"][:] == ["one two three", "one two three four"]
    assert notes == []


def test_sources_that_have_changed_since_the_pre_training_are_told(tmp_path):
    source = tmp_path / "texts" / "a.txt"
    source.parent.mkdir()
    source.write_text("one two\none two three")
    config = PretrainConfig(sources=[str(source.parent)], out="run")
    run = RunFolder.create(tmp_path / "run", "pretrain", config)
    run.resolve(sources_state=state_of_sources(config.sources, TextModality().content))
    notes: list[str] = []
    assert len(pretraining_records(run, TextModality(), notes)) == 2
    assert notes == []
    os.utime(source, (0, 0))  # as of a copy
    assert len(pretraining_records(run, TextModality(), notes)) == 2
    assert notes == []
    source.write_text("one two\none two seven")  # as long as before
    assert len(pretraining_records(run, TextModality(), notes)) == 2
    assert len(notes) == 1
    assert "have changed since it read them" in notes[0]


@pytest.mark.parametrize("quality", [[], ["c4.brackets"]])
def test_a_run_of_another_version_is_read_again_or_a_note_says_why_not(quality, tmp_path):
    source = tmp_path / "texts.txt"
    source.write_text("one\ntwo")
    config = PretrainConfig(sources=[str(source)], out="run", quality=quality)
    run = RunFolder.create(tmp_path / "run", "pretrain", config)
    options = {**run.config()["options"], "tokenizer": {"kind": "bpe"}}
    del options["modality_options"]
    run.write_config({**run.config(), "options": options})
    notes: list[str] = []
    found = pretraining_records(run, TextModality(), notes)
    assert (found is None) == bool(quality)
    assert len(notes) == len(quality)
    assert all("unknown option 'tokenizer'" in note for note in notes)


def test_a_protocol_of_the_network_gets_the_decided_options(run, tmp_path, monkeypatch) -> None:
    given = []
    alone = replace(PROTOCOLS["perplexity"], run=lambda opened, config: given.append(config))
    monkeypatch.setattr(judging, "protocol_of", lambda plan: alone)
    run.evaluate(write(tmp_path / "train.jsonl", range(300, 310)))
    assert [config.task for config in given] == ["classification"]


def test_a_run_whose_log_cannot_be_read_is_refused_before_anything_is_computed(
    run, tmp_path
) -> None:
    damaged = tmp_path / "run"
    shutil.copytree(run.folder, damaged, ignore=shutil.ignore_patterns("features", "*.html"))
    (damaged / "metrics.jsonl").unlink()
    (damaged / "metrics.jsonl").mkdir()
    train = write(tmp_path / "train.jsonl", range(40))
    with pytest.raises(HeadstartError, match=r"metrics\.jsonl cannot be opened"):
        hs.Run(damaged).evaluate(train=train)
    assert not (damaged / "features").exists()
