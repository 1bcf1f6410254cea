"""Whether a pre-training did harm: the encoder by itself is worse than before it."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.encoders.joined import OWN
from headstart.evaluation.intervals import compare
from headstart.evaluation.outcomes import Results
from headstart.pages.markup import listed


def is_harmed(results: Results, labels: int) -> bool:
    """Return whether the encoder by itself is clearly worse than the untrained network."""
    judged = results.judged(labels)
    alone = [x for x in judged if not x.joined_with and x.parts in ((), (OWN,))]
    ours = next((x for x in alone if x.kind == "pretrained"), None)
    fresh = next((x for x in alone if x.kind == "untrained"), None)
    if ours is None or fresh is None:
        return False
    return compare(results, ours, fresh).estimate.high < 0


def harm(names: Sequence[str]) -> list[str]:
    """Return a sentence on harm at numbers of labels of these names; [] for none."""
    if not names:
        return []
    where = "" if list(names) == ["no"] else f" with {listed(names)} labels"
    return [
        f"By itself the encoder is clearly worse than untrained{where}: the pre-training did harm; "
        "look at its alarms, or choose another objective."
    ]
