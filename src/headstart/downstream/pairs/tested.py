"""The records that are tested: which captions are right for which pictures, and which are new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.downstream.pairs.ranks import Answers
from headstart.errors import HeadstartError
from headstart.modalities.pairs.captions import keys
from headstart.modalities.pairs.content import digests
from headstart.modalities.pairs.gathering import complete, gathered

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Tested:
    """Pictures, and the distinct captions of all of them.

    Attributes:
        records: of the pictures.
        texts: distinct captions.
        answers: from pictures to captions.
        is_new: (M,) bool, which captions no training record has.
        groups: (N,) int64 of the pictures: those with a caption in common.
    """

    records: Dataset
    texts: list[str]
    answers: Answers
    is_new: np.ndarray
    groups: np.ndarray


def whole(records: Dataset) -> Dataset:
    """Return a record of each picture that has captions, with all of them."""
    return gathered(complete(records))


def asked_of(records: Dataset, train: Dataset | None, where: str, notes: list[str]) -> Tested:
    """Return what is tested: pictures that training did not see.

    Args:
        train: what it saw; None where that is not known.
        where: the source, for messages.
        notes: extended by what is left out.

    Raises:
        HeadstartError: no picture is left, or all have one caption.
    """
    records = whole(records)
    if not len(records):
        raise HeadstartError(f"{where} has no picture with a caption; name pairs to test.")
    seen = np.empty(0, np.int64)
    if train is not None:
        known = np.isin(digests(records), digests(train))
        if known.any():
            notes.append(
                f"{int(known.sum()):,} of {len(known):,} pictures of {where} are in the records of "
                "the pre-training, and are not tested."
            )
            records = records.select(np.flatnonzero(~known))
        seen = keys([text for each in train["captions"] for text in each])
    if not len(records):
        raise HeadstartError(
            f"all pictures of {where} are in the records of the pre-training; name others."
        )
    captions = records["captions"][:]
    written = [text for each in captions for text in each]
    owners = np.repeat(np.arange(len(captions)), [len(each) for each in captions])
    found, first, same = np.unique(keys(written), return_index=True, return_inverse=True)
    if len(found) < 2:
        raise HeadstartError(
            f"all pictures of {where} have one caption, so that nothing is to be found; name pairs "
            "whose captions differ."
        )
    pairs = np.unique(np.stack([owners, same], 1), axis=0)
    answers = Answers(pairs[:, 0], pairs[:, 1], (len(captions), len(found)))
    is_new = ~np.isin(found, seen)
    if train is not None and not is_new.all():
        alone = "; figures for the others alone are given as well" if is_new.any() else ""
        notes.append(
            f"{int((~is_new).sum()):,} of {len(found):,} tested captions are those of training "
            f"pictures, too{alone}."
        )
    groups = _groups(answers)
    return Tested(records, [written[index] for index in first], answers, is_new, groups)


def only_new(tested: Tested) -> Tested | None:
    """Return the pictures whose captions are all new, among new captions; None where all are."""
    if tested.is_new.all() or not tested.is_new.any():
        return None
    answers = tested.answers
    old = np.unique(answers.pictures[~tested.is_new[answers.captions]])
    keep = np.setdiff1d(np.arange(answers.shape[0]), old)
    kept = np.isin(answers.pictures, keep)
    captions, renamed = np.unique(answers.captions[kept], return_inverse=True)
    if len(captions) < 2:
        return None
    number = np.searchsorted(keep, answers.pictures[kept])
    again = Answers(number, renamed, (len(keep), len(captions)))
    return Tested(
        tested.records.select(keep),
        [tested.texts[index] for index in captions],
        again,
        tested.is_new[captions],
        _groups(again),
    )


def _groups(answers: Answers) -> np.ndarray:
    """Return the group (N,) of each picture: those joined by captions in common."""
    from headstart.data.groups import joined

    first = np.full(answers.shape[1], -1)
    order = np.arange(len(answers.captions))[::-1]
    first[answers.captions[order]] = answers.pictures[order]
    links = np.stack([answers.pictures, first[answers.captions]], 1)
    return joined(answers.shape[0], [links])
