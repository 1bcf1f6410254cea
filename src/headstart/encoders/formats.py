"""The formats of encoder folders: how each is recognised and opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from headstart.encoders import (
    ENCODERS,
    Encoder,
    EncoderKind,
    PixelEncoder,
    TokenEncoder,
)
from headstart.encoders.recordings import WaveformEncoder
from headstart.errors import HeadstartError, refused
from headstart.stored import opening

#: Tokens per row for networks whose folders do not specify it.
LENGTH = 256
#: Ids of positions that a network may keep for padding.
_SPARE = 8


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
    elif isinstance(network, str) and network in OWN:
        return OWN[network]
    elif isinstance(network, str) and not {"model_type", "architecture"} & config.keys():
        raise HeadstartError(
            f"{folder} holds an encoder of the kind {network!r}, which no installed package "
            "brings; install the one that it was made with."
        )
    return next(each for each in FORMATS if each.fits(folder))


def joined_parts(folder: str | Path) -> list[dict[str, str]]:
    """Return the name, origin and licence of each encoder that stands side by side in a folder.

    They are in folders of their names; [] where the folder holds a single one.

    Raises:
        HeadstartError: its ``config.json`` does not say.
    """
    config = _config(folder)
    if config.get("network") != "joined":
        return []
    with opening(Path(folder) / "config.json"):
        keys = ("name", "origin", "licence")
        parts = [{key: str(each[key]) for key in keys} for each in config["parts"]]
        if not parts or any(Path(each["name"]).name != each["name"] for each in parts):
            raise ValueError("its parts are no folders beside it")
    return parts


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

    stated = native_length(folder)
    if stated is not None:
        return stated
    most = _config(folder).get("max_position_embeddings")
    if not isinstance(most, int) or not 0 < most < LENGTH + _SPARE:
        return LENGTH
    # Some families begin to count after the padding id; the network itself knows.
    from headstart.encoders.transformer import TransformerEncoder

    return min(LENGTH, TransformerEncoder.load(folder).limit or LENGTH)


def highest_token(folder: str | Path) -> int | None:
    """Return the highest id of a folder's tokenizer; None if it has no ``tokenizer.json``."""
    file = Path(folder) / "tokenizer.json"
    if not file.is_file():
        return None
    from tokenizers import Tokenizer

    remedy = "copy it again, or give a folder that was saved with its tokenizer"
    with refused(f"the tokenizer in {file} cannot be read", remedy, Exception):
        return max(Tokenizer.from_file(str(file)).get_vocab().values(), default=None)


def _timm_side(folder: str | Path) -> int:
    config = _config(folder)
    return int(config.get("pretrained_cfg", config)["input_size"][-1])


def _is_xlnet(folder: str | Path) -> bool:
    return foreign_config(folder).get("model_type") == "xlnet"


def _writes(folder: str | Path) -> bool:
    """Whether a folder or hub name holds a sequence-to-sequence network of Transformers."""
    return bool(foreign_config(folder).get("is_encoder_decoder"))


def foreign_config(folder: str | Path) -> dict[str, Any]:
    """Return the configuration of a network of Transformers; empty if there is none.

    No network is imported for it, which takes seconds.
    """
    from transformers import PreTrainedConfig

    try:
        return dict(PreTrainedConfig.get_config_dict(folder)[0])
    except (OSError, ValueError):
        return {}


def _late(name: str) -> Callable[..., Any]:
    """Return a function of this package by its name; its module is imported at the first call."""
    module, _, path = name.partition(":")

    def call(*arguments: Any) -> Any:
        return attrgetter(path)(import_module(f"headstart.encoders.{module}"))(*arguments)

    return call


def _of_tokens(fits: Callable[[str | Path], bool], load: str) -> Format:
    opened = _late(load)
    return Format(fits, TokenEncoder.reads, _tokens, lambda folder, length: opened(folder))


#: What could not be trained from scratch, by its ``network``; a note in the folder has the length.
OWN = {
    "joined": Format(lambda _: True, "", lambda _: LENGTH, _late("joined:JoinedEncoder.load")),
    "speaker_lstm": Format(
        lambda _: True,
        WaveformEncoder.reads,
        lambda _: LENGTH,
        _late("speaker_lstm:SpeakerLSTM.load"),
    ),
    "vectors": Format(
        lambda _: True, "vectors", lambda _: LENGTH, _late("vectors:VectorEncoder.load")
    ),
}
#: The last fits everything else: a network of Transformers, or an error when it is opened.
FORMATS = [
    _of_tokens(is_static, "light:LightEncoder.load"),
    Format(
        lambda folder: "architecture" in _config(folder),
        PixelEncoder.reads,
        _timm_side,
        _late("timm_models:TimmEncoder.load"),
    ),
    Format(
        _late("audio_folders:reads_samples"),
        WaveformEncoder.reads,
        lambda _: LENGTH,
        _late("waveform_models:Wav2Vec2Encoder.load"),
    ),
    Format(
        _late("audio_folders:reads_spectrograms"),
        WaveformEncoder.reads,
        lambda _: LENGTH,
        _late("spectrogram_models:SpectrogramEncoder.load"),
    ),
    _of_tokens(_is_xlnet, "xlnet:XLNetEncoder.load"),
    _of_tokens(_writes, "seq2seq:Seq2SeqEncoder.load"),
    Format(
        _late("vision_folders:is_image_network"),
        PixelEncoder.reads,
        _late("vision_folders:native_size_of"),
        _late("vision:VisionEncoder.load"),
    ),
    _of_tokens(lambda folder: True, "transformer:TransformerEncoder.load"),
]
