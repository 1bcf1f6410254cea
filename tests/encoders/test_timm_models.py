"""Networks by timm's names, and folders that open without this library."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch

from headstart.encoders import ENCODERS
from headstart.encoders.conv import CONV
from headstart.encoders.opening import create_encoder, kind_of, open_encoder, read_note
from headstart.errors import HeadstartError

timm = pytest.importorskip("timm", reason="the extra `images` is not installed")

SHORT = {"layers": [1, 1, 1, 1], "channels": [4, 8, 8, 16]}
TINY_VIT = {"layers": 2, "width": 24, "heads": 3}


def create(name, options=None, length=32, seed=0):
    return create_encoder(name, options or {}, None, length=length, seed=seed).eval()


def pictures(count=3, side=32):
    from PIL import Image

    drawn = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    batch = {"pixels": torch.from_numpy(drawn).permute(0, 3, 1, 2)}
    return batch, [Image.fromarray(picture) for picture in drawn]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("conv", {"widths": [8, 16], "depths": [1, 1]}),
        ("vit", TINY_VIT),
        ("vit", {**TINY_VIT, "pool": "class"}),
        ("resnet18", SHORT),
    ],
)
def test_timm_opens_what_was_saved_and_its_vectors_are_ours(name, options, tmp_path):
    """With timm's own transform of the images, enlarging included."""
    encoder = create(name, options)
    encoder.save(tmp_path)
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True, num_classes=0).eval()
    data = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**data, is_training=False)
    batch, images = pictures()
    theirs = model(torch.stack([transform(image) for image in images]))
    # Timm enlarges before it leaves bytes, so pixels are rounded to 1/255 on the way.
    ours = encoder(batch).pooled.detach()
    torch.testing.assert_close(theirs, ours, rtol=0.02, atol=0.02 * float(ours.abs().max()))
    torch.testing.assert_close(model(encoder.input(batch["pixels"])), ours)


