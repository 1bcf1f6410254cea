"""Losses as plain functions, usable and testable alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.nn import functional as F

from headstart.objectives.cross_entropy import CrossEntropy

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(loss: Callable[P, R]) -> Callable[P, R]:
    """Run a loss in float32 outside autocast; every loss of vectors or scores is wrapped so.

    The eight bits of bf16 suffice for networks, but not for what tells their outputs apart:
    products of unit vectors that are nearly equal, small variances, large scores. Half-precision
    tensors among the arguments, also in lists of them, become float32, and products stay in it.

    Example::

        @full_precision
        def alignment(first, second):
            return (F.normalize(first, dim=1) @ F.normalize(second, dim=1).T).diagonal().mean()
    """

    @functools.wraps(loss)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        given = [_widened(value) for value in args]
        named = {name: _widened(value) for name, value in kwargs.items()}
        with torch.autocast(_device(given, named), enabled=False):
            return loss(*given, **named)

    return computed


def _widened(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_widened(each) for each in value]
    half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if half else value


def _device(given: list[Any], named: dict[str, Any]) -> str:
    for value in (*given, *named.values()):
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, Tensor):
            return first.device.type
    return "cpu"


def accuracy(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the share of rows of scores (N,M) that are highest at their target (N,).

    A row whose target shares the maximum with others counts ``1/k`` for k equal scores, as if one
    of them were drawn: an output layer of zeros is right as often as chance, not always. In bf16
    equal scores are common.
    """
    with torch.no_grad():
        # The maximum is several times as fast as the argmax.
        top = scores.amax(1, keepdim=True)
        own = scores.gather(1, targets[:, None]) == top
        return (own.squeeze(1) / (scores == top).sum(1).clamp(min=1)).mean()


def majority(targets: Tensor, classes: int) -> Tensor:
    """Return the share of the most frequent of the targets (N,): what one answer to all reaches."""
    counts = torch.zeros(classes, device=targets.device)
    counts.scatter_add_(0, targets, torch.ones_like(targets, dtype=counts.dtype))
    return counts.max() / len(targets)


def by_chance(results: dict[str, Tensor], chance: float) -> dict[str, Tensor]:
    """Return results whose accuracy has a known chance level, such as one of the classes."""
    return {**results, "accuracy_chance": results["loss"].new_tensor(chance).detach()}


