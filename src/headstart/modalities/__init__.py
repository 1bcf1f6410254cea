"""Kinds of data. Each is one file that turns records into batches; grown by one line here."""

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
#: What sources hold where no other kind of data claims them.
DEFAULT = "text"


@dataclass(frozen=True)
class Baseline:
    """A simple alternative to pre-training: features that anyone could have in an hour.

    Attributes:
        name: how tables and charts call it.
        train: (N,D) features of the training records, dense or sparse.
        test: (M,D) features of the test records; None when folds are cut from the training ones.
    """

    name: str
    train: Matrix
    test: Matrix | None = None


#: Spoils one record as the world does: from its value, a severity of 1 to 3 and a source of
#: randomness to another value.
Corruption = Callable[[Any, int, "np.random.Generator"], Any]


@dataclass(frozen=True)
class Vocabulary:
    """A finite alphabet of ids: all that encoders and objectives know of a tokenizer.

    Attributes:
        size: number of ids.
        pad_id: stands where a row holds nothing.
        special_ids: ids that are never hidden and never drawn as a replacement.
        mask_id: stands for a hidden position (``mask_token``).
        start_id, end_id: open and close a record; ``end_id`` also parts two (``sentences``).
        unknown_id: stands for what the vocabulary does not know.
        prefix, suffix: how many special ids stand before and after a record.
        sentinel_ids: each stands for a span that was cut out (``sentinels``).
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
    """What was fitted to the user's records; saved with the encoder and reloaded from there.

    It is all that an objective ever sees of a modality.

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
        """Learn what the objectives ask for, before records are prepared: some of it costs."""
        return

    def adapt(self, batch: Batch, length: int) -> Batch:
        """Return its batch for an encoder of the same data that was trained at ``length``."""
        return batch

    def agrees_with(self, other: Processor) -> bool:
        """True where a batch of this one means the same to an encoder that belongs to ``other``."""
        return self.gives == other.gives

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open records that :meth:`Modality.prepare` wrote.

        ``layout`` is ``"packed"`` (rows are full, documents share them and carry ``segments``)
        or ``"documents"`` (a row is one record, padded); pictures are always one a row.
        """
        ...

    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records into a batch, one row a record.

        Text is cut at ``length`` tokens and padded to the longest row; pictures are brought to
        ``length`` pixels a side.
        """
        ...

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield all records once, as their indices (n,) and their batch, in any order.

        Records of like cost may share a batch, the costliest first. ``size`` is that of a batch
        of records of full ``length``.
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

        A modality names its kinds, and ``"auto"`` is its own choice. They come together because
        two parts of one record must not overlap. With ``multi_crop`` so many ``local`` views
        follow, of small parts, and ``side`` is how many pixels a side the two have. An unknown
        kind is a :class:`headstart.errors.HeadstartError`.
        """
        ...

    def weak_view(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return a view of each record that no label changes by; mostly the record as it is."""
        return batch

    def weak_and_strong(
        self, batch: Batch, generator: torch.Generator, kind: str, *, alike: bool
    ) -> tuple[Batch, Batch]:
        """Return a weak and a strong view of each record, which should be told alike.

        Args:
            kind: of the strong view, as in :meth:`views`; ``auto`` is the modality's own choice.
            alike: the first view is of the same strength as the second.
        """
        first, second = self.views(batch, generator, kind)
        return first if alike else batch, second

    def show(
        self, batch: Batch, corrupted: Batch, views: Mapping[str, Tensor]
    ) -> Sheet | Words | None:
        """Return what the pretext task makes of records; None where it cannot be shown.

        Args:
            batch: rows as they are; corrupted: what the objective made of them.
            views: images that the objective itself shows, by name; mostly none.
        """
        return None

    def units(self, record: Mapping[str, Any], length: int) -> Units:
        """Return the parts of one record that an explanation may delete and colour.

        Raises:
            HeadstartError: this kind of data offers none (then ``units`` is not in ``provides``).
        """
        raise HeadstartError(
            f"of {self.content.noun} no parts are known that an explanation could name."
        )

    def save(self, folder: Path) -> None:
        """Write what :meth:`Modality.load` needs, beside the encoder."""
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
    """One kind of data: how it is read, fitted and stored, and what suits it by default.

    Attributes:
        content: what a record is.
        gives: as of its processors.
        unit: what ``length`` counts, for messages.
        protocols: names of the evaluation protocols that suit it; the first is for labels that
            ask for no other.
        corruptions: ways in which its records may be spoiled, by name.
        Options: its own options, a model that ``--set NAME.key=value`` fills; imports no torch.
        options: those that it was opened with.
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

        They lie memory-mapped in the folder ``cache``, or in a temporary one. ``fields`` are
        further columns; see :func:`headstart.data.sources.read`.
        """
        ...

    def inline(self, values: list[str]) -> Dataset | None:
        """Return records that were typed in the shell; None where this kind cannot be typed."""
        return None

    def readable(self, records: Dataset, processor: Any, audit: Audit) -> Dataset:
        """Return the records whose content can be decoded; the others are set aside.

        For records whose places matter (labels, predictions); in pre-training a bad one gives way
        when it is met.
        """
        ...

    @property
    def pair_option(self) -> str | None:
        """The option that makes :meth:`pairs` serve, where it is set: ``text.back_translation``."""
        return None

    def pairs(self, records: Dataset, folder: Path, say: Callable[[str], None]) -> list[Any]:
        """Make a second content for each record that says the same, as the options ask.

        What took long is kept in ``folder``, to be gone on with after an interruption.
        """
        return []

    def defaults(self, request: Request) -> Defaults:
        """Return what suits these records, where the user left it open.

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
            defaults: what suits the encoder, as its
                :attr:`headstart.encoders.EncoderKind.processor_defaults` has it; None for nothing
                special.
            patient: take what pays on a long budget alone, as :attr:`Defaults.patient` says.
        """
        ...

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> Processor:
        """Return the processor of an encoder to go on from, whoever made it."""
        ...

    def load(self, folder: str | Path) -> Processor:
        """Reopen a processor that was saved in an encoder folder."""
        ...

    def prepare(
        self, records: Dataset, processor: Any, folder: Path, audit: Audit, *, learn: bool
    ) -> None:
        """Store records once, memory-mapped, in the form training reads.

        Args:
            audit: told which records turned out to be unreadable, as far as is known now.
            learn: let the processor learn from them (counts); not from held-out ones.
        """
        ...

    def quarantine(self, folder: Path) -> dict[str, str]:
        """Return what turned out to be unreadable only in training: from name to reason."""
        ...

    def overlap(self, background: Dataset, tested: Dataset) -> Overlap:
        """Find the test records that pre-training saw, exactly or nearly, without their labels."""
        ...

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return what a page shows of each record: its beginning, or a thumbnail.

        Args:
            side: about the pixels a side of a thumbnail.
        """
        ...

    def as_seen(self, records: Dataset, length: int) -> Dataset:
        """Return records as an encoder of this ``length`` sees them, to be corrupted."""
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
