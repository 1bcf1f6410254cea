"""Texts as batches of token ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.batch import Batch, Rows
from headstart.data.store import stream
from headstart.errors import HeadstartError
from headstart.modalities import Processor, TokenProcessor, Vocabulary, Words
from headstart.modalities.text.companion_texts import CompanionRows, pair_of, stored
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.edits import STRONG_EDITS, check_views, edited, parse_edits
from headstart.modalities.text.tokenizers import sentinel_ids, word_start_table
from headstart.modalities.text.views import VIEWS
from headstart.modalities.tokens.batching import by_length
from headstart.modalities.tokens.token_file import DocumentRows, PackedRows, TokenFile
from headstart.seeding import numbers

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    from headstart.modalities import Processor
    from headstart.modalities.portable import Portable
    from headstart.modalities.text.stored_tokenizer import StoredTokenizer
    from headstart.modalities.text.synonyms import Synonyms
    from headstart.modalities.text.units import TextUnits


CHUNK = 1000
#: More letters than a token has, on average.
LETTERS = 12


class TextProcessor(TokenProcessor):
    """A tokenizer as a processor of texts."""

    content = TEXT
    gives = "input_ids"

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast | StoredTokenizer, segmenter: str = "none"
    ) -> None:
        self.tokenizer = tokenizer
        self.segmenter = segmenter
        if tokenizer.pad_token_id is None:
            # Padding is never read, so any token will do.
            first = tokenizer.convert_ids_to_tokens(0)
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or first
        # A tokenizer of another library may have been saved with truncation and padding.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        self.word_starts = np.array(word_start_table(tokenizer))
        self.vocabulary = vocabulary_of(tokenizer)
        mask = {"mask_token"} if tokenizer.mask_token_id is not None else set()
        # Two parts of a text are separated by a special token.
        parts = {"sentences"} if tokenizer.sep_token_id is not None else set()
        spans = {"sentinels"} if self.vocabulary.sentinel_ids else set()
        always = {"vocabulary", "two_views", "halves", "units"}
        self.provides = frozenset({*always, *mask, *parts, *spans})
        self.keeps_sentences = False

    def configure(self, needs: frozenset[str]) -> None:
        """Take what the objectives need, before texts are prepared; finding sentences is slow."""
        self.keeps_sentences = "sentences" in needs

    def agrees_with(self, other: Processor) -> bool:
        """Return whether both have the same vocabulary."""
        return (
            isinstance(other, TextProcessor)
            and other.tokenizer.get_vocab() == self.tokenizer.get_vocab()
        )

    @cached_property
    def synonyms(self) -> Synonyms:
        """The synonyms of the vocabulary, looked up on first use."""
        from headstart.modalities.text.synonyms import synonyms_of

        return synonyms_of(self.tokenizer, self.word_starts.tolist())

    def encode(self, texts: list[str]) -> list[Any]:
        """Tokenise whole texts, with special tokens."""
        return self.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=True)

    def encode_ids(self, texts: list[str]) -> list[list[int]]:
        """Return ids only, which is faster than :meth:`encode`."""
        backend = self.tokenizer.backend_tokenizer
        return [e.ids for e in backend.encode_batch_fast(texts, add_special_tokens=True)]

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open a token file as packed rows or as one document per row."""
        file = TokenFile.open(folder)
        if layout == "packed":
            return PackedRows(file, length, seed, self.vocabulary.pad_id, self.word_starts)

        def documents(file: TokenFile) -> DocumentRows:
            known = self.vocabulary
            return DocumentRows(
                file, length, seed, known.pad_id, self.word_starts, known.prefix, known.suffix
            )

        others = {name: documents(TokenFile.open(folder / name)) for name in stored(folder)}
        return CompanionRows(documents(file), others) if others else documents(file)

    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records with a ``text`` column into ``input_ids`` and ``mask`` (B,T)."""
        return self.collate_texts(list(records["text"]), length)

    def collate_texts(self, texts: list[str], length: int) -> Batch:
        """Turn texts into ``input_ids`` and ``mask`` (B,T), cut at ``length`` tokens."""
        return self.pad(self.cut(texts, length))

    def typed(self, values: Sequence[str], length: int) -> Batch:
        """Turn typed texts into ``input_ids`` and ``mask`` (B,T)."""
        return self.collate_texts(list(values), length)

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield all records in batches of similar length, with little padding."""
        texts = stream(records, "text")
        for indices, rows in by_length(texts, lambda some: self.cut(some, length), length * size):
            yield indices, self.pad(rows)

    def cut(self, texts: list[str], length: int) -> list[list[int]]:
        """Return the ids of each text, cut at ``length`` tokens."""
        return [_cut(ids, length, self.vocabulary.suffix) for ids in self.encode_ids(texts)]

    def pad(self, rows: list[list[int]]) -> Batch:
        """Turn rows of ids into ``input_ids`` and ``mask`` (B,T), T that of the longest."""
        longest = max(1, max(map(len, rows), default=1))
        ids = np.full((len(rows), longest), self.vocabulary.pad_id, dtype=np.int64)
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
        :data:`headstart.modalities.text.views.VIEWS`, or edits such as ``swap,synonym:0.2`` (see
        :mod:`headstart.modalities.text.edits`).
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
            special[list(self.vocabulary.special_ids)] = True
            special = special.to(batch["input_ids"].device)
            return edited(batch, edits, generator, self.vocabulary.pad_id, special)
        check_views(kind)
        return VIEWS[kind](batch, generator, self.vocabulary.pad_id)

    def show(self, batch: Batch, corrupted: Batch, views: Mapping[str, torch.Tensor]) -> Words:
        """Return the texts as tokens, and below each the network's input and targets."""
        from headstart.modalities.text.scripts import have_spaces
        from headstart.modalities.tokens.preview import sequences_in

        hidden, unknown = self.tokenizer.mask_token_id, self.tokenizer.unk_token_id

        def spell(tokens: Sequence[int]) -> str:
            return str(self.tokenizer.decode(list(tokens))) if len(tokens) else ""

        return Words(sequences_in(batch, corrupted, spell, hidden, unknown, have_spaces))

    def units(self, record: Mapping[str, Any], length: int) -> TextUnits:
        """Return the words of a text."""
        from headstart.modalities.text.units import TextUnits

        return TextUnits(self, record["text"], length)

    def weak_and_strong(
        self, batch: Batch, generator: torch.Generator, kind: str, *, alike: bool
    ) -> tuple[Batch, Batch]:
        """Return the original texts and edited ones; both edited if ``alike``."""
        first, second = self.views(batch, generator, STRONG_EDITS if kind == "auto" else kind)
        return first if alike else batch, second

    def as_records(self) -> Dataset:
        """Return each token as a text of its own, without the marks of its family."""
        from datasets import Dataset

        single = [[index] for index in range(self.vocabulary.size)]
        texts = self.tokenizer.backend_tokenizer.decode_batch(single, skip_special_tokens=False)
        return Dataset.from_dict({"text": [text.removeprefix("##").strip() for text in texts]})

    def passages(self, records: Dataset, most: int, length: int, seed: int) -> Dataset:
        """Return a passage of about ``length`` tokens of each of up to ``most`` texts."""
        from datasets import Dataset

        chosen = np.unique(np.linspace(0, len(records) - 1, most).round().astype(int))
        draws = numbers(seed, "passages").random(len(chosen))
        texts = []
        for start in range(0, len(chosen), CHUNK):
            some = records.select(chosen[start : start + CHUNK])["text"]
            windows = [
                _window(text, LETTERS * length, draw)
                for text, draw in zip(some, draws[start:], strict=False)
            ]
            encoded = self.tokenizer.backend_tokenizer.encode_batch(
                windows, add_special_tokens=False
            )
            texts += [
                text if len(each) <= length else text[: each.offsets[length - 1][1]]
                for text, each in zip(windows, encoded, strict=True)
            ]
        return Dataset.from_dict({"text": texts})

    def portable(self, folder: Path, length: int) -> Portable:
        """Write a tokenizer that cuts and pads by itself."""
        from headstart.modalities.text.portable import portable_texts

        backend, pad = self.tokenizer.backend_tokenizer, self.vocabulary.pad_id
        return portable_texts(backend, pad, folder, length)

    def save(self, folder: Path) -> None:
        """Write the tokenizer, so that ``AutoTokenizer`` opens it, and the token counts."""
        self.tokenizer.save_pretrained(folder)
        if self.vocabulary.counts is not None:
            np.save(folder / "counts.npy", self.vocabulary.counts)


