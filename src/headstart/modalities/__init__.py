"""Kinds of data. Each is one file that turns records into batches; grown by one line here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headstart.registry import Registry

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.config import PretrainConfig, SourceOptions
    from headstart.data.audit import Audit

MODALITIES = Registry("modality", {"text": "headstart.modalities.text:TextModality"})


@dataclass(frozen=True)
class DiscreteTargets:
    """A finite alphabet of targets, for objectives that predict tokens.

    Attributes:
        size: number of ids.
        mask_id: the id that stands for a hidden position.
        special_ids: ids that are never hidden and never drawn as a replacement.
    """

    size: int
    mask_id: int
    special_ids: tuple[int, ...]


@dataclass(frozen=True)
class TokenizerWish:
    """The tokenizer an encoder works best with."""

    kind: str = "bpe"
    vocab_size: int = 16384
    lowercase: bool = False
    wrap: bool = True


class Processor(Protocol):
    """What was fitted to the user's records; saved with the encoder and reloaded from there.

    It is all that an objective ever sees of a modality: the capabilities in ``provides``.
    """

    provides: frozenset[str]
    targets: DiscreteTargets

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open records that :meth:`Modality.prepare` wrote.

        ``layout`` is ``"packed"`` (rows are full, documents share them and carry ``segments``)
        or ``"documents"`` (a row is one record, padded).
        """
        ...

    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records into a batch: one row a record, cut at ``length``, padded to the longest."""
        ...

    def views(self, batch: Batch, generator: torch.Generator, kind: str) -> tuple[Batch, Batch]:
        """Return two random views of each record (B stays), made on whole tensors.

        A modality names its kinds; they come as a pair because two parts of one record must not
        overlap. An unknown kind is a :class:`headstart.errors.HeadstartError`.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what :meth:`Modality.load` needs, beside the encoder."""
        ...


class Modality(Protocol):
    """One kind of data: how it is read, fitted and stored, and what suits it by default."""

    name: str

    def read(
        self, sources: list[str], options: SourceOptions, audit: Audit, cache: Path | None = None
    ) -> Dataset:
        """Read sources into records with the columns ``id``, the content, and ``label`` if any.

        They lie memory-mapped in the folder ``cache``, or in a temporary one.
        """
        ...

    def fit(self, records: Dataset, config: PretrainConfig, wish: Any, length: int) -> Processor:
        """Fit a processor to the records; ``wish`` is what the encoder would like."""
        ...

    def load(self, folder: str | Path) -> Processor:
        """Reopen a processor that was saved in an encoder folder."""
        ...

    def prepare(self, records: Dataset, processor: Any, folder: Path) -> None:
        """Store records once, memory-mapped, in the form training reads."""
        ...
