"""Networks of other runs as candidates, where they learned from the same events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from headstart.downstream.interactions.network import NetworkRanker, network_of
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.evaluation.protocols import OpenedRun
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.rankers.tuning import KINDS
from headstart.modalities.interactions.timed import TimedHistories
from headstart.modalities.interactions.trained import Trained
from headstart.run import RunFolder

#: Options that do not change which items are held out.
_FREE = {"seen", "positions"}


class OtherNetwork:
    """The network of another run, whose catalogue has the same items in another order.

    Args:
        order: (I,) the number that each item of our catalogue has in its own; -1 for one that it
            lacks, which it never recommends.

    Attributes:
        trained: what it was trained on.
    """

    def __init__(
        self, name: str, network: NetworkRanker, order: np.ndarray, trained: Trained
    ) -> None:
        self.name, self._network, self._order = name, network, order
        self.trained = trained
        self.settings: Mapping[str, Any] = network.settings

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (B,I) of all items after each history."""
        coded = [self._order[history] for history in histories]
        theirs: Sequence[np.ndarray] = [each[each >= 0] for each in coded]
        if isinstance(histories, TimedHistories):
            both = zip(histories.times, coded, strict=True)
            theirs = TimedHistories(theirs, [times[each >= 0] for times, each in both])
        found = self._network.scores(theirs)[:, self._order]
        found[:, self._order < 0] = -np.inf
        return found


def other_networks(
    names: Sequence[str], opened: OpenedRun, processor: ItemProcessor, notes: list[str]
) -> list[OtherNetwork]:
    """Return the networks of the runs that ``--against`` names.

    Raises:
        HeadstartError: one held out other items, or has another catalogue, so that it may have
            seen what is tested.
    """
    return [_other(name, opened, processor, notes) for name in names]


def _other(
    name: str, opened: OpenedRun, processor: ItemProcessor, notes: list[str]
) -> OtherNetwork:
    run = RunFolder.open(name)
    other = OpenedEncoder(run.require_encoder())
    network = network_of(run, other.encoder, other.processor, other.length)
    theirs = cast(ItemProcessor, other.processor)
    ours, own = (
        {key: value for key, value in each.options.model_dump().items() if key not in _FREE}
        for each in (opened.modality, other.modality)
    )
    different = [key for key in ours if ours[key] != own.get(key)]
    if different:
        raise HeadstartError(
            f"{name} was pre-trained with interactions.{different[0]}={own.get(different[0])} and "
            f"{opened.run.folder} with {ours[different[0]]}, so that it may have seen what is "
            "tested; name a run of the same options."
        )
    states = [each.resolved.get("sources_state") for each in (run, opened.run)]
    if None in states:
        notes.append(f"Whether {name} saw the same records is not known.")
    elif states[0] != states[1]:
        raise HeadstartError(
            f"{name} was pre-trained on other records than {opened.run.folder}, so that it may "
            "have seen what is tested; name a run on the same records."
        )
    codes = {item: code for code, item in enumerate(theirs.names)}
    order = np.array([codes.get(item, -1) for item in processor.names], dtype=np.int64)
    if lacking := int((order < 0).sum()):
        notes.append(f"{name} lacks {lacking:,} of the {len(order):,} items, and recommends none.")
    taken = {network.name, *(kind.name for kind in KINDS)}
    return OtherNetwork(f"./{name}" if name in taken else name, network, order, theirs.trained)