def test_timm_opens_the_folder_in_a_process_without_this_library(tmp_path):
    create("conv").save(tmp_path)
    code = f"""
import sys, timm, torch
model = timm.create_model("local-dir:{tmp_path}", pretrained=True, num_classes=0).eval()
assert "headstart" not in sys.modules
print(tuple(model(torch.zeros(2, 3, 64, 64)).shape))
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 256)", done.stderr


def test_a_small_stem_opens_by_the_lines_in_its_readme(tmp_path, monkeypatch):
    encoder = create("resnet18", {**SHORT, "stem": "small"})
    encoder.save(tmp_path)
    assert encoder.model.conv1.kernel_size == (3, 3)
    assert encoder.model.conv1.stride == (1, 1)
    with pytest.raises(RuntimeError, match="size mismatch for conv1"):
        timm.create_model(f"local-dir:{tmp_path}", pretrained=True, num_classes=0)
    readme = (tmp_path / "README.md").read_text()
    lines = [line[4:] for line in readme.splitlines() if line.startswith("    ")]
    (tmp_path / "open.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    model = runpy.run_path("open.py")["model"].eval()
    batch, _ = pictures()
    torch.testing.assert_close(model(encoder.input(batch["pixels"])), encoder(batch).pooled)


def test_a_foreign_folder_of_timm_is_a_starting_point(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=10, img_size=None, **SHORT).eval()
    timm.models.save_for_hf(model, str(tmp_path), safe_serialization=True)
    assert read_note(tmp_path) == {"modality": "image", "length": 224}
    encoder = open_encoder(tmp_path, length=64).eval()
    batch, _ = pictures(side=64)
    expected = model.forward_head(model.forward_features(encoder.input(batch["pixels"])), True)
    torch.testing.assert_close(encoder(batch).pooled, expected)
    assert encoder.size == 64


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one, two, other = (create("conv", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [e.model.conv1.weight for e in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_small_pictures_enter_the_small_network_enlarged_and_their_crops_in_proportion():
    encoder = create("conv")
    assert encoder.input.side(32) == 64
    assert encoder.input.side(16) == 32
    assert encoder(pictures()[0]).tokens.shape[1] == 16
    assert create("conv", length=96).input.side(96) == 96


@pytest.mark.parametrize(("length", "patches"), [(32, 64), (64, 64), (50, 169), (160, 100)])
def test_patches_follow_the_size_of_the_pictures(length, patches):
    encoder = create("vit", TINY_VIT, length)
    assert encoder(pictures(1, length)[0]).tokens.shape[1] == patches


def test_maps_run_channels_last():
    encoder = create("conv")
    batch, _ = pictures()
    assert encoder.model.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert encoder.input(batch["pixels"]).is_contiguous(memory_format=torch.channels_last)


def test_what_is_said_of_published_weights_is_not_said_of_fresh_ones(tmp_path):
    create("resnet18", SHORT).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architecture"] == "resnet18"
    assert config["model_args"]["layers"] == [1, 1, 1, 1]
    assert not {"tag", "license", "origin_url", "paper_ids"} & set(config["pretrained_cfg"])


def test_dropout_is_offered_where_it_is_and_outlives_saving(tmp_path):
    encoder = create("vit", {**TINY_VIT, "dropout": 0.1})
    assert "dropout" in encoder.provides
    assert "dropout" not in create("vit", TINY_VIT).provides
    encoder.save(tmp_path)
    assert "dropout" in open_encoder(tmp_path).provides


# -- names ---------------------------------------------------------------------------------------


def test_names_of_architectures_are_kinds_and_all_else_is_to_be_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert kind_of("conv") is CONV
    assert kind_of("bert").reads == "input_ids"
    fresh, trained = kind_of("resnet18"), kind_of("resnet18.a1_in1k")
    assert (fresh.reads, fresh.length) == ("pixels", 224)
    assert trained.learning_rate < fresh.learning_rate
    assert kind_of("timm/resnet18.a1_in1k").about == trained.about
    for other in ("google/vit-base-patch16-224", "bert-base-uncased", "gpt2", "./resnet18"):
        assert kind_of(other) is None
    (tmp_path / "resnet18").mkdir()
    assert kind_of("resnet18") is None


def test_no_architecture_is_taken_for_a_slip_of_an_encoder():
    from headstart.config import PretrainConfig
    from headstart.encoders.timm_names import near_timm
    from headstart.verbs.learning import check_names

    assert near_timm("ligth") is None
    with pytest.raises(HeadstartError, match="did you mean 'light'"):
        check_names(PretrainConfig(sources=["a"], out="b", encoder="ligth"))
    alike = [name for name in timm.list_models() if ENCODERS.near(name)]
    assert "convformer_s18" in alike  # of conformer
    for name in alike:
        check_names(PretrainConfig(sources=["a"], out="b", encoder=name))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet81", {}, "did you mean 'resnet18'"),
        ("ligth", {}, "did you mean 'light'"),
        ("resnet18.a9_in1k", {}, "no weights 'a9_in1k' for 'resnet18'; did you mean 'a"),
        ("resnet18", {"chanels": [4]}, "no option 'chanels'; did you mean 'channels'"),
        ("resnet18", {"layers": "many"}, "cannot build 'resnet18' as asked"),
        ("resnet18", {"in_chans": 1}, "encoder.in_chans of 'resnet18' is set by the encoder"),
        ("resnet18", {"act_layer": torch.nn.ReLU}, "plain value"),
        ("resnet18", {"stem": "tiny"}, "encoder.stem"),
        ("convnext_atto", {"stem": "small"}, "made for ResNets"),
        ("conv", {"widths": [8]}, "lists of the same length"),
        ("conv", {"wdths": [8]}, "did you mean 'widths'"),
        ("vit", {"width": 10, "heads": 3}, "cannot be divided"),
        ("eva02_tiny_patch14_224", {"pos_embd": ""}, "no option 'pos_embd'"),
    ],
)
def test_a_slip_is_answered_in_a_sentence(name, options, message):
    with pytest.raises(HeadstartError, match=message) as caught:
        create(name, options)
    assert "\n" not in str(caught.value)


def test_a_picture_too_small_for_the_network_is_refused_before_anything_runs():
    with pytest.raises(HeadstartError, match="cannot take pictures of 8 pixels"):
        create("inception_v3", length=8)


def test_published_weights_are_fetched_as_safetensors_and_opened(tmp_path, monkeypatch):
    import huggingface_hub
    from safetensors.torch import save_file

    torch.manual_seed(3)
    published = timm.create_model("resnet10t").eval()
    save_file(published.state_dict(), tmp_path / "model.safetensors")
    requested = []

    def fetch(repository, filename):
        requested.append((repository, filename))
        return str(tmp_path / "model.safetensors")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    encoder = open_encoder("resnet10t.c3_in1k").eval()
    assert requested == [("timm/resnet10t.c3_in1k", "model.safetensors")]
    torch.testing.assert_close(encoder.model.conv1[0].weight, published.conv1[0].weight)
    assert encoder.size == 176
    assert read_note("resnet10t.c3_in1k") == {"modality": "image", "length": 176}


def test_weights_that_cannot_be_fetched_are_named_in_a_sentence():
    with pytest.raises(HeadstartError, match=r"cannot be fetched.*write 'resnet18' for a fresh"):
        create("resnet18.a1_in1k")


def test_a_fresh_network_is_nothing_to_open():
    with pytest.raises(HeadstartError, match="'resnet18' has learned nothing yet"):
        open_encoder("resnet18")


# -- safety --------------------------------------------------------------------------------------


def test_a_pickle_is_not_opened(tmp_path):
    model = timm.create_model("resnet18", **SHORT)
    timm.models.save_for_hf(model, str(tmp_path), safe_serialization=False)
    assert (tmp_path / "pytorch_model.bin").is_file()
    with pytest.raises(HeadstartError, match=r"no model\.safetensors.*cannot run code"):
        open_encoder(tmp_path)


@pytest.mark.parametrize("damage", ["weights", "config", "architecture", "size"])
def test_a_damaged_folder_is_refused_in_a_sentence(damage, tmp_path):
    create("resnet18", SHORT).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    if damage == "weights":
        (tmp_path / "model.safetensors").write_bytes(b"\x00" * 100)
    elif damage == "config":
        del config["pretrained_cfg"]["input_size"]
        config["model_args"] = {"layers": "x"}
    elif damage == "architecture":
        config["architecture"] = "no_such_network"
    else:
        config["model_args"]["channels"] = [4, 8, 8, 32]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        HeadstartError, match=r"timm cannot open|cannot be read|has the shape"
    ) as caught:
        open_encoder(tmp_path)
    assert "\n" not in str(caught.value)


def test_without_timm_one_sentence_says_what_to_install():
    code = """
import sys
sys.modules["timm"] = None
from headstart.encoders import ENCODERS
from headstart.encoders.opening import create_encoder, kind_of
from headstart.errors import HeadstartError
assert ENCODERS["conv"].about and ENCODERS["vit"].about and kind_of("gpt2") is None
for name in ("conv", "timm/resnet18"):
    try:
        create_encoder(name, {}, None, length=32, seed=0)
    except HeadstartError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    sentence = "pictures need the extra `images`: pip install headstart[images]"
    assert done.stdout.splitlines() == [sentence] * 2, done.stderr


def test_names_are_known_without_importing_timm():
    code = """
import sys
from headstart.encoders.opening import kind_of
assert kind_of("conv").reads == "pixels" and kind_of("light") and not kind_of("bert-base-cased")
assert "timm" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
