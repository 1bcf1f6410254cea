"""The detector finds what it was shown, says so in the pictures' own pixels, and is measured."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from scenery import draw, tiny_conv

from headstart.config import FinetuneConfig, OptimizerOptions
from headstart.data.audit import Audit
from headstart.downstream.finetune import finetune
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.image.detection import Detection
from headstart.downstream.image.segmentation import Segmentation
from headstart.downstream.predict import open_head, predict
from headstart.downstream.predictions import write_predictions
from headstart.encoders.light import LightEncoder
from headstart.encoders.opening import open_encoder
from headstart.encoders.timm_models import TimmEncoder
from headstart.encoders.vit import VIT, VitOptions
from headstart.errors import HeadstartError
from headstart.modalities.image.annotations import read_boxes, read_masks
from headstart.modalities.image.processor import ImageProcessor
from headstart.run import RunFolder

NOTE = {"modality": "image", "length": 64, "encoder": "conv"}


def config(out="out", **options) -> FinetuneConfig:
    options = {"tracker": "none", "precision": "fp32", "task": "detection", **options}
    return FinetuneConfig(run="run", train="train", out=str(out), **options)


def tune(records, held, out, encoder=None, **options) -> RunFolder:
    options = config(out, **options)
    run = RunFolder.create(out, "finetune", options)
    encoder = encoder or tiny_conv()
    return finetune(encoder, ImageProcessor(64), records, held, options, run, note=NOTE)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return [
        read_boxes(str(draw(folder / name, count, seed) / "boxes.jsonl"), Audit())
        for seed, (name, count) in enumerate({"train": 40, "held": 16}.items())
    ]


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    rate = OptimizerOptions(learning_rate=1e-3)
    return tune(*scenes, tmp_path_factory.mktemp("runs") / "r", budget="70steps", optimizer=rate)


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    return read_masks(str(draw(tmp_path_factory.mktemp("masks") / "m", 4)), Audit())


@pytest.fixture
def head(scenes):
    torch.manual_seed(0)
    return Detection.build(tiny_conv(), scenes[0], config())


def reference(boxes, labels, outputs, anchors, first, last):
    """FCOS's targets and losses (Tian et al. 2019, section 3) of one picture, place by place."""
    logits, distances = outputs["cls_logits"], outputs["bbox_regression"]
    centers = outputs["bbox_ctrness"]
    focal = overlap = centerness = inside = 0
    for index, (left, top, right, bottom) in enumerate(anchors.tolist()):
        x, y, size = (left + right) / 2, (top + bottom) / 2, right - left
        owner, area = None, float("inf")
        for number, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
            sides = (x - x0, y - y0, x1 - x, y1 - y)
            near = max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) < 1.5 * size
            large = size == first or max(sides) > 4 * size
            small = size == last or max(sides) < 8 * size
            if min(sides) > 0 and near and large and small and (x1 - x0) * (y1 - y0) < area:
                owner, area = number, (x1 - x0) * (y1 - y0)
        for label, logit in enumerate(logits[index]):
            p = logit.sigmoid()
            hit = owner is not None and label == labels[owner]
            focal -= 0.25 * (1 - p) ** 2 * p.log() if hit else 0.75 * p**2 * (1 - p).log()
        if owner is None:
            continue
        inside += 1
        x0, y0, x1, y1 = boxes[owner]
        a, b, c, d = distances[index] * size
        u0, v0, u1, v1 = x - a, y - b, x + c, y + d
        both = (torch.min(u1, x1) - torch.max(u0, x0)).clamp(min=0) * (
            torch.min(v1, y1) - torch.max(v0, y0)
        ).clamp(min=0)
        union = (u1 - u0) * (v1 - v0) + area - both
        hull = (torch.max(u1, x1) - torch.min(u0, x0)) * (torch.max(v1, y1) - torch.min(v0, y0))
        overlap += 1 - (both / union - (hull - union) / hull)
        sides = (x - x0, y - y0, x1 - x, y1 - y)
        wanted = torch.sqrt(
            min(sides[0], sides[2]) / max(sides[0], sides[2])
            * (min(sides[1], sides[3]) / max(sides[1], sides[3]))
        )  # fmt: skip
        p = centers[index, 0].sigmoid()
        centerness -= wanted * p.log() + (1 - wanted) * (1 - p).log()
    return focal / inside, overlap / inside, centerness / inside


