"""Recommending: the best items of the catalogue for each user, at once for a new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.data.columns import LABEL, check_names
from headstart.downstream.interactions.asked import (
    asked,
    check_asked,
    listed,
    meant,
    note_unknown,
)
from headstart.downstream.interactions.catalogue import ITEM_COLUMNS, Catalogue, catalogue_of
from headstart.downstream.interactions.choice import restored
from headstart.downstream.interactions.cold import WithNew
from headstart.downstream.interactions.network import NetworkRanker, network_of
from headstart.downstream.interactions.reasons import reasons_of
from headstart.downstream.interactions.split import known_sequences
from headstart.errors import HeadstartError
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.ranking import top
from headstart.modalities.interactions.ids import name_of
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.timed import TimedHistories
from headstart.outputs import store_of
from headstart.pages.result import Result
from headstart.run import RunFolder
from headstart.stored import opening, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Dataset

    from headstart.config import RecommendConfig
    from headstart.encoders.opening import OpenedEncoder
    from headstart.modalities.interactions.options import InteractionOptions
    from headstart.modalities.interactions.rankers import Ranker

#: Most scores in memory at once.
_CELLS = 2**26
#: Users at once; best items among which different ones are looked for.
_ROWS, _POOL = 256, 100
#: Users that the console shows.
_SHOWN = 10


@dataclass(frozen=True)
class Recommendations(Result):
    """What is recommended to each user.

    Attributes:
        rows: ``{user, rank, item, title, score, new, reasons, reason_titles}`` of each item of each
            list, in order; titles where the run has a table of items, ``new`` where new items were
            asked for, reasons where these were.
        notes: remarks in plain sentences.
    """

    rows: list[dict[str, Any]]
    notes: list[str]

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {"recommendations": self.rows, "notes": self.notes}

    def __str__(self) -> str:
        lines: list[str] = []
        users = list(dict.fromkeys(row["user"] for row in self.rows))
        for user in users[:_SHOWN]:
            lines.append(f"{user}:")
            own = [row for row in self.rows if row["user"] == user]
            shown = _named([row["item"] for row in own], [row.get("title") for row in own])
            width = max(24, min(60, max(map(len, shown))))
            for row, name in zip(own, shown, strict=True):
                because = _named(row.get("reasons") or [], row.get("reason_titles") or [])
                why = f"  because of {', '.join(because)}" if because else ""
                is_new = "  new" if row.get("new") else ""
                lines.append(
                    f"  {row['rank']:>3}  {name:<{width}} {row['score']:8.3f}{is_new}{why}"
                )
        if len(users) > _SHOWN:
            lines.append(f"... and {len(users) - _SHOWN:,} more users; --out FILE writes them all")
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])


def _named(items: Sequence[str], titles: Sequence[str | None]) -> list[str]:
    """Return ids with their titles, where these are known."""
    both = zip(items, titles or [None] * len(items), strict=True)
    return [item if title in (None, item) else f"{item} {title}" for item, title in both]


class Recommender:
    """What ranks the catalogue of a run: opened once, and asked with the options of each request.

    Args:
        run: a run on interactions that predicts items.
        opened: its encoder.
        plan: what is opened: the options that name new items and what ranks.

    Example::

        recommender = Recommender(run, opened, RecommendConfig(run="runs/shop"))
        found = recommender(RecommendConfig(run="runs/shop", history=["12", "7"]), print)
    """

    def __init__(self, run: RunFolder, opened: OpenedEncoder, plan: RecommendConfig) -> None:
        self.run, self.opened, self.plan = run, opened, plan
        #: Remarks on what was opened.
        self.notes: list[str] = []

    @cached_property
    def network(self) -> NetworkRanker:
        """The network as a ranker."""
        opened = self.opened
        return network_of(self.run, opened.encoder, opened.processor, opened.length)

    @cached_property
    def sources(self) -> Dataset | None:
        """The records of the pre-training, where they can still be read."""
        return pretraining_records(self.run, self.opened.modality, self.notes)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The items that are ranked."""
        return catalogue_of(self.run, self.opened, self.network, self.plan, self.notes)

    @cached_property
    def known(self) -> Ranker:
        """What ranks the items with events."""
        processor = cast(ItemProcessor, self.opened.processor)
        return _ranker(
            self.run, self.plan, self.network, processor, lambda: self.sources, self.notes
        )

    @cached_property
    def ranker(self) -> Ranker:
        """What ranks all items of the catalogue."""
        catalogue = self.catalogue
        if catalogue.new is None:
            return self.known
        return WithNew(self.known, catalogue.vectors, catalogue.new)

    def __call__(self, plan: RecommendConfig, say: Callable[[str], None]) -> Recommendations:
        """Rank the catalogue for the users that the options name.

        Raises:
            HeadstartError: no user is named, or an unknown one; the run predicts no items; a list
                of items names none of the catalogue.
        """
        opened = self.opened
        check_asked(plan)
        check_names(plan.columns, opened.modality.content, (LABEL.name, *ITEM_COLUMNS))
        options = cast("InteractionOptions", opened.modality.options)
        processor = cast(ItemProcessor, opened.processor)
        catalogue, notes = self.catalogue, list[str]()

        def sources() -> Dataset | None:
            if self.sources is None:
                notes.extend(self.notes[-1:])  # why they cannot be read
            return self.sources

        users = asked(plan, opened, sources, notes)
        ranker = self.ranker
        vectors = ranker.vectors if isinstance(ranker, WithNew) else catalogue.vectors
        allowed = _allowed(plan, catalogue, notes)
        keep_seen = (options.seen if plan.seen == "auto" else plan.seen) == "keep"
        rows: list[dict[str, Any]] = []
        unknown, nobody, without = list[str](), list[str](), list[str]()
        at_once = max(1, min(_ROWS, _CELLS // len(catalogue.names)))
        for start in range(0, len(users), at_once):
            some = users[start : start + at_once]
            coded = [catalogue.encoded(each.items) for each in some]
            for user, codes in zip(some, coded, strict=True):
                pairs = zip(user.items, codes.tolist(), strict=True)
                unknown += [name for name, code in pairs if code < 0]
                nobody += [] if (codes >= 0).any() else [user.name]
            histories = _histories(coded, [each.times for each in some])
            scores = ranker.scores(histories)
            if not allowed.all():
                scores[:, ~allowed] = -np.inf
            pool = plan.count if plan.diversity == 0 else max(_POOL, plan.count)
            pools = top(scores, None if keep_seen else histories, pool)
            for user, history, row, found in zip(some, histories, scores, pools, strict=True):
                best = _best(row, found[found >= 0], plan.count, plan.diversity, vectors)
                without += [] if len(best) else [user.name]
                why = reasons_of(ranker, history, best) if plan.reasons else None
                rows += _listed(user.name, best, row, why, catalogue)
        if without:
            first, *more = without
            others = f" and {len(more):,} more" if more else ""
            notes.append(
                f"{first}{others}: no item is left to recommend, as all are in the history or are "
                "not allowed; `--seen keep` leaves the history in the lists."
            )
        note_unknown(unknown, processor, notes)
        if nobody:
            notes.append(f"{listed(nobody, 'user')} as new: no item of theirs is known.")
        if plan.out:  # the rows alone are written
            for note in [*self.notes, *notes]:
                say(note)
        return Recommendations(rows, [*self.notes, *notes])


def _listed(
    user: str,
    best: np.ndarray,
    scores: np.ndarray,
    why: Sequence[np.ndarray] | None,
    catalogue: Catalogue,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one list."""
    for index, item in enumerate(best.tolist()):
        name = catalogue.names[item]
        found: dict[str, Any] = {"user": user, "rank": index + 1, "item": name}
        if catalogue.table is not None:
            found["title"] = catalogue.table.known_title(name)
        found["score"] = float(scores[item])
        if catalogue.new is not None:
            found["new"] = item >= catalogue.known
        if why is not None:
            found["reasons"] = [catalogue.names[one] for one in why[index].tolist()]
            if catalogue.table is not None:
                found["reason_titles"] = catalogue.titles(found["reasons"])
        yield found


def _histories(
    coded: Sequence[np.ndarray], times: Sequence[Sequence[float] | None]
) -> Sequence[np.ndarray]:
    """Return the known items of each history, with their times where all have some."""
    kept = [each >= 0 for each in coded]
    items = [each[which] for each, which in zip(coded, kept, strict=True)]
    if any(each is None for each in times):
        return items
    return TimedHistories(
        items, [np.asarray(each)[which] for each, which in zip(times, kept, strict=True)]
    )


def _ranker(
    run: RunFolder,
    plan: RecommendConfig,
    network: Ranker,
    processor: ItemProcessor,
    sources: Callable[[], Dataset | None],
    notes: list[str],
) -> Ranker:
    """Return the network, or what the last evaluation preferred: a blend, or an alternative."""
    file = RunFolder(store_of(run.folder)).ranking_file
    chosen = read_json(file) if file.is_file() else {}
    if plan.by == "network" or not chosen:
        if plan.by == "both":
            raise HeadstartError(
                f"{run.folder} was not evaluated, or the network alone was better, so nothing "
                "stands beside it; run `headstart evaluate` first, or leave out --by both."
            )
        return network
    records = sources()
    if records is None:
        notes.append("The network ranks alone, as the alternative beside it needs these sources.")
        return network
    with opening(file, "make it again with `headstart evaluate`"):
        known = known_sequences(records, processor)
        both = restored(chosen.get("parts", []), network, known, notes.append)
    if network not in both.rankers:
        if plan.by == "both":
            raise HeadstartError(
                f"{run.folder}: the network did not improve on {both.name} where `evaluate` chose, "
                "so they are not blended; leave out --by both, or give --by network."
            )
        notes.append(
            f"{both.name} ranks, as the network did not improve on it where `evaluate` chose; "
            "--by network ranks by the network. It is fitted on all events of the sources, those "
            "that `evaluate` held out included."
        )
        return both
    notes.append(
        "What stands beside the network is fitted on all events of the sources, those that "
        "`evaluate` held out included; the network is as it was trained."
    )
    return both


def _allowed(plan: RecommendConfig, catalogue: Catalogue, notes: list[str]) -> np.ndarray:
    """Return which items (I,) may be recommended.

    Raises:
        HeadstartError: the allowed items are all unknown, or none is left.
    """
    allowed = catalogue.allowed(plan.among)
    if plan.allow is None and plan.deny is None:
        return allowed
    codes = catalogue.codes
    for file, allows in ((plan.allow, True), (plan.deny, False)):
        if file is None:
            continue
        names = [name_of(line.strip('"')) or line for line in _lines(file)]
        known = [codes[name] for name in names if name in codes]
        strange = [name for name in names if name not in codes]
        if allows and not known:
            raise HeadstartError(
                f"{file} names no item that the run knows; write one item in each line, as the "
                f"sources spell it{meant(strange, codes)}"
            )
        if strange:
            notes.append(f"{file}: {listed(strange, 'item')} not in the catalogue of the run.")
        chosen = np.zeros(len(allowed), dtype=bool)
        chosen[known] = True
        allowed &= chosen if allows else ~chosen
    if not allowed.any():
        raise HeadstartError("no item is left to recommend; change --allow or --deny.")
    return allowed


def _lines(file: str) -> Iterator[str]:
    if not Path(file).is_file():
        raise HeadstartError(f"{file} is no file; name a text file with one item in each line.")
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HeadstartError(
            f"{file} cannot be read as lines of items ({error.__class__.__name__}); name a text "
            "file with one item in each line."
        ) from error
    return (line.strip() for line in text.splitlines() if line.strip())


def _best(
    scores: np.ndarray, pool: np.ndarray, most: int, diversity: float, table: np.ndarray
) -> np.ndarray:
    """Return the best items (k,), each unlike those before it where ``diversity`` is high.

    Maximal marginal relevance (Carbonell and Goldstein 1998) among the best hundred, by the cosine
    of the items' vectors.

    Args:
        pool: the items (n,) with the highest scores, best first.
    """
    if diversity == 0 or len(pool) < 2:
        return pool[:most]
    worth = scores[pool] - scores[pool].min()
    worth /= max(float(worth.max()), 1e-12)
    vectors = table[pool] / np.maximum(np.linalg.norm(table[pool], axis=1, keepdims=True), 1e-12)
    like = np.zeros(len(pool))
    chosen: list[int] = []
    for _ in range(min(most, len(pool))):
        value = (1 - diversity) * worth - diversity * like
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
        like = np.maximum(like, vectors @ vectors[chosen[-1]])
    return pool[chosen]
