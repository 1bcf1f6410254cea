"""The protocol of recommendation: how high does each candidate rank what a user took next?

All items of the catalogue are ranked, never a sample (Krichene and Rendle 2020, "On Sampled Metrics
for Item Recommendation"). Everything is fitted on what training saw; settings and the best
alternative are chosen by the items that validate, and the items that test are looked at once.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pydantic import Field

from headstart.config import Budget, EvaluateConfig, Options, task_options
from headstart.data.audit import Audit
from headstart.downstream.interactions.against import other_networks
from headstart.downstream.interactions.choice import described
from headstart.downstream.interactions.item_map import item_map
from headstart.downstream.interactions.measuring import (
    by_popularity,
    measured,
    refitted,
    tuned,
    with_blends,
    worth_of_order,
)
from headstart.downstream.interactions.network import network_of
from headstart.downstream.interactions.page import write_page
from headstart.downstream.interactions.ranked import NextItem
from headstart.downstream.interactions.sample_users import sample_users
from headstart.downstream.interactions.split import NEVER, Division, divided
from headstart.downstream.interactions.unseen import refuse_other, refuse_seen
from headstart.errors import HeadstartError
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.protocols import OpenedRun, Protocol
from headstart.evaluation.report.cost import seconds_of
from headstart.evaluation.report.reproduce import command, versions
from headstart.files import write_json
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.rankers.blend import Blend, blended
from headstart.modalities.interactions.rankers.tuning import Validation
from headstart.outputs import store_of
from headstart.run import RunFolder

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.options import InteractionOptions
    from headstart.modalities.interactions.rankers import Ranker
    from headstart.modalities.interactions.trained import Trained

#: Least seconds in which the alternatives are tuned by default; else as long as the pre-training.
TUNED = 120.0
#: Fewest users from which figures say something.
FEWEST = 30
#: Share of tested items at the time of the one before from which it is said.
_TIED = 0.01


class NextItemOptions(Options):
    """Options of the protocol, for ``--set next_item.KEY=VALUE``."""

    fit: Literal["train", "validation"] = Field(
        "train",
        description="What the simple alternatives are fitted on before the test: what training "
        "saw, or the items that validate as well, which the network never sees.",
    )


def run(opened: OpenedRun, config: EvaluateConfig) -> NextItem:
    """Rank the catalogue for each tested user by the network and by every simple alternative.

    The records are those of ``--test`` or ``--train``, and have to be those that the run was
    pre-trained on: their last items are what it has not seen.

    Raises:
        HeadstartError: the run predicts no items, or nothing was held out of its training.
    """
    options = cast("InteractionOptions", opened.modality.options)
    chosen = task_options(config, NextItemOptions)
    network = network_of(opened.run, opened.encoder, opened.processor, opened.length)
    processor = cast(ItemProcessor, opened.processor)
    notes: list[str] = []
    audit = Audit()
    networks = other_networks(config.against, opened, processor, notes)
    records = _records(opened, config, audit, notes)
    parts = divided(records, processor, options)
    where = config.test or config.train or "the sources of the run"
    seen = opened.modality.trained_on(records)
    refuse_seen(processor.trained, seen, where, notes)
    for other in networks:
        refuse_other(other.trained, seen, other.name)
    keep_seen = options.seen == "keep"
    opened.say(f"ranking all {len(processor.names):,} items for {len(parts.users):,} {parts.unit}")
    others = tuned(parts, _seconds(opened.run, config), keep_seen, opened.say, notes)
    later = refitted(others, parts, notes) if chosen.fit == "validation" else {}
    validating = parts.validating
    validation = Validation.of(validating.histories, validating.items, parts.train.count, keep_seen)
    simple = blended(others, validation, notes.append)
    if len(simple.rankers) > 1:
        others.append(simple)
    # The alternatives saw the last item of these histories, as the network did.
    together = blended([network, *others], validation, notes.append)
    blend = together if _is_mixed(together, network) else None
    compared: list[tuple[Ranker, str]] = [
        (network, "network"),
        *((each, "alternative") for each in others),
        *((each, "other") for each in networks),
        *([(blend, "blend")] if blend else []),
    ]
    candidates = [
        measured(each, kind, parts, keep_seen, with_blends(later, each)) for each, kind in compared
    ]
    chosen_by = {each.name: each.validation for each in candidates}
    strongest = max(others, key=lambda each: chosen_by[each.name])
    serving = together if together.rankers != (network,) else network
    at = next(each.ranks for each in candidates if each.name == serving.name)
    result = NextItem(
        candidates=candidates,
        users=len(parts.users),
        items=len(processor.names),
        order=worth_of_order(network, strongest, parts, config.seed, keep_seen),
        seed=config.seed,
        groups=parts.testing.users,
        unit=parts.unit,
        events=by_popularity(parts.train.counts(), parts.train.counts()),
        notes=[*notes, *_remarks(parts, options, chosen)],
        about={
            "run": str(opened.run.folder),
            "date": date.today().isoformat(),
            "held out": _HELD[options.hold_out] + _left_out(processor.trained, seen),
            "ranked": f"{len(parts.testing.items):,} items, each after all that its "
            f"{'session' if parts.unit == 'sessions' else 'user'} has before it",
            "fitted on": _FITTED[chosen.fit],
            "when it recommends": "the alternatives beside the network are fitted on all events, "
            "those that validate and test included; the network stays as it was trained",
            "seen items": "stay in the lists" if keep_seen else "are removed from the lists",
            **versions(),
        },
        samples=sample_users(with_blends(later, serving), at, parts, processor, keep_seen),
        served=together.name,
    )
    if not (config.test or config.train):
        _keep_choice(opened.run, serving)
    out = Path(config.out) if config.out else RunFolder(store_of(opened.run.folder)).report_file
    audits = {**opened.run.audits(), **({"tested": audit.summary()} if audit.kept else {})}
    shown = item_map(opened, parts.train.counts(), config.seed)
    write_page(result, out, opened.run, command("evaluate", config, ["run"]), audits, shown)
    write_json(out.with_suffix(".json"), result.summary())
    opened.say(f"the report is in {out}, and its figures beside it")
    return result


_HELD = {
    "last": "the last two items of each user; the second last one validates (leave-one-out)",
    "time": "the latest fifth of all events; its first half validates, its second half is the "
    "test, of each user a hundred items at most",
    "session": "the last two sessions of each user, or the latest fifth of all sessions where "
    "users have one; the earlier ones validate",
}
_FITTED = {
    "train": "the training part, without the items that validate and test",
    "validation": "the network on the training part, the simple alternatives on the items that "
    "validate as well; their settings were chosen before",
}


def _seconds(run: RunFolder, config: EvaluateConfig) -> float:
    """Return for how long the alternatives may be tuned: as long as the network was trained."""
    if config.alternatives_budget != "auto":
        return 60 * Budget.parse(config.alternatives_budget).amount
    return max(TUNED, seconds_of(run.metrics()))


def _left_out(trained: Trained, records: Dataset) -> str:
    """Return what the network alone did without: sequences for its validation loss."""
    left = len(records) - len(trained.last)
    if not trained or left <= 0:
        return ""
    return f"; the network alone did without {left:,} sequences, for its validation loss"


def _is_mixed(blend: Blend, network: Ranker) -> bool:
    """Return whether the network is one of several rankers of a blend."""
    return len(blend.rankers) > 1 and network in blend.rankers


def _keep_choice(run: RunFolder, serving: Ranker) -> None:
    """Write what recommends in place of the network alone, or delete what stood there."""
    file = RunFolder(store_of(run.folder)).ranking_file
    if not isinstance(serving, Blend):
        file.unlink(missing_ok=True)
        return
    write_json(file, {"parts": list(described(serving))})


def _records(opened: OpenedRun, config: EvaluateConfig, audit: Audit, notes: list[str]) -> Dataset:
    """Return the records of the named source, or those of the pre-training.

    Raises:
        HeadstartError: no source is named, and that of the run cannot be read any more.
    """
    source, failed = config.test or config.train, list[str]()
    if source:
        return opened.modality.read([source], config.without_label(), audit)
    own = pretraining_records(opened.run, opened.modality, failed)
    if own is None:
        raise HeadstartError(
            f"{failed[-1]} Put them back, or name the same records with --train FILE."
        )
    notes += failed
    return own


def _remarks(parts: Division, options: InteractionOptions, chosen: NextItemOptions) -> list[str]:
    """Return what a reader of the figures should know."""
    found = []
    items = parts.testing.items
    if len(parts.users) < FEWEST:
        found.append(
            f"Only {len(parts.users):,} {parts.unit} are tested, so that the figures say little; "
            "give more records, or another interactions.hold_out."
        )
    elif options.hold_out == "time":
        found.append(
            f"{len(parts.users):,} of {len(parts.train):,} users are tested: those who took an "
            "item in the latest tenth of the events, and one before it."
        )
    never = int((items == NEVER).sum())
    if never:
        found.append(
            f"{never:,} of {len(items):,} tested items never occur in training; nobody can "
            "recommend them, and they count as missed."
        )
    if options.seen == "remove":
        had = sum(
            bool((history == item).any())
            for history, item in zip(parts.testing.histories, items, strict=True)
        )
        if had:
            found.append(
                f"{had:,} of {len(items):,} tested items stand in the history before them already. "
                "Lists leave the history out, so that these count as missed; where users come back "
                "to what they know, pre-train with --set interactions.seen=keep."
            )
    if parts.tied >= _TIED:
        found.append(
            f"{parts.tied:.1%} of the tested items have the time of the item before them, so that "
            "only the order of the file, or chance, says which of them comes next "
            "(interactions.ties)."
        )
    if options.least_users > 1 or options.least_events > 1:
        found.append(
            "Rare users and items were left out by all events, those that are tested included, as "
            "is usual (interactions.least_users and least_events)."
        )
    if options.hold_out == "last":
        found.append(
            "The last items of users are held out at different times, so that what others did "
            "later is known; `--set interactions.hold_out=time` of pretrain divides at one time."
        )
    if chosen.fit == "validation":
        found.append(
            "The simple alternatives were fitted on the items that validate as well, which the "
            "network did not see (next_item.fit=validation)."
        )
    return found


PROTOCOL = Protocol(
    "How high does it rank what each user took next, among all items?",
    run=run,
    Options=NextItemOptions,
    needs=frozenset({"vocabulary"}),
    unlabeled=True,
    uses=frozenset({"alternatives_budget", "against"}),
)
