"""Every verb takes a run that joins encoders as one run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_start import publish, text_of, write_texts

import headstart as hs
from headstart.encoders import published
from headstart.encoders.features import features
from headstart.encoders.opening import OpenedEncoder, open_encoder
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("joined")


@pytest.fixture(scope="module", autouse=True)
def alone():
    """Nothing that is installed or cached on this machine is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextModality, "published", None)
        patch.setattr(published, "_hub", lambda: iter(()))
        yield


@pytest.fixture(scope="module")
def run(folder) -> hs.Run:
    source = write_texts(folder / "unlabeled.jsonl", range(80))
    start = publish(folder / "tiny")
    return hs.pretrain(
        source, out=str(folder / "run"), start=str(start), budget="3steps", batch_size=32,
        tracker="none", encoder_options={"width": 8},
    )  # fmt: skip


@pytest.fixture(scope="module")
def labeled(folder) -> str:
    return write_texts(folder / "train.jsonl", range(100, 160))


@pytest.fixture(scope="module")
def tested(folder) -> str:
    return write_texts(folder / "test.jsonl", range(200, 230))


@pytest.fixture(scope="module")
def report(run, labeled, tested):
    return run.evaluate(labeled, test=tested, labels=["2", "20"], seeds=2)


@pytest.fixture(scope="module")
def tuned(run, folder, labeled) -> hs.Run:
    return run.finetune(labeled, out=str(folder / "tuned"), budget="3steps", tracker="none")


def test_evaluate_lets_the_labels_choose_among_the_parts(report):
    names = {row["candidate"] for row in report.summary()["scores"]}
    ours = {"pre-trained", "pre-trained + LSA", "pre-trained + tiny + LSA", "the run's tiny"}
    assert ours | {"the run's tiny + LSA", "tiny", "tiny + LSA", "untrained + tiny + LSA"} <= names
    few, more = report.results.ours(2), report.results.ours(20)
    # With one label a class nothing can be cross-validated, and all parts are taken.
    assert few.parts == ("pre-trained", "tiny", "LSA")
    best = max(x.validation for x in report.results.judged(20) if x.kind == "pretrained")
    assert more.validation == best


def test_the_verdict_says_which_parts_are_taken(report):
    text = str(report)
    assert "together with tiny and LSA" in text
    taken = report.results.ours(20).parts
    if "pre-trained" not in taken:
        assert "Pre-training itself added nothing with 20 labels" in text


def test_other_seeds_of_the_pretraining_stand_beside_the_same_parts(run, labeled, tested):
    report = run.evaluate(labeled, test=tested, labels=["20"], seeds=2, pretraining_seeds=2)
    assert "repeated" not in {each.kind for each in report.results.alternatives(20)}
    averaged = {each.candidate: each for each in report.results.averaged}
    for name in ("pre-trained", "pre-trained + LSA", "pre-trained + tiny + LSA"):
        assert len(averaged[name].by_run) == 2
    assert not len(averaged["the run's tiny"].by_run)


def test_features_of_a_part_are_computed_once(run, report, labeled, tested, monkeypatch):
    from headstart.evaluation import frozen_encoders

    def computed(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(frozen_encoders, "features", computed)
    run.evaluate(labeled, test=tested, labels=["20"], seeds=2)


def test_embed_and_search_use_all_blocks(run, folder, labeled):
    vectors = run.embed(labeled)
    assert vectors.shape == (60, open_encoder(run.folder).width)
    query = "the apple lies on table 100 beside the apple"
    (nearest,) = run.search(labeled, query=query, count=1)
    assert nearest["similarity"] > 0.9


def test_a_head_on_all_blocks_predicts_the_same_again(tuned, tested):
    assert list(open_encoder(tuned.folder).joined) == ["pre-trained", "tiny", "LSA"]
    rows = list(tuned.predict(tested))
    right = sum(row["label"] == ("fruit", "tool")[n % 2] for n, row in enumerate(rows))
    assert right >= 27


def test_only_the_pretrained_part_is_fine_tuned(tuned, run):
    before, after = (open_encoder(each.folder).state_dict() for each in (run, tuned))
    for name, value in before.items():
        if not name.startswith("networks.0."):
            assert (value == after[name]).all()


def test_an_explanation_names_words_that_count_for_all_parts(tuned):
    (found,) = tuned.explain(["the apple lies on table 3 beside the pear"]).found
    assert found.method == "occlusion"
    assert found.explained == "fruit"
    weights = dict(
        zip((w.start for w in found.evidence.words), found.evidence.weights, strict=True)
    )
    assert max(weights, key=weights.get) in (4, 38 - 5, 36)


def test_a_method_that_looks_into_one_network_is_refused(tuned):
    with pytest.raises(HeadstartError, match="encoders stand side by side"):
        tuned.explain(["the apple"], method="gradients")


def test_label_and_compare_take_it(run, tuned, folder, labeled, tested):
    pool = folder / "pool.txt"
    pool.write_text("\n".join(text_of(number)[0] for number in range(400, 430)))
    run.label(str(pool), out=str(folder / "next.csv"), count=3)
    assert len((folder / "next.csv").read_text().splitlines()) == 4
    both, part = str(run.folder), str(run.folder / "encoder" / "tiny")
    files = {"train": labeled, "test": tested, "out": str(folder / "page.html")}
    assert len(hs.compare(both, part, labels=["20"], seeds=2, **files).costs) == 2


def test_info_says_what_stands_beside(run):
    from headstart.run import RunFolder
    from headstart.verbs.describing import facts

    assert facts(RunFolder.open(run.folder))["beside it"] == "tiny (mit) and LSA"


def test_a_part_is_used_alone(run, labeled):
    opened = OpenedEncoder(run.folder / "encoder" / "tiny")
    records = opened.modality.read([labeled], hs.config.SourceOptions(), hs.data.audit.Audit())
    vectors = features(opened.encoder, opened.processor, records, length=opened.length)
    assert vectors.shape == (60, 16)
    assert np.isfinite(vectors).all()


def test_a_task_on_single_tokens_takes_the_pretrained_part(run, folder, capsys):
    rows = [
        {"tokens": ["the", "apple", "lies", f"n{number}"], "tags": ["O", "B-FRUIT", "O", "O"]}
        for number in range(40)
    ]
    train = folder / "tags.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tagger = hs.finetune(
        run, train=str(train), task="tokens", out=str(folder / "tagger"), budget="2steps",
        tracker="none",
    )  # fmt: skip
    assert "so that pre-trained is fine-tuned alone" in capsys.readouterr().err
    assert not open_encoder(tagger.encoder).joined


def test_pictures_are_embedded_and_searched_by_all_parts(folder) -> None:
    rng = np.random.default_rng(0)
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(12):
        pixels = rng.integers(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number}.png")
    (pictures / "broken.png").write_bytes(b"no picture")
    small = {"budget": "1steps", "tracker": "none", "batch_size": 8, "modality": "image"}
    first = hs.pretrain(str(pictures), out=str(folder / "first"), start="none", **small)
    joined = hs.pretrain(str(pictures), out=str(folder / "both"), start=str(first.folder), **small)
    assert len(list((joined.folder / "encoder").glob("*/headstart.json"))) > 1
    vectors = joined.embed(str(pictures))
    assert np.isnan(vectors).all(1).sum() == 1, "the broken one is set aside"
    assert vectors.shape[1] > first.embed(str(pictures)).shape[1]
    found = joined.search(str(pictures), query=str(pictures / "3.png"))
    assert found[0]["id"].endswith("3.png")
