"""Folders of timm networks: written in timm's format, read without pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
from safetensors.torch import load_file, save_file
from timm.models._hub import save_config_for_hf
from timm.models.resnet import ResNet
from torch import nn

from headstart.errors import HeadstartError, refused
from headstart.weights import (
    check_finite,
    check_names,
    check_size,
    shapes_of,
    stray_names,
)

WEIGHTS = "model.safetensors"

#: README of networks that timm's arguments cannot describe.
SMALL_STEM = """\
This is timm's `{architecture}` with the stem for small pictures (SimCLR, Chen et al. 2020, \
appendix B.9), which
timm's arguments cannot express; `local-dir:` refuses it, and these lines open it without headstart:

    import json, timm, torch
    from safetensors.torch import load_file

    config = json.load(open("config.json"))
    model = timm.create_model(config["architecture"], **config["model_args"])
    model.conv1 = torch.nn.Conv2d(3, {width}, 3, padding=1, bias=False)
    model.maxpool = torch.nn.Identity()
    model.load_state_dict(load_file("model.safetensors"))

Pixels in 0..1 are normalised with `mean` and `std` of `config["pretrained_cfg"]`.
"""


def write_folder(model: Any, folder: Path, *, side: int, ours: dict[str, Any]) -> None:
    """Write ``model.safetensors`` and ``config.json`` in timm's format.

    Args:
        side: pixels per side at which images enter the network.
        ours: further values for this library, which timm ignores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    config = model.pretrained_cfg
    # timm omits these, since they do not affect inference.
    rates = {k: v for k, v in model._model_args.items() if k.endswith(("drop_rate", "path_rate"))}
    save_config_for_hf(
        model,
        str(folder / "config.json"),
        model_config={"headstart": ours},
        model_args=rates,
        data_config={
            "input_size": (3, side, side),
            "mean": tuple(config["mean"]),
            "std": tuple(config["std"]),
            "crop_pct": 1.0,
            "interpolation": "bilinear",
        },
    )
    if ours["small_stem"]:
        text = SMALL_STEM.format(
            architecture=config["architecture"], width=model.conv1.out_channels
        )
        (folder / "README.md").write_text(text, encoding="utf-8")


def read_folder(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the network of a folder without its classifier, and the values in ``ours``.

    Raises:
        HeadstartError: a file is missing or damaged, the weights are a pickle, or a tensor is
            missing, of another shape, or not finite.
    """
    if not (folder / WEIGHTS).is_file():
        raise HeadstartError(
            f"{folder} has no {WEIGHTS}, the one kind of weights that is opened here because it "
            "cannot run code; convert them, or name another folder."
        )
    check_size(folder / WEIGHTS)
    remedy = "pre-train it again or name another folder"
    with refused(f"timm cannot open {folder}", remedy, Exception):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        ours: dict[str, Any] = config.get("headstart", {})
        if not ours.get("small_stem"):
            model = _loaded(folder)
            check_finite(model.state_dict(), folder)
            return model, ours
        name = config["architecture"]
        about = {**config["pretrained_cfg"], "architecture": name}
        model = timm.create_model(name, pretrained_cfg=about, **config["model_args"])
        shrink_stem(model)
        model.load_state_dict(load_file(folder / WEIGHTS))
        check_finite(model.state_dict(), folder)
        return model, ours


def _loaded(folder: Path) -> Any:
    """Return timm's network without its classifier; without one, timm itself is lenient.

    Raises:
        HeadstartError: it names the first tensor that is missing, misshapen or has no place.
    """
    source = f"local-dir:{folder}"
    try:
        model = timm.create_model(source, pretrained=True, num_classes=0)
    except RuntimeError:
        check_names(*_differences(timm.create_model(source, num_classes=0), folder), folder)
        raise
    differences = _differences(model, folder)
    if any(differences):
        # timm knows the names of older files; with the classifier of the folder it is strict.
        try:
            timm.create_model(source, pretrained=True)
        except RuntimeError:
            check_names(*differences, folder)
            raise
    return model


def _differences(model: Any, folder: Path) -> tuple[set[str], list[Any], list[str]]:
    """Return tensors that a file lacks, has in another shape, and has without a place for them."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    saved = shapes_of(folder / WEIGHTS)
    wrong = [
        (name, saved[name], shape)
        for name, shape in wanted.items()
        if name in saved and saved[name] != shape
    ]
    stray = stray_names(saved.keys() - wanted.keys(), model)
    return wanted.keys() - saved.keys(), wrong, stray


def shrink_stem(model: Any) -> None:
    """Replace a ResNet's stem by that for small images, in place: 3x3, stride 1, no pooling.

    SimCLR (Chen et al. 2020, https://arxiv.org/abs/2002.05709), appendix B.9.

    Raises:
        HeadstartError: the network is not a ResNet of timm.
    """
    residual = isinstance(model, ResNet)
    if not residual:
        raise HeadstartError(
            "encoder.stem=small is made for ResNets (resnet18, resnet50, ...); leave it out, or "
            "choose one of them."
        )
    stem = nn.Conv2d(3, model.bn1.num_features, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    model.conv1, model.maxpool = stem, nn.Identity()