def token_loss(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return cross-entropy and accuracy of logits (N,V) against targets (N,).

    The accuracy's chance level is the share of the most frequent target. Without targets the loss
    is 0 and has a gradient, so that an empty batch is harmless.
    """
    if targets.numel() == 0:
        nothing = logits.new_zeros((), dtype=torch.float32)
        loss = logits.float().sum() * 0.0
        return {"loss": loss, "accuracy": nothing, "accuracy_chance": nothing}
    loss, right = cross_entropy(logits, targets)
    chance = majority(targets, logits.shape[1])
    return {"loss": loss, "accuracy": right, "accuracy_chance": chance}


def cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of logits (N,V) against targets (N,), and the accuracy."""
    if logits.device.type == "cpu" and not torch.compiler.is_compiling():
        loss, right = CrossEntropy.apply(logits, targets)
        return loss, right
    return F.cross_entropy(logits.float(), targets), accuracy(logits, targets)


@full_precision
def info_nce(
    queries: Tensor, keys: Tensor, temperature: float, negatives: Tensor | None = None
) -> dict[str, Tensor]:
    """InfoNCE in one direction with in-batch negatives (van den Oord et al. 2018; SimCSE eq. 1).

    ``-log exp(sim(q_i, k_i) / t) / sum_j exp(sim(q_i, k_j) / t)``, the cosine as ``sim``. Under
    several processes the keys of all are gathered with their gradients, so that the mean over
    processes is the loss of the whole batch.

    Args:
        queries: (B,D), not normalised.
        keys: (B,D); row i is the positive of query i.
        negatives: (B,D) hard negatives; those of all rows join the sum (SimCSE eq. 5).

    Returns:
        ``loss``, ``accuracy`` and its chance level, ``positive_similarity`` and ``entropy``, all
        scalars.

    Example::

        info_nce(encoder.pool(questions), encoder.pool(answers), temperature=0.05)["loss"]
    """
    queries = F.normalize(queries, dim=-1)
    keys = F.normalize(keys, dim=-1)
    every = gather(keys)
    if negatives is not None:
        every = torch.cat([every, gather(F.normalize(negatives, dim=-1))])
    logits = queries @ every.T / temperature
    targets = torch.arange(len(queries), device=queries.device) + _rank() * len(queries)
    return _scalars(logits, targets, temperature)


@full_precision
def nt_xent(
    first: Tensor, second: Tensor, temperature: float, negatives: Tensor | None = None
) -> dict[str, Tensor]:
    """NT-Xent over 2N views (SimCLR, Chen et al. 2020, equation 1 and algorithm 1).

    Each view must identify the other view of its row among the 2N - 1 others. Under several
    processes the views of all are gathered with their gradients.

    Args:
        first: (B,D), not normalised.
        second: (B,D); row i is the positive of row i of ``first``.
        negatives: (B,D) hard negatives; those of all rows are negatives of every view.
    """
    views = [F.normalize(view, dim=1) for view in (first, second)]
    own = torch.arange(len(first), device=first.device) + _rank() * len(first)
    every = [gather(view) for view in views]
    count = len(every[0])
    if negatives is not None:
        every.append(gather(F.normalize(negatives, dim=1)))
    logits = torch.cat(views) @ torch.cat(every).T / temperature
    selves, positives = torch.cat([own, own + count]), torch.cat([own + count, own])
    logits = logits.scatter(1, selves[:, None], -torch.inf)
    return _scalars(logits, positives, temperature)


@full_precision
def supervised_contrast(features: Tensor, labels: Tensor, temperature: float) -> dict[str, Tensor]:
    """Supervised contrastive loss (Khosla et al. 2020, equation 2, ``L_out``).

    ``-mean_p log exp(sim(z_i, z_p) / t) / sum_{a != i} exp(sim(z_i, z_a) / t)`` over the other rows
    p of the class of row i, the cosine as ``sim``, and the mean over the rows that have such a row.
    Under several processes the rows of all are gathered with their gradients.

    Args:
        features: (B,D), not normalised.
        labels: (B,) classes.

    Returns:
        ``loss``, 0 where no class has two rows, and ``positive_similarity``, both scalars.
    """
    features = F.normalize(features, dim=1)
    own = torch.arange(len(features), device=features.device) + _rank() * len(features)
    every, classes = gather(features), gather(labels[:, None].float())[:, 0]
    similar = features @ every.T  # (B,W*B)
    others = torch.ones_like(similar, dtype=torch.bool).scatter(1, own[:, None], False)
    positive = (classes[own][:, None] == classes) & others
    logits = (similar / temperature).masked_fill(~others, -torch.inf)
    logs = logits - logits.logsumexp(1, keepdim=True)
    paired = positive.sum(1)
    # The processes' shares of rows with a positive differ; their mean must be that of all rows.
    all_paired = ((classes[:, None] == classes).sum(1) > 1).sum()
    share = len(every) / len(features) / all_paired.clamp(min=1)
    loss = -(logs.where(positive, logs.new_zeros(())).sum(1) / paired.clamp(min=1)).sum() * share
    seen = similar.detach().where(positive, similar.new_zeros(())).sum()
    return {"loss": loss, "positive_similarity": seen / paired.sum().clamp(min=1)}


@full_precision
def queue_nce(
    queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float
) -> dict[str, Tensor]:
    """InfoNCE of one positive against a given set of negatives (MoCo, He et al. 2020, equation 1).

    Args:
        queries: (B,D), not normalised.
        keys: (B,D), not normalised; row i is the positive of query i.
        negatives: (K,D), normalised, the same for all queries.
    """
    queries, keys = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    positive = (queries * keys).sum(1, keepdim=True)
    logits = torch.cat([positive, queries @ negatives.T], dim=1) / temperature
    targets = torch.zeros(len(queries), dtype=torch.long, device=queries.device)
    return _scalars(logits, targets, temperature)


@full_precision
def cosine_regression(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean of ``2 - 2 cos(p_i, z_i)`` with constant targets (BYOL, Grill et al. 2020, equation 2).

    That is the squared distance of the normalised vectors.

    Args:
        predictions: (B,D), not normalised.
        targets: (B,D), not normalised; no gradient flows into them.
    """
    similarity = F.cosine_similarity(predictions, targets.detach(), dim=1)
    return (2 - 2 * similarity).mean()


def _scalars(logits: Tensor, targets: Tensor, temperature: float) -> dict[str, Tensor]:
    scores = logits.detach()
    return {
        "loss": F.cross_entropy(logits, targets),
        "accuracy": accuracy(scores, targets),
        "accuracy_chance": (scores[0] > -torch.inf).float().sum().reciprocal(),
        "positive_similarity": scores.gather(1, targets[:, None]).mean() * temperature,
        "entropy": _entropy(scores),
    }


def _entropy(scores: Tensor) -> Tensor:
    """Return the mean entropy of the softmax of rows (N,M), relative to the uniform's.

    1 means that all choices are equally likely, 0 that each row is certain, rightly or wrongly. At
    an unsuitable temperature it stays at one of the two whatever is learned.
    """
    choices = int((scores[:1] > -torch.inf).sum())
    return torch.special.entr(scores.softmax(1)).sum(1).mean() / math.log(max(2, choices))


def gather(rows: Tensor) -> Tensor:
    """Return the rows (W*B,D) of all processes, in rank order; gradients flow back to each.

    Without gradients, as in validation, a process gets its own rows alone, since there the batches
    of the processes may differ in number and size.
    """
    return _Gather.apply(rows.contiguous()) if _is_distributed() else rows


def gather_uneven(rows: Tensor) -> tuple[Tensor, int]:
    """Return what :func:`gather` does of rows (B,D) whose number differs, and the first own one."""
    if not _is_distributed():
        return rows, 0
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(count) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, count)
    sizes = [int(each) for each in counts]
    # Parts that are exchanged have one size.
    parts = gather(F.pad(rows, (0, 0, 0, max(sizes) - len(rows)))).split(max(sizes))
    every = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
    return every, sum(sizes[: distributed.get_rank()])


class _Gather(torch.autograd.Function):
    """All-gather with a gradient.

    The one in ``torch.distributed.nn`` binds the process group to a default argument when it is
    imported: destroying the group then leaves its threads, and the interpreter aborts on exit.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient.chunk(distributed.get_world_size())[distributed.get_rank()]


def _is_distributed() -> bool:
    initialised = distributed.is_available() and distributed.is_initialized()
    return initialised and torch.is_grad_enabled() and distributed.get_world_size() > 1


def _rank() -> int:
    return distributed.get_rank() if _is_distributed() else 0
