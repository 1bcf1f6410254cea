"""Architectures and published weights, by their names in timm."""

from __future__ import annotations

import inspect
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from headstart.config import Options
from headstart.encoders import EncoderKind
from headstart.encoders.timm_models import TimmEncoder, shrink_stem
from headstart.errors import HeadstartError, did_you_mean, first_line, nearest, refused
from headstart.modalities import Processor

#: Arguments that the encoder sets itself.
RESERVED = {
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
    "num_classes",
    "in_chans",
    "features_only",
    "out_indices",
    "scriptable",
    "exportable",
    "no_jit",
    "device",
    "dtype",
}

#: Fields of a configuration that describe published weights.
ABOUT_WEIGHTS = {
    "url",
    "hf_hub_id",
    "hf_hub_filename",
    "tag",
    "license",
    "origin_url",
    "paper_name",
    "paper_ids",
    "notes",
    "description",
}


class TimmOptions(Options):
    """Arguments of a timm network, passed on to timm, and ``stem``."""

    model_config = ConfigDict(extra="allow", validate_default=True)

    stem: Literal["own", "small"] = Field(
        "own", description="small: 3x3 at stride 1 without pooling, for ResNets at 32 pixels."
    )


def timm_kind(name: str) -> EncoderKind | None:
    """Return how to create the network ``name``, or None if there is no such network.

    ``resnet18`` is freshly initialised, ``resnet18.a1_in1k`` (or ``timm/resnet18.a1_in1k``) has
    published weights; those of torchvision are ``resnet18.tv_in1k``.

    Raises:
        HeadstartError: the network exists but not these weights.
    """
    match = re.fullmatch(r"(?:timm/)?(\w+)(?:\.(\w+))?", name)
    if match is None:
        return None
    architecture, tag = match[1], match[2] or ""
    import timm

    if not timm.is_model(architecture):
        return None
    tags = [n.partition(".")[2] for n in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise HeadstartError(
            f"timm has no weights {tag!r} for {architecture!r}{did_you_mean(tag, tags)}"
        )
    config = timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    side = config.input_size[-1] if config else 224
    attentive = re.match(r"(vit|deit|beit|eva|swin|cait|xcit|pvt|levit)", architecture)
    fresh_rate = 5e-4 if attentive else 1e-3
    return EncoderKind(
        f"{architecture} of timm" + (f" with the weights {tag}" if tag else ", fresh") + ".",
        TimmOptions,
        partial(_create, architecture, tag),
        # Larger inputs are not worth their cost without a GPU.
        length=side if tag else min(side, 224),
        batch_size=256,
        learning_rate=1e-4 if tag else fresh_rate,
        reads=TimmEncoder.reads,
        provides=frozenset({"grid", "maps", "dropout", *_patches(architecture)}),
    )


def _patches(architecture: str) -> set[str]:
    """Return ``patches`` if they can be dropped: the architecture's module must use a plain ViT."""
    import timm
    from timm.models.vision_transformer import VisionTransformer

    module = sys.modules[timm.model_entrypoint(architecture).__module__]
    return {"patches"} if VisionTransformer in vars(module).values() else set()


def near_timm(name: str) -> str | None:
    """Return the architecture closest to a misspelled name such as ``resnet81``, if any."""
    import timm

    return next(iter(nearest(name, timm.list_models(), likeness=0.85)), None)


def build(
    architecture: str,
    arguments: dict[str, Any],
    length: int,
    *,
    tag: str = "",
    small_stem: bool = False,
    scale: float = 1.0,
    owner: str | None = None,
) -> TimmEncoder:
    """Return a timm network for images of ``length`` pixels per side.

    Args:
        arguments: passed to timm, and saved with the network; plain values only.
        tag: published weights to start from; without it the network is freshly initialised.
        owner: name of the encoder in errors.

    Raises:
        HeadstartError: an argument that timm does not support, or unknown weights.
    """
    owner = owner or architecture
    _check_arguments(arguments, owner)
    weights = _weights(architecture, tag) if tag else {}
    model = _made(architecture, arguments, round(length * scale), weights, owner)
    if not tag:
        # timm describes a fresh network by its default weights.
        config = model.pretrained_cfg
        model.pretrained_cfg = {k: v for k, v in config.items() if k not in ABOUT_WEIGHTS}
    if small_stem:
        shrink_stem(model)
    return TimmEncoder(model, length, scale=scale, small_stem=small_stem)


def _create(
    architecture: str, tag: str, options: TimmOptions, processor: Processor, length: int
) -> TimmEncoder:
    arguments = dict(options.model_extra or {})
    return build(architecture, arguments, length, tag=tag, small_stem=options.stem == "small")


def _made(
    architecture: str, arguments: dict[str, Any], side: int, weights: dict[str, Any], owner: str
) -> Any:
    """Create a timm network, for our image size and a dynamic one where supported."""
    import timm

    sizes: list[dict[str, Any]] = [{}]
    name = architecture + (f".{weights['tag']}" if weights else "")
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        sizes = [{"img_size": side, "dynamic_img_size": True}, {"img_size": side}, {}]
    for size in sizes:
        try:
            return timm.create_model(
                name,
                pretrained=bool(weights),
                pretrained_cfg_overlay=weights.get("overlay"),
                **{"num_classes": 0, **size, **arguments},
            )
        except Exception as error:
            unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if unknown and unknown[1] in size and unknown[1] not in arguments:
                continue
            raise _refusal(error, unknown[1] if unknown else "", architecture, owner) from None
    raise AssertionError("a network takes no size, or one of those above")


def _refusal(error: Exception, key: str, architecture: str, owner: str) -> HeadstartError:
    import timm

    if not key:
        return HeadstartError(f"timm cannot build {owner!r} as asked: {first_line(error)}.")
    known: set[str] = {"stem"}
    for part in type(timm.create_model(architecture)).__mro__[:-1]:
        known |= set(inspect.signature(part).parameters)
    known -= RESERVED | {"self", "args", "kwargs", "block", "cfg"}
    return HeadstartError(f"encoder {owner!r} has no option {key!r}{did_you_mean(key, known)}")


def _check_arguments(arguments: dict[str, Any], owner: str) -> None:
    for key, value in arguments.items():
        if key in RESERVED:
            raise HeadstartError(
                f"encoder.{key} of {owner!r} is set by the encoder itself; leave it out."
            )
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise HeadstartError(
                f"encoder.{key} of {owner!r} must be a plain value that JSON can hold, for it is "
                "saved with the network."
            ) from None


def _weights(architecture: str, tag: str) -> dict[str, Any]:
    """Fetch published weights as safetensors, which cannot run code; never a pickle."""
    import timm
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    name = f"{architecture}.{tag}"
    config: Any = timm.get_pretrained_cfg(name)
    if not config.hf_hub_id:
        raise HeadstartError(
            f"the weights {name!r} are not published as safetensors, the one kind that is opened "
            "here because it cannot run code; choose another tag."
        )
    disable_progress_bars()
    what = f"the weights {name!r} cannot be fetched from the hub and are not in its cache"
    remedy = f"go online once, or write {architecture!r} for a fresh network"
    with refused(what, remedy, Exception):
        path = Path(hf_hub_download(config.hf_hub_id, "model.safetensors"))
    return {"tag": tag, "overlay": {"file": str(path), "source": "timm", "custom_load": False}}
