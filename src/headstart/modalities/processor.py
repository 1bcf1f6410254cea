"""What was fitted to records: batches, views, a vocabulary; all that an objective sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError
from headstart.modalities.appearance import Sheet, Units, Words

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset
    from torch import Tensor

    from headstart.batch import Batch, Rows
    from headstart.data.content import Content
    from headstart.modalities.portable import Portable


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


class Processor(ABC):
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

    @property
    def first(self) -> Processor:
        """The one that decodes contents: itself, or the first of several side by side."""
        return self

    def agrees_with(self, other: Processor) -> bool:
        """Return whether an encoder of ``other`` can read batches of this one."""
        return self.gives == other.gives

    @abstractmethod
    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open records that :meth:`Modality.prepare` wrote.

        ``layout`` is ``"packed"`` (rows are full, documents share them and carry ``segments``)
        or ``"documents"`` (a row is one record, padded); images are always one per row.
        """

    @abstractmethod
    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records into a batch, one row per record.

        Text is cut at ``length`` tokens and padded to the longest row; images are resized to
        ``length`` pixels per side.
        """

    def typed(self, values: Sequence[str], length: int) -> Batch | None:
        """Turn what was typed into the batch of its records, without making these.

        By default None: records are made, which takes longer than a small network does.
        """
        return None

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
        raise HeadstartError(
            f"of {self.content.noun} no views are known; take an objective that compares none."
        )

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

    def noisy(self, batch: Batch, generator: torch.Generator, levels: tuple[float, float]) -> Batch:
        """Return the records with noise, and everything in its place.

        Args:
            levels: range of how far the noise is below a record, in dB.

        Raises:
            HeadstartError: this kind of data has no such noise.
        """
        raise HeadstartError(f"of {self.content.noun} no noise is known; take another objective.")

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

    def portable(self, folder: Path, length: int) -> Portable:
        """Write what reading records without this library needs, and return how it is done.

        Args:
            length: at which the encoder reads records.

        Raises:
            HeadstartError: this library alone can read them.
        """
        raise HeadstartError(
            f"an encoder of {self.content.noun} like this one cannot be exported: only headstart "
            "reads them as it does; use `headstart embed` or `headstart serve`."
        )

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the files of :meth:`Modality.load`, next to the encoder."""


class TokenProcessor(Processor):
    """A processor whose batches are ids of a vocabulary: words, items, units of sound."""

    vocabulary: Vocabulary

    def pad(self, rows: list[list[int]]) -> Batch:
        """Turn rows of ids into a batch (B,T), T that of the longest.

        Raises:
            HeadstartError: rows of this kind of data are more than ids.
        """
        raise HeadstartError(f"of {self.content.noun} no ids can be read; give the records.")

    def as_records(self) -> Dataset:
        """Return each token of the vocabulary as a record of its own, in the order of their ids.

        Raises:
            HeadstartError: the tokens of this kind of data mean nothing to another encoder.
        """
        raise HeadstartError(
            f"the tokens of {self.content.noun} cannot be shown to another encoder; leave out "
            "--embeddings distill."
        )

    def passages(self, records: Dataset, most: int, length: int, seed: int) -> Dataset:
        """Return a passage of about ``length`` tokens of each of up to ``most`` records.

        The records are an even sample; where a passage begins is random, and depends on the seed.
        """
        raise HeadstartError(f"of {self.content.noun} no passages can be taken.")


class VectorProcessor(Processor):
    """A processor that makes one vector of each record, without a network: simple features.

    Attributes:
        name: of the features, for tables.
        width: K, the size of its vectors.
    """

    gives = "vectors"
    provides = frozenset()
    name: str
    width: int

    @abstractmethod
    def collate(self, records: Dataset, length: int) -> Batch:
        """Return ``vectors`` (B,K) float32."""

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Raise an error: nothing is trained on vectors alone."""
        raise HeadstartError(
            f"{self.name} are features without a network, and nothing can be trained on them; name "
            "another encoder."
        )


class PixelProcessor(Processor):
    """A processor whose batches are squares of pixels (B,3,S,S).

    Attributes:
        side: S.
    """

    side: int

    @abstractmethod
    def augment(self, batch: Batch, generator: torch.Generator, kind: str = "weak") -> Batch:
        """Return one random view (B,3,S,S) in 0..1 of each record."""
