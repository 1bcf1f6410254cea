"""The modality of pictures with captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.data.audit import Audit
from headstart.modalities import Defaults, Modality, Preview, Request
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.corruptions import squared
from headstart.modalities.image.modality import ImageModality
from headstart.modalities.pairs.content import EITHER, PAIRS, has_pictures
from headstart.modalities.pairs.gathering import gathered
from headstart.modalities.pairs.options import PairsOptions
from headstart.modalities.text.modality import TextModality
from headstart.pages.markup import cut
from headstart.stored import read_json

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig, SourceOptions
    from headstart.data.field import Field
    from headstart.modalities import Baseline
    from headstart.modalities.pairs.processor import PairsProcessor
    from headstart.modalities.towers import Finder, Start

#: Characters of a caption in a preview, and most captions that a tokenizer is fitted to.
LETTERS, FITTED = 160, 1_000_000


class PairsModality(Modality):
    """Pictures with one or several captions each, from files, archives, pages and tables."""

    name = "pairs"
    content = PAIRS
    gives = "keys"
    protocols = (
        "cross_retrieval",
        *("classification", "multilabel", "regression", "fewshot", "retrieval", "clustering"),
    )
    provides = frozenset()
    unit = "pixels a side"
    Options = PairsOptions
    options: PairsOptions

    def __init__(self, options: PairsOptions | None = None) -> None:
        super().__init__(options)
        self.pictures, self.texts = ImageModality(), TextModality()
        self._folder: Path | None = None

    @property
    def folder(self) -> Path | None:
        """Of the encoder that it was opened for; with one, records may be of either tower."""
        return self._folder

    @folder.setter
    def folder(self, folder: Path | None) -> None:
        self._folder = folder
        self.content = PAIRS if folder is None else EITHER

    def read(
        self,
        sources: list[str],
        options: SourceOptions,
        audit: Audit,
        cache: Path | None = None,
        *,
        fields: Sequence[Field] = (),
    ) -> Dataset:
        """Read pictures with captions, one record a picture; for a network that exists, either.

        A network reads pictures and captions alike, so that what it is given may lack one of them.
        """
        found = super().read(sources, options, audit, cache, fields=fields)
        return found if self.content is EITHER else gathered(found)

    def inline(self, values: list[str]) -> Dataset:
        """Return typed texts as captions without a picture; each is its own id."""
        return as_captions(values, values)

    def readable(self, records: Dataset, processor: PairsProcessor, audit: Audit) -> Dataset:
        """Return the records whose pictures can be decoded, and those without one."""
        has = has_pictures(records)
        if processor is None or not has.any():
            return records
        chosen = records.select(np.flatnonzero(has))
        good = self.pictures.readable(chosen, cast(Any, processor.pictures), audit)
        if len(good) == len(chosen):
            return records
        kept = set(good["id"])
        names = records["id"][:]
        return records.select([i for i, name in enumerate(names) if not has[i] or name in kept])

    def defaults(self, request: Request) -> Defaults:
        """Return CLIP on two towers, at the size that suits the pictures."""
        objectives, encoder = request.choose("clip", "towers")
        seen = self.pictures.defaults(replace(request, objectives=(), encoder=None))
        return Defaults(objectives, encoder, seen.length)

    def fit(
        self,
        records: Dataset,
        config: PretrainConfig,
        defaults: Finder,
        length: int,
        *,
        patient: bool = False,
    ) -> PairsProcessor:
        """Fit a processor of pictures and one of captions, or take those of what towers begin with.

        Raises:
            HeadstartError: a tower cannot begin with what the options name.
        """
        from headstart.modalities.pairs.processor import CAPTIONS, PICTURES, PairsProcessor
        from headstart.modalities.towers import TowerReader

        usual = self.pictures.defaults(_request(records, length)).encoder
        asked = self.options.picture
        first = defaults.find(usual if asked == "auto" else asked, self.pictures, records, usual)
        written = as_texts(records)
        second = defaults.find(self.options.text, self.texts, written, "light")

        def reader(modality: Modality, start: Start, own: Dataset, length: int) -> TowerReader:
            if start.is_folder:
                processor = modality.reopen(start.encoder, own, config, length)
            else:
                processor = modality.fit(own, config, start.processor_defaults, length)
            return TowerReader(modality.name, processor, length, start.encoder, start.is_folder)

        tokens = min(self.options.tokens, second.length)
        return PairsProcessor(
            {
                PICTURES: reader(self.pictures, first, records, length),
                CAPTIONS: reader(self.texts, second, written, tokens),
            }
        )

    def load(self, folder: str | Path) -> PairsProcessor:
        """Reopen the processors of both towers."""
        from headstart.modalities.pairs.processor import CAPTIONS, FILE, PICTURES, PairsProcessor
        from headstart.modalities.towers import TowerReader

        about = read_json(Path(folder) / FILE, pictures=dict, captions=dict)
        readers = {}
        for name, modality in ((PICTURES, self.pictures), (CAPTIONS, self.texts)):
            its = about[name]
            processor = modality.load(Path(folder) / name)
            readers[name] = TowerReader(
                modality.name, processor, int(its["length"]), str(its["start"]),
                bool(its["is_published"]),
            )  # fmt: skip
        return PairsProcessor(readers)

    def prepare(
        self,
        records: Dataset,
        processor: PairsProcessor,
        folder: Path,
        audit: Audit,
        *,
        learn: bool,
    ) -> None:
        """Decode the pictures, and store the captions beside them.

        Raises:
            HeadstartError: no picture can be decoded; of held-out records none is kept then.
        """
        from headstart.modalities.pairs.processor import PICTURES, STORED

        self.pictures.prepare(
            records.select_columns(["id", "image"]),
            cast(Any, processor.pictures),
            folder / PICTURES,
            audit,
            learn=learn,
        )
        if (folder / PICTURES).is_dir():
            store(records, folder / STORED)
            if learn:
                _count(processor, records)

    def quarantine(self, folder: Path) -> dict[str, str]:
        """Return the pictures that could not be decoded during training."""
        from headstart.modalities.pairs.processor import PICTURES

        return self.pictures.quarantine(folder / PICTURES)

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return the captions of each record, with a thumbnail where it has a picture."""
        captions = records["captions"] if "captions" in records.column_names else None
        names = list(map(str, records["id"]))
        texts = [
            cut(" / ".join(each), LETTERS) if each else name
            for each, name in zip(captions or [None] * len(names), names, strict=True)
        ]
        chosen = np.flatnonzero(has_pictures(records))
        shown = dict[int, bytes]()
        if len(chosen):
            seen = self.pictures.preview(records.select(chosen), side)
            shown = {i: each.image for i, each in zip(chosen.tolist(), seen, strict=True)}
        return [Preview(text, shown.get(index, b"")) for index, text in enumerate(texts)]

    def as_seen(self, records: Dataset, length: int) -> Dataset:
        """Return the pictures as the squares that the encoder reads."""
        return squared(records, length)

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
        """Return the simple alternatives of pictures."""
        return self.pictures.baselines(
            background, train, test, protocol=protocol, seed=seed, progress=progress
        )


