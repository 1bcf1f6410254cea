"""Initial token vectors of a new encoder: from another run, or from co-occurrence counts.

Those that are distilled from a larger encoder are in :mod:`headstart.training.distilled`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from headstart.config import Budget
from headstart.encoders.opening import open_encoder
from headstart.errors import HeadstartError
from headstart.files import whole_file
from headstart.modalities import MODALITIES
from headstart.modalities.tokens.cooccurrence import vectors_of_tokens
from headstart.modalities.tokens.token_file import TokenFile

if TYPE_CHECKING:
    from headstart.config import PretrainConfig
    from headstart.modalities import Modality

#: Stands for co-occurrence counts, instead of a run.
COUNTS = "counts"
_VECTORS = "vectors.npy"


def refuse_without_tokens(config: PretrainConfig, modality: Modality) -> None:
    """Refuse token vectors for records without a vocabulary, before any is read.

    Raises:
        HeadstartError: ``embeddings`` are requested.
    """
    if config.embeddings in ("auto", "none") or "vocabulary" in modality.provides:
        return
    able = [name for name, kind in MODALITIES.items() if "vocabulary" in kind.provides]
    raise HeadstartError(
        f"--embeddings {config.embeddings} are vectors of tokens, and {modality.content.noun} have "
        f"none, only {', '.join(able)}; leave it out."
    )


def take_from_run(encoder: Any, folder: str) -> None:
    """Copy the token vectors of another run; a wider encoder keeps its other columns.

    Raises:
        HeadstartError: the encoder is too narrow for them, or reads no tokens.
    """
    opened: Any = open_encoder(folder)
    source = opened.token_embedding.weight.detach()
    target = table(encoder)
    if source.shape[1] > target.shape[1]:
        raise HeadstartError(
            f"the embeddings of {folder} are {source.shape[1]} wide and the encoder only "
            f"{target.shape[1]}; set encoder.width={source.shape[1]} or more."
        )
    rows = min(len(source), len(target))
    with torch.no_grad():
        target[:rows, : source.shape[1]] = _scaled(source, target)[:rows]


def keep_counts(
    encoder: Any, prepared: Path, config: PretrainConfig, say: Callable[[str], None]
) -> None:
    """Compute token vectors from co-occurrence counts of the training records, once.

    Counting takes about ten seconds; for a budget below two minutes a sample is counted.
    """
    if (prepared / _VECTORS).exists():
        return
    say("counting which tokens stand together")
    vocabulary, width = table(encoder).shape
    file = TokenFile.open(prepared / "train")
    budget = Budget.parse(config.budget)
    share = min(1.0, budget.amount / 2) if budget.unit == "minutes" else 1.0
    vectors = vectors_of_tokens(file, vocabulary, width, config.seed, share)
    with whole_file(prepared / _VECTORS) as partial, open(partial, "wb") as out:
        np.save(out, vectors)


def take_counts(encoder: Any, prepared: Path) -> None:
    """Copy the vectors that :func:`keep_counts` wrote; rare tokens keep their own."""
    target, source = table(encoder), torch.from_numpy(np.load(prepared / _VECTORS))
    known, filled = source.any(1), source.any(0)
    with torch.no_grad():
        scaled = _scaled(source[known][:, filled], target)
        target[known.nonzero(), filled.nonzero().T] = scaled


def table(encoder: Any) -> Tensor:
    """Return the encoder's token vectors (V,D).

    Raises:
        HeadstartError: it has none.
    """
    if "token_embedding" not in encoder.provides:
        raise HeadstartError(
            "--embeddings are vectors of tokens, and this encoder reads none; leave it out."
        )
    weight: Tensor = encoder.token_embedding.weight
    return weight


def _scaled(source: Tensor, target: Tensor) -> Tensor:
    # The network expects entries with the deviation of its own initialisation; one entry has none.
    deviation = source.std() if source.numel() > 1 else source.abs().sum()
    return source * (target.std() / deviation.clamp(min=1e-8))
