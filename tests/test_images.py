"""The verbs on pictures, from arrays to a report, a classifier, neighbours and drawn pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import headstart as hs
from headstart.modalities.guess import guess_content

SMALL = {"widths": [8, 16], "pooled": [True, True]}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    data = load_digits()
    pixels = (data.images * 15).astype(np.uint8)
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    arrays = {"x_train": pixels[:300], "y_train": data.target[:300]}
    np.savez(path, **arrays, x_test=pixels[300:400], y_test=data.target[300:400])
    return str(path)


def pretrain(digits: str, out: Path, **options: object) -> hs.Run:
    given = {"encoder": "plain", "encoder_options": SMALL, "budget": "6steps", "batch_size": 64}
    source = f"{digits}#train"
    return hs.pretrain(source, out=str(out), length=16, tracker="none", **{**given, **options})


@pytest.fixture(scope="module")
def run(digits: str, tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    return pretrain(digits, tmp_path_factory.mktemp("run") / "run")


def test_sources_tell_that_they_are_pictures(digits: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    assert guess_content([f"{digits}#train"]) == "image"
    assert guess_content([str(tmp_path)]) == "text"


def test_pretraining_keeps_a_picture_of_the_task(run: hs.Run) -> None:
    assert run.resolved["modality"] == "image"
    assert run.image_file.read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_weights(run: hs.Run, digits: str, tmp_path: Path) -> None:
    again = pretrain(digits, tmp_path / "again")
    files = [r.encoder / "model.safetensors" for r in (run, again)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_verdict_has_simple_alternatives_beside_it(run: hs.Run, digits: str) -> None:
    report = run.evaluate(f"{digits}#train", test=f"{digits}#test", labels=["100"], seeds=2)
    named = {score["candidate"] for score in report.summary()["scores"]}
    simple = {"HOG and colour", "HOG, colour and patches", "raw pixels", "majority class"}
    joined = {f"{name} + HOG and colour" for name in ("pre-trained", "untrained")}
    assert named == {"pre-trained", "untrained", *joined, *simple}
    assert "data:image/png;base64," in run.report_file.read_text()


def test_a_classifier_and_neighbours(run: hs.Run, digits: str, tmp_path: Path) -> None:
    tuned = run.finetune(
        f"{digits}#train", out=str(tmp_path / "tuned"), budget="5steps", tracker="none"
    )
    rows = tuned.predict(f"{digits}#test")
    assert len(rows) == 100
    assert {row["label"] for row in rows} <= set("0123456789")
    found = run.search(query=f"{digits}#train", count=1)
    assert all(row["similarity"] > 0.999 for row in found)


def test_a_broken_picture_keeps_its_row(
    run: hs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, shade in (("b.png", 40), ("c.png", 200)):
        Image.new("L", (16, 16), shade).save(folder / name)
    (folder / "a.png").write_bytes((folder / "b.png").read_bytes()[:40])
    vectors = np.load(run.embed(str(folder), out=str(tmp_path / "v.npy")))
    assert np.isnan(vectors).all(1).tolist() == [True, False, False]
    names = (tmp_path / "v.ids.txt").read_text().split()
    assert names == [f"photos/{name}.png" for name in "abc"]
    assert "1 of 3 rows has no vector: " in capsys.readouterr().err
    (found,) = run.search(str(folder), query=str(folder / "b.png"), count=1)
    assert found["id"] == "photos/b.png"
    assert found["record"] == {"image": str(folder / "b.png")}


def test_a_vae_draws_and_other_runs_say_that_they_cannot(
    run: hs.Run, digits: str, tmp_path: Path
) -> None:
    vae = pretrain(digits, tmp_path / "vae", objective="vae")
    assert Path(vae.generate(count=4)).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(hs.HeadstartError, match=r"generates nothing: .* gan or bigan"):
        run.generate()
