"""Text: documents become token rows, and everything discrete follows from the tokenizer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from headstart.batch import Batch, Rows
from headstart.data.audit import Audit
from headstart.data.overlap import Overlap, overlap
from headstart.data.sources import read
from headstart.errors import HeadstartError, did_you_mean
from headstart.modalities import DiscreteTargets, TokenizerWish
from headstart.modalities.companions import COMPANIONS, CompanionRows, pair_of, stored
from headstart.modalities.sentences import sentence_flags
from headstart.modalities.text_edits import EDITS, LOOKED_UP, edited, parse_edits
from headstart.modalities.text_views import VIEWS
from headstart.modalities.token_file import (
    Document,
    DocumentRows,
    PackedRows,
    TokenFile,
    write_token_file,
)
from headstart.modalities.tokenizers import (
    CHARACTERS,
    fit_tokenizer,
    sample,
    sentinel_ids,
    word_start_table,
)
from headstart.modalities.words import is_unspaced, jieba_word_starts, require_jieba

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import PretrainConfig, SourceOptions
    from headstart.modalities.synonyms import Synonyms

CHUNK = 1000


class TextProcessor:
    """A tokenizer, and what objectives and loaders ask of it."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, segmenter: str = "none") -> None:
        self.tokenizer = tokenizer
        self.segmenter = segmenter
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        self.pad_id = int(tokenizer.pad_token_id)
        # A foreign tokenizer may have been saved with a length to cut and to fill up to.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        self.word_starts = np.array(word_start_table(tokenizer))
        self.prefix, self.suffix = _wrapping(tokenizer)
        self.counts = np.ones(len(tokenizer), dtype=np.int64)
        mask = {"mask_token"} if tokenizer.mask_token_id is not None else set()
        # Two parts of a text are told apart by the token that stands between them.
        parts = {"sentences"} if tokenizer.sep_token_id is not None else set()
        self.sentinels = sentinel_ids(tokenizer)
        spans = {"sentinels"} if self.sentinels else set()
        self.provides = frozenset({"discrete_targets", "two_views", *mask, *parts, *spans})
        self.keeps_sentences = False

    def heed(self, needs: frozenset[str]) -> None:
        """Learn what the objectives ask for, before texts are prepared: finding sentences costs."""
        self.keeps_sentences = "sentences" in needs

    @property
    def targets(self) -> DiscreteTargets:
        """The vocabulary as a set of targets."""
        mask = self.tokenizer.mask_token_id
        return DiscreteTargets(
            size=len(self.tokenizer),
            mask_id=self.pad_id if mask is None else int(mask),
            special_ids=tuple(sorted(set(self.tokenizer.all_special_ids))),
        )

    @cached_property
    def synonyms(self) -> Synonyms:
        """What each token of the vocabulary can be exchanged for; looked up when first asked."""
        from headstart.modalities.synonyms import synonyms_of

        return synonyms_of(self.tokenizer, self.word_starts.tolist())

    def encode(self, texts: list[str]) -> list[Any]:
        """Tokenise texts, whole, with the special tokens around each."""
        return self.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=True)

    def encode_ids(self, texts: list[str]) -> list[list[int]]:
        """Return ids only, which is faster than :meth:`encode`."""
        backend = self.tokenizer.backend_tokenizer
        return [e.ids for e in backend.encode_batch_fast(texts, add_special_tokens=True)]

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open a token file as packed rows or as one document a row."""
        file = TokenFile.open(folder)
        if layout == "packed":
            return PackedRows(file, length, seed, self.pad_id, self.word_starts)

        def documents(file: TokenFile) -> DocumentRows:
            return DocumentRows(
                file, length, seed, self.pad_id, self.word_starts, self.prefix, self.suffix
            )

        others = {name: documents(TokenFile.open(folder / name)) for name in stored(folder)}
        return CompanionRows(documents(file), others) if others else documents(file)

    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records with a ``text`` column into ``input_ids`` and ``mask`` (B,T)."""
        return self.collate_texts(list(records["text"]), length)

    def collate_texts(self, texts: list[str], length: int) -> Batch:
        """Turn texts into ``input_ids`` and ``mask`` (B,T), cut at ``length`` tokens."""
        return self.pad(self.cut(texts, length))

    def cut(self, texts: list[str], length: int) -> list[list[int]]:
        """Return the ids of each text, cut at ``length`` tokens."""
        return [_cut(ids, length, self.suffix) for ids in self.encode_ids(texts)]

    def pad(self, rows: list[list[int]]) -> Batch:
        """Turn rows of ids into ``input_ids`` and ``mask`` (B,T), T that of the longest."""
        longest = max(1, max(map(len, rows), default=1))
        ids = np.full((len(rows), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=bool)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = True
        return {"input_ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}

    def views(
        self,
        batch: Batch,
        generator: torch.Generator,
        kind: str,
        *,
        local: int = 0,
        side: int | None = None,
    ) -> tuple[Batch, ...]:
        """Return two views of each text.

        ``kind`` is ``pairs`` (the text and the second text of its record), one of
        :data:`headstart.modalities.text_views.VIEWS`, or edits such as ``swap,synonym:0.2`` (see
        :mod:`headstart.modalities.text_edits`).
        """
        if local or side:
            raise HeadstartError("views of texts have no pixels; leave out local and side.")
        if kind == "pairs":
            return pair_of(batch)
        batch = {key: tensor for key, tensor in batch.items() if "/" not in key}
        kind = "disjoint" if kind == "auto" else kind
        edits = parse_edits(kind, {"synonym": lambda: self.synonyms})
        if edits:
            special = torch.zeros(len(self.tokenizer), dtype=torch.bool)
            special[list(self.targets.special_ids)] = True
            special = special.to(batch["input_ids"].device)
            return edited(batch, edits, generator, self.pad_id, special)
        if kind not in VIEWS:
            known = ["pairs", *VIEWS, *EDITS, *LOOKED_UP]
            raise HeadstartError(f"texts have no views {kind!r}{did_you_mean(kind, known)}")
        return VIEWS[kind](batch, generator, self.pad_id)

    def save(self, folder: Path) -> None:
        """Write the tokenizer, so that ``AutoTokenizer`` opens it, and the token counts."""
        self.tokenizer.save_pretrained(folder)
        np.save(folder / "counts.npy", self.counts)


class TextModality:
    """Texts from anywhere."""

    name = "text"
    content = "text"
    unit = "tokens a row"
    default_objective = "mlm"
    encoder_for: ClassVar[Mapping[str, str]] = {
        "mlm": "modernbert",
        "clm": "gpt",
        "nsp": "modernbert",
        "sop": "modernbert",
        "bert": "bert",
        "albert": "bert",
        "word_order": "modernbert",
        "electra": "modernbert",
        "prefix": "modernbert",
        "unilm": "modernbert",
        "plm": "xlnet",
        "span_corruption": "t5",
        "bart": "t5",
        "gap_sentences": "t5",
        "tsdae": "bert",
        "simcse": "modernbert",
    }
    objective_for: ClassVar[Mapping[str, str]] = {"light": "contrast", "gpt": "clm"}

    def read(
        self, sources: list[str], options: SourceOptions, audit: Audit, cache: Path | None = None
    ) -> Dataset:
        """Read sources into records with ``id``, ``text``, and ``label`` where there is one."""
        return read(
            sources,
            content="text",
            content_column=options.text_column,
            label_column=options.label_column,
            document=options.document,
            audit=audit,
            cache=cache,
        )

    def readable(self, records: Dataset, processor: TextProcessor, audit: Audit) -> Dataset:
        """Return all records: what is no text was set aside when it was read."""
        return records

    def default_encoder(self, records: Dataset) -> str:
        """Return the light encoder: on small budgets it beats deeper ones (see ``docs/log.md``)."""
        return "light"

    def natural_length(self, records: Dataset, longest: int) -> int:
        """Return ``longest``: rows are packed, or padded to the longest of a batch only."""
        return longest

    def fit(
        self, records: Dataset, config: PretrainConfig, wish: TokenizerWish, length: int
    ) -> TextProcessor:
        """Fit a tokenizer to the records; what the user leaves open is as the encoder wishes."""
        options = config.tokenizer
        texts = records["text"]
        if options.kind == "auto" and wish.unspaced and is_unspaced(list(texts[:200])):
            wish = wish.unspaced
        kind = wish.kind if options.kind == "auto" else options.kind
        tokenizer = fit_tokenizer(
            sample(texts, characters=CHARACTERS.get(kind, 50_000_000)),
            kind=kind,
            vocab_size=options.vocab_size or wish.vocab_size,
            lowercase=wish.lowercase if options.lowercase is None else options.lowercase,
            wrap=wish.wrap,
            length=length,
            sentinels=wish.sentinels,
        )
        return self._with_segmenter(tokenizer, records, config)

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> TextProcessor:
        """Take the tokenizer of the encoder to go on from."""
        tokenizer = self.load(start).tokenizer
        # Where other libraries shall cut.
        tokenizer.model_max_length = length
        return self._with_segmenter(tokenizer, records, config)

    def _with_segmenter(
        self, tokenizer: PreTrainedTokenizerFast, records: Dataset, config: PretrainConfig
    ) -> TextProcessor:
        """Attach the word segmenter where whole words are asked for and need one."""
        whole_words = any(o.get("whole_word") for o in config.objective_options.values())
        wanted = config.tokenizer.segmenter
        if wanted == "auto":
            dense = whole_words and is_unspaced(list(records["text"][:200]))
            wanted = "jieba" if dense else "none"
        if wanted == "jieba":
            require_jieba()
        return TextProcessor(tokenizer, wanted)

    def load(self, folder: str | Path) -> TextProcessor:
        """Reopen the tokenizer that lies in an encoder folder, or that a hub name stands for."""
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise HeadstartError(
                f"no tokenizer can be read from {folder}: {str(error).splitlines()[0]}; give the "
                "folder of an encoder that was saved with its tokenizer."
            ) from None
        processor = TextProcessor(tokenizer)
        counts = Path(folder) / "counts.npy"
        if counts.is_file():
            processor.counts = np.load(counts, allow_pickle=False)
        return processor

    def prepare(
        self,
        records: Dataset,
        processor: TextProcessor,
        folder: Path,
        audit: Audit,
        *,
        learn: bool,
    ) -> None:
        """Tokenise records once into a memory-mapped token file, and count the tokens.

        The texts of the columns :data:`headstart.modalities.companions.COMPANIONS` lie beside it.
        """
        size = len(processor.tokenizer)
        counts = write_token_file(folder, _tokenised(records, processor), size)
        for name in COMPANIONS:
            if name in records.column_names:
                documents = _tokenised(records, processor, name)
                counts = counts + write_token_file(folder / name, documents, size)
        if learn:
            processor.counts = counts

    def set_aside(self, folder: Path) -> dict[str, str]:
        """Return nothing: every text was read before training."""
        return {}

    def overlap(self, background: Dataset, tested: Dataset) -> Overlap:
        """Find the test texts that also occur in the pre-training data, or nearly do."""
        return overlap(background, tested, "text")


def _tokenised(
    records: Dataset, processor: TextProcessor, column: str = "text"
) -> Iterator[Document]:
    segmented, sentences = processor.segmenter != "none", processor.keeps_sentences
    for start in range(0, len(records), CHUNK):
        texts = records[start : start + CHUNK][column]
        if not (segmented or sentences):
            for ids in processor.encode_ids(texts):
                yield Document(np.asarray(ids, dtype=np.int64))
            continue
        for text, encoding in zip(texts, processor.encode(texts), strict=True):
            yield Document(
                np.asarray(encoding.ids, dtype=np.int64),
                jieba_word_starts(text, encoding.offsets) if segmented else None,
                sentence_flags(text, encoding.offsets) if sentences else None,
            )


def _wrapping(tokenizer: PreTrainedTokenizerFast) -> tuple[int, int]:
    """Return how many special tokens stand before and after a text."""
    bare = tokenizer.backend_tokenizer.encode("a", add_special_tokens=False).ids
    full = tokenizer.backend_tokenizer.encode("a", add_special_tokens=True).ids
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return start, len(full) - len(bare) - start
    return 0, 0


def _cut(ids: list[int], length: int, suffix: int) -> list[int]:
    """Cut at ``length`` but keep the tokens that close a text."""
    if len(ids) <= length:
        return ids
    return ids[: length - suffix] + ids[len(ids) - suffix :]


os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
