"""Test users that the pre-training knows: the same sequence, or the same user. No torch here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headstart.data.store import stream

if TYPE_CHECKING:
    from datasets import Dataset

#: Share of the tested items of a user that its sequence of the pre-training has, from which on the
#: two are nearly the same.
_SHARED = 0.5


def matches(
    background: Dataset, tested: Dataset, notes: list[str], thorough: bool
) -> Iterator[tuple[int, int, bool]]:
    """Yield (index in the background, index of a tested sequence, whether both are the same).

    Two sequences are nearly the same where they are of one user and share half of the tested items.
    Users that are in both with other items are counted in a note: what they do next may be tested,
    but whether features of unknown users are good may not.
    """
    users: dict[str, int] = {}
    sequences: dict[tuple[str, ...], int] = {}
    items: list[frozenset[str]] = []
    for index, (name, own) in enumerate(_pairs(tested)):
        users.setdefault(name, index)
        sequences.setdefault(own, index)
        items.append(frozenset(own))
    known = 0
    for index, (name, own) in enumerate(_pairs(background)):
        same = sequences.get(own)
        if same is not None:
            yield index, same, True
        mine = users.get(name)
        if mine is None or mine == same:
            continue
        shared = len(items[mine] & set(own))
        if shared >= _SHARED * len(items[mine]):
            yield index, mine, False
        else:
            known += 1
    if known:
        notes.append(
            f"{known:,} of {len(users):,} test users are users of the pre-training as well, with "
            "other items; they are no unknown users."
        )


def _pairs(records: Dataset) -> Iterator[tuple[str, tuple[str, ...]]]:
    ids, items = stream(records, "id"), map(tuple, stream(records, "items"))
    return zip(ids, items, strict=True)
