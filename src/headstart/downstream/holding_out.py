"""The held-out records of a fine-tuning: what stays together, and what makes scores doubtful."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headstart.data.contradictions import contradictions
from headstart.data.groups import alone, together
from headstart.data.overlap import leaked, overlap
from headstart.data.pairs import PAIR
from headstart.data.times import latest
from headstart.downstream import TASKS
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import FinetuneConfig
    from headstart.data.content import Content


def check_division(config: FinetuneConfig) -> None:
    """Refuse options on how records are held out that have no effect, before anything is read.

    Raises:
        HeadstartError: it names the option to leave out.
    """
    option = "--split-by time" if config.split_by == "time" else "--group"
    if not config.dividing():
        return
    if config.val:
        raise HeadstartError(
            f"{option} says how records of --train are held out, and --val names others; leave out "
            "one of them."
        )
    if not TASKS[config.task].keeps_groups:
        able = ", ".join(name for name, task in TASKS.items() if task.keeps_groups)
        raise HeadstartError(
            f"{option} serves {able} and not {config.task}; leave it out, or name validation "
            "records with --val."
        )


def gathered(
    records: Dataset,
    validation: Dataset | None,
    config: FinetuneConfig,
    content: Content,
    notes: list[str],
) -> tuple[Dataset, list[str]]:
    """Return the training records with their groups, and cautions on what the scores are worth.

    Args:
        validation: None where some of ``records`` will be held out.
        notes: extended by sentences on groups and on contradicting labels.

    Returns:
        Cautions are clauses for the first line of the result.

    Raises:
        HeadstartError: there is a single group.
    """
    cautions: list[str] = []
    if validation is None:
        where, column = config.train, config.group
        records = together(records, content, notes, where=where, column=column)
    elif PAIR not in records.column_names:
        found = overlap(records, validation, content)
        notes += found.notes
        cautions += leaked({"among the training ones": found}, "held-out")
    if TASKS[config.task].classifies and isinstance(records[0]["label"], str):
        doubts = contradictions(records, content)
        notes += doubts.sentences()
        cautions += doubts.caution()
    return records, cautions


def held_out(
    records: Dataset,
    share: float,
    config: FinetuneConfig,
    hold_out: Callable[[Dataset, float, int], tuple[Dataset, Dataset]],
    notes: list[str],
) -> tuple[Dataset, Dataset]:
    """Return training and held-out records: the latest with ``--split-by time``.

    Args:
        records: of :func:`gathered`.
        hold_out: how the task does it otherwise.
        notes: extended by sentences on a split by time.
    """
    if config.split_by == "time":
        kept, held = latest(records, share, config.train, notes)
    else:
        kept, held = hold_out(records, share, config.seed)
    return alone(kept), alone(held)
