"""Whether what is tested was never trained on: by this run, or by one that it began from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.trained import Trained


def refuse_seen(trained: Trained, records: Dataset, where: str, notes: list[str]) -> None:
    """Refuse to test what training saw.

    Args:
        records: what training may see, by the run's own options, of the records that are judged.
        where: what those are called.
        notes: what cannot be known is told here.

    Raises:
        HeadstartError: users have other items than where the run was trained, or a run that it
            began from was trained on items that are held out now.
    """
    if not trained:
        notes.append("The run is of an earlier version: whether it saw what is tested is unknown.")
        return
    wrong, example = trained.last.beyond(records, exact=True)
    if wrong:
        raise HeadstartError(
            f"{where}: {_users(wrong, example)} are missing or have other items there than where "
            "the run was trained, so that what is tested may have been seen; put the records back "
            "as they were, or pre-train again."
        )
    wrong, example = trained.earlier.beyond(records)
    if wrong:
        raise HeadstartError(
            f"the run began from another one, whose training saw items of {_users(wrong, example)} "
            "that are held out here, so that what is tested was seen; pre-train from scratch, or "
            "from a run of the same interactions.hold_out."
        )


def refuse_other(trained: Trained, records: Dataset, name: str) -> None:
    """Refuse the network of another run that saw what is tested.

    Raises:
        HeadstartError: the message names the run and a user.
    """
    wrong, example = trained.beyond(records)
    if wrong:
        raise HeadstartError(
            f"{name} was trained on items of {_users(wrong, example)} that are held out here; name "
            "a run of the same options on the same records."
        )


def _users(count: int, example: str) -> str:
    such = f", such as {example!r}," if example else ""
    return f"{count:,} user{'s' * (count != 1)}{such}"
