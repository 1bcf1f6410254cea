"""Token files: a corpus tokenised once, memory-mapped, and read as rows by index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from headstart.batch import Batch
from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.seeding import derive, uniform
from headstart.stored import seal


class Document(NamedTuple):
    """A text as tokens.

    Attributes:
        ids: (L,) its tokens.
        words: (L,) True at the first token of a word, if a segmenter found the words.
        sentences: (L,) True at the first token of a sentence, if they were requested, and at the
            special token that closes the text.
    """

    ids: np.ndarray
    words: np.ndarray | None = None
    sentences: np.ndarray | None = None


def write_token_file(folder: Path, documents: Iterable[Document], vocab_size: int) -> np.ndarray:
    """Write documents, whole or not at all, and return the count of each id (V,).

    Flags go to ``words.bin`` and ``sentences.bin``, if there are any.
    """
    dtype = _dtype(vocab_size)
    lengths: list[int] = []
    counts = np.zeros(vocab_size, dtype=np.int64)
    flagged: set[str] = set()
    with whole_folder(folder) as partial:
        with (
            open(partial / "tokens.bin", "wb") as tokens,
            open(partial / "words.bin", "wb") as words,
            open(partial / "sentences.bin", "wb") as sentences,
        ):
            for ids, word_starts, sentence_starts in starmap(Document, documents):
                tokens.write(ids.astype(dtype).tobytes())
                lengths.append(len(ids))
                np.add.at(counts, ids, 1)
                for flags, file in ((word_starts, words), (sentence_starts, sentences)):
                    if flags is not None:
                        flagged.add(Path(file.name).name)
                        file.write(flags.astype(np.uint8).tobytes())
        for name in {"words.bin", "sentences.bin"} - flagged:
            (partial / name).unlink()
        _finish(partial, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), dtype)
    return counts


def write_ids(
    folder: Path,
    ids: np.ndarray,
    offsets: np.ndarray,
    vocab_size: int,
    gaps: np.ndarray | None = None,
) -> np.ndarray:
    """Write documents without flags that are in memory; return the count of each id (V,).

    Args:
        ids: (N,) of all documents, one after another.
        offsets: (documents + 1,) where each begins.
        gaps: (N,) uint8 class of the time before each token, where it is known.
    """
    dtype = _dtype(vocab_size)
    with whole_folder(folder) as partial:
        ids.astype(dtype).tofile(partial / "tokens.bin")
        if gaps is not None:
            gaps.astype(np.uint8).tofile(partial / "gaps.bin")
        _finish(partial, offsets.astype(np.int64), dtype)
    return np.bincount(ids, minlength=vocab_size)


def _dtype(vocab_size: int) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if vocab_size <= 65536 else np.uint32


def _finish(folder: Path, offsets: np.ndarray, dtype: type[np.unsignedinteger[Any]]) -> None:
    """Write what is needed to read the ids, and seal the folder."""
    np.save(folder / "offsets.npy", offsets)
    (folder / "meta.json").write_text(json.dumps({"dtype": np.dtype(dtype).name}))
    seal(folder)


@dataclass
class TokenFile:
    """A memory-mapped corpus.

    Attributes:
        tokens: (N,) ids of all documents, one after another.
        offsets: (documents + 1,) start of each.
        words: (N,) uint8 word-start flags, or None.
        sentences: (N,) uint8 sentence-start flags, or None.
        gaps: (N,) uint8 classes of the time before each token, or None.
        folder: of the files; other processes map it themselves.
    """

    folder: Path
    tokens: np.ndarray
    offsets: np.ndarray
    words: np.ndarray | None
    sentences: np.ndarray | None
    gaps: np.ndarray | None = None

    @classmethod
    def open(cls, folder: Path) -> TokenFile:
        """Map a folder that :func:`write_token_file` wrote.

        Raises:
            HeadstartError: it holds no tokens.
        """
        if (folder / "tokens.bin").stat().st_size == 0:
            raise HeadstartError("the sources hold no tokens; give texts that are not blank.")
        meta = json.loads((folder / "meta.json").read_text())

        def flags(name: str) -> np.ndarray | None:
            file = folder / name
            return np.memmap(file, dtype=np.uint8, mode="r") if file.exists() else None

        return cls(
            folder=folder,
            tokens=np.memmap(folder / "tokens.bin", dtype=meta["dtype"], mode="r"),
            offsets=np.load(folder / "offsets.npy", mmap_mode="r"),
            words=flags("words.bin"),
            sentences=flags("sentences.bin"),
            gaps=flags("gaps.bin"),
        )

    def __reduce__(self) -> tuple[Callable[[Path], TokenFile], tuple[Path]]:
        return TokenFile.open, (self.folder,)


class PackedRows:
    """Full rows cut from the running text; documents that share a row carry ``segments``.

    The corpus is one long sequence, cut every ``length`` tokens from an offset that depends on the
    epoch, so there is no padding and cuts vary. Row ``i`` is found by arithmetic, in constant time.
    Documents must not attend to each other: ``segments`` (B,T) mark them for the encoder, and
    ``positions`` (B,T) restart in each.
    """

    def __init__(
        self, file: TokenFile, length: int, seed: int, pad_id: int, word_starts: np.ndarray
    ) -> None:
        self.file, self.seed, self.pad_id, self.word_starts = file, seed, pad_id, word_starts
        self.length = min(length, len(file.tokens))
        # One row is spare, so that every offset of the cut gives the same number of rows.
        self.count = max(1, len(file.tokens) // self.length - 1)

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        room = len(self.file.tokens) - self.count * self.length
        cut = derive(self.seed, "cut", epoch) % (min(room, self.length) + 1)
        index = cut + indices[:, None] * self.length + np.arange(self.length)
        ids = self.file.tokens[index].astype(np.int64)
        document = np.searchsorted(self.file.offsets, index, side="right") - 1
        begin = np.maximum(self.file.offsets[document], index[:, :1])
        starts = self.word_starts[ids] if self.file.words is None else self.file.words[index] > 0
        return {
            **_sentence_starts(self.file, index),
            **_gaps(self.file, index),
            "input_ids": torch.from_numpy(ids),
            "mask": torch.ones(ids.shape, dtype=torch.bool),
            "segments": torch.from_numpy(document - document[:, :1] + 1),
            "positions": torch.from_numpy(index - begin),
            "word_starts": torch.from_numpy(starts),
        }


@dataclass
class DocumentRows:
    """One document per row, padded to the longest of the batch; of a long one a random window.

    The window of an index in an epoch is a pure function of (seed, epoch, index).
    """

    file: TokenFile
    length: int
    seed: int
    pad_id: int
    word_starts: np.ndarray
    prefix: int = 0
    suffix: int = 0

    def __len__(self) -> int:
        return len(self.file.offsets) - 1

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        begin, end = self.file.offsets[indices], self.file.offsets[indices + 1]
        kept = np.minimum(end - begin, self.length)
        shift = uniform(indices, self.seed, "window", epoch) * (end - begin - kept + 1)
        first = begin + shift.astype(np.int64)
        column = np.arange(max(1, int(kept.max())))
        real = column < kept[:, None]
        index = np.where(real, first[:, None] + column, 0)
        ids = self.file.tokens[index].astype(np.int64)
        self._close(ids, begin, end, kept)
        ids = np.where(real, ids, self.pad_id)
        starts = self.word_starts[ids] if self.file.words is None else self.file.words[index] > 0
        return {
            **_sentence_starts(self.file, index, real),
            **_gaps(self.file, index, real),
            "input_ids": torch.from_numpy(ids),
            "mask": torch.from_numpy(real),
            "word_starts": torch.from_numpy(starts | ~real),
        }

    def _close(self, ids: np.ndarray, begin: np.ndarray, end: np.ndarray, kept: np.ndarray) -> None:
        """Put the special tokens that open and close a document around every window."""
        rows = np.flatnonzero(kept > self.prefix + self.suffix)
        for position in range(self.prefix):
            ids[rows, position] = self.file.tokens[begin[rows] + position]
        for position in range(1, self.suffix + 1):
            ids[rows, kept[rows] - position] = self.file.tokens[end[rows] - position]


def _sentence_starts(file: TokenFile, index: np.ndarray, real: np.ndarray | bool = True) -> Batch:
    """Return ``sentence_starts`` (B,T) of the tokens at ``index``, if they were stored.

    The token that closes a row is flagged if the text before it ends with a sentence.
    """
    if file.sentences is None:
        return {}
    return {"sentence_starts": torch.from_numpy((file.sentences[index] > 0) & real)}


def _gaps(file: TokenFile, index: np.ndarray, real: np.ndarray | bool = True) -> Batch:
    """Return ``gaps`` (B,T) of the tokens at ``index``, if they were stored; 0 is none."""
    if file.gaps is None:
        return {}
    return {"gaps": torch.from_numpy(np.where(real, file.gaps[index], 0).astype(np.int64))}
