"""Adapting an encoder to labels: what a task is, and how one is added.

The flow of data while a head is trained::

    source --read--> records --hold_out--> training and held-out records
                                                     |
                                                   rows      batches with ``labels``
                                                     |
                       encoder --features(batch)--> head --forward--> loss
                                                      |
                                                   measure   the field's scores, on held-out rows

and when it predicts::

    inputs --read_inputs--> records --collate--> batch without ``labels``
                                                   |
                       encoder --features(batch)--> head --predictions--> rows --describe--> rows
                                                                    of plain values, one a record

A task is added by one file with a subclass of :class:`Task` and one line in :data:`TASKS`, or from
another package by an entry point of the group ``headstart.tasks``. It defines how it is built, its
loss and its predictions; the rest has defaults. The loop, freezing, rates, early stopping and the
run folder are shared by all tasks, in :mod:`headstart.downstream.finetune`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

import torch
from torch import Tensor, nn

from headstart.config import Options as AnyOptions
from headstart.data.split import hold_out, labeled
from headstart.downstream.head import read_head, write_head
from headstart.downstream.rows import LabeledRows, batches
from headstart.encoders import ENCODERS
from headstart.errors import HeadstartError
from headstart.objectives import OBJECTIVES
from headstart.objectives.needs import phrase
from headstart.registries import TASKS as TASKS

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.config import FinetuneConfig, PredictConfig
    from headstart.data.audit import Audit
    from headstart.data.content import Content
    from headstart.downstream.frozen_head import FrozenHead
    from headstart.downstream.portable import PortableHead
    from headstart.encoders import Encoder
    from headstart.evaluation.heads.chosen import Chosen
    from headstart.evaluation.metrics import Estimate
    from headstart.modalities import Modality, Processor


class TaskDefaults(TypedDict, total=False):
    """Defaults of a task, which replace those of the encoder; options of the user replace both.

    ``learning_rate`` is the encoder's; ``steps`` is the length of the run.
    """

    batch_size: int
    learning_rate: float
    steps: int
    validate_steps: int
    patience: int
    layer_decay: float


class Task(nn.Module, ABC):
    """A head: from an encoder's features to a loss, and to predictions.

    It chooses its features (:meth:`features`): vectors, or maps. It also gets the batch, for what
    the encoder drops, such as single tokens.

    Example::

        class Linear(Task):
            name = "linear"

            def __init__(self, width, labels):
                super().__init__()
                self.labels = labels
                self.layer = torch.nn.Linear(width, len(labels))

            @classmethod
            def build(cls, encoder, records, config):
                return cls(encoder.width, sorted(set(records["label"])))

            def targets(self, records):
                return torch.tensor([self.labels.index(label) for label in records["label"]])

            def forward(self, features, batch):  # features (B,D), labels (B,)
                return {"loss": cross_entropy(self.layer(features), batch["labels"])}

            def predictions(self, features, batch):
                return [{"label": self.labels[i]} for i in self.layer(features).argmax(1)]

            def arguments(self):
                return {"width": self.layer.in_features, "labels": self.labels}

    Attributes:
        name: its name in :data:`TASKS`.
        content: the kind of records that it is for; None for any.
        Options: the model of its options, set with ``--set NAME.key=value``; :meth:`build` has
            them from :func:`headstart.config.task_options`.
        needs: capabilities that encoder or processor must provide.
        labels: the classes, in the order of its outputs; empty where it predicts none.
        modality: of the records, while :meth:`alternatives` are measured.
        endings: of files that only its predictions can be written to; the empty one is a folder.
        eval_batch_size: most rows of a batch in evaluation and prediction.
        fields: the fields it reads beside the content; ``--column`` can name their columns.
        classifies: whether it predicts the class of a record, the only one that it has.
        keeps_groups: whether :meth:`read` keeps the fields that a split looks at (``--group`` and
            ``--split-by time``).
        learns: False where :meth:`warm_start` leaves nothing to train.
        max_learning_rate: upper limit of the head's rate.
    """

    name: ClassVar[str]
    content: ClassVar[Content | None] = None
    Options: ClassVar[type[AnyOptions]] = AnyOptions
    needs: ClassVar[frozenset[str]] = frozenset()
    endings: ClassVar[tuple[str, ...]] = ()
    eval_batch_size: ClassVar[int] = 64
    fields: ClassVar[tuple[str, ...]] = ("label",)
    classifies: ClassVar[bool] = False
    keeps_groups: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    max_learning_rate: ClassVar[float] = math.inf

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[Any] = []
        self.modality: Modality | None = None

    # -- reading -----------------------------------------------------------------------------

    @classmethod
    def check(cls, modality: Modality) -> None:
        """Refuse a kind of data that the task is not for, before anything is read.

        Raises:
            HeadstartError: the task is for another kind.
        """
        if cls.content is None or cls.content is modality.content:
            return
        noun = modality.content.noun
        able = [name for name, task in TASKS.items() if task.content in (None, modality.content)]
        raise HeadstartError(
            f"the task {cls.name!r} reads {cls.content.noun}, and this encoder reads {noun}; tasks "
            f"for {noun}: {', '.join(able)}."
        )

    @classmethod
    def check_encoder(cls, encoder: Encoder, processor: Processor) -> None:
        """Refuse an encoder that lacks what the task needs, before anything is read.

        Raises:
            HeadstartError: something is missing; the message lists what provides it.
        """
        missing = cls.needs - encoder.provides - processor.provides
        if not missing:
            return
        able = [name for name, kind in ENCODERS.items() if missing <= kind.provides]
        teach = [name for name, objective in OBJECTIVES.items() if missing <= objective.needs]
        found = [
            *([f"encoders that can: {', '.join(able)}"] if able else []),
            *([f"objectives to pre-train with: {', '.join(teach)}"] if teach else []),
        ]
        raise HeadstartError(
            f"task {cls.name} needs {phrase(missing)}, which this encoder does not give; "
            f"{'; '.join(found) or 'choose another task'}."
        )

    @staticmethod
    def read(source: str, options: FinetuneConfig, modality: Modality, audit: Audit) -> Dataset:
        """Read labeled records; those without a valid label are dropped and noted in ``audit``."""
        return labeled(modality.read([source], options, audit), source, audit)

    def read_inputs(
        self, sources: list[str], options: PredictConfig, modality: Modality, audit: Audit
    ) -> Dataset:
        """Read records to predict on; their labels may be kept to score the predictions."""
        return modality.read(sources, options, audit)

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Split the records into training and validation records."""
        return hold_out(records, share, seed)

    @classmethod
    def checked(
        cls, records: Dataset, validation: Dataset | None, config: FinetuneConfig, notes: list[str]
    ) -> Dataset | None:
        """Return the validation records that can be scored; by default all.

        Args:
            validation: None where a slice of ``records`` is held out.
            notes: extended by sentences on what was left out, and on doubtful labels.
        """
        return validation

    # -- building ----------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for an encoder, sized for the labels of the training records.

        Raises:
            HeadstartError: the encoder or the records do not fit the task.
        """

    @classmethod
    def defaults(cls, encoder: Encoder, count: int) -> TaskDefaults:
        """Return defaults for ``count`` training records, which replace those of the encoder."""
        return {}

    # -- rows --------------------------------------------------------------------------------

    def targets(self, records: Dataset) -> Tensor:
        """Return the target of each record (N,...); by default the labels, which are numbers."""
        return torch.tensor(list(records["label"]))

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> Rows:
        """Return labeled records as rows; with a ``seed`` they may change from epoch to epoch.

        By default ``labels`` are the :meth:`targets`, and rows are the same in every epoch.
        """
        return LabeledRows(processor, records, self.targets(records), length)

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return records without labels as a batch to predict on."""
        return processor.collate(records, length)

    # -- learning ----------------------------------------------------------------------------

    def warm_start(self, encoder: Encoder, train: Any, validation: Any) -> None:
        """Set the head from the frozen encoder, before anything is trained.

        Args:
            train, validation: what :meth:`rows` returned.
        """

    def frozen_head(
        self, encoder: Encoder, train: Any, held: Any, config: FinetuneConfig, names: Any = None
    ) -> FrozenHead | None:
        """Return a simpler head, which is taken unless the fine-tuned network is better.

        Args:
            names: class names as rows, if there are any.
        """
        return None

    def remember(
        self,
        chosen: Chosen,
        features: np.ndarray,
        records: Dataset,
        content: Content,
        others: np.ndarray | None = None,
    ) -> None:
        """Keep what says which records are unlike the labeled ones.

        Args:
            chosen: fitted to the features (n,D) of all or some of the ``records``.
            content: what these are.
            others: (U,D) features of unlabeled records.
        """

    def frozen_modules(self, encoder: Encoder) -> list[nn.Module]:
        """Return modules of the encoder that stay in evaluation mode, though they may learn."""
        return []

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return ``params`` and ``lr`` of each group of the head's parameters."""
        rate = min(learning_rate, self.max_learning_rate)
        return [{"params": list(self.parameters()), "lr": rate}]

    def features(self, encoder: Encoder, batch: Batch) -> Any:
        """Return the features that the head uses; by default the pooled vectors (B,D)."""
        return encoder.pool(batch)

    @abstractmethod
    def forward(self, features: Any, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` (scalar) and named scalars; the batch has the targets."""

    def measure(self, encoder: Encoder, rows: Any) -> Mapping[str, float | Estimate]:
        """Return the standard metrics of the task on held-out :meth:`rows`, by name.

        Without any, the scalars of :meth:`forward` are logged instead.
        """
        return {}

    def write_page(self, path: Path) -> bool:
        """Write a page about what was measured last, and return whether there is one.

        By default there is none, unless the task predicts classes
        (:mod:`headstart.downstream.class_page`).
        """
        return False

    def alternatives(self, train: Dataset, val: Dataset) -> list[tuple[str, dict[str, float]]]:
        """Return names and scores of simple models, fitted to ``train`` and measured on ``val``.

        Their scores have the names of :meth:`measure`. They show whether the network was worth it.
        """
        return []

    def scan(self, encoder: Encoder, rows: Rows) -> Iterator[tuple[Any, Batch]]:
        """Yield the features of all rows with their batches, in order and in evaluation mode."""
        encoder.eval()
        self.eval()
        for batch in batches(rows, self.eval_batch_size):
            with torch.no_grad():
                features = self.features(encoder, batch)
            yield features, batch

    # -- predicting --------------------------------------------------------------------------

    def configure(self, options: PredictConfig) -> None:
        """Apply the options of ``predict``."""

    @abstractmethod
    def predictions(self, features: Any, batch: Batch) -> list[dict[str, Any]]:
        """Return one row of plain values (str, float, list, ...) for each record of the batch."""

    def describe(self, row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """Return a prediction in terms of its record."""
        return row

    @classmethod
    def write(cls, rows: Sequence[dict[str, Any]], out: Path) -> None:
        """Write predictions to a file or folder of its own :attr:`endings`.

        By default as any others, see
        :func:`headstart.downstream.predictions.write_predictions`.
        """
        from headstart.downstream.predictions import write_predictions

        write_predictions(rows, out)

    def notes(self) -> list[str]:
        """Return, once, sentences about the rows or predictions made since the last call."""
        return []

    # -- on disk -----------------------------------------------------------------------------

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return the constructor arguments of a head of this shape, as plain values."""

    @classmethod
    def restored(cls, arguments: dict[str, Any], state: dict[str, Tensor]) -> Self:
        """Return a head built from :meth:`arguments`, to which the weights fit."""
        return cls(**arguments)

    def save(self, folder: Path) -> None:
        """Write ``head.json`` (task and arguments) and ``head.safetensors``."""
        write_head(folder, self, self.name, **self.arguments())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reopen a head that :meth:`save` wrote."""
        arguments, state = read_head(folder)
        head = cls.restored(arguments, state)
        head.load_state_dict(state)
        return head.eval()

    def portable(self) -> PortableHead:
        """Return the head as a network that runs without this library.

        Raises:
            HeadstartError: this library alone can run it.
        """
        raise HeadstartError(
            f"a head of the task {self.name!r} cannot be exported; leave it out with --head off, "
            "for the encoder alone."
        )

    def publish(self, encoder: Encoder, folder: Path) -> None:
        """Also write encoder and head as the Transformers model of the task, if there is one."""
