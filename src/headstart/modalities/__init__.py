"""Kinds of data: the contracts of a modality and its processor, and their registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headstart.errors import HeadstartError
from headstart.modalities.appearance import Evidence as Evidence
from headstart.modalities.appearance import Preview as Preview
from headstart.modalities.appearance import Sheet as Sheet
from headstart.modalities.appearance import Units as Units
from headstart.modalities.appearance import Words as Words
from headstart.modalities.defaults import Defaults as Defaults
from headstart.modalities.defaults import Request as Request
from headstart.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset
    from torch import Tensor

    from headstart.batch import Batch, Progress, Rows
    from headstart.config import Options as AnyOptions
    from headstart.config import PretrainConfig, SourceOptions
    from headstart.data.audit import Audit
    from headstart.data.content import Content
    from headstart.data.field import Field
    from headstart.data.overlap import Overlap
    from headstart.data.vectors import Matrix

MODALITIES = Registry(
    "modality",
    {
        "text": "headstart.modalities.text.modality:TextModality",
        "image": "headstart.modalities.image.modality:ImageModality",
    },
    group="headstart.modalities",
    members=("content", "gives", "provides", "protocols"),
)
#: The modality of sources that no other one recognises.
DEFAULT = "text"


@dataclass(frozen=True)
class Baseline:
    """A simple alternative to pre-training: features that take minutes to compute.

    Attributes:
        name: for tables and charts.
        train: (N,D) features of the training records, dense or sparse.
        test: (M,D) features of the test records; None when folds are cut from the training ones.
    """

    name: str
    train: Matrix
    test: Matrix | None = None


#: Corrupts one record realistically: from its value, a severity of 1 to 3 and a random generator
#: to another value.
Corruption = Callable[[Any, int, "np.random.Generator"], Any]


@dataclass(frozen=True)
class Vocabulary:
    """A finite set of ids: all that encoders and objectives know of a tokenizer.

    Attributes:
        size: number of ids.
        pad_id: fills positions without content.
        special_ids: ids that are never masked and never drawn as a replacement.
        mask_id: replaces a masked position (``mask_token``).
        start_id, end_id: open and close a record; ``end_id`` also separates two (``sentences``).
        unknown_id: replaces what is not in the vocabulary.
        prefix, suffix: number of special ids before and after a record.
        sentinel_ids: each replaces a span that was cut out (``sentinels``).
        counts: (size,) how often each id occurs in the training records, once that is known.
    """

    size: int
    pad_id: int
    special_ids: tuple[int, ...]
    mask_id: int | None = None
    start_id: int | None = None
    end_id: int | None = None
    unknown_id: int | None = None
    prefix: int = 0
    suffix: int = 0
    sentinel_ids: tuple[int, ...] = ()
    counts: np.ndarray | None = field(default=None, compare=False, repr=False)


class Processor(Protocol):
    """Turns records into batches; fitted to the user's records and saved with the encoder.

    It is all that an objective sees of a modality.

    Attributes:
        gives: the tensor of :mod:`headstart.batch` that its batches carry; an encoder that
            ``reads`` it fits.
        provides: capabilities, among ``vocabulary`` (then it is a :class:`TokenProcessor`),
            ``mask_token``, ``sentences``, ``sentinels``, ``halves`` (a kind of views),
            ``two_views``, ``multi_crop`` and ``pixels`` (then it is a :class:`PixelProcessor`);
            ``units`` (it has :meth:`units`, so that predictions can be explained) and
            ``heat_maps`` (their evidence has an image).
        vocabulary: of the ids that its batches hold; None where they hold none.
    """

    content: Content
    gives: str
    provides: frozenset[str]
    vocabulary: Vocabulary | None = None

    def configure(self, needs: frozenset[str]) -> None:
        """Take what the objectives need, before records are prepared; some of it is expensive."""
        return

    def adapt(self, batch: Batch, length: int) -> Batch:
        """Return its batch for an encoder of the same data that was trained at ``length``."""
        return batch

    def agrees_with(self, other: Processor) -> bool:
        """Return whether an encoder of ``other`` can read batches of this one."""
        return self.gives == other.gives

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open records that :meth:`Modality.prepare` wrote.

        ``layout`` is ``"packed"`` (rows are full, documents share them and carry ``segments``)
        or ``"documents"`` (a row is one record, padded); images are always one per row.
        """
        ...

    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records into a batch, one row per record.

        Text is cut at ``length`` tokens and padded to the longest row; images are resized to
        ``length`` pixels per side.
        """
        ...

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield all records once, as their indices (n,) and their batch, in any order.

        Records of similar cost may share a batch, the most expensive first. ``size`` is the batch
        size for records of full ``length``.
        """
        import numpy as np

        for start in range(0, len(records), size):
            indices = range(start, min(start + size, len(records)))
            yield np.array(indices), self.collate(records.select(indices), length)

    def views(
        self,
        batch: Batch,
        generator: torch.Generator,
        kind: str,
        *,
        local: int = 0,
        side: int | None = None,
    ) -> tuple[Batch, ...]:
        """Return two random views of each record (B stays), made on whole tensors.

        A modality defines its kinds; ``"auto"`` is its default. Both are made together because two
        parts of one record must not overlap. With ``multi_crop`` they are followed by ``local``
        views of small parts, and ``side`` is the side of the two in pixels. An unknown kind is a
        :class:`headstart.errors.HeadstartError`.
        """
        ...

    def weak_view(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return a view that preserves the label of each record; by default the record itself."""
        return batch

    def weak_and_strong(
        self, batch: Batch, generator: torch.Generator, kind: str, *, alike: bool
    ) -> tuple[Batch, Batch]:
        """Return a weak and a strong view of each record, which should get the same prediction.

        Args:
            kind: of the strong view, as in :meth:`views`; ``auto`` is the modality's default.
            alike: whether the first view is as strong as the second.
        """
        first, second = self.views(batch, generator, kind)
        return first if alike else batch, second

    def show(
        self, batch: Batch, corrupted: Batch, views: Mapping[str, Tensor]
    ) -> Sheet | Words | None:
        """Return the pretext task on records for display; None where it cannot be shown.

        Args:
            batch: original rows.
            corrupted: the same, corrupted by the objective.
            views: images that the objective provides itself, by name; usually none.
        """
        return None

    def units(self, record: Mapping[str, Any], length: int) -> Units:
        """Return the parts of one record that an explanation can remove and weigh.

        Raises:
            HeadstartError: this kind of data has none (then ``units`` is not in ``provides``).
        """
        raise HeadstartError(
            f"of {self.content.noun} no parts are known that an explanation could name."
        )

    def save(self, folder: Path) -> None:
        """Write the files of :meth:`Modality.load`, next to the encoder."""
        ...


class TokenProcessor(Processor, Protocol):
    """A processor whose batches are ids of a vocabulary: words, items, units of sound."""

    vocabulary: Vocabulary


class PixelProcessor(Processor, Protocol):
    """A processor whose batches are squares of pixels (B,3,S,S).

    Attributes:
        side: S.
    """

    side: int

    def augment(self, batch: Batch, generator: torch.Generator, kind: str = "weak") -> Batch:
        """Return one random view (B,3,S,S) in 0..1 of each record."""
        ...


class Modality(Protocol):
    """One kind of data: reading, fitting and storing records, and its defaults.

    Attributes:
        content: what a record is.
        gives: as of its processors.
        unit: what ``length`` counts, for messages.
        protocols: names of its evaluation protocols; the first is the default.
        corruptions: realistic corruptions of its records, by name.
        Options: the model of its options, set with ``--set NAME.key=value``; imports no torch.
        options: those of this instance.
    """

    name: str
    content: Content
    gives: str
    protocols: tuple[str, ...]
    corruptions: Mapping[str, Corruption]
    provides: frozenset[str]
    unit: str
    Options: type[AnyOptions]
    options: AnyOptions

    def __init__(self, options: AnyOptions | None = None) -> None: ...

    def read(
        self,
        sources: list[str],
        options: SourceOptions,
        audit: Audit,
        cache: Path | None = None,
        *,
        fields: Sequence[Field] = (),
    ) -> Dataset:
        """Read sources in one pass into records: ``id``, the content, and ``label`` if any.

        They are memory-mapped from the folder ``cache``, or from a temporary one. ``fields`` are
        further columns; see :func:`headstart.data.sources.read`.
        """
        ...

    def inline(self, values: list[str]) -> Dataset | None:
        """Return records typed on the command line; None where this kind cannot be typed."""
        return None

    def readable(self, records: Dataset, processor: Any, audit: Audit) -> Dataset:
        """Return the records whose content can be decoded; the others are quarantined.

        For labeled records and predictions; in pre-training a bad record is replaced when it is
        read.
        """
        ...

    @property
    def pair_option(self) -> str | None:
        """The option that enables :meth:`pairs`, if set, such as ``text.back_translation``."""
        return None

    def pairs(self, records: Dataset, folder: Path, say: Callable[[str], None]) -> list[Any]:
        """Return an equivalent second content of each record, as the options define it.

        Intermediate results are stored in ``folder``, so that an interrupted run can resume.
        """
        return []

    def defaults(self, request: Request) -> Defaults:
        """Return defaults for these records, where the user has given nothing.

        Example::

            objectives, encoder = request.choose("clm", "gpt")
            return Defaults(objectives, encoder, request.length or request.longest(encoder))
        """
        ...

    def fit(
        self,
        records: Dataset,
        config: PretrainConfig,
        defaults: Any,
        length: int,
        *,
        patient: bool = False,
    ) -> Processor:
        """Fit a processor to the records.

        Args:
            defaults: of the encoder, its
                :attr:`headstart.encoders.EncoderKind.processor_defaults`; None for none.
            patient: use the defaults for long budgets, see :attr:`Defaults.patient`.
        """
        ...

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> Processor:
        """Return the processor of an encoder, of any library, whose training continues."""
        ...

    def load(self, folder: str | Path) -> Processor:
        """Reopen a processor that was saved in an encoder folder."""
        ...

    def prepare(
        self, records: Dataset, processor: Any, folder: Path, audit: Audit, *, learn: bool
    ) -> None:
        """Store records once, memory-mapped, in the form that training reads.

        Args:
            audit: notes the records that are known to be unreadable so far.
            learn: whether the processor learns from them (counts); False for held-out ones.
        """
        ...

    def quarantine(self, folder: Path) -> dict[str, str]:
        """Return the records that proved unreadable during training: from name to reason."""
        ...

    def overlap(self, background: Dataset, tested: Dataset) -> Overlap:
        """Find the test records that pre-training saw, exactly or nearly, without their labels."""
        ...

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return a preview of each record for pages: its beginning, or a thumbnail.

        Args:
            side: approximate side of a thumbnail in pixels.
        """
        ...

    def as_seen(self, records: Dataset, length: int) -> Dataset:
        """Return records as an encoder of this ``length`` reads them, to be corrupted."""
        return records

    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        seed: int,
        progress: Progress | None,
    ) -> list[Baseline]:
        """Return the strongest simple alternatives on these records.

        Args:
            background: records of the pre-training, without labels, where they can be read.
            train, test: labeled records; no test records when folds are cut.
            progress: called with the number of records done and of all records.
        """
        ...