def test_loss_and_gradient_equal_a_reference_place_by_place(head):
    encoder = tiny_conv().eval()
    boxes = torch.tensor([[3.0, 5, 29, 40], [8, 8, 20, 22], [0, 0, 62, 60]])
    labels = torch.tensor([0, 1, 1])
    batch = {
        "pixels": torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8),
        "window": torch.tensor([[60, 64]]),
        # What is padding among the boxes does not count.
        "boxes": torch.cat([boxes, torch.tensor([[10.0, 30, 30, 50]])])[None],
        "labels": torch.cat([labels, torch.zeros(1, dtype=torch.long)])[None],
        "box_mask": torch.tensor([[True, True, True, False]]),
    }
    features = head.features(encoder, batch)
    found = head(features, batch)
    outputs, anchors, _ = head._outputs(features, batch)
    parts = reference(boxes, labels, {k: v[0] for k, v in outputs.items()}, anchors[0], 8, 32)
    for name, wanted in zip(("classification", "regression", "centerness"), parts, strict=True):
        assert found[name].item() == pytest.approx(wanted.item(), rel=1e-4), name
    weight = head.fcos.head.regression_head.conv[0].weight
    ours, theirs = (torch.autograd.grad(loss, weight)[0] for loss in (found["loss"], sum(parts)))
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_all_places_can_learn_from_the_first_step(head):
    batch = {"pixels": torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)}
    batch["window"] = torch.full((2, 2), 64)
    outputs, _, _ = head._outputs(head.features(tiny_conv().eval(), batch), batch)
    assert (outputs["bbox_regression"] > 0).all()  # a ReLU that is shut lets no gradient through


def test_a_picture_without_boxes_has_a_finite_loss(head, scenes):
    encoder = tiny_conv()
    rows = head.rows(None, scenes[0].select([0]).map(lambda row: {"boxes": []}), 64)
    batch = rows.batch(np.array([0]), 0)
    loss = head(head.features(encoder, batch), batch)["loss"]
    assert batch["boxes"].shape == (1, 0, 4)
    assert torch.isfinite(loss)
    loss.backward()


@pytest.mark.parametrize("task", [Detection, Segmentation])
def test_the_one_map_of_a_vision_transformer_serves_as_well(scenes, masks, tmp_path, task):
    torch.manual_seed(0)
    fresh = VIT.create(VitOptions(layers=1, width=24, heads=2, patch=16), None, 64)
    fresh.save(tmp_path)
    encoder = TimmEncoder.load(tmp_path)
    records = (scenes[0] if task is Detection else masks).select(range(4))
    objective = Finetuning(
        encoder, task.build(encoder, records, config()), freeze="none", layer_decay=1.0
    )
    batch = objective.head.rows(None, records, 64).batch(np.arange(4), 0)
    with torch.autocast("cpu", torch.bfloat16):  # as on processors that are fast at it
        losses = objective.train()(batch)
    assert all(value.dtype == torch.float32 for value in losses.values())
    losses["loss"].backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
    rows = objective.head.predictions(objective.head.features(encoder, batch), batch)
    assert len(rows) == 4


def test_all_that_learns_has_a_gradient_and_kept_statistics_stay(head, scenes):
    encoder = tiny_conv()
    encoder.train()
    for _ in range(2):  # statistics of pre-training
        encoder.maps(torch.rand(4, 3, 64, 64))
    objective = Finetuning(encoder, head, freeze="none", layer_decay=1.0).train()
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    batch = head.rows(None, scenes[0], 64).batch(np.arange(8), 0)
    objective(batch)["loss"].backward()
    for name, value in encoder.named_buffers():
        assert torch.equal(value, before[name]), name
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name


def test_a_network_from_nothing_takes_statistics_of_its_own(head, scenes):
    encoder = tiny_conv()
    objective = Finetuning(encoder, head, freeze="none", layer_decay=1.0).train()
    objective(head.rows(None, scenes[0], 64).batch(np.arange(4), 0))
    assert encoder.model.bn1.running_mean.any()


class _FakeHead:
    """A detector that finds what it is told."""

    eval_batch_size = 8
    scan = Detection.scan

    def __init__(self, found):
        self.predictions = found

    def eval(self):
        return self

    def features(self, encoder, batch):
        return []

    def found(self, features, batch, threshold):
        return self.predictions(batch)


