"""Token vectors distilled from another encoder: as its vectors are, by a closed form."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import sparse

import headstart as hs
from headstart.config import PretrainConfig
from headstart.encoders.closed_form import DEPARTURE, MAP, fit_token_vectors
from headstart.encoders.features import features
from headstart.encoders.opening import OpenedEncoder, open_encoder, open_processor
from headstart.errors import HeadstartError
from headstart.modalities.text.modality import TextModality
from headstart.modalities.text.processor import LETTERS, TextProcessor
from headstart.modalities.text.tokenizers import fit_tokenizer
from headstart.training.defaults import decide

TOPICS = ("fox dog cat hen cow pig", "iron zinc gold lead tin steel", "plum fig pear lime kiwi")


def lines(count: int) -> list[str]:
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(TOPICS[n % 3].split(), 6)) + "." for n in range(count)]


def source(folder) -> str:
    (folder / "texts.txt").write_text("\n".join(lines(300)))
    return str(folder / "texts.txt")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A small network that knows which words stand together."""
    folder = tmp_path_factory.mktemp("teacher")
    run = hs.pretrain(
        source(folder),
        out=str(folder / "run"),
        objective="mlm",
        encoder="modernbert",
        encoder_options={"layers": 1, "width": 16, "heads": 2},
        budget="20steps",
        tracker="none",
    )
    return run.encoder


def distilled(teacher, folder, **options):
    return hs.pretrain(
        source(folder), out=str(folder / "run"), embeddings=f"distill:{teacher}", **options
    )


def test_the_closed_form_is_that_of_the_normal_equations():
    draw = np.random.default_rng(0)
    weights = sparse.random(40, 12, 0.4, format="csr", random_state=0, dtype=np.float32)
    tokens, targets = draw.normal(size=(12, 5)), draw.normal(size=(40, 5))
    vectors, mean = fit_token_vectors(weights, tokens, targets, 3)

    dense = weights.toarray().astype(np.float64)
    centred = targets - targets.mean(0)
    wanted = centred @ np.linalg.svd(centred)[2][:3].T
    shifted = tokens - dense.sum(0) @ tokens / dense.sum()
    averages = dense @ shifted - (dense @ shifted).mean(0)
    gram = averages.T @ averages
    onto = np.linalg.solve(gram + MAP * np.trace(gram) / 5 * np.eye(5), averages.T @ wanted)
    left, rows = wanted - averages @ onto, dense - dense.mean(0)
    penalty = DEPARTURE * (dense**2).sum() / 40 * np.eye(12)
    departure = np.linalg.solve(rows.T @ rows + penalty, rows.T @ left)
    naive = shifted @ onto + departure
    signs = np.sign((naive * vectors).sum(0))  # a principal direction has no sign
    assert np.allclose(vectors * signs, naive, atol=5e-3)
    assert np.allclose(mean, (dense @ vectors).mean(0), atol=1e-5)


def test_the_new_encoder_s_vectors_are_nearly_the_teacher_s(teacher, tmp_path):
    run = distilled(teacher, tmp_path)
    assert run.resolved["distilled"]["passages"] > 250
    assert run.resolved["plan"]["objectives"] == {}
    records = OpenedEncoder(teacher).processor.passages(_records(lines(60)), 60, 32, 0)
    ours, theirs, fresh = (
        _cosines(encoder, open_processor(folder), records)
        for encoder, folder in (
            (open_encoder(run.encoder), run.encoder),
            (open_encoder(teacher), teacher),
            (open_encoder(run.encoder).untrained(), run.encoder),
        )
    )
    agrees = np.corrcoef(ours, theirs)[0, 1]
    assert agrees > 0.99
    assert np.corrcoef(fresh, theirs)[0, 1] < 0.95


def test_it_opens_in_another_library_with_the_same_vectors(teacher, tmp_path):
    library = pytest.importorskip("sentence_transformers", reason="an extra")
    run = distilled(teacher, tmp_path)
    texts = lines(5)
    theirs = library.SentenceTransformer(str(run.encoder), device="cpu").encode(texts)
    processor = open_processor(run.encoder)
    ours = features(open_encoder(run.encoder), processor, _records(texts), length=64, bf16=False)
    assert np.allclose(ours, theirs, atol=1e-5)


def test_training_goes_on_from_it_where_an_objective_is_named(teacher, tmp_path):
    run = distilled(teacher, tmp_path, objective="contrast", budget="1steps", tracker="none")
    assert run.resolved["steps"] == 1
    assert run.resolved["distilled"]["teacher"] == str(teacher)


def test_a_run_without_any_step_is_judged_and_described_like_others(teacher, tmp_path):
    run = distilled(teacher, tmp_path)
    rows = [json.dumps({"text": line, "label": str(n % 3)}) for n, line in enumerate(lines(90))]
    (tmp_path / "train.jsonl").write_text("\n".join(rows[:60]))
    (tmp_path / "test.jsonl").write_text("\n".join(rows[60:]))
    report = run.evaluate(
        train=str(tmp_path / "train.jsonl"),
        test=str(tmp_path / "test.jsonl"),
        labels=["30"],
        seeds=2,
        from_scratch="off",
        published=["off"],
    )
    (score,) = (
        row["accuracy"]
        for row in report.summary()["scores"]
        if row["candidate"] == "pre-trained" and row["probe"] == "logistic regression"
    )
    assert score == 1
    assert "What a point costs" in run.report_file.read_text(encoding="utf-8")
    assert run.facts()["state"] == "finished"


