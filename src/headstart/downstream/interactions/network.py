"""A pre-trained network as a ranker: the scores of all items after a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from headstart.data.target_ranks import select
from headstart.encoders.visibility import causal, visibility
from headstart.errors import HeadstartError
from headstart.modalities.interactions.gaps import gap_classes
from headstart.modalities.interactions.processor import (
    FIRST,
    MASK,
    UNKNOWN,
    ItemProcessor,
    ItemRow,
)
from headstart.modalities.interactions.timed import times_within
from headstart.objectives.opening import objective_of, open_token_head

if TYPE_CHECKING:
    from headstart.encoders import TokenEncoder
    from headstart.objectives.heads import TokenHead
    from headstart.run import RunFolder

#: Objectives whose head gives each item a probability: at the last item, or at one that is hidden.
AFTER, HIDDEN = ("clm",), ("mlm", "bert", "albert", "electra")
#: Histories that the network reads at once, and most scores of theirs.
_ROWS, _CELLS = 256, 2**26
#: Items whose scores are summed at once.
_BLOCK = 2**16


class NetworkRanker:
    """The network of a run, which ranks what comes next.

    A causal network predicts it from the last item (SASRec, Kang and McAuley 2018); a
    bidirectional one at a hidden item that is appended (BERT4Rec, Sun et al. 2019).

    Args:
        processor: its catalogue of I items; the table of a network may have rows beyond them.
        length: items that it reads; the latest of a longer history.
        is_causal: whether it predicts from the last item.

    Example::

        ranker = network_of(run, encoder, processor, length=50)
        scores = ranker.scores([np.array([3, 1, 4])])  # (1,I)
    """

    name = "pre-trained"

    def __init__(
        self,
        encoder: TokenEncoder,
        head: TokenHead,
        processor: ItemProcessor,
        length: int,
        *,
        is_causal: bool,
    ) -> None:
        self._encoder, self._head, self._processor = encoder.eval(), head.eval(), processor
        self._count, self._length, self._is_causal = len(processor.names), length, is_causal
        self.settings: Mapping[str, Any] = {"length": length}

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the log-probability (B,I) float32 of each item after each history."""
        at_once = max(1, min(_ROWS, _CELLS // self._count))
        if len(histories) <= at_once:
            return self._some(histories)
        # Those of similar length together, with little padding.
        order = np.argsort([min(len(each), self._length) for each in histories], kind="stable")
        found = np.empty((len(histories), self._count), np.float32)
        for start in range(0, len(order), at_once):
            some = order[start : start + at_once]
            found[some] = self._some(select(histories, some.tolist()))
        return found

    @property
    def window(self) -> int:
        """The number of latest items of a history that it reads.

        In training the last position of a row has no target, and none is predicted from it.
        """
        return self._length - 1

    @torch.inference_mode()
    def _some(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        room = self.window
        rows = []
        for history, times in zip(histories, times_within(histories), strict=True):
            ids = [int(item) + FIRST for item in history[-room:]]
            # A new user has no item: one that nobody knows stands for the beginning.
            ids = (ids or [UNKNOWN]) if self._is_causal else [*ids, MASK]
            gaps = None if times is None else gap_classes(times)[-room:]
            rows.append(ItemRow(ids, gaps))
        batch = self._processor.batch_of(rows)
        seen = visibility(batch)
        if self._is_causal:
            seen = causal(seen, batch)
        positions = batch.get("positions")
        if positions is not None and self._is_causal:
            positions = positions + 1  # counted from the item to come, as in training
        vectors = self._encoder.embed(batch)
        tokens = self._encoder.contextualize(vectors, seen, positions)
        last = batch["mask"].sum(1) - 1
        logits = self._head(tokens[torch.arange(len(rows)), last])[:, FIRST : FIRST + self._count]
        return log_softmax_(logits.float()).numpy()

    def vectors(self) -> np.ndarray:
        """Return the vectors (I,E) by which the items are scored."""
        items = slice(FIRST, FIRST + self._count)
        return self._head.decoder.weight.detach()[items].float().numpy()


def log_softmax_(logits: torch.Tensor) -> torch.Tensor:
    """Return the log-softmax of rows (B,I) in their place, as copies of large ones take long."""
    highest = logits.amax(1, keepdim=True)
    sums = torch.zeros_like(highest)
    for some in logits.split(_BLOCK, dim=1):
        sums += (some - highest).exp_().sum(1, keepdim=True)
    return logits.sub_(highest + sums.log_())


def network_of(run: RunFolder, encoder: Any, processor: Any, length: int) -> NetworkRanker:
    """Return the network of a run as a ranker.

    Raises:
        HeadstartError: its objective left no head that predicts items, or it reads no items.
    """
    if not isinstance(processor, ItemProcessor):
        raise HeadstartError(
            f"items are ranked by runs on interactions, and this run reads "
            f"{processor.content.noun}; name another run."
        )
    objective = objective_of(run)
    if objective not in AFTER + HIDDEN:
        trained = f"trained with {objective}" if objective else "without such a head"
        raise HeadstartError(
            f"{run.folder}: a run {trained} predicts no items; pre-train with --objective clm or "
            "mlm, alone or in a mixture."
        )
    encoder = cast("TokenEncoder", encoder)
    head = open_token_head(run, encoder)
    return NetworkRanker(encoder, head, processor, length, is_causal=objective in AFTER)
