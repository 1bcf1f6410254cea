"""Networks of recordings in folders of Transformers: recognition, and how they are fed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.encoders.formats import foreign_config
from headstart.errors import HeadstartError, refused
from headstart.files import write_json

PREPROCESSOR = "preprocessor_config.json"
#: Samples a second of published networks, where their folder does not say.
RATE = 16_000
#: Equal parts of the time whose means are the vector: when something sounds is most of what a short
#: recording says.
CELLS = 8
_MOST_CELLS = 64
_REMEDY = "copy the folder again, or name another one"
#: Networks on samples, all built as wav2vec 2.0 is, by their ``model_type``.
WAVES = frozenset(
    {"wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat"}
    | {"wav2vec2-conformer"}
)
#: Networks on spectrograms, and the class of Transformers that makes them.
SPECTROGRAMS = {
    "whisper": "WhisperFeatureExtractor",
    "audio-spectrogram-transformer": "ASTFeatureExtractor",
}


def reads_samples(folder: str | Path) -> bool:
    """Whether a folder or hub name holds a network of the family of wav2vec 2.0."""
    return foreign_config(folder).get("model_type") in WAVES


def reads_spectrograms(folder: str | Path) -> bool:
    """Whether a folder or hub name holds a network on spectrograms that can be opened here."""
    return foreign_config(folder).get("model_type") in SPECTROGRAMS


def preprocessor_of(folder: str | Path) -> dict[str, Any]:
    """Return the configuration of a network's preprocessing, with the rate at least.

    Raises:
        HeadstartError: its file is damaged.
    """
    from transformers.utils import cached_file

    path = cached_file(
        str(folder),
        PREPROCESSOR,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    with refused(f"the preprocessing in {str(folder)!r} cannot be read", _REMEDY, Exception):
        found = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
        if not isinstance(found, dict):
            raise ValueError("it holds no JSON object")
        return {"sampling_rate": RATE, "do_normalize": True, **found}


def cells_of(config: Any, folder: str | Path) -> int:
    """Return the parts of the time that a network's configuration asks for, if it does.

    Raises:
        HeadstartError: there cannot be so many.
    """
    ours = getattr(config, "headstart", None) or {}
    cells = ours.get("cells", CELLS) if isinstance(ours, dict) else None
    if not isinstance(cells, int) or isinstance(cells, bool) or not 1 <= cells <= _MOST_CELLS:
        raise HeadstartError(
            f"the config.json in {str(folder)!r} asks for {str(cells)[:40]} cells, and 1 to "
            f"{_MOST_CELLS} are possible; {_REMEDY}."
        )
    return cells


def write_preprocessor(preprocessor: dict[str, Any], folder: Path) -> None:
    """Write the configuration, so that ``AutoFeatureExtractor`` opens the folder."""
    usual = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "padding_side": "right",
        "padding_value": 0.0,
    }
    write_json(folder / PREPROCESSOR, {**usual, **preprocessor})
