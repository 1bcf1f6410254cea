"""Second texts for pre-training: from other columns, or made by the modality itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headstart.data.audit import Audit
from headstart.data.pairs import with_columns
from headstart.errors import HeadstartError
from headstart.modalities.text.companion_texts import NEGATIVE, PAIR
from headstart.objectives import OBJECTIVES
from headstart.objectives.building import parse_mixture

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import PretrainConfig
    from headstart.modalities import Modality
    from headstart.run import RunFolder

_OPTIONS = ("pair_column", "negative_column")


def paired(
    records: Dataset,
    config: PretrainConfig,
    modality: Modality,
    audit: Audit,
    run: RunFolder,
    say: Callable[[str], None],
) -> Dataset:
    """Return records with the columns ``pair`` and ``negative`` that the options ask for.

    Raises:
        HeadstartError: the options contradict each other, or nothing could make use of them.
    """
    asked = [f"--{name.replace('_', '-')}" for name in _OPTIONS if getattr(config, name)]
    if modality.pair_option:
        asked.append(f"--set {modality.pair_option}")
    if not asked:
        return records
    _check(config, modality, asked[0])
    named = {PAIR: config.pair_column, NEGATIVE: config.negative_column}
    columns = {name: column for name, column in named.items() if column}

    def read(column: str, audit: Audit) -> Dataset:
        only = config.model_copy(update={"text_column": column, "label_column": None})
        return modality.read(config.sources, only, audit, run.prepared / "records")

    records = with_columns(records, columns, read, audit)
    some: Any = records[: min(100, len(records))]
    for name, column in columns.items():
        if some[name] == some["text"]:
            raise HeadstartError(
                f"the column {column!r} is also what is read as the text; name the other one with "
                "--text-column."
            )
    if not modality.pair_option:
        return records
    return records.add_column(PAIR, modality.pairs(records, run.folder, say))


def _check(config: PretrainConfig, modality: Modality, option: str) -> None:
    if modality.name != "text":
        raise HeadstartError(f"{option} is for texts, not for a {modality.name}; leave it out.")
    if modality.pair_option and config.pair_column:
        raise HeadstartError(
            f"--pair-column and --set {modality.pair_option} both give the second text; leave one "
            "out."
        )
    if config.negative_column and not (config.pair_column or modality.pair_option):
        raise HeadstartError(
            "--negative-column needs a text that says the same, too; name its column with "
            "--pair-column."
        )
    names = [] if config.objective == "auto" else list(parse_mixture(config.objective))
    if names and not any("two_views" in OBJECTIVES[name].needs for name in names):
        able = [name for name, kind in OBJECTIVES.items() if "two_views" in kind.needs]
        raise HeadstartError(
            f"{option} gives two views of a record, and {' + '.join(names)} compares none; take "
            f"one of {', '.join(able)}, or leave it out."
        )