def vocabulary_of(tokenizer: PreTrainedTokenizerFast | StoredTokenizer) -> Vocabulary:
    """Return the vocabulary of a tokenizer; each token has a count of 1."""
    prefix, suffix = _wrapping(tokenizer)
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    padding = tokenizer.pad_token_id
    assert padding is not None  # a processor has seen to that
    return Vocabulary(
        size=len(tokenizer),
        pad_id=int(padding),
        special_ids=tuple(sorted(set(tokenizer.all_special_ids))),
        mask_id=tokenizer.mask_token_id,
        start_id=tokenizer.bos_token_id if start is None else start,
        end_id=tokenizer.eos_token_id if end is None else end,
        unknown_id=tokenizer.unk_token_id,
        prefix=prefix,
        suffix=suffix,
        sentinel_ids=tuple(sentinel_ids(tokenizer)),
        counts=np.ones(len(tokenizer), dtype=np.int64),
    )


def as_text(processor: Processor) -> TextProcessor:
    """Return a processor as one of texts.

    Raises:
        HeadstartError: it is of another kind of data.
    """
    if not isinstance(processor, TextProcessor):
        raise HeadstartError(
            f"texts are needed, and this encoder reads {processor.content.noun}; choose an encoder "
            "of texts."
        )
    return processor


def _wrapping(tokenizer: PreTrainedTokenizerFast | StoredTokenizer) -> tuple[int, int]:
    """Return the numbers of special tokens before and after a text."""
    bare = tokenizer.backend_tokenizer.encode("a", add_special_tokens=False).ids
    full = tokenizer.backend_tokenizer.encode("a", add_special_tokens=True).ids
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return start, len(full) - len(bare) - start
    return 0, 0


def _window(text: str, letters: int, draw: float) -> str:
    """Return ``letters`` of a text, from a place between 0 and 1, where a word begins if it has."""
    start = int(draw * max(0, len(text) - letters))
    window = text[start : start + letters]
    if start == 0:
        return window
    _, space, rest = window.partition(" ")
    return rest if space and rest else window


def _cut(ids: list[int], length: int, suffix: int) -> list[int]:
    """Cut at ``length`` but keep the tokens that close a text."""
    if len(ids) <= length:
        return ids
    return ids[: length - suffix] + ids[len(ids) - suffix :]
