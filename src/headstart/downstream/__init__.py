"""Adapting an encoder to labels. Each task is one file, a head; grown by one line in TASKS.

The loop, freezing, rates, early stopping and the run folder are shared by all tasks and live in
:mod:`headstart.downstream.finetune`, so a new task brings its head and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from headstart.registry import Registry

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor

    from headstart.batch import Batch, Rows
    from headstart.config import FinetuneConfig, SourceOptions
    from headstart.data.audit import Audit
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

TASKS = Registry(
    "task",
    {
        "classification": "headstart.downstream.classification:Classification",
        "detection": "headstart.downstream.detection:Detection",
        "segmentation": "headstart.downstream.segmentation:Segmentation",
        "tokens": "headstart.downstream.tokens:TokenClassification",
        "questions": "headstart.downstream.questions:Questions",
        "multilabel": "headstart.downstream.multilabel:MultiLabel",
        "regression": "headstart.downstream.regression:Regression",
        "similarity": "headstart.downstream.similarity:Similarity",
        "pairs": "headstart.downstream.pairs:Pairs",
        "prototypes": "headstart.downstream.prototypes:Prototypes",
        "prompt": "headstart.downstream.prompt:Prompt",
        "seq2seq": "headstart.downstream.seq2seq:Seq2Seq",
    },
    group="headstart.tasks",
    members=("build", "load"),
)


class Task(Protocol):
    """A head: an ``nn.Module`` from an encoder's features to a loss, and to predictions.

    What it takes for features is its own choice (:meth:`features`): vectors, or maps. It sees the
    batch that they are of, too, for what an encoder cannot keep.

    Where the shared loop's own way does not suit it, a task also has some of these members:

    - ``defaults(encoder, count)`` (of the class): what suits so many records better than what suits
      the encoder anyway, among ``batch_size``, ``learning_rate`` (the encoder's), ``steps``,
      ``validate_steps``, ``patience`` and ``layer_decay``; what the user asked for comes first.
    - ``warm_start(encoder, train, validation)``: sets the head from the frozen encoder and
      :meth:`rows`, before anything is trained; ``learns = False`` says that it is ready then.
    - ``still(encoder)``: the parts of an encoder that stay in evaluation mode, though they may
      learn.
    - ``parameter_groups(learning_rate)``: ``params`` and ``lr`` of each group of parameters; else
      all of the head learns at one rate, which is no higher than ``most_rate``.
    - ``measure(encoder, rows)``: the field's own scores on :meth:`rows` by name, numbers or
      :class:`headstart.evaluation.metrics.Estimate`; without it the loss says enough.
    - ``publish(encoder, folder)``: writes the encoder once more, with the head that Transformers
      has for the task.
    - ``read_inputs(sources, options, modality, audit)``: reads what is no plain record;
      ``heed(options)`` takes options of ``predict``; ``tell(row, record)`` makes a prediction that
      speaks of the record itself; ``remarks()`` is what there is to say after rows or predictions.

    Attributes:
        labels: what it can predict, in the order of its outputs.
        at_once: rows of a batch, at most, where nothing is trained.
    """

    labels: list[Any]
    at_once: ClassVar[int]

    @staticmethod
    def read(source: str, options: SourceOptions, modality: Modality, audit: Audit) -> Dataset:
        """Read labeled records; those without a sound label are set aside in ``audit``."""
        ...

    @classmethod
    def build(cls, encoder: Encoder, records: Dataset, config: FinetuneConfig) -> Self:
        """Build a head for an encoder, sized for the labels of the training records."""
        ...

    def rows(
        self, processor: Processor, records: Dataset, length: int, seed: int | None = None
    ) -> Rows:
        """Return labeled records as rows; with a ``seed`` they may vary from epoch to epoch."""
        ...

    def collate(self, processor: Processor, records: Dataset, length: int) -> Batch:
        """Return records without labels as a batch to predict on."""
        ...

    def hold_out(self, records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Part the records into those to learn from and those to stop early by."""
        ...

    def features(self, encoder: Any, batch: Batch) -> Any:
        """Return what the head reads of an encoder."""
        ...

    def __call__(self, features: Any, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` (scalar) and named scalars; the batch has the targets."""
        ...

    def predictions(self, features: Any, batch: Batch) -> list[dict[str, Any]]:
        """Return one row of plain values for each row of the features."""
        ...

    def save(self, folder: Path) -> None:
        """Write the head: ``head.json`` and ``head.safetensors``."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reopen a head that :meth:`save` wrote."""
        ...
