"""A tokenizer that this library stored, opened without Transformers.

Importing Transformers and its table of all tokenizers takes longer than all the rest that a light
encoder needs to answer. What training, search and serving ask of a tokenizer is in
``tokenizer.json``, which the ``tokenizers`` library reads alone, and in the names of the special
tokens beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from headstart.files import write_json
from headstart.stored import read_json

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"
#: Classes of Transformers that are the file and nothing more.
_PLAIN = ("TokenizersBackend", "PreTrainedTokenizerFast")
_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
_EXTRA = "extra_special_tokens"
#: Files of earlier versions of Transformers, which it still reads.
_EARLIER = ("special_tokens_map.json", "added_tokens.json")
#: Settings that change no token, or are read here.
_KNOWN = {
    *("backend", "is_local", "local_files_only", "model_max_length", "tokenizer_class"),
    *("clean_up_tokenization_spaces", _EXTRA, *_NAMES),
}


class StoredTokenizer:
    """The part of ``PreTrainedTokenizerFast`` that texts need, with the same names and results.

    Args:
        backend: reads texts.
        settings: as ``tokenizer_config.json`` has them.

    Example::

        tokenizer = StoredTokenizer.open(Path("runs/reviews/encoder"))
        tokenizer.decode(tokenizer.backend_tokenizer.encode("a good film").ids)
    """

    bos_token: str | None
    eos_token: str | None
    unk_token: str | None
    sep_token: str | None
    pad_token: str | None
    cls_token: str | None
    mask_token: str | None
    bos_token_id: int | None
    eos_token_id: int | None
    unk_token_id: int | None
    sep_token_id: int | None
    pad_token_id: int | None
    cls_token_id: int | None
    mask_token_id: int | None

    def __init__(self, backend: Tokenizer, settings: dict[str, Any]) -> None:
        self.backend_tokenizer = backend
        self._settings = settings
        for name in _NAMES:
            token = settings.get(name)
            setattr(self, name, token)
            setattr(self, f"{name}_id", None if token is None else backend.token_to_id(token))

    @classmethod
    def open(cls, folder: Path) -> StoredTokenizer | None:
        """Open the tokenizer of a folder; None where Transformers alone knows what it does.

        Raises:
            HeadstartError: a file is no JSON.
            Exception: the tokenizer is damaged.
        """
        if not all(os.path.isfile(folder / name) for name in (TOKENIZER, SETTINGS)):
            return None
        settings = read_json(folder / SETTINGS)
        extra = settings.get(_EXTRA) or []
        named = [settings[name] for name in _NAMES if settings.get(name) is not None]
        is_plain = (
            settings.get("tokenizer_class") in _PLAIN
            and settings.get("clean_up_tokenization_spaces") is False
            and settings.get("pad_token") is not None
            and settings.keys() <= _KNOWN
            and not any(os.path.lexists(folder / name) for name in _EARLIER)
            and isinstance(extra, list)
            and all(isinstance(name, str) for name in [*named, *extra])
        )
        if not is_plain:
            return None
        backend = Tokenizer.from_file(str(folder / TOKENIZER))
        # Transformers adds, or makes special, what the file does not have so.
        known = backend.get_added_tokens_decoder().values()
        is_whole = {*named, *extra} <= {token.content for token in known if token.special}
        return cls(backend, settings) if is_whole else None

    def __len__(self) -> int:
        return int(self.backend_tokenizer.get_vocab_size(with_added_tokens=True))

    def get_vocab(self) -> dict[str, int]:
        """Return the id of each token."""
        return self.backend_tokenizer.get_vocab(with_added_tokens=True)

    def convert_ids_to_tokens(self, ids: int | Iterable[int]) -> Any:
        """Return the token of an id, or of each of several."""
        if isinstance(ids, int):
            return self.backend_tokenizer.id_to_token(ids)
        return [self.backend_tokenizer.id_to_token(index) for index in ids]

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of the special tokens."""
        named = [getattr(self, name) for name in _NAMES]
        tokens = [name for name in [*named, *(self._settings.get(_EXTRA) or ())] if name]
        ids = [self.backend_tokenizer.token_to_id(token) for token in dict.fromkeys(tokens)]
        return [index for index in ids if index is not None]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """Return ids as a text."""
        return str(self.backend_tokenizer.decode(_plain(ids), skip_special_tokens))

    def batch_decode(
        self, rows: Iterable[Sequence[int]], skip_special_tokens: bool = False
    ) -> list[str]:
        """Return rows of ids as texts."""
        return [self.decode(row, skip_special_tokens) for row in rows]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the two files, as they were read."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.backend_tokenizer.save(str(Path(folder) / TOKENIZER))
        write_json(Path(folder) / SETTINGS, self._settings)


def _plain(ids: Sequence[int]) -> list[int]:
    """Return ids, which may be a tensor's, as Python's own numbers."""
    return [int(index) for index in ids]
