"""Words as rows of tokens: tokenised one by one, long texts in windows, one label per word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer

from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.modalities.text.processor import TextProcessor

#: Label of a position that the loss ignores.
IGNORED = -100


class WordTokenizer:
    """Tokenises a text word by word, so that no token spans two words.

    A word keeps the space before it, for tokenizers that encode spaces; one that prepends a space
    to every text must not do so within a run of Chinese characters.

    Args:
        processor: the encoder's :class:`headstart.modalities.text.processor.TextProcessor`.

    Attributes:
        before, after: the special ids around a text.
        leads: whether the tokenizer prepends a space to every text.
    """

    def __init__(self, processor: TextProcessor) -> None:
        backend = processor.tokenizer.backend_tokenizer
        around = processor.encode([""])[0].ids
        self.before = around[: processor.vocabulary.prefix]
        self.after = around[processor.vocabulary.prefix :]
        self._bare = Tokenizer.from_str(_without_spaces(backend.to_str()))
        alone = backend.encode("a", add_special_tokens=False).tokens
        self.leads = self._bare.encode("a", add_special_tokens=False).tokens != alone
        unknown = processor.vocabulary.unknown_id
        self._unknown = processor.vocabulary.pad_id if unknown is None else int(unknown)
        self._known: dict[str, tuple[list[int], int]] = {}

    def ids(self, text: str, *, spaced: bool) -> list[int]:
        """Return the ids of a part of a text, after a space if ``spaced``."""
        piece = (" " if spaced else "") + text
        return list(self._bare.encode(piece, add_special_tokens=False).ids)

    def words(self, text: str, starts: list[int], ends: list[int]) -> list[tuple[list[int], int]]:
        """Return for each word its ids, at least one, and the index of the first that has content.

        That is 0, unless the tokenizer makes a token of the space before the word.
        """
        pieces = []
        for start, end in zip(starts, ends, strict=True):
            spaced = text[start - 1].isspace() if start else self.leads
            pieces.append((" " if spaced else "") + text[start:end])
        fresh = list(dict.fromkeys(piece for piece in pieces if piece not in self._known))
        for piece, found in zip(
            fresh, self._bare.encode_batch(fresh, add_special_tokens=False), strict=True
        ):
            full = [index for index, (a, b) in enumerate(found.offsets) if piece[a:b].strip()]
            self._known[piece] = (found.ids or [self._unknown], full[0] if full else 0)
        return [self._known[piece] for piece in pieces]


class WordRows:
    """Windows of ``length`` tokens over the words of records; a row is one window.

    Args:
        processor: the encoder's processor.
        records: with ``text``, ``starts`` and ``ends``, and ``tags`` where there are labels.
        length: most tokens of a row.
        labels: the tags in the order of their ids; other tags are ignored.

    Attributes:
        tags: the tags of each record, or None.
    """

    def __init__(
        self,
        processor: TextProcessor,
        records: Dataset,
        length: int,
        labels: list[str] | None = None,
    ) -> None:
        tokenizer = WordTokenizer(processor)
        self.pad_id = processor.vocabulary.pad_id
        self.tags: list[list[str]] | None = list(records["tags"]) if labels else None
        index = {label: number for number, label in enumerate(labels or [])}
        room = length - len(tokenizer.before) - len(tokenizer.after)
        if room < 1:
            raise HeadstartError(f"a row of {length} tokens has no room for words; choose more.")
        self._rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]] = []
        for number, record in enumerate(records):
            words = tokenizer.words(record["text"], record["starts"], record["ends"])
            targets = [index.get(tag, IGNORED) for tag in record["tags"]] if labels else []
            for first, last in _windows([len(ids) for ids, _ in words], room):
                ids, heads = list(tokenizer.before), []
                for one, head in words[first:last]:
                    heads.append(len(ids) + min(head, room - 1))
                    ids += one[:room]
                row = np.array(ids + tokenizer.after, dtype=np.int32)
                learned = np.array(targets[first:last], dtype=np.int64)
                self._rows.append((row, np.array(heads, dtype=np.int64), learned, number))

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return windows at ``indices`` (n,): ``input_ids``, ``mask`` and ``word_starts`` (n,T).

        ``record`` (n,) is the record of each; with labels there are ``labels`` (n,T), a class at
        the first token of each word and -100 elsewhere.
        """
        rows = [self._rows[index] for index in indices]
        longest = max(1, max((len(row[0]) for row in rows), default=1))
        ids = np.full((len(rows), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=bool)
        starts = np.zeros((len(rows), longest), dtype=bool)
        labels = np.full((len(rows), longest), IGNORED, dtype=np.int64)
        for at, (tokens, heads, learned, _) in enumerate(rows):
            ids[at, : len(tokens)] = tokens
            mask[at, : len(tokens)] = True
            starts[at, heads] = True
            if self.tags is not None:
                labels[at, heads] = learned
        batch = {
            "input_ids": torch.from_numpy(ids),
            "mask": torch.from_numpy(mask),
            "word_starts": torch.from_numpy(starts),
            "record": torch.tensor([row[3] for row in rows], dtype=torch.long),
        }
        return batch if self.tags is None else {**batch, "labels": torch.from_numpy(labels)}


def _windows(lengths: list[int], room: int) -> list[tuple[int, int]]:
    """Split words into runs that fit: pairs of first and last (exclusive); no words are one run."""
    cuts, filled = [0], 0
    for index, length in enumerate(lengths):
        size = min(length, room)
        if filled and filled + size > room:
            cuts.append(index)
            filled = 0
        filled += size
    return list(zip(cuts, [*cuts[1:], len(lengths)], strict=True))


def _without_spaces(spec: str) -> str:
    """Return a tokenizer that prepends no space, and neither truncates nor pads."""

    def bare(part: Any) -> Any:
        if isinstance(part, list):
            return [bare(item) for item in part if not _prepends(item)]
        if not isinstance(part, dict):
            return part
        changes = {"add_prefix_space": False, "prepend_scheme": "never"}
        return {name: changes.get(name, bare(value)) for name, value in part.items()}

    known = json.loads(spec)
    for step in ("pre_tokenizer", "normalizer"):
        known[step] = None if _prepends(known[step]) else bare(known[step])
    return json.dumps({**known, "truncation": None, "padding": None})


def _prepends(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "Prepend"
