"""Interactions: how events become sequences of items, and what training may see of them."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.files import scratch
from headstart.modalities import Baseline, Defaults, Modality, Preview, Request
from headstart.modalities.interactions.content import INTERACTIONS, ROW, names_in
from headstart.modalities.interactions.ids import name_of
from headstart.modalities.interactions.item_reading import check_item_table, table_of
from headstart.modalities.interactions.item_table import ItemTable
from headstart.modalities.interactions.options import InteractionOptions
from headstart.pages.markup import cut

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig, SourceOptions
    from headstart.data.field import Field
    from headstart.modalities.interactions.histories import Histories
    from headstart.modalities.interactions.processor import ItemProcessor

#: Items of a user that an encoder reads by default, and letters of a preview.
LENGTH, LETTERS = 50, 160
#: The networks by default: a catalogue is no language.
SMALL = {"layers": 2, "width": 64, "heads": 2, "dropout": 0.5}
#: Beyond these a longer budget gains nothing: on Amazon's Beauty 60 rank no better than 30
#: (docs/log.md).
MOST_EPOCHS = 40
#: BERT4Rec's: all chosen items are hidden, of some sequences the last one alone.
HIDDEN: dict[str, Any] = {
    "mask_ratio": 0.2,
    "mask_share": 1.0,
    "random_share": 0.0,
    "last_share": 0.1,
}
#: The largest catalogue whose softmax is full: a step of 64 rows takes 3 seconds there.
LARGE = 100_000
#: Steps of an epoch, where a step has at least and at most so many rows.
STEPS, FEWEST_ROWS, MOST_ROWS = 80, 16, 256


class InteractionsModality(Modality):
    """What users viewed, bought or listened to, in the order of time."""

    name = "interactions"
    content = INTERACTIONS
    gives = "input_ids"
    protocols = ("next_item", "classification", "regression", "fewshot", "clustering")
    provides = frozenset({"vocabulary", "two_views", "mask_token"})
    unit = "items a row"
    recommender = "headstart.downstream.interactions.recommend:Recommender"
    parts = "headstart.downstream.interactions.similar:parts"
    Options = InteractionOptions
    options: InteractionOptions

    # -- from sources to sequences ---------------------------------------------------------------

    def read(
        self,
        sources: list[str],
        options: SourceOptions,
        audit: Audit,
        cache: Path | None = None,
        *,
        fields: Sequence[Field] = (),
    ) -> Dataset:
        """Read events or sequences; return a record of each user: ``id``, ``items``, ``times``.

        Events of all sources are gathered by user. ``times`` are None where none are known; a
        ``label`` is the last that a row of the user has.
        """
        from headstart.data.columns import LABEL
        from headstart.data.sources import read
        from headstart.modalities.interactions.records import labels_of, stored
        from headstart.modalities.interactions.rows import tidied

        rows = read(
            sources,
            content=ROW,
            columns=options.columns,
            document=options.document,
            encoding=options.encoding,
            audit=audit,
            cache=cache,
        )
        earlier = audit.kept - len(rows)
        if all(rows.data.column(name).null_count == len(rows) for name in ("item", "items")):
            raise HeadstartError(
                "no column of items was found; name it with --column item=COLUMN (and the users' "
                "with --column user=COLUMN), or --column items=COLUMN where a row has them all."
            )
        table = tidied(rows, audit, self.options)
        found = self._sequences(table, audit)
        labels = labels_of(table, found)
        own = replace(LABEL, required=False)
        wanted = [*self.content.fields, *([own] if labels is not None else [])]
        key = repr((tuple(sources), sorted(options.columns.items()), self.options))
        name = f"sequences-{hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()}.arrow"
        path = (cache or Path(tempfile.mkdtemp(dir=scratch()))) / name
        records = stored(path, wanted, found, labels)
        audit.kept = earlier + len(records)
        # A sequence may be gathered from several sources, so that none has a number of its own.
        audit.sources = Counter({", ".join(map(str, sources[:3])): len(records)})
        audit.duplicates = self.content.count_repeats(records, audit)
        return records

    def _sequences(self, table: pa.Table, audit: Audit) -> Histories:
        from headstart.modalities.interactions.histories import events_of, gathered, sequences_of

        events = events_of(table, audit, self.options)
        if self.options.session_gap is not None and events.times is None:
            raise HeadstartError(
                "interactions.session_gap needs the time of each event; name its column with "
                "--column time=COLUMN."
            )
        return sequences_of(gathered(events, audit, self.options), self.options)

    def check_files(self) -> None:
        """Refuse a table of items that is not there."""
        if self.options.item_table is not None:
            check_item_table(self.options.item_table)

    def inline(self, values: list[str]) -> Dataset:
        """Return histories that were typed as ``"12,7,9"``, the latest item last."""
        from datasets import Dataset

        found = [names_in(value) or [] for value in values]
        for value, items in zip(values, found, strict=True):
            if not items or name_of(items[0]) is None:
                raise HeadstartError(f"{value!r} is neither a file nor a list such as 12,7,9.")
        names = [str(number) for number in range(1, len(values) + 1)]
        return Dataset.from_dict({"id": names, "items": found})

    def trained_on(self, records: Dataset) -> Dataset:
        """Return what training may see: without what ``hold_out`` leaves for the verdict."""
        from headstart.modalities.interactions.held_out import held_out

        return held_out(records, self.options).train

    # -- from sequences to batches ---------------------------------------------------------------

    def defaults(self, request: Request) -> Defaults:
        """Predict each next item from those before it, as SASRec does.

        The network is small and its dropout high: most items are rare, and a network that overfits
        ranks worse than the simple alternatives.
        """
        from headstart.modalities.interactions.lists import lists_of

        objectives, encoder = request.choose("clm", "bert")
        items = lists_of(request.records, "items")
        longest = int(items.lengths.max(initial=1))
        length = request.length or min(LENGTH, max(4, longest))
        steps = len(items.values) // (length * STEPS)
        large = len(items.values.unique()) > LARGE
        sampled: dict[str, Any] = {"loss": "sampled"} if large else {}
        options = {"clm": sampled, "mlm": HIDDEN | sampled}
        return Defaults(
            objectives,
            encoder,
            length,
            most_epochs=MOST_EPOCHS,
            objective_options={name: own for name, own in options.items() if name in objectives},
            encoder_options=SMALL,
            batch_size=min(MOST_ROWS, max(FEWEST_ROWS, steps)),
            optimizer={"name": "adamw", "learning_rate": 2e-3},
        )

    def fit(
        self,
        records: Dataset,
        config: PretrainConfig,
        defaults: None,
        length: int,
        *,
        patient: bool = False,
    ) -> ItemProcessor:
        """Collect the catalogue: all items of the training records, the commonest first."""
        from headstart.modalities.interactions.processor import ItemProcessor

        processor = ItemProcessor.fitted(records, from_end=self.options.positions == "end")
        processor.table = table_of(self.options)
        return processor

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> ItemProcessor:
        """Return the catalogue of the encoder whose training continues.

        Its table of items goes on to serve, unless another one is named.
        """
        processor = self.load(start)
        if self.options.item_table is not None:
            processor.table = table_of(self.options)
        return processor

    def load(self, folder: str | Path) -> ItemProcessor:
        """Reopen the catalogue of an encoder folder."""
        from headstart.modalities.interactions.processor import ItemProcessor

        return ItemProcessor.load(Path(folder))

    def prepare(
        self,
        records: Dataset,
        processor: ItemProcessor,
        folder: Path,
        audit: Audit,
        *,
        learn: bool,
    ) -> None:
        """Store the ids of the items in a memory-mapped file, and count them."""
        counts = processor.store(records, folder)
        if learn:
            processor.vocabulary = replace(processor.vocabulary, counts=counts)
            processor.trained = processor.trained.then(records)

    # -- what it looks like, and what it is compared with ----------------------------------------

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return the latest items of each sequence, in the order of time, by title if known."""
        table = table_of(self.options) if self.folder is None else ItemTable.load(self.folder)
        if table is None:
            return [Preview(_latest(items) or "(empty)") for items in records["items"]]
        titled = (list(map(table.title_of, items)) for items in records["items"])
        return [Preview(_latest(items, " · ") or "(empty)") for items in titled]

    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        protocol: str = "classification",
        seed: int,
        progress: Progress | None,
    ) -> Iterable[Baseline]:
        """Return bags of items for labels of users; see :mod:`.bags` of this room."""
        from headstart.modalities.interactions.bags import bags

        return bags(background, train, test, seed=seed)


def _latest(items: list[str], between: str = " ") -> str:
    """Return as many of the last items as a preview has room for."""
    shown: list[str] = []
    for item in reversed(items):
        if sum(map(len, shown)) + len(between) * len(shown) + len(item) > LETTERS:
            return between.join(["...", *reversed(shown)]) if shown else cut(item, LETTERS)
        shown.append(item)
    return between.join(reversed(shown))
