"""Which features a verdict took: an encoder's own, with simple ones, or some parts of a run."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.encoders.joined import OWN
from headstart.evaluation.outcomes import Outcome
from headstart.pages.markup import listed


def taken_with(ours: Outcome) -> str:
    """Return what follows a score: `` together with LSA``, or `` by all-MiniLM-L6-v2 alone``."""
    others = [part for part in ours.parts if part != OWN]
    if ours.parts and OWN not in ours.parts:
        return f" by {listed(others)} alone"
    if ours.parts and not others:
        return " by the pre-trained part alone"
    beside = listed(others) if others else ours.joined_with
    return f" together with {beside}" if beside else ""


def subject_of(ours: Sequence[Outcome]) -> str:
    """Return what gained or lost: the pre-training, or the run where that took no part in it."""
    took_part = all(OWN in each.parts for each in ours if each.parts)
    return "pre-training" if took_part else "the run"


def without_pretraining(found: Sequence[tuple[str, Outcome]]) -> list[str]:
    """Return where a run that joins encoders does best without the part that was pre-trained.

    Args:
        found: names of numbers of labels, and what the verdict is about there.
    """
    without = [(name, ours.parts) for name, ours in found if ours.parts and OWN not in ours.parts]
    lines = []
    for parts in dict.fromkeys(parts for _, parts in without):
        names = listed([name for name, same in without if same == parts])
        verb = "is" if len(parts) == 1 else "are"
        lines.append(
            f"Pre-training itself added nothing with {names} labels: {listed(list(parts))} alone "
            f"{verb} taken there."
        )
    return lines
