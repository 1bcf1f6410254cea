"""Explanations of tiny models whose reasons are known, and of a run from end to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import BertConfig, BertModel

import headstart as hs
from headstart.deployment import attributions, gradcam, rollout
from headstart.deployment.attributions import LogOdds
from headstart.deployment.explain import Explainer
from headstart.downstream.classification import Classification
from headstart.downstream.wide import Wide
from headstart.encoders.light import LightEncoder
from headstart.encoders.plain import PlainEncoder, PlainOptions
from headstart.encoders.transformer import TransformerEncoder
from headstart.errors import HeadstartError

captum = pytest.importorskip("captum", reason="captum (extra `explain`) is not installed")

BAD, GOOD, FILLER = ["awful", "boring", "dull"], ["lovely", "superb", "great"], list("abcdefgh")


def head_of(weight: torch.Tensor) -> Classification:
    head = Classification(weight.shape[1], [str(n) for n in range(len(weight))]).eval()
    with torch.no_grad():
        head.linear.weight.copy_(weight)
    return head


def row(ids: list[int]) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor([ids]), "mask": torch.ones(1, len(ids), dtype=torch.bool)}


def blank(batch: dict[str, torch.Tensor], special: list[bool]) -> dict[str, torch.Tensor]:
    ids = torch.where(torch.tensor(special), batch["input_ids"], 0)
    return {**batch, "input_ids": ids}


def transformer() -> TransformerEncoder:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        initializer_range=0.6,
    )
    return TransformerEncoder(BertModel(config, add_pooling_layer=False)).eval()


def test_of_a_linear_model_on_word_counts_the_attribution_is_the_weight() -> None:
    weights = torch.tensor([0.0, 0.5, -2.0, 3.0])
    encoder = LightEncoder(torch.tensor([0.0, 1.0, 1.0, 1.0]), 4).eval()
    with torch.no_grad():
        encoder.embedding.weight.copy_(torch.eye(4))
    head = head_of(torch.stack([-weights, weights]))
    batch = row([1, 2, 3, 2])
    found = attributions.of_tokens(encoder, head, batch, blank(batch, [False] * 4), LogOdds(1, 0))
    # The encoder averages, so a word that occurs once among four has a quarter of its weight,
    # and the logits of the two classes differ by twice that.
    torch.testing.assert_close(found.weights * 4, 2 * weights[batch["input_ids"][0]])


def test_integrated_gradients_add_up_to_the_change_of_the_score() -> None:
    encoder, head = transformer(), head_of(torch.randn(3, 16))
    batch, special = row([2, 9, 4, 7, 5, 3]), [True, False, False, False, False, True]
    found = attributions.of_tokens(encoder, head, batch, blank(batch, special), LogOdds(1, 2))
    change = found.evidence - found.baseline
    assert abs(change) > 0.1
    assert abs(found.unexplained) <= attributions.TOLERANCE * abs(change) + 0.011
    assert found.weights[special].abs().max() == 0

    with torch.no_grad():
        logits = head.logits(encoder.pool(batch), batch)[0]
    assert found.evidence == pytest.approx(float(logits[1] - logits[2]), rel=1e-4)


def test_the_wide_half_is_part_of_what_adds_up() -> None:
    torch.manual_seed(0)
    encoder, head, batch = (
        LightEncoder(torch.ones(9), 4).eval(),
        head_of(torch.randn(2, 4)),
        row([5, 6, 5]),
    )
    head.wide = Wide(torch.tensor([5, 6]), torch.randn(2, 2)).eval()
    torch.nn.init.ones_(head.wide.scale)
    found = attributions.of_tokens(encoder, head, batch, blank(batch, [False] * 3), LogOdds(1, 0))
    with torch.no_grad():
        logits = head.logits(encoder.pool(batch), batch)[0]
    assert found.evidence == pytest.approx(float(logits[1] - logits[0]), rel=1e-4)
    assert found.unexplained == pytest.approx(0.0, abs=1e-4)


def test_pixels_add_up_too_and_only_those_that_are_read_have_any() -> None:
    class LeftHalf(nn.Module):
        def pool(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            return batch["pixels"][:, :, :, :4].flatten(1).square().sum(1, keepdim=True)

    pixels = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    head = head_of(torch.tensor([[1.0], [-1.0]]))
    plain = pixels.mean((2, 3), keepdim=True).expand_as(pixels)
    found = attributions.of_inputs(
        LeftHalf(), head, {"pixels": pixels}, {"pixels": plain}, "pixels", LogOdds(0, 1)
    )
    assert found.weights.shape == (3, 8, 8)
    assert found.weights[:, :, 4:].abs().max() == 0
    assert float(found.weights.sum()) == pytest.approx(found.evidence - found.baseline, rel=0.05)


def test_the_log_odds_are_against_the_likeliest_of_the_others() -> None:
    logits = torch.tensor([1.0, 5.0, 4.0])
    assert (LogOdds.of(logits, 1), LogOdds.of(logits, 0)) == (LogOdds(1, 2), LogOdds(0, 1))
    assert float(LogOdds.of(logits, 1)(logits)) == 1.0
    ratio = logits.softmax(0)[1] / logits.softmax(0)[2]
    assert float(LogOdds(1, 2)(logits)) == pytest.approx(float(ratio.log()))


def test_rollout_is_the_product_by_hand() -> None:
    random = torch.Generator().manual_seed(0)
    layers = [torch.rand(1, 2, 3, 3, generator=random).softmax(-1) for _ in range(2)]
    first, second = (0.5 * layer[0].mean(0) + 0.5 * torch.eye(3) for layer in layers)
    torch.testing.assert_close(rollout.rollout(layers)[0], second @ first)


def test_rollout_of_a_transformer_leaves_it_as_it_was() -> None:
    encoder, batch = transformer(), row([2, 9, 4, 7, 3])
    before = encoder.pool(batch)
    shares = rollout.of_positions(encoder, batch)
    assert float(shares.sum()) == pytest.approx(1.0, abs=1e-5)
    assert shares.min() > 0
    assert encoder.model.config._attn_implementation == "headstart"
    torch.testing.assert_close(encoder.pool(batch), before)
    assert not encoder.model._forward_hooks


def test_rollout_of_patches_covers_the_image() -> None:
    timm = pytest.importorskip("timm", reason="timm (extra `images`) is not installed")
    from headstart.encoders.timm_models import TimmEncoder

    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=16, patch_size=4, embed_dim=12, depth=2
    )
    encoder = TimmEncoder(model, 16).eval()
    heat = rollout.of_positions(encoder, {"pixels": torch.rand(1, 3, 16, 16)})
    assert heat.shape == (4, 4)
    assert 0.5 < float(heat.sum()) <= 1.0
    assert not any(block.attn.attn_drop._forward_hooks for block in encoder.model.blocks)


@pytest.mark.parametrize("model", [None, nn.Linear(2, 2), SimpleNamespace(blocks=[nn.ReLU()])])
def test_patches_alone_are_no_attention_to_roll_out(model: object) -> None:
    encoder = SimpleNamespace(provides=frozenset({"patches", "grid"}), model=model)
    assert not rollout.can_roll_out(encoder)
    with pytest.raises(HeadstartError, match="attention rollout needs"):
        rollout.of_positions(SimpleNamespace(**vars(encoder)), {})


def test_a_light_encoder_has_no_attention_to_roll_out() -> None:
    with pytest.raises(HeadstartError, match="needs a transformer"):
        rollout.of_positions(LightEncoder(torch.ones(9), 4), row([1, 2]))


def test_grad_cam_of_a_mean_and_a_linear_layer_adds_up_to_the_log_odds() -> None:
    torch.manual_seed(0)
    encoder = PlainEncoder(PlainOptions(widths=(4, 6), pooled=(True, False)), 8).eval()
    head = head_of(torch.randn(3, 6))
    batch = {"pixels": torch.rand(1, 3, 8, 8)}
    heat = gradcam.grad_cam(encoder, head, batch, "pixels", LogOdds(2, 0))
    assert heat.shape == (4, 4)
    with torch.no_grad():
        logits = head.linear(encoder.pool(batch))[0]
    assert float(heat.sum()) == pytest.approx(float(logits[2] - logits[0]), rel=1e-3)


@pytest.fixture(scope="module")
def opinions(tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    folder = tmp_path_factory.mktemp("opinions")
    random = np.random.Generator(np.random.PCG64(0))
    rows = []
    for number in range(160):
        label, telling = [("bad", BAD), ("good", GOOD)][number % 2]
        words = [*random.choice(FILLER, 9), str(random.choice(telling))]
        random.shuffle(words)
        rows.append({"text": " ".join(words), "label": label})
    lines = [json.dumps(one) for one in rows]
    (folder / "train.jsonl").write_text("\n".join(lines[:120]), encoding="utf-8")
    (folder / "test.jsonl").write_text("\n".join(lines[120:]), encoding="utf-8")
    train = str(folder / "train.jsonl")
    run = hs.pretrain(
        train,
        out=str(folder / "run"),
        budget="20steps",
        tracker="none",
        encoder_options={"width": 16},
    )
    return run.finetune(
        train, out=str(folder / "run2"), budget="60steps", wide="on", tracker="none"
    )


def test_what_is_named_matters_more_than_what_is_drawn(opinions: hs.Run) -> None:
    explainer = Explainer(opinions)
    lines = (opinions.folder.parent / "test.jsonl").read_text().splitlines()[:20]
    rows = [json.loads(line) for line in lines]
    checks = [explainer.explain({"id": "", "text": one["text"]}).check for one in rows]
    gains = np.array([check.named_drop - check.random_drop for check in checks if check])
    assert gains.mean() > 3 * gains.std() / len(gains) ** 0.5
    assert gains.mean() > 0.05


def test_a_saturated_prediction_is_explained_in_log_odds_that_still_move(opinions: hs.Run) -> None:
    explainer = Explainer(opinions)
    with torch.no_grad():
        for layer in (explainer.head.linear.weight, explainer.head.linear.bias):
            layer.mul_(500)
        explainer.head.wide = None
    text = {"id": "1", "text": "awful boring a b c d e f"}
    one = explainer.explain(text)
    assert one.scores["bad"] > 0.999999
    assert one.check is not None
    # Without its two decisive words the text is less clearly bad, whatever its probability says.
    assert one.check.before == pytest.approx(one.log_odds, rel=1e-4)
    assert one.log_odds > 15
    assert one.check.named_drop > one.check.random_drop + 1
    assert f"log-odds {one.log_odds:+.1f} against good" in one.headline()
    assert f"the log-odds of 'bad' against 'good' from {one.log_odds:+.1f} to" in one.checked()
    assert not any("Caution" in note for note in one.notes)
    weights = {word["text"]: word["weight"] for word in one.summary()["words"]}
    assert sorted(weights, key=weights.get)[-2:] in (["awful", "boring"], ["boring", "awful"])


def test_the_decisive_word_is_named_for_its_class_and_against_the_other(opinions: hs.Run) -> None:
    text = "a b awful c d"
    weights = {}
    for name in ("bad", "good"):
        (one,) = opinions.explain(text, class_=name, alike=0).summary()["explanations"]
        weights[name] = {word["text"]: word["weight"] for word in one["words"]}
    assert max(weights["bad"], key=weights["bad"].get) == "awful"
    assert weights["good"]["awful"] == pytest.approx(-weights["bad"]["awful"], rel=1e-3)


def test_the_command_answers_and_writes_a_page_that_cannot_be_broken_into(
    opinions: hs.Run, tmp_path: Path
) -> None:
    text = "superb <script>alert(1)</script> a b"
    found = opinions.explain(text, out=str(tmp_path / "page.html"), alike=2)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "superb" in page
    assert "default-src" in page
    (one,) = found.summary()["explanations"]
    assert [near["label"] for near in one["alike"]] == ["good", "good"]
    assert "for good: " in str(found)
    assert str(found).endswith("page.html")
    json.dumps(found.summary())


def test_mistakes_are_explained_in_a_sentence(
    opinions: hs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options, match in [
        ({"class_": "godo"}, "did you mean 'good'"),
        ({"method": "gradcam"}, "Grad-CAM needs a convolutional network"),
        ({"method": "rollout"}, "needs a transformer"),
        ({"out": "page.pdf"}, r"\.html, \.png or \.json"),
        ({"out": "page.png"}, "this run reads texts, and explanations of those are no image"),
    ]:
        with pytest.raises(HeadstartError, match=match):
            opinions.explain("a great film", **options)
    with pytest.raises(HeadstartError, match=r"gone\.jsonl"):
        opinions.explain(str(tmp_path / "gone.jsonl"))
    with pytest.raises(HeadstartError, match="knows no labels"):
        hs.explain(str(opinions.folder.parent / "run"), "a great film")
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(HeadstartError, match=r"pip install 'headstart\[explain\]'"):
        opinions.explain("a great film")


def test_images_are_explained_by_the_corner_that_decides_the_class(tmp_path: Path) -> None:
    random = np.random.Generator(np.random.PCG64(0))
    for number in range(60):
        name = ("left", "right")[number % 2]
        pixels = random.integers(0, 90, (16, 16, 3), dtype=np.uint8)
        corner = slice(0, 6) if name == "left" else slice(10, 16)
        pixels[0:6, corner, number % 2] = 255
        (tmp_path / "all" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "all" / name / f"{number}.png")
    source = str(tmp_path / "all")
    options = {"widths": [8, 16], "pooled": [True, False]}
    run = hs.pretrain(
        source,
        out=str(tmp_path / "run"),
        encoder="plain",
        encoder_options=options,
        budget="5steps",
        batch_size=16,
        tracker="none",
    )
    tuned = run.finetune(source, out=str(tmp_path / "run2"), budget="60steps", tracker="none")
    explainer = Explainer(tuned)
    path = tmp_path / "all" / "left" / "0.png"
    one = explainer.explain({"id": "0", "image": {"bytes": None, "path": str(path)}})
    heat = one.evidence.heat
    assert one.method == "Grad-CAM"
    assert one.predicted == "left"
    assert heat[:6, :6].mean() > heat[10:].mean()

    found = tuned.explain(str(path), out=str(tmp_path / "heat.png"), alike=1)
    assert Image.open(tmp_path / "heat.png").size[0] > 500
    tuned.explain(str(path), out=str(tmp_path / "heat.html"), alike=1)
    assert (tmp_path / "heat.html").read_text().count("data:image/png;base64,") == 2
    assert (tmp_path / "heat.html").read_text().count("data:image/webp;base64,") == 1
    assert found.found[0].alike[0].similarity == pytest.approx(1.0, abs=1e-3)

    for name in ("left", "right"):
        (tmp_path / "cut" / name).mkdir(parents=True)
        (tmp_path / "cut" / name / "0.png").write_bytes(path.read_bytes()[:200])
    cut, page = str(tmp_path / "cut"), tmp_path / "none.html"
    refused = r"none of the 2 pictures from cut/left/0.png on can be decoded \(2: it is cut short"
    uses: list[Callable[[], object]] = [
        lambda: tuned.explain(cut, out=str(page)),
        lambda: tuned.predict(cut),
        lambda: run.finetune(source, val=cut, out=str(tmp_path / "run3"), budget="2steps"),
    ]
    for use in uses:
        with pytest.raises(HeadstartError, match=refused):
            use()
    assert not page.exists()


@pytest.mark.parametrize(("named", "held"), [(-0.5, True), (0.5, False), (1.1, False)])
def test_it_holds_only_beyond_nearly_all_random_deletions_of_the_share_that_is_said(named, held):
    """The means over all shares may say the opposite of the one that is read."""
    from headstart.deployment.deletion import REPORTED, SHARES, Deletion

    curve = [-9.0] * len(SHARES)
    curve[REPORTED] = named
    flat = (0.7,) * len(SHARES)
    check = Deletion(1.0, (1,) * len(SHARES), tuple(curve), flat, (0.2,) * len(SHARES), flat)
    assert check.holds is held
    assert check.summary()["holds"] is held
    assert check.named_drop > check.random_drop
