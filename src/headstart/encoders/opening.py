"""Opening an encoder folder, whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from headstart.encoders import ENCODERS, Encoder, EncoderKind
from headstart.errors import HeadstartError, did_you_mean
from headstart.files import write_json
from headstart.seeding import derive

NOTE = "headstart.json"


def create_encoder(
    name: str, options: dict[str, Any], processor: Any, *, length: int, seed: int
) -> Encoder:
    """Return a freshly initialised encoder; the same seed gives the same weights.

    Raises:
        HeadstartError: an unknown name or option, or a value out of bounds.
    """
    kind: EncoderKind = ENCODERS[name]
    checked = check_options(kind.Options, options, f"encoder {name!r}", "encoder")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "encoder"))
        return kind.create(checked, processor, length)


def check_options(model: Any, options: dict[str, Any], owner: str, prefix: str) -> Any:
    """Validate options of an encoder or objective; the error names key and owner."""
    try:
        return model(**options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise HeadstartError(
                f"{owner} has no option {key!r}{did_you_mean(key, model.model_fields)}"
            ) from None
        raise HeadstartError(
            f"{prefix}.{key}: {first['msg']} (given: {first.get('input')!r})."
        ) from None


def open_encoder(folder: str | Path) -> Encoder:
    """Open an encoder: a run's, a Transformers folder or hub name, or a ``StaticEmbedding``.

    Raises:
        HeadstartError: nothing there can be opened.
    """
    path = encoder_folder(folder)
    if isinstance(path, Path) and _is_static(path):
        from headstart.encoders.light import LightEncoder

        return LightEncoder.load(path)
    from headstart.encoders.transformer import TransformerEncoder

    return TransformerEncoder.load(path)


def encoder_folder(folder: str | Path) -> str | Path:
    """Return where the encoder lies: a run's ``encoder``, the folder itself, or a hub name."""
    path = Path(folder)
    if (path / "encoder").is_dir():
        return path / "encoder"
    return path if path.exists() else str(folder)


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
    defaults = {"modality": "text", "length": 256}
    return {**defaults, **json.loads(note.read_text())} if note.is_file() else defaults


def _is_static(folder: Path) -> bool:
    modules = folder / "modules.json"
    return modules.is_file() and "StaticEmbedding" in modules.read_text(encoding="utf-8")
