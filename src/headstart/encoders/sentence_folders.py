"""Pooling and length in folders of sentence-transformers.

Such a folder is a network of Transformers with a ``modules.json`` that lists the modules after the
network: a pooling, possibly a normalisation, possibly layers that headstart does not have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.encoders.visibility import mean_pool
from headstart.errors import HeadstartError
from headstart.files import write_json

MODULES = "modules.json"
_OLD = "pooling_mode_"
#: Names in ``1_Pooling/config.json``, of old and new versions.
_NAMES = {
    "mean_tokens": "mean",
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class Pooling:
    """How the token vectors of a row are pooled.

    Attributes:
        mode: ``mean`` of the real positions, ``cls`` (the first), ``lasttoken``, ``max``, or
            ``mean_sqrt_len_tokens`` (their sum over the square root of their number).
        normalize: scale the result to length 1.
    """

    mode: str = "mean"
    normalize: bool = False

    def __call__(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return (B,D) of tokens (B,T,D) at the positions where mask (B,T) is True."""
        pooled = _MODES[self.mode](tokens.float(), mask)
        return F.normalize(pooled, dim=1) if self.normalize else pooled

    def save(self, folder: Path, width: int) -> None:
        """Write the modules for sentence-transformers; nothing for the mean, its default."""
        if self == Pooling():
            return
        pooling = {"Transformer": "", "Pooling": "1_Pooling"}
        write_modules(folder, pooling | ({"Normalize": "2_Normalize"} if self.normalize else {}))
        flags = {f"{_OLD}{old}": new == self.mode for old, new in _NAMES.items()}
        about = {"word_embedding_dimension": width, **flags}
        write_json(folder / pooling["Pooling"] / "config.json", about)

    @classmethod
    def load(cls, folder: str | Path) -> Pooling:
        """Read it from a folder or a hub name; by default the mean.

        Raises:
            HeadstartError: an unsupported module or pooling mode.
        """
        modules = _read(folder, MODULES)
        if modules is None:
            return cls()
        kinds = {str(module["type"]).rpartition(".")[2]: module["path"] for module in modules}
        unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
        config = _read(folder, "config.json", kinds.get("Pooling", "")) or {}
        old = [new for name, new in _NAMES.items() if config.get(f"{_OLD}{name}")]
        mode = config.get("pooling_mode") or (old[0] if len(old) == 1 else old or "mean")
        if unknown or not isinstance(mode, str) or mode not in _MODES:
            raise HeadstartError(
                f"the vectors of {folder} are made by {', '.join(unknown) or f'pooling {mode}'}, "
                "which headstart does not know; give a folder of a Transformer with one Pooling "
                f"({', '.join(_MODES)})."
            )
        return cls(mode, "Normalize" in kinds)


def write_modules(folder: Path, paths: Mapping[str, str]) -> None:
    """Write ``modules.json``, and a folder for each module; ``paths`` by the name of its class."""
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{name}"}
        for n, (name, path) in enumerate(paths.items())
    ]
    for path in filter(None, paths.values()):
        (folder / path).mkdir(exist_ok=True)
    write_json(folder / MODULES, modules)


def native_length(folder: str | Path) -> int | None:
    """Return the maximum number of tokens of a sentence-transformers folder; None for others."""
    length = (_read(folder, "sentence_bert_config.json") or {}).get("max_seq_length")
    if length is None and _read(folder, MODULES) is not None:
        # In newer folders the tokenizer and the network define it.
        own = (_read(folder, "tokenizer_config.json") or {}).get("model_max_length")
        most = (_read(folder, "config.json") or {}).get("max_position_embeddings")
        length = min((number for number in (own, most) if number), default=None)
    return int(length) if length else None


def _read(folder: str | Path, name: str, subfolder: str = "") -> Any:
    """Return a JSON file of a folder, or of a hub name in the local cache; None if missing."""
    if Path(folder).is_dir():
        file: Any = Path(folder) / subfolder / name
    else:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            file = try_to_load_from_cache(str(folder), f"{subfolder}/{name}".lstrip("/"))
        except HFValidationError:
            return None
    if not isinstance(file, str | Path) or not Path(file).is_file():
        return None
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError:
        raise HeadstartError(f"{file} is not valid JSON; copy the folder {folder} again.") from None


def _first(tokens: Tensor, mask: Tensor) -> Tensor:
    return tokens[torch.arange(len(tokens)), mask.int().argmax(1)]


def _last(tokens: Tensor, mask: Tensor) -> Tensor:
    index = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(1)
    return tokens[torch.arange(len(tokens)), index]


def _largest(tokens: Tensor, mask: Tensor) -> Tensor:
    return tokens.masked_fill(~(mask | ~mask.any(1, keepdim=True))[:, :, None], -torch.inf).amax(1)


def _root(tokens: Tensor, mask: Tensor) -> Tensor:
    return mean_pool(tokens, mask) * mask.sum(1, keepdim=True).to(tokens.dtype).sqrt()


_MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": mean_pool,
    "cls": _first,
    "max": _largest,
    "mean_sqrt_len_tokens": _root,
    "lasttoken": _last,
}