@pytest.mark.parametrize(("share", "score"), [(1.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_average_precision_is_the_share_of_boxes_that_are_found_exactly(head, scenes, share, score):
    def predictions(batch):
        found = []
        truth = zip(batch["boxes"], batch["labels"], batch["box_mask"], strict=True)
        for boxes, labels, real in truth:
            kept = real & (torch.arange(len(boxes)) < round(share * int(real.sum())))
            scores = torch.ones(int(kept.sum()))
            found.append({"boxes": boxes[kept], "labels": labels[kept], "scores": scores})
        return found

    two = {"boxes": [{"label": "disc", "xyxy": [4.0, 4 + 30 * n, 24, 24 + 30 * n]} for n in (0, 1)]}
    rows = head.rows(None, scenes[0].select(range(10)).map(lambda row: two), 64)
    measured = Detection.measure(_FakeHead(predictions), torch.nn.Identity(), rows)
    assert measured == pytest.approx({"map": score, "map50": score}, abs=0.01)


def test_it_learns_to_find_squares_and_discs(trained, scenes):
    scores = trained.resolved["scores"]
    fresh = Detection.build(tiny_conv(), scenes[0], config())
    assert fresh.measure(tiny_conv(), fresh.rows(None, scenes[1], 64))["map50"] < 0.1
    assert scores["map50"] > 0.7
    assert trained.metrics()[-1] == {"step": 70, **scores}
    assert "map50" in trained.log_file.read_text()


def test_the_saved_run_finds_the_same(trained, scenes):
    head, encoder = open_head(trained), open_encoder(trained.encoder)
    again = head.measure(encoder, head.rows(None, scenes[1], 64))
    assert again == pytest.approx(trained.resolved["scores"], abs=1e-6)


def test_predictions_are_in_pixels_of_the_pictures_as_they_are(trained, scenes, tmp_path):
    rows = list(predict(trained, scenes[1]))
    assert [row["id"] for row in rows] == list(scenes[1]["id"])
    assert {(row["width"], row["height"]) for row in rows} == {(96, 72)}
    best = [box for row in rows for box in row["boxes"] if box["score"] > 0.6]
    assert best
    hits = 0
    for row, truth in zip(rows, scenes[1]["boxes"], strict=True):
        scores = [box["score"] for box in row["boxes"]]
        assert scores == sorted(scores, reverse=True)
        for box in row["boxes"]:
            near = [t for t in truth if np.abs(np.subtract(t["xyxy"], box["xyxy"])).max() < 8]
            hits += box["score"] > 0.6 and box["label"] in {t["label"] for t in near}
    assert hits > 0.8 * len(best)
    for name in ("boxes.jsonl", "boxes.csv", "boxes.parquet"):
        write_predictions(rows, tmp_path / name)


def test_boxes_are_found_where_they_are_in_a_larger_copy(trained, scenes, tmp_path):
    from PIL import Image

    source = scenes[1][0]["image"]["path"]
    Image.open(source).resize((288, 216), Image.Resampling.BICUBIC).save(tmp_path / "large.png")
    large = (
        scenes[1]
        .select([0])
        .map(lambda row: {"image": {"bytes": None, "path": str(tmp_path / "large.png")}})
    )
    (small,), (big,) = (list(predict(trained, some)) for some in (scenes[1].select([0]), large))
    assert (big["width"], big["height"]) == (288, 216)
    assert np.allclose(big["boxes"][0]["xyxy"], np.multiply(small["boxes"][0]["xyxy"], 3), atol=6)


def test_a_resumed_run_ends_with_the_same_bits(scenes, tmp_path):
    options = {"budget": "6steps", "checkpoint_steps": 2, "batch_size": 4}
    some = [part.select(range(8)) for part in scenes]
    whole = tune(*some, tmp_path / "whole", **options)
    cut = tune(*some, tmp_path / "cut", **options)
    for file in cut.checkpoints.glob("step-*"):
        if int(file.stem.removeprefix("step-")) > 4:
            file.unlink()
    again = FinetuneConfig(**cut.config()["options"])
    finetune(tiny_conv(), ImageProcessor(64), *some, again, cut, note=NOTE)
    for one, other in ((whole.head, cut.head), (whole.encoder, cut.encoder)):
        for file in one.glob("*.safetensors"):
            assert file.read_bytes() == (other / file.name).read_bytes(), file.name
    assert [r for r in cut.metrics() if "map" in r] == [r for r in whole.metrics() if "map" in r]


def test_without_validation_records_some_are_held_out_and_defaults_suit(scenes, tmp_path):
    run = tune(scenes[0].select(range(10)), None, tmp_path / "r", budget="1steps")
    plan = run.resolved["plan"]
    assert (plan["batch_size"], plan["layer_decay"], plan["patience"]) == (8, 1.0, 0)
    chosen = tune(scenes[0].select(range(4)), None, tmp_path / "s", budget="1steps", patience=3)
    assert chosen.resolved["plan"]["patience"] == 3


def test_what_cannot_be_trained_on_is_refused_in_a_sentence(scenes, head):
    bare = scenes[0].select([0]).map(lambda row: {"boxes": []})
    with pytest.raises(HeadstartError, match="records with boxes, and these have none"):
        Detection.build(tiny_conv(), bare, config())
    other = {"boxes": [{"label": "ring", "xyxy": [0.0, 0, 9, 9]}]}
    with pytest.raises(HeadstartError, match="'ring' occurs in the validation records"):
        head.rows(None, bare.map(lambda row: other), 64)
    words = LightEncoder(torch.ones(4), 4)
    with pytest.raises(HeadstartError, match=r"needs maps.*encoders that can: conv, plain, vit"):
        Detection.check_encoder(words, ImageProcessor(32))


def test_the_head_of_a_folder_equals_the_head_that_was_saved(head, tmp_path):
    head.save(tmp_path)
    again = Detection.load(tmp_path)
    assert (again.labels, again.side) == (head.labels, head.side)
    for name, value in deepcopy(head).state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
