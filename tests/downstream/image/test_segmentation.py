"""Every pixel gets a label, is judged where somebody judged it, and comes back at its place."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scenery import draw, tiny_conv

from headstart.config import FinetuneConfig, OptimizerOptions
from headstart.data.audit import Audit
from headstart.downstream.finetune import finetune
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.image.masks import mask_of, runs, write_masks
from headstart.downstream.image.segmentation import Segmentation
from headstart.downstream.predict import open_head, predict
from headstart.downstream.predictions import write_predictions
from headstart.encoders.opening import open_encoder
from headstart.errors import HeadstartError
from headstart.modalities.image.annotations import read_masks
from headstart.modalities.image.masks import IGNORED, mask_ids
from headstart.modalities.image.processor import ImageProcessor
from headstart.run import RunFolder

NOTE = {"modality": "image", "length": 64, "encoder": "conv"}


def config(out="out", **options) -> FinetuneConfig:
    given = {"tracker": "none", "precision": "fp32", "task": "segmentation"}
    options = {**given, "alternatives": False, **options}
    return FinetuneConfig(run="run", train="train", out=str(out), **options)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return [
        read_masks(str(draw(folder / name, count, seed)), Audit())
        for seed, (name, count) in enumerate({"train": 40, "held": 16}.items())
    ]


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "r"
    options = config(out, budget="60steps", optimizer=OptimizerOptions(learning_rate=1e-3))
    run = RunFolder.create(out, "finetune", options)
    return finetune(tiny_conv(), ImageProcessor(64), *scenes, options, run, note=NOTE)


@pytest.fixture
def head(scenes):
    torch.manual_seed(0)
    return Segmentation.build(tiny_conv(), scenes[0], config())


def test_labels_go_with_the_picture_and_padding_is_not_judged(head, scenes):
    batch = head.rows(None, scenes[0], 64).batch(np.array([3, 1]), 0)
    assert batch["pixels"].shape == (2, 3, 96, 96)
    assert (batch["labels"][:, 72:] == IGNORED).all()
    for row, index in zip(batch["labels"], (3, 1), strict=True):
        assert (row[:72].numpy() == mask_ids(scenes[0][index]["mask"])).all()


def test_random_views_move_picture_and_labels_alike(head, scenes):
    rows = head.rows(None, scenes[0], 64, seed=5)
    batch = rows.batch(np.arange(20), 1)
    for label, colour in ((1, (220, 60, 40)), (2, (40, 80, 220))):
        # Borders are blended by the zoom; inside, the colour tells the label.
        wanted = torch.tensor(colour)[:, None, None]
        painted = ((batch["pixels"].int() - wanted).abs() < 8).all(1)
        assert painted.sum() > 200
        assert (batch["labels"][painted] == label).float().mean() > 0.99
    assert torch.equal(batch["labels"], rows.batch(np.arange(20), 1)["labels"])


def test_the_loss_is_the_mean_over_judged_pixels(head, scenes):
    encoder = tiny_conv().eval()
    batch = head.rows(None, scenes[0], 64).batch(np.array([0, 1]), 0)
    batch["labels"][0, :40] = IGNORED
    features = head.features(encoder, batch)
    found = head(features, batch)
    logs = head.logits(features, batch).log_softmax(1)
    indices = [tuple(index) for index in (batch["labels"] != IGNORED).nonzero().tolist()]
    wanted = -sum(logs[b, batch["labels"][b, y, x], y, x] for b, y, x in indices) / len(indices)
    assert len(indices) == 32 * 96 + 72 * 96
    assert found["loss"].item() == pytest.approx(wanted.item(), rel=1e-4)
    ours, theirs = (
        torch.autograd.grad(loss, head.classes.weight, retain_graph=True)[0]
        for loss in (found["loss"], wanted)
    )
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_nothing_judged_is_a_loss_of_zero(head, scenes):
    batch = head.rows(None, scenes[0], 64).batch(np.array([0]), 0)
    batch["labels"].fill_(IGNORED)
    assert head(head.features(tiny_conv(), batch), batch)["loss"].item() == 0


def test_all_that_learns_has_a_gradient(head, scenes):
    objective = Finetuning(tiny_conv(), head, freeze="none", layer_decay=1.0).train()
    objective(head.rows(None, scenes[0], 64).batch(np.arange(4), 0))["loss"].backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize(("predicted", "score"), [("the truth", 1.0), ("all ground", 0.25)])
def test_miou_is_the_mean_overlap_of_the_classes(monkeypatch, head, predicted, score):
    class Halves:
        """Left 0 and right 1, below nobody knows; there is no 2."""

        def __len__(self):
            return 2

        def batch(self, indices, epoch):
            labels = torch.zeros(len(indices), 64, 64, dtype=torch.long)
            labels[:, :, 32:] = 1
            labels[:, 40:] = IGNORED
            return {"pixels": torch.zeros(len(indices), 3, 64, 64), "labels": labels}

    def logits(features, batch):
        # All ground: of 0 a half of the union is met, of 1 nothing.
        guess = batch["labels"] * (predicted == "the truth") % IGNORED
        return torch.nn.functional.one_hot(guess, 3).permute(0, 3, 1, 2).float()

    monkeypatch.setattr(head, "logits", logits)
    assert head.measure(tiny_conv(), Halves())["miou"] == pytest.approx(score)


def test_it_learns_to_tell_squares_discs_and_ground(trained, scenes):
    scores = trained.resolved["scores"]
    fresh = Segmentation.build(tiny_conv(), scenes[0], config())
    start = fresh.measure(tiny_conv(), fresh.rows(None, scenes[1], 64))["miou"]
    assert start < 0.35
    assert scores["miou"] > start + 0.3
    assert trained.metrics()[-1] == {"step": 60, **scores}


def test_the_saved_run_measures_the_same(trained, scenes):
    head, encoder = open_head(trained), open_encoder(trained.encoder)
    again = head.measure(encoder, head.rows(None, scenes[1], 64))
    assert again == pytest.approx(trained.resolved["scores"], abs=1e-6)


def test_predicted_masks_are_of_the_native_size_and_written_as_pictures(trained, scenes, tmp_path):
    rows = list(predict(trained, scenes[1]))
    assert [row["id"] for row in rows] == list(scenes[1]["id"])
    pairs = zip(rows, scenes[1]["mask"], strict=True)
    right = [(mask_of(row) == mask_ids(mask)).mean() for row, mask in pairs]
    assert np.mean(right) > 0.9
    assert sum(rows[0]["shares"].values()) == pytest.approx(1)
    write_predictions(rows, tmp_path / "masks")
    with Image.open(tmp_path / "masks" / rows[3]["id"]) as image:
        assert (np.asarray(image) == mask_of(rows[3])).all()
    write_predictions(rows, tmp_path / "rows.jsonl")
    line = (tmp_path / "rows.jsonl").read_text().splitlines()[3]
    assert (mask_of(json.loads(line)) == mask_of(rows[3])).all()
    with pytest.raises(HeadstartError, match="is there already"):
        write_predictions(rows, tmp_path / "masks")


def test_masks_stay_in_their_folder(tmp_path):
    row = {"id": "/../../a/b.jpg", "width": 2, "height": 1, "runs": [3, 1, 4, 1]}
    write_masks([row], tmp_path / "out")
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")] == ["out/a/b.png"]


def test_runs_tell_all_of_a_mask():
    mask = np.array([[1, 1, 0], [0, 0, 7]], dtype=np.uint8)
    assert runs(mask) == [1, 2, 0, 3, 7, 1]
    assert (mask_of({"runs": runs(mask), "height": 2, "width": 3}) == mask).all()


def test_ids_may_have_gaps_and_unknown_ones_are_not_judged(scenes, tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "p.png")
    for name, ids in {"known": (0, 100), "more": (100, 101)}.items():
        mask = np.full((32, 32), ids[0], np.uint8)
        mask[:, 16:] = ids[1]
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
        line = json.dumps({"image": "p.png", "mask": f"{name}.png"})
        (tmp_path / f"{name}.jsonl").write_text(line)
    known, more = (read_masks(str(tmp_path / f"{n}.jsonl"), Audit()) for n in ("known", "more"))
    head = Segmentation.build(tiny_conv(), known, config())
    assert head.labels == [0, 100]
    labels = head.rows(None, more, 32).batch(np.array([0]), 0)["labels"]
    assert labels[0, 0, [0, 31]].tolist() == [1, IGNORED]
    batch = head.collate(None, more, 32)
    (row,) = head.predictions(head.features(tiny_conv().eval(), batch), batch)
    assert set(np.unique(mask_of(row))) <= {0, 100}


def test_masks_of_one_id_are_refused(scenes, tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "p.png")
    Image.new("L", (32, 32)).save(tmp_path / "m.png")
    (tmp_path / "one.jsonl").write_text('{"image": "p.png", "mask": "m.png"}')
    with pytest.raises(HeadstartError, match=r"at least two label ids, but these have \[0\]"):
        Segmentation.build(tiny_conv(), read_masks(str(tmp_path / "one.jsonl"), Audit()), config())
