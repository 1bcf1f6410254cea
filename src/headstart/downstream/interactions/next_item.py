"""The protocol of recommendation: how high does each candidate rank what a user took next?

All items of the catalogue are ranked, never a sample (Krichene and Rendle 2020, "On Sampled Metrics
for Item Recommendation"). Everything is fitted on what training saw; settings and the best
alternative are chosen by the items that validate, and the items that test are looked at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.config import Budget, EvaluateConfig
from headstart.data.audit import Audit
from headstart.data.target_ranks import ndcg, ranks_of
from headstart.downstream.interactions.choice import described
from headstart.downstream.interactions.network import network_of
from headstart.downstream.interactions.page import write_page
from headstart.downstream.interactions.ranked import CUT, NextItem, RankedCandidate
from headstart.downstream.interactions.split import NEVER, Division, divided
from headstart.errors import HeadstartError
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.protocols import OpenedRun, Protocol
from headstart.evaluation.ranking import rank_all, variety
from headstart.evaluation.report.reproduce import command, versions
from headstart.files import write_json
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.rankers.blend import Blend, blended
from headstart.modalities.interactions.rankers.tuning import KINDS, Validation, tune
from headstart.outputs import store_of
from headstart.run import RunFolder
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.options import InteractionOptions
    from headstart.modalities.interactions.rankers import Ranker

#: Tested users whose histories are shuffled, for what order is worth; and shown on the page.
SHUFFLED, SHOWN = 5000, 12
#: Minutes in which the alternatives are tuned by default.
TUNED = 2.0


def run(opened: OpenedRun, config: EvaluateConfig) -> NextItem:
    """Rank the catalogue for each tested user by the network and by every simple alternative.

    The records are those of ``--test`` or ``--train``, and have to be those that the run was
    pre-trained on: their last items are what it has not seen.

    Raises:
        HeadstartError: the run predicts no items, or nothing was held out of its training.
    """
    options = cast("InteractionOptions", opened.modality.options)
    network = network_of(opened.run, opened.encoder, opened.processor, opened.length)
    processor = cast(ItemProcessor, opened.processor)
    notes: list[str] = []
    audit = Audit()
    records = _records(opened, config, audit, notes)
    parts = divided(records, processor, options)
    keep_seen = options.seen == "keep"
    opened.say(f"ranking all {len(processor.names):,} items for {len(parts.users):,} users")
    budget = config.alternatives_budget
    minutes = TUNED if budget == "auto" else Budget.parse(budget).amount
    others = _tuned(parts, 60 * minutes, keep_seen, opened.say, notes)
    validation = Validation.of(parts.histories, parts.validation, parts.train.count, keep_seen)
    simple = blended(others, validation, notes.append)
    if len(simple.rankers) > 1:
        others.append(simple)
    together = blended([network, *others], validation, notes.append)
    found = [_measured(one, "alternative", parts, keep_seen) for one in others]
    blend = together if _is_mixed(together, network) else None
    result = NextItem(
        candidates=[
            _measured(network, "network", parts, keep_seen),
            *found,
            *([_measured(blend, "blend", parts, keep_seen)] if blend else []),
        ],
        users=len(parts.users),
        items=len(processor.names),
        order=_worth_of_order(network, parts, config.seed, keep_seen),
        seed=config.seed,
        notes=[*notes, *_remarks(parts, options)],
        about={
            "run": str(opened.run.folder),
            "date": date.today().isoformat(),
            "fitted on": "the training part, without the items that validate and test",
            "histories": "with the item that validates",
            "held out": _HELD[options.hold_out],
            "seen items": "stay in the lists" if keep_seen else "are removed from the lists",
            **versions(),
        },
        samples=_samples(blend or network, parts, processor, keep_seen),
    )
    if not (config.test or config.train):
        _keep_choice(opened.run, blend)
    out = Path(config.out) if config.out else RunFolder(store_of(opened.run.folder)).report_file
    audits = {**opened.run.audits(), **({"tested": audit.summary()} if audit.kept else {})}
    write_page(result, out, opened.run, command("evaluate", config, ["run"]), audits)
    write_json(out.with_suffix(".json"), result.summary())
    opened.say(f"the report is in {out}, and its figures beside it")
    return result


_HELD = {"last": "the last two items of each user", "time": "the latest tenth of all events"}


def _is_mixed(blend: Blend, network: Ranker) -> bool:
    """Return whether the network is one of several rankers of a blend."""
    return len(blend.rankers) > 1 and network in blend.rankers


def _keep_choice(run: RunFolder, blend: Blend | None) -> None:
    """Write what stands beside the network where it recommends, or delete what stood there."""
    file = RunFolder(store_of(run.folder)).ranking_file
    if blend is None:
        file.unlink(missing_ok=True)
        return
    write_json(file, {"parts": list(described(blend))})


def _records(opened: OpenedRun, config: EvaluateConfig, audit: Audit, notes: list[str]) -> Dataset:
    """Return the records of the named source, or those of the pre-training.

    Raises:
        HeadstartError: no source is named, and that of the run cannot be read any more.
    """
    source, failed = config.test or config.train, list[str]()
    own = pretraining_records(opened.run, opened.modality, failed)
    if source:
        records = opened.modality.read([source], config.without_label(), audit)
        if own is None:
            notes.append("The sources of the run cannot be read, so what it saw is not known.")
        else:
            _refuse_others(records, own, source)
        return records
    if own is None:
        raise HeadstartError(
            "the sources of the run cannot be read any more; put them back, or name the same "
            "records with --train FILE."
        )
    notes += failed
    return own


def _refuse_others(records: Dataset, own: Dataset, source: str) -> None:
    """Refuse records in which a user of the run has other items than in its sources.

    Raises:
        HeadstartError: what is tested of that user may have been trained on.
    """
    known = dict(zip(own["id"], own["items"], strict=True))
    named = zip(records["id"], records["items"], strict=True)
    other = [user for user, items in named if user in known and known[user] != items]
    if other:
        raise HeadstartError(
            f"{source}: {len(other):,} users, such as {other[0]!r}, have other items there than "
            "where the run was trained, so that what is tested may have been seen; leave it out."
        )


def _tuned(
    parts: Division, seconds: float, keep_seen: bool, say: Callable[[str], None], notes: list[str]
) -> list[Ranker]:
    """Return the simple alternatives, tuned on what validates; each has a share of the time left.

    What was cut short is noted.
    """
    until = time.monotonic() + seconds
    # At the test a history has one item more than what is fitted on; so it has where settings are
    # chosen, or those that favour what is popular would look better than they are.
    earlier = parts.train.without_last(1)
    found: list[Ranker] = []
    for number, kind in enumerate(KINDS):
        share = max(1.0, (until - time.monotonic()) / (len(KINDS) - number))
        tuned = tune(
            kind,
            earlier,
            parts.histories,
            parts.validation,
            notes.append,
            seconds=share,
            keep_seen=keep_seen,
        )
        found.append(kind(parts.train, notes.append).fit(tuned.chosen))
        say(f"{found[-1].name}: tuned")
    return found


def _measured(ranker: Ranker, kind: str, parts: Division, keep_seen: bool) -> RankedCandidate:
    """Return the figures of what validates and of what tests."""
    count, started = parts.train.count, time.monotonic()
    validated = ranks_of(ranker.scores, parts.histories, parts.validation, count, keep_seen)
    tested = rank_all(ranker.scores, parts.before_test(), parts.test, count, keep_seen=keep_seen)
    took = 1000 * (time.monotonic() - started) / (2 * len(parts.users))
    return RankedCandidate(
        name=ranker.name,
        settings=dict(ranker.settings),
        validation=float(ndcg(validated, CUT).mean()),
        ranks=tested.ranks,
        lists=asdict(variety(tested.lists, parts.train.counts())),
        milliseconds=took,
        kind=kind,
    )


def _worth_of_order(
    network: Ranker, parts: Division, seed: int, keep_seen: bool
) -> tuple[float, float, int]:
    """Return the NDCG@10 of the network on histories as they are and shuffled, and of how many.

    Where both are alike, the network uses which items a user had and not when.
    """
    rng = np.random.default_rng(derive(seed, "order"))
    chosen = np.sort(rng.permutation(len(parts.users))[:SHUFFLED])
    histories = parts.before_test()
    some = [histories[int(index)] for index in chosen]
    shuffled = [rng.permutation(history) for history in some]
    both = [
        ranks_of(network.scores, each, parts.test[chosen], parts.train.count, keep_seen)
        for each in (some, shuffled)
    ]
    as_is, without = (float(ndcg(found, CUT).mean()) for found in both)
    return as_is, without, len(chosen)


def _remarks(parts: Division, options: InteractionOptions) -> list[str]:
    """Return what a reader of the figures should know."""
    found = []
    never = int((parts.test == NEVER).sum())
    if never:
        found.append(
            f"{never:,} of {len(parts.test):,} tested items never occur in training; nobody can "
            "recommend them, and they count as missed."
        )
    if options.hold_out == "last":
        found.append(
            "The last items of users are held out at different times, so that what others did "
            "later is known; `--set interactions.hold_out=time` of pretrain divides at one time."
        )
    return found


def _samples(
    ranker: Ranker, parts: Division, processor: ItemProcessor, keep_seen: bool
) -> list[dict[str, Any]]:
    """Return tested users: what they had last, what came next, and the first recommendations."""
    histories = parts.before_test()[:SHOWN]
    names = processor.names
    found = []
    for user, history, target, scores in zip(
        parts.users, histories, parts.test, ranker.scores(histories), strict=False
    ):
        if not keep_seen:
            scores[history] = -np.inf
        top = np.argsort(-scores, kind="stable")[:CUT]
        found.append(
            {
                "user": user,
                "history": [names[int(item)] for item in history[-8:]],
                "next": names[int(target)] if target != NEVER else None,
                "recommended": [names[int(item)] for item in top],
            }
        )
    return found


PROTOCOL = Protocol(
    "How high does it rank what each user took next, among all items?",
    run=run,
    needs=frozenset({"vocabulary"}),
    unlabeled=True,
)
