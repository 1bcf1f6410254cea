"""What one run computes for requests: each function makes a lane of the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from headstart.batch import to_device
from headstart.deployment.serving.errors import BadRecord
from headstart.deployment.serving.queue import Lane
from headstart.modalities import Processor
from headstart.precision import precision

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.deployment.explain import Explainer
    from headstart.deployment.search import Searchable
    from headstart.deployment.serving.values import Values
    from headstart.downstream.predict import Predictor
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities import TokenProcessor

#: Records of full length in a batch, as `headstart embed` has them.
ROWS = 32


class Vector(NamedTuple):
    """The vector (D,) float32 of a record, and the number of positions that were read for it."""

    values: np.ndarray
    positions: int


class Question(NamedTuple):
    """A value that is asked about: its neighbours, or why it is of a class."""

    value: Any
    most: int = 0
    target: str | None = None


def vectors(opened: OpenedEncoder, values: Values) -> Lane:
    """Return the lane from values to a :class:`Vector` each."""
    encoder, processor, length = opened.encoder, opened.processor, opened.length
    encoder.eval()
    pooled = _pooled(opened)

    cost = values.cost(length)

    def of_records(records: Dataset) -> list[Any]:
        found: list[Any] = [None] * len(records)
        for indices, batch in processor.batches(records, length, ROWS):
            for index, vector in zip(indices.tolist(), pooled(batch), strict=True):
                found[index] = vector
        return found

    def of_typed(items: list[Any]) -> list[Any]:
        found: list[Any] = [None] * len(items)
        for indices in _alike([cost(item) for item in items], ROWS * length):
            batch = processor.typed([items[index] for index in indices], length)
            assert batch is not None
            for index, vector in zip(indices, pooled(batch), strict=True):
                found[index] = vector
        return found

    makes_none = type(processor).typed is not Processor.typed and not values.are_bytes
    compute = of_typed if makes_none else _each_readable(values, of_records)
    return Lane(compute, most=ROWS * length, cost=cost)


def positions(opened: OpenedEncoder, values: Values) -> Lane:
    """Return the lane from values to whether each is longer than the encoder reads."""
    processor, length = opened.processor, opened.length

    def compute(items: list[Any]) -> list[bool]:
        records = values.records(items)
        found = [False] * len(records)
        for indices, batch in processor.batches(records, length + 1, ROWS):
            counts = _counts(batch)
            for index, count in zip(indices.tolist(), counts, strict=True):
                found[index] = count > length
        return found

    return Lane(compute, most=ROWS * length, cost=values.cost(length))


def ids(opened: OpenedEncoder) -> Lane:
    """Return the lane from ids of the vocabulary, as a list for each record, to its vector."""
    processor: TokenProcessor = opened.processor  # type: ignore[assignment]
    pooled = _pooled(opened)
    length = opened.length

    def cost(item: list[int]) -> float:
        return float(min(length, len(item)))

    def compute(items: list[list[int]]) -> list[Any]:
        found: list[Any] = [None] * len(items)
        for some in _alike([cost(item) for item in items], ROWS * length):
            rows = pooled(processor.pad([items[index][:length] for index in some]))
            for index, vector in zip(some, rows, strict=True):
                found[index] = vector
        return found

    return Lane(compute, most=ROWS * length, cost=cost)


def predictions(predictor: Predictor, values: Values) -> Lane:
    """Return the lane from values to a row of plain values each."""
    most = predictor.head.eval_batch_size
    length = predictor.length

    def of_records(records: Dataset) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(records), most):
            stop = min(start + most, len(records))
            found += predictor.rows(records.select(range(start, stop)))
        return found

    cost = values.cost(length)
    return Lane(_each_readable(values, of_records), most=ROWS * length, cost=cost)


def explanations(explainer: Explainer, values: Values) -> Lane:
    """Return the lane from questions to their explanations, one at a time."""

    def compute(items: list[Question]) -> list[Any]:
        found: list[Any] = []
        for question in items:
            records, bad = values.readable(values.records([question.value]))
            if bad:
                found.append(bad[0])
                continue
            target = explainer.target(question.target)
            found.append(explainer.explain(records[0], target))
        return found

    return Lane(compute, most=1)


def neighbours(opened: OpenedEncoder, values: Values, index: Searchable) -> Lane:
    """Return the lane from questions to the rows of their nearest records."""
    from headstart.deployment import search as searching

    embed = vectors(opened, values)

    def compute(items: list[Question]) -> list[Any]:
        found = embed.compute([question.value for question in items])
        good = [number for number, each in enumerate(found) if isinstance(each, Vector)]
        rows: list[Any] = [[] if isinstance(each, Vector) else each for each in found]
        if good:
            matrix = np.stack([found[number].values for number in good])
            names = [str(number) for number in good]
            most = max(items[number].most for number in good)
            for row in searching.search(index, names, matrix, most):
                number = int(row.pop("query"))
                if row["rank"] <= items[number].most:
                    rows[number].append(row)
        return rows

    cost = values.cost(opened.length)
    return Lane(compute, most=ROWS * opened.length, cost=lambda item: cost(item.value))


def calls() -> Lane:
    """Return the lane of functions without arguments, called one at a time."""

    def compute(items: list[Callable[[], Any]]) -> list[Any]:
        return [call() for call in items]

    return Lane(compute, most=1)


def pieces() -> Lane:
    """Return the lane of texts that are being generated: the next piece of each, or None."""

    def compute(items: list[Iterator[str]]) -> list[str | None]:
        with torch.inference_mode():
            return [next(item, None) for item in items]

    return Lane(compute, most=1)


def _alike(costs: Sequence[float], most: float) -> Iterator[list[int]]:
    """Yield the indices of items of similar cost, which are padded to the most expensive one."""
    some: list[int] = []
    for index in sorted(range(len(costs)), key=lambda index: costs[index]):
        if some and (len(some) + 1) * costs[index] > most:
            yield some
            some = []
        some.append(index)
    if some:
        yield some


def _each_readable(
    values: Values, of_records: Callable[[Dataset], list[Any]]
) -> Callable[[list[Any]], list[Any]]:
    """Return a computation that has an error in the place of what cannot be decoded."""

    def compute(items: list[Any]) -> list[Any]:
        records, bad = values.readable(values.records(items))
        good = iter(of_records(records) if len(records) else [])
        return [bad[number] if number in bad else next(good) for number in range(len(items))]

    return compute


def _pooled(opened: OpenedEncoder) -> Callable[[Batch], Sequence[Any]]:
    """Return what computes the vectors of a batch."""
    encoder = opened.encoder
    parameter = next(encoder.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    is_bf16 = precision("auto") == "bf16"

    def compute(batch: Batch) -> list[Any]:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
            found = encoder.pool(to_device(batch, device)).float().cpu().numpy()
        counts = _counts(batch)
        if np.isfinite(found).all():
            return list(map(Vector, found, counts))
        lost = BadRecord("its vector is not finite, as the network is damaged or its training was")
        return [
            Vector(row, count) if np.isfinite(row).all() else lost
            for row, count in zip(found, counts, strict=True)
        ]

    return compute


def _counts(batch: Batch) -> list[int]:
    """Return how many positions of each row are real; 0 where rows have none."""
    if "mask" in batch:
        counts: list[int] = batch["mask"].sum(1).tolist()
        return counts
    return [0] * len(next(iter(batch.values())))
