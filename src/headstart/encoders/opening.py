"""Opening an encoder folder, whoever wrote it."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headstart.config import check_options
from headstart.encoders import ENCODERS, Encoder, EncoderKind
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.seeding import seeded

NOTE = "headstart.json"

#: What a name of timm or torchvision looks like.
_ARCHITECTURE = re.compile(r"((timm|torchvision)/)?\w+(\.\w+)?")


def kind_of(name: str) -> EncoderKind | None:
    """Return how to make the encoder ``name``; None for one that is to be opened.

    A name is one of :data:`ENCODERS`, or an architecture of timm or torchvision, with a tag where
    it has published weights (``resnet18``, ``resnet18.a1_in1k``, ``torchvision/resnet18``).

    Raises:
        HeadstartError: a slip of one of these names.
    """
    if name in ENCODERS:
        kind: EncoderKind = ENCODERS[name]
        return kind
    if not _ARCHITECTURE.fullmatch(name) or Path(name).exists():
        return None
    if "/" not in name and not find_spec("timm"):
        return None
    from headstart.encoders.timm_names import near_timm, timm_kind

    found = timm_kind(name)
    near = near_timm(name) if found is None else None
    if near:
        raise HeadstartError(f"unknown encoder {name!r}; did you mean {near!r}?")
    return found


def create_encoder(
    name: str, options: dict[str, Any], processor: Any, *, length: int, seed: int
) -> Encoder:
    """Return an encoder by name; the same seed gives the same weights.

    It is freshly initialised, unless the name asks for published weights.

    Raises:
        HeadstartError: an unknown name or option, or a value out of bounds.
    """
    kind = kind_of(name) or ENCODERS[name]
    checked = check_options(kind.Options, options, f"encoder {name!r}", "encoder")
    with seeded(seed, "encoder"):
        return kind.create(checked, processor, length)


def open_encoder(folder: str | Path, *, length: int | None = None) -> Encoder:
    """Open an encoder that has learned something, by its folder or name.

    That is a run's, a folder or hub name of Transformers, a folder of timm, a name of timm or
    torchvision with published weights, or a ``StaticEmbedding``.

    Args:
        length: for pictures, pixels a side of those that it shall read; else as it was saved.

    Raises:
        HeadstartError: nothing there can be opened.
    """
    path = encoder_folder(folder)
    if isinstance(path, Path):
        if is_static(path):
            from headstart.encoders.light import LightEncoder

            return LightEncoder.load(path)
        note = path / NOTE
        length = length or (read_note(path)["length"] if note.is_file() else None)
        config = _config(path)
        if config.get("network") == "plain":
            from headstart.encoders.plain import PlainEncoder

            return PlainEncoder.load(path, length)
        if "architecture" in config:
            from headstart.encoders.timm_models import TimmEncoder

            return TimmEncoder.load(path, length)
    else:
        kind = kind_of(path)
        if kind is not None:
            if "." not in path:
                raise HeadstartError(
                    f"the encoder {path!r} has learned nothing yet; name a run, a folder, or "
                    f"published weights such as 'resnet18.a1_in1k'."
                )
            return create_encoder(path, {}, None, length=length or kind.length, seed=0)
    from headstart.encoders.seq2seq import Seq2SeqEncoder, writer_type
    from headstart.encoders.vision_folders import is_image_network
    from headstart.encoders.xlnet import XLNetEncoder, is_xlnet

    if is_xlnet(path):
        return XLNetEncoder.load(path)
    if writer_type(path):
        return Seq2SeqEncoder.load(path)
    if is_image_network(path):
        from headstart.encoders.vision import VisionEncoder

        return VisionEncoder.load(path, length)
    from headstart.encoders.transformer import TransformerEncoder

    return TransformerEncoder.load(path)


def encoder_folder(folder: str | Path) -> str | Path:
    """Return where the encoder lies: a run's ``encoder``, the folder itself, or a hub name.

    Raises:
        HeadstartError: nothing lies there, and no hub has such a name.
    """
    path = Path(folder)
    if (path / "encoder").is_dir():
        return path / "encoder"
    if path.exists():
        return path
    if path.is_absolute() or len(path.parts) > 2 or str(folder).startswith((".", "~")):
        raise HeadstartError(
            f"no encoder can be opened from {str(folder)!r}: there is no such folder; check the "
            "path."
        )
    return str(folder)


def save_encoder(encoder: Any, processor: Any, folder: Path, note: dict[str, Any]) -> None:
    """Write encoder and processor side by side, with what this library must know of them.

    Args:
        note: ``modality`` and ``length`` at least; it lies in ``headstart.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder.save(folder)
    processor.save(folder)
    causal = bool(getattr(encoder, "is_causal", False))
    write_json(folder / NOTE, {**note, "is_causal": causal, "width": encoder.width})


def read_note(folder: str | Path) -> dict[str, Any]:
    """Return the note of an encoder folder, or what holds for a foreign one."""
    note = Path(folder) / NOTE
    if note.is_file():
        return {"modality": "text", "length": 256, **json.loads(note.read_text())}
    size = _native_size(folder)
    if size is None:
        from headstart.encoders.sentence_folders import native_length

        return {"modality": "text", "length": native_length(folder) or 256}
    return {"modality": "image", "length": size}


def _native_size(folder: str | Path) -> int | None:
    """Pixels a side that a foreign network of pictures is for; None for one of text."""
    if Path(folder).exists():
        if is_static(Path(folder)):
            return None
        config = _config(Path(folder))
        if config.get("network") == "plain":
            return int(config["size"])
        if "architecture" in config:
            return int(config.get("pretrained_cfg", config)["input_size"][-1])
    else:
        kind = kind_of(str(folder))
        if kind is not None:
            return kind.length if kind.modality == "image" else None
    from headstart.encoders.vision_folders import native_size_of

    return native_size_of(folder)


def _config(folder: Path) -> dict[str, Any]:
    """Return what a folder says of its network: ``architecture`` where it is timm's."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def is_static(folder: Path) -> bool:
    """True for a folder with a table of token vectors: the light encoder, or a foreign one."""
    modules = folder / "modules.json"
    return modules.is_file() and "StaticEmbedding" in modules.read_text(encoding="utf-8")
