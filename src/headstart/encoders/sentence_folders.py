"""Pooling and length in folders of sentence-transformers.

Such a folder is a network of Transformers with a ``modules.json`` that lists the modules after the
network: a pooling, possibly a normalisation. What else it may hold, layers, prompts or a shorter
vector, would give other vectors here, and is refused. Lower-casing is the tokenizer's
(:mod:`headstart.modalities.text.fitting`).
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
#: Tokens of a text that static vectors are the mean of; sentence-transformers takes all.
STATIC_LENGTH = 8192
_OLD = "pooling_mode_"
#: Names in ``1_Pooling/config.json``, of old and new versions.
_NAMES = {
    "mean_tokens": "mean",
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}
#: Where it says how a text is made a vector, beyond its modules.
_SETTINGS = "config_sentence_transformers.json"


@dataclass(frozen=True)
class Pooling:
    """How the token vectors of a row are pooled.

    Attributes:
        mode: ``mean`` of the real positions, ``cls`` (the first), ``lasttoken``, ``max``,
            ``mean_sqrt_len_tokens`` (their sum over the square root of their number), or
            ``weightedmean`` (weights 1, 2, 3, ... from the first).
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
        if self != Pooling():
            self.write(folder, width)

    def write(self, folder: Path, width: int) -> None:
        """Write the modules for sentence-transformers."""
        pooling = {"Transformer": "", "Pooling": "1_Pooling"}
        write_modules(folder, pooling | ({"Normalize": "2_Normalize"} if self.normalize else {}))
        flags = {f"{_OLD}{old}": new == self.mode for old, new in _NAMES.items()}
        about = {"word_embedding_dimension": width, **flags}
        write_json(folder / pooling["Pooling"] / "config.json", about)

    @classmethod
    def load(cls, folder: str | Path) -> Pooling:
        """Read it from a folder or a hub name; by default the mean.

        Raises:
            HeadstartError: an unsupported module, pooling mode or setting.
        """
        modules = modules_of(folder)
        if modules is None:
            return cls()
        kinds = [kind for kind, _ in modules]
        paths = dict(modules)
        config = _read(folder, "config.json", paths.get("Pooling", "")) or {}
        old = [new for name, new in _NAMES.items() if config.get(f"{_OLD}{name}")]
        given = config.get("pooling_mode") or old or "mean"
        modes = [given] if isinstance(given, str) else list(given)
        unknown = [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]
        strange = ", ".join(unknown)
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            strange = strange or f"the modules {', '.join(kinds)}"
        elif len(modes) > 1 or modes[0] not in _MODES:
            strange = f"pooling {' with '.join(map(str, modes))}"
        elif paths["Transformer"]:
            strange = f"a network in the folder {paths['Transformer']}"
        task = (_read(folder, "sentence_bert_config.json") or {}).get("transformer_task")
        if not strange and task not in (None, "feature-extraction"):
            strange = f"the task {task}"
        if strange:
            raise HeadstartError(
                f"the vectors of {folder} are made by {strange}, which headstart does not know; "
                f"give a folder of a Transformer with one Pooling ({', '.join(_MODES)})."
            )
        check_settings(folder)
        return cls(str(modes[0]), "Normalize" in kinds)


def modules_of(folder: str | Path) -> list[tuple[str, str]] | None:
    """Return the class name and path of each module, in order; None without a ``modules.json``.

    A module of another package has its full name: it needs code of its own, and is never run.
    """
    modules = _read(folder, MODULES)
    if modules is None:
        return None
    try:
        named = [(str(module["type"]), str(module["path"])) for module in modules]
    except (TypeError, KeyError):
        raise HeadstartError(
            f"{MODULES} in {folder} does not list modules; copy the folder again."
        ) from None
    own = "sentence_transformers."
    return [
        (kind.rpartition(".")[2] if kind.startswith(own) else kind, path) for kind, path in named
    ]


def check_settings(folder: str | Path) -> None:
    """Refuse settings of sentence-transformers that would give other vectors here.

    Raises:
        HeadstartError: a prompt before every text, or vectors that are cut.
    """
    settings = _read(folder, _SETTINGS) or {}
    name = settings.get("default_prompt_name")
    prompt = (settings.get("prompts") or {}).get(name) if name else None
    if prompt:
        raise HeadstartError(
            f"{folder} puts the prompt {str(prompt)[:40]!r} before every text, which headstart "
            f"does not; set default_prompt_name in {_SETTINGS} to null, and write the prompt into "
            "the texts."
        )
    if settings.get("truncate_dim"):
        raise HeadstartError(
            f"{folder} cuts its vectors to {settings['truncate_dim']} numbers, which headstart "
            f"does not; set truncate_dim in {_SETTINGS} to null for whole vectors."
        )


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
    modules = modules_of(folder)
    if modules and modules[0][0] == "StaticEmbedding":
        return STATIC_LENGTH
    if length is None and modules is not None:
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


def _weighted(tokens: Tensor, mask: Tensor) -> Tensor:
    weights = mask.cumsum(1) * mask  # (B,T)
    total = (tokens * weights[:, :, None]).sum(1)
    return total / weights.sum(1, keepdim=True).clamp(min=1)


def _root(tokens: Tensor, mask: Tensor) -> Tensor:
    return mean_pool(tokens, mask) * mask.sum(1, keepdim=True).to(tokens.dtype).sqrt()


_MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": mean_pool,
    "cls": _first,
    "max": _largest,
    "mean_sqrt_len_tokens": _root,
    "weightedmean": _weighted,
    "lasttoken": _last,
}
