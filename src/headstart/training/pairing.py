"""Second texts for pre-training: from other columns, or made by the modality itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headstart.data.columns import LABEL, check_names, option
from headstart.data.pairs import PAIR
from headstart.errors import HeadstartError
from headstart.modalities.text.content import NEGATIVE
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import parse_mixture

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import PretrainConfig
    from headstart.data.content import Content
    from headstart.data.field import Field
    from headstart.modalities import Modality
    from headstart.run import RunFolder


def companion_fields(config: PretrainConfig, content: Content) -> list[Field]:
    """Return what is read beside the content because its column is named: a pair, a negative."""
    return [
        content.fields[0].again(
            name, f"its column {config.columns[name]!r} holds no {content.name}"
        )
        for name in content.companions
        if name in config.columns
    ]


def check_companions(config: PretrainConfig, modality: Modality) -> None:
    """Refuse columns that nothing reads, and second texts that nothing could make use of.

    Raises:
        HeadstartError: the options contradict each other, or do not suit the data or the pretext
            task.
    """
    content, made = modality.content, modality.pair_option
    check_names(config.columns, content, (LABEL.name, *content.companions))
    named = [name for name in content.companions if name in config.columns]
    asked = [option(name, config.columns[name]) for name in named]
    if made:
        asked.append(f"--set {made}")
    if made and PAIR in named:
        raise HeadstartError(
            f"{asked[0]} and --set {made} both give the second text; leave one out."
        )
    if NEGATIVE in named and not made and PAIR not in named:
        raise HeadstartError(
            f"{option(NEGATIVE)} needs a text that says the same, too; name its column with "
            f"{option(PAIR)}."
        )
    names = [] if config.objective == "auto" else list(parse_mixture(config.objective))
    if asked and names and not any("two_views" in OBJECTIVES[name].needs for name in names):
        able = [name for name, kind in OBJECTIVES.items() if "two_views" in kind.needs]
        raise HeadstartError(
            f"{asked[0]} gives two views of a record, and {' + '.join(names)} compares none; take "
            f"one of {', '.join(able)}, or leave it out."
        )


def paired(
    records: Dataset, modality: Modality, run: RunFolder, say: Callable[[str], None]
) -> Dataset:
    """Return the records with a second text each, where the modality is asked to make it."""
    if not modality.pair_option:
        return records
    return records.add_column(PAIR, modality.pairs(records, run.folder, say))
