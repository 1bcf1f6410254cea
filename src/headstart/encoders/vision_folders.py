"""Image networks in folders of Transformers: recognition and image size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import MODEL_MAPPING, AutoConfig
from transformers.utils import cached_file

PROCESSOR = "preprocessor_config.json"


def is_image_network(folder: str | Path) -> bool:
    """Whether a folder or hub name holds an image network of Transformers."""
    return _image_config(folder) is not None


def native_size_of(folder: str | Path) -> int:
    """Return the pixels per side of the images that a folder's or hub name's network reads."""
    config = _image_config(folder)
    return native_size(config, processor_of(folder, config))


def native_size(config: Any, processor: dict[str, Any]) -> int:
    """Return the pixels per side that a network of Transformers was built or trained for."""
    size = getattr(config, "image_size", None)
    defaults = (
        processor.get("crop_size") if processor.get("do_center_crop") else processor.get("size")
    )
    if isinstance(defaults, dict):
        defaults = defaults.get("height") or defaults.get("shortest_edge")
    if size is None:
        size = defaults or 224
    return int(size if isinstance(size, int) else size[0])


def _image_config(folder: str | Path) -> Any:
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        network = MODEL_MAPPING[type(config)]
    except (OSError, ValueError, KeyError):
        return None
    network = network[0] if isinstance(network, tuple) else network
    return config if network.main_input_name == "pixel_values" else None


def processor_of(folder: str | Path, config: Any) -> dict[str, Any]:
    """Return the stored image processor's configuration, or one equivalent to ours."""
    path = cached_file(
        str(folder),
        PROCESSOR,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    found = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    if "image_processor_type" in found:
        return {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, **found}
    side = native_size(config, found)
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        **found,
    }


def resized(processor: dict[str, Any], side: int) -> dict[str, Any]:
    """Return the configuration for images of ``side`` pixels."""
    sizes = {}
    for key in {"size", "crop_size"} & set(processor):
        old = processor[key]
        edge = isinstance(old, dict) and "shortest_edge" in old
        sizes[key] = {"shortest_edge": side} if edge else {"height": side, "width": side}
    return {**processor, **sizes}
