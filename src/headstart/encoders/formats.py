"""The formats of encoder folders: how each is recognised and opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.encoders import ENCODERS, Encoder, EncoderKind, PixelEncoder, TokenEncoder
from headstart.errors import HeadstartError

#: Tokens per row for networks whose folders do not specify it.
LENGTH = 256


@dataclass(frozen=True)
class Format:
    """A format of encoder folders, ours or another library's.

    Attributes:
        fits: whether a folder, or a name on the hub or in its local cache, has this format.
        reads: the input tensor of the encoder.
        length: returns the tokens per row, or pixels per side, that it is built for.
        load: opens it; image encoders for a given number of pixels per side, or as saved.
    """

    fits: Callable[[str | Path], bool]
    reads: str
    length: Callable[[str | Path], int]
    load: Callable[[str | Path, int | None], Encoder]


def format_of(folder: str | Path) -> Format:
    """Return the format of a folder, or of a hub name: the first that fits.

    Raises:
        HeadstartError: a package wrote it that is not installed here.
    """
    config = _config(folder)
    network = config.get("network")
    if isinstance(network, str) and network in ENCODERS:
        # Neither timm nor Transformers has such a network: its kind opens it.
        kind: EncoderKind = ENCODERS[network]
        length = int(config.get("size", kind.length))
        if kind.load is not None:
            return Format(lambda _: True, kind.reads, lambda _: length, kind.load)
    elif isinstance(network, str) and not {"model_type", "architecture"} & config.keys():
        raise HeadstartError(
            f"{folder} holds an encoder of the kind {network!r}, which no installed package "
            "brings; install the one that it was made with."
        )
    return next(each for each in FORMATS if each.fits(folder))


def is_static(folder: str | Path) -> bool:
    """Whether a folder holds static token vectors: the light encoder, or a foreign one."""
    modules = Path(folder) / "modules.json"
    return modules.is_file() and "StaticEmbedding" in modules.read_text(encoding="utf-8")


def _config(folder: str | Path) -> dict[str, Any]:
    """Return the ``config.json`` of a folder; empty if there is none."""
    try:
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _tokens(folder: str | Path) -> int:
    from headstart.encoders.sentence_folders import native_length

    return native_length(folder) or LENGTH


def _light(folder: str | Path, length: int | None) -> Encoder:
    from headstart.encoders.light import LightEncoder

    return LightEncoder.load(folder)


def _timm_side(folder: str | Path) -> int:
    config = _config(folder)
    return int(config.get("pretrained_cfg", config)["input_size"][-1])


def _timm(folder: str | Path, length: int | None) -> Encoder:
    from headstart.encoders.timm_models import TimmEncoder

    return TimmEncoder.load(folder, length)


def _is_xlnet(folder: str | Path) -> bool:
    from headstart.encoders.xlnet import is_xlnet

    return is_xlnet(folder)


def _xlnet(folder: str | Path, length: int | None) -> Encoder:
    from headstart.encoders.xlnet import XLNetEncoder

    return XLNetEncoder.load(folder)


def _is_writer(folder: str | Path) -> bool:
    from headstart.encoders.seq2seq import writer_type

    return writer_type(folder) is not None


def _writer(folder: str | Path, length: int | None) -> Encoder:
    from headstart.encoders.seq2seq import Seq2SeqEncoder

    return Seq2SeqEncoder.load(folder)


def _is_vision(folder: str | Path) -> bool:
    from headstart.encoders.vision_folders import is_image_network

    return is_image_network(folder)


def _vision_side(folder: str | Path) -> int:
    from headstart.encoders.vision_folders import native_size_of

    return native_size_of(folder)


def _vision(folder: str | Path, length: int | None) -> Encoder:
    from headstart.encoders.vision import VisionEncoder

    return VisionEncoder.load(folder, length)


def _transformer(folder: str | Path, length: int | None) -> Encoder:
    from headstart.encoders.transformer import TransformerEncoder

    return TransformerEncoder.load(folder)


#: The last fits everything else: a network of Transformers, or an error when it is opened.
FORMATS = [
    Format(is_static, TokenEncoder.reads, _tokens, _light),
    Format(lambda folder: "architecture" in _config(folder), PixelEncoder.reads, _timm_side, _timm),
    Format(_is_xlnet, TokenEncoder.reads, _tokens, _xlnet),
    Format(_is_writer, TokenEncoder.reads, _tokens, _writer),
    Format(_is_vision, PixelEncoder.reads, _vision_side, _vision),
    Format(lambda folder: True, TokenEncoder.reads, _tokens, _transformer),
]
