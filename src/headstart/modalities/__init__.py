"""Kinds of data: the contracts of a modality and its processor, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from headstart.config import Options as AnyOptions
from headstart.errors import HeadstartError
from headstart.modalities.appearance import Evidence as Evidence
from headstart.modalities.appearance import Preview as Preview
from headstart.modalities.appearance import Sheet as Sheet
from headstart.modalities.appearance import Units as Units
from headstart.modalities.appearance import Words as Words
from headstart.modalities.defaults import Defaults as Defaults
from headstart.modalities.defaults import Request as Request
from headstart.modalities.parts import Parts as Parts
from headstart.modalities.processor import PixelProcessor as PixelProcessor
from headstart.modalities.processor import Processor as Processor
from headstart.modalities.processor import TokenProcessor as TokenProcessor
from headstart.modalities.processor import VectorProcessor as VectorProcessor
from headstart.modalities.processor import Vocabulary as Vocabulary
from headstart.registries import MODALITIES as MODALITIES

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig, SourceOptions
    from headstart.data.audit import Audit
    from headstart.data.content import Content
    from headstart.data.field import Field
    from headstart.data.vectors import Matrix

#: The modality of sources that no other one recognises.
DEFAULT = "text"


class Package(NamedTuple):
    """A package that carries a published encoder.

    Attributes:
        package: what is installed.
        folder: where it lies in it, as a folder that opens as it is, or that ``writer`` reads.
        name: of the encoder, as its author calls it.
        writer: ``module:function``, which writes the folder that opens from that of the package.
        alone: whether it is installed without the packages that its own code asks for, which is
            never run.
    """

    package: str
    folder: str
    name: str
    writer: str = ""
    alone: bool = False

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install {'--no-deps ' if self.alone else ''}{self.package}"


@dataclass(frozen=True)
class Baseline:
    """A simple alternative to pre-training: features that take minutes to compute.

    Attributes:
        name: for tables and charts.
        train: (N,D) features of the training records, dense or sparse.
        test: (M,D) features of the test records; None when folds are cut from the training ones.
        heads: the classifiers that are fitted on them, by their names in
            :mod:`headstart.evaluation.heads`; each is tuned by cross-validation inside the labels.
        joinable: whether the features, which are dense, are also tried together with an encoder's.
        seconds: that reading the records and computing these features took, without what is fitted
            once; 0 where that was not measured.
    """

    name: str
    train: Matrix
    test: Matrix | None = None
    heads: tuple[str, ...] = ("logistic regression",)
    joinable: bool = False
    seconds: float = 0.0


#: Corrupts one record realistically: from its value, a severity of 1 to 3 and a random generator
#: to another value.
Corruption = Callable[[Any, int, "np.random.Generator"], Any]


class Modality(ABC):
    """One kind of data: reading, fitting and storing records, and its defaults.

    Attributes:
        content: what a record is.
        gives: as of its processors.
        unit: what ``length`` counts, for messages.
        protocols: names of its evaluation protocols; the first is the default.
        corruptions: realistic corruptions of its records, by name.
        published: a package that carries a published encoder of its records, if one is known.
        recommender: what ranks what comes after a record, as ``module:class``; None where there is
            no such question. It is made with the run, its opened encoder and the options of
            ``recommend``, and called with those of a request and what is called with messages; it
            returns a result with ``rows``.
        parts: what its records consist of, as ``module:function`` from an opened encoder to
            :class:`.parts.Parts`; None where those have no vectors that mean something alone.
        simple_alone: whether its simple features stand beside an encoder even where no published
            one does.
        Options: the model of its options, set with ``--set NAME.key=value``; imports no torch.
        options: those of this instance.
        folder: of the encoder that it was opened for; None where there is none yet.
    """

    name: str
    content: Content
    gives: str
    protocols: tuple[str, ...]
    corruptions: Mapping[str, Corruption] = MappingProxyType({})
    provides: frozenset[str]
    unit: str
    published: Package | None = None
    recommender: str | None = None
    parts: str | None = None
    simple_alone: bool = False
    Options: type[AnyOptions] = AnyOptions
    options: AnyOptions
    folder: Path | None = None

    def __init__(self, options: AnyOptions | None = None) -> None:
        self.options = options or self.Options()

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
        further columns, beside those that a split looks at (:mod:`headstart.data.groups`,
        :mod:`headstart.data.times`); see :func:`headstart.data.sources.read`.
        """
        from headstart.data.groups import GROUP
        from headstart.data.sources import read
        from headstart.data.times import TIME

        divided = options.dividing()
        named = {name: column for name, column in divided.items() if column is not None}
        return read(
            sources,
            content=self.content,
            columns={**options.columns, **named},
            document=options.document,
            encoding=options.encoding,
            audit=audit,
            fields=[*fields, *(each for each in (GROUP, TIME) if each.name in divided)],
            cache=cache,
        )

    def inline(self, values: list[str]) -> Dataset | None:
        """Return records typed on the command line; None where this kind cannot be typed.

        Raises:
            HeadstartError: a value is no record; the message says why.
        """
        return None

    def check_views(self, kind: str) -> None:
        """Refuse a kind of views that its processors do not make, before anything is read.

        By default none is refused; see :meth:`headstart.modalities.processor.Processor.views`.

        Raises:
            HeadstartError: there is no such kind.
        """
        return None

    def check_files(self) -> None:
        """Refuse files that its options name and that are not there, before anything is read.

        By default the options name none.

        Raises:
            HeadstartError: the message says which.
        """
        return None

    def readable(self, records: Dataset, processor: Any, audit: Audit) -> Dataset:
        """Return the records whose content can be decoded; the others are dropped.

        They were counted as kept, so :meth:`headstart.data.audit.Audit.drop` sets them aside. For
        labeled records and predictions; in pre-training a bad record is replaced when it is read.
        """
        return records

    def trained_on(self, records: Dataset) -> Dataset:
        """Return what training may see of records: without what the default protocol tests.

        By default all of it, as tested records are others.
        """
        return records

    def usable(self, records: Dataset, processor: Any, audit: Audit) -> Dataset:
        """Return the :meth:`readable` records.

        Raises:
            HeadstartError: there is none.
        """
        known = audit.reasons.copy()
        found = self.readable(records, processor and processor.first, audit)
        if len(found) or not len(records):
            return found
        (reason, count), *_ = (audit.reasons - known).most_common(1)
        first, total, noun = records[0]["id"], len(records), self.content.noun
        if total == 1:
            raise HeadstartError(f"{first} cannot be decoded: {reason}.")
        raise HeadstartError(
            f"none of the {total:,} {noun} from {first} on can be decoded ({count:,}: {reason})."
        )

    def languages(self, records: Dataset) -> frozenset[str]:
        """Return the languages that records are in, as ISO 639-1; empty where they have none."""
        return frozenset()

    @property
    def pair_option(self) -> str | None:
        """The option that enables :meth:`pairs`, if set, such as ``text.back_translation``."""
        return None

    def pairs(self, records: Dataset, folder: Path, say: Callable[[str], None]) -> list[Any]:
        """Return an equivalent second content of each record, as the options define it.

        Intermediate results are stored in ``folder``, so that an interrupted run can resume.
        """
        return []

    @abstractmethod
    def defaults(self, request: Request) -> Defaults:
        """Return defaults for these records, where the user has given nothing.

        Example::

            objectives, encoder = request.choose("clm", "gpt")
            return Defaults(objectives, encoder, request.length or request.longest(encoder))
        """

    @abstractmethod
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

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> Processor:
        """Return the processor of an encoder, of any library, whose training continues."""
        return self.load(start)

    def simple(self, records: Dataset, length: int, seed: int) -> VectorProcessor | None:
        """Return simple features that stand beside an encoder; by default there are none.

        :meth:`load` must open them where they were saved.

        Args:
            records: of the pre-training, to fit them to.
            length: of the encoder.
        """
        return None

    @abstractmethod
    def load(self, folder: str | Path) -> Processor:
        """Reopen a processor that was saved in an encoder folder."""

    @abstractmethod
    def prepare(
        self, records: Dataset, processor: Any, folder: Path, audit: Audit, *, learn: bool
    ) -> None:
        """Store records once, memory-mapped, in the form that training reads.

        Args:
            audit: notes the records that are known to be unreadable so far.
            learn: whether the processor learns from them (counts); False for held-out ones.
        """

    def quarantine(self, folder: Path) -> dict[str, str]:
        """Return the records that proved unreadable during training: from name to reason."""
        return {}

    @abstractmethod
    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return a preview of each record for pages: its beginning, or a thumbnail.

        Args:
            side: approximate side of a thumbnail in pixels.
        """

    def as_seen(self, records: Dataset, length: int) -> Dataset:
        """Return records as an encoder of this ``length`` reads them, to be corrupted."""
        return records

    @abstractmethod
    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        protocol: str = "classification",
        seed: int,
        progress: Progress | None,
    ) -> Iterable[Baseline]:
        """Return the strongest simple alternatives on these records.

        Args:
            background: records of the pre-training, without labels, where they can be read.
            train, test: labeled records; no test records when folds are cut.
            protocol: the name of the evaluation task that they are measured by.
            progress: called with the number of records done and of all records.
        """
