"""What is known of records to be watched: features, classes, failing rules and unknown tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.deployment.monitoring.mmd import Tested, mmd_test
from headstart.deployment.monitoring.shifts import categories_test, means_test
from headstart.downstream.predict import predict
from headstart.encoders.features import features
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders.opening import OpenedEncoder
    from headstart.run import RunFolder

#: Kinds of tests, and what each says has moved.
ABOUT = {
    "features": "what the records are like, as the encoder sees them",
    "labels": "how often each label occurs",
    "predictions": "how often the run predicts each class",
    "vocabulary": "the share of tokens that the run has never seen",
    "quality": "how many records fail a quality rule",
}
#: Most different labels that are taken for classes.
CLASSES = 1000
_PASSES = "passes all rules"


@dataclass(frozen=True)
class Measured:
    """Records (N) with all that is compared.

    Attributes:
        features: (N,D) vectors of the encoder.
        classes: by the kind of test (labels, predictions, quality) the class of each record.
        unknown: (N,) share of tokens that the pre-training never met; None without a vocabulary.
        tokens: (V,) how often each token occurs; None likewise.
    """

    records: Dataset
    features: np.ndarray
    classes: dict[str, list[str]]
    unknown: np.ndarray | None
    tokens: np.ndarray | None

    def __len__(self) -> int:
        return len(self.records)

    def select(self, rows: np.ndarray) -> Measured:
        """Return the same of some records; tokens are those of all."""
        return Measured(
            self.records.select(rows),
            self.features[rows],
            {kind: [each[row] for row in rows] for kind, each in self.classes.items()},
            None if self.unknown is None else self.unknown[rows],
            self.tokens,
        )

    @property
    def kinds(self) -> list[str]:
        """The kinds of tests that these records allow."""
        known = {"features", *self.classes}
        if self.unknown is not None:
            known.add("vocabulary")
        return [kind for kind in ABOUT if kind in known]


def measured(
    records: Dataset, opened: OpenedEncoder, run: RunFolder | None, batch_size: int = 32
) -> Measured:
    """Measure records.

    Args:
        run: a fine-tuned run, whose predictions are compared; None for an encoder alone.
    """
    vectors = features(
        opened.encoder, opened.processor, records, length=opened.length, batch_size=batch_size
    )
    classes: dict[str, list[str]] = {}
    if "label" in records.column_names:
        labels = ["(none)" if each is None else str(each) for each in records["label"]]
        if 1 < len(set(labels)) <= CLASSES:
            classes["labels"] = labels
    if run is not None:
        found = [row.get("label") for row in predict(run, records)]
        if all(isinstance(each, str) for each in found):
            classes["predictions"] = [str(each) for each in found]
    content = opened.modality.content
    if content.rules:
        failing = content.failing(records, tuple(content.rules), opened.modality.options)
        classes["quality"] = [failing.get(index, _PASSES) for index in range(len(records))]
    unknown, tokens = _tokens(records, opened)
    return Measured(records, vectors, classes, unknown, tokens)


def _tokens(records: Dataset, opened: OpenedEncoder) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the share of unseen tokens of each record, and the counts of all tokens."""
    processor = opened.processor
    vocabulary = processor.vocabulary
    if vocabulary is None:
        return None, None
    counts = vocabulary.counts
    unseen = np.zeros(vocabulary.size, dtype=bool) if counts is None else np.asarray(counts) == 0
    if vocabulary.unknown_id is not None:
        unseen[vocabulary.unknown_id] = True
    is_special = np.zeros(vocabulary.size, dtype=bool)
    is_special[[*vocabulary.special_ids, vocabulary.pad_id]] = True
    if vocabulary.unknown_id is not None:
        is_special[vocabulary.unknown_id] = False
    shares, total = np.zeros(len(records)), np.zeros(vocabulary.size, dtype=np.int64)
    for indices, batch in processor.batches(records, opened.length, 64):
        ids = batch[processor.gives].numpy()
        real = ~is_special[ids]
        if "mask" in batch:
            real &= batch["mask"].numpy().astype(bool)
        shares[indices] = (unseen[ids] & real).sum(1) / np.maximum(1, real.sum(1))
        total += np.bincount(ids[real], minlength=vocabulary.size)
    return (shares if unseen.any() else None), total


def names_of_tokens(opened: OpenedEncoder, ids: np.ndarray) -> list[str] | None:
    """Return tokens as a person reads them; None where they mean nothing alone."""
    as_records = getattr(opened.processor, "as_records", None)
    if as_records is None:
        return None
    try:
        records = as_records().select(ids)
    except HeadstartError:
        return None
    return [preview.text for preview in opened.modality.preview(records, 8)]


def tested(
    kind: str,
    baseline: Measured,
    new: Measured,
    level: float,
    generator: np.random.Generator,
) -> Tested:
    """Return one kind of test of two sets of records."""
    if kind == "features":
        return mmd_test(baseline.features, new.features, level, generator)
    if kind == "vocabulary":
        assert baseline.unknown is not None
        assert new.unknown is not None
        return means_test(baseline.unknown, new.unknown, level, generator)
    return categories_test(baseline.classes[kind], new.classes[kind], level, generator)


#: Draws a sample of at most so many records.
Draw = Callable[[Measured], Measured]


def sampler(most: int, generator: np.random.Generator) -> Draw:
    """Return what draws a sample of at most ``most`` records."""

    def draw(found: Measured) -> Measured:
        if len(found) <= most:
            return found
        return found.select(np.sort(generator.choice(len(found), most, replace=False)))

    return draw


def plain(value: Any) -> Any:
    """Return a figure as it is written: six digits."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