def as_texts(records: Dataset) -> Dataset:
    """Return the captions of records as texts, :data:`FITTED` at most."""
    from datasets import Dataset

    texts = list(chain.from_iterable(each or [] for each in records["captions"]))
    texts = texts[:: max(1, len(texts) // FITTED)]
    return Dataset.from_dict({"id": list(map(str, range(len(texts)))), "text": texts})


def as_captions(names: Sequence[str], texts: Sequence[str]) -> Dataset:
    """Return records of captions without pictures."""
    import pyarrow as pa
    from datasets import Dataset

    columns = {
        "id": pa.array(names, pa.string()),
        "image": pa.nulls(len(texts), IMAGE.fields[0].type()),
        "captions": pa.array([[text] for text in texts], PAIRS.fields[1].type()),
    }
    return Dataset(pa.table(columns))


def store(records: Dataset, path: Path) -> None:
    """Write the captions of records, memory-mapped in training."""
    import pyarrow as pa

    schema = pa.schema([("captions", PAIRS.fields[1].type())])
    columns = records.select_columns(["captions"]).with_format("arrow")
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for table in columns.iter(1024):
            stream.write_table(pa.table(table).cast(schema).combine_chunks())


def _count(processor: PairsProcessor, records: Dataset) -> None:
    """Count the tokens of the captions, by which some networks weigh them."""
    vocabulary = processor.texts.vocabulary
    counts = np.zeros(vocabulary.size, dtype=np.int64)
    for batch in records.select_columns(["captions"]).iter(1024):
        texts = [text for each in batch["captions"] for text in each]
        for ids in processor.texts.encode_ids(texts):
            np.add.at(counts, ids, 1)
    processor.texts.vocabulary = replace(vocabulary, counts=counts)


def _request(records: Dataset, length: int) -> Request:
    from headstart.config import Budget

    return Request((), None, length, Budget(1, "epochs"), records, lambda name: length)
