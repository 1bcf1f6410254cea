"""Texts without this library: a tokenizer file that cuts and pads by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from headstart.modalities.portable import Portable

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "tokenizer.json"
_CODE = f"""\
tokenizer = Tokenizer.from_file(str(HERE / "{FILE}"))


def read(texts):
    rows = tokenizer.encode_batch(texts)
    ids = np.array([row.ids for row in rows], np.int64)
    mask = np.array([row.attention_mask for row in rows], np.int64)
    return {{"input_ids": ids, "attention_mask": mask}}
"""


def portable_texts(tokenizer: Tokenizer, pad: int, folder: Path, length: int) -> Portable:
    """Write ``tokenizer.json`` with the cut at ``length`` tokens and the padding in it."""
    backend = Tokenizer.from_str(tokenizer.to_str())
    backend.enable_truncation(length)
    backend.enable_padding(pad_id=pad, pad_token=backend.id_to_token(pad) or "[PAD]")
    backend.save(str(folder / FILE))
    dims = {1: "length"}
    return Portable(
        tensors={"input_ids": "input_ids", "attention_mask": "mask"},
        lengths={"input_ids": dims, "attention_mask": dims},
        imports=("from tokenizers import Tokenizer",),
        code=_CODE,
        usage='"a text"',
        packages=("tokenizers",),
        values=typed,
        settings={"tokenizer": FILE, "length": length, "pad_id": pad},
        limits=(f"a text is cut after {length:,} tokens.",),
    )


def typed(records: Dataset, folder: Path) -> list[str]:
    """Return texts as they are typed; a command line has no NUL, and room for so much alone."""
    return [text.replace("\0", " ")[:20_000] for text in records["text"]]