def test_a_long_budget_for_many_texts_plans_no_training_either(teacher):
    config = PretrainConfig(sources=["x"], out="y", embeddings=f"distill:{teacher}", budget="30min")
    plan = decide(config, _records(lines(20_000)), TextModality())
    assert (plan.objectives, plan.objective_options, plan.most_epochs) == ({}, {}, None)
    assert plan.encoder == "light"
    assert plan.encoder_options == {"width": 16}


def test_passages_are_parts_of_the_texts_of_about_so_many_tokens():
    text = " ".join(f"word{n}" for n in range(2000))
    processor = TextProcessor(fit_tokenizer([text, "Aé 漢字"], kind="superword", vocab_size=400))
    texts = [text, "", "Aé", "漢字" * 500]
    found = processor.passages(_records(texts), 100, 7, 0)["text"]
    assert len(found) == 4
    for passage, whole in zip(found, texts, strict=True):
        assert passage in whole
        # It is wrapped in two tokens, and where it is cut a word may fall into two.
        assert len(processor.encode_ids([passage])[0]) <= 7 + 2 + 3
        assert len(passage) <= 7 * LETTERS
    assert found[1:3] == ["", "Aé"]
    assert not text.startswith(found[0])
    assert processor.passages(_records(texts), 100, 7, 0)["text"] == found
    assert len(processor.passages(_records(texts * 10), 5, 7, 0)) == 5


def test_every_token_is_a_text_of_its_own():
    processor = TextProcessor(
        fit_tokenizer(["red fox", "blue fox"] * 2, kind="word", vocab_size=20)
    )
    texts = processor.as_records()["text"]
    assert len(texts) == processor.vocabulary.size
    ids = processor.tokenizer.get_vocab()
    assert [texts[ids[word]] for word in ("red", "fox", "blue")] == ["red", "fox", "blue"]


def _not_finite(folder):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file({name: torch.full_like(each, torch.nan) for name, each in tensors.items()}, file)


def _without_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [(_not_finite, "not finite"), (_without_tokenizer, "no tokenizer can be read")],
)
def test_a_teacher_that_cannot_teach_is_refused(teacher, tmp_path, harm, message):
    folder = tmp_path / "harmed"
    shutil.copytree(teacher, folder)
    (folder / "SHA256SUMS").unlink()
    harm(folder)
    with pytest.raises(HeadstartError, match=message):
        distilled(folder, tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "modernbert"}, "choose encoder=.light"),
        ({"encoder_options": {"width": 17}}, "16 wide, and encoder.width=17"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(teacher, tmp_path, options, message):
    with pytest.raises(HeadstartError, match=message):
        distilled(teacher, tmp_path, **options)


@pytest.mark.parametrize("name", ["all-MiniML-L6", ""])
def test_a_name_that_is_nowhere_is_refused(tmp_path, name):
    with pytest.raises(HeadstartError, match="no published encoder of that name"):
        distilled(name, tmp_path)


def test_a_teacher_of_pictures_is_refused_for_texts(tmp_path):
    from headstart.encoders.opening import create_encoder, save_encoder
    from headstart.modalities.image.processor import ImageProcessor

    folder = tmp_path / "pictures"
    encoder = create_encoder("conv", {}, None, length=32, seed=0)
    save_encoder(encoder, ImageProcessor(32), folder, {"modality": "image", "length": 32})
    with pytest.raises(HeadstartError, match="it reads pictures, and the sources hold texts"):
        distilled(folder, tmp_path)


def test_another_language_and_a_restricted_licence_are_said(teacher, tmp_path, capsys):
    folder = tmp_path / "taught"
    shutil.copytree(teacher, folder)
    (folder / "README.md").write_text("---\nlanguage: zh\nlicense: cc-by-nc-4.0\n---\n")
    (tmp_path / "texts.txt").write_text("\n".join(["The weather was fine in the morning."] * 30))
    hs.pretrain(
        str(tmp_path / "texts.txt"), out=str(tmp_path / "run"), embeddings=f"distill:{folder}"
    )
    said = capsys.readouterr().err
    assert "is for other languages (zh) than these texts (en)" in said
    assert "restricts its use" in said


def test_the_command_line_takes_a_folder_from_anywhere(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(teacher.parent)
    run = distilled(teacher.name, tmp_path)
    assert json.loads(json.dumps(run.config()))["options"]["embeddings"] == f"distill:{teacher}"


def _records(texts):
    from datasets import Dataset

    return Dataset.from_dict({"text": texts})


def _cosines(encoder, processor, records):
    vectors = features(encoder, processor, records, length=64, bf16=False)
    vectors = vectors - vectors.mean(0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(unit), 1)]
