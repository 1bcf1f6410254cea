"""Fitting a tokenizer to records, reopening one, and storing records as token files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import normalizers

from headstart.errors import HeadstartError, refused
from headstart.modalities.text.companion_texts import COMPANIONS
from headstart.modalities.text.processor import CHUNK, TextProcessor
from headstart.modalities.text.scripts import is_chinese, is_unspaced
from headstart.modalities.text.sentences import sentence_flags
from headstart.modalities.text.stored_tokenizer import TOKENIZER, StoredTokenizer
from headstart.modalities.text.tokenizers import CHARACTERS, fit_tokenizer, sample
from headstart.modalities.text.words import jieba_word_starts, require_jieba
from headstart.modalities.tokens.token_file import Document, write_token_file
from headstart.modalities.tokens.tokenizer_defaults import TokenizerDefaults

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    from headstart.modalities.text.options import TokenizerOptions

os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def fit_processor(
    records: Dataset,
    options: TokenizerOptions,
    defaults: TokenizerDefaults,
    length: int,
    whole_words: bool,
) -> TextProcessor:
    """Fit a tokenizer to the records; options that are not given are the encoder's defaults."""
    texts = records["text"]
    if options.kind == "auto" and defaults.unspaced and is_unspaced(texts[:200]):
        defaults = defaults.unspaced
    kind = defaults.kind if options.kind == "auto" else options.kind
    tokenizer = fit_tokenizer(
        sample(texts, characters=CHARACTERS.get(kind, 50_000_000)),
        kind=kind,
        vocab_size=options.vocab_size or defaults.vocab_size,
        lowercase=defaults.lowercase if options.lowercase is None else options.lowercase,
        wrap=defaults.wrap,
        length=length,
        sentinels=defaults.sentinels,
        least=defaults.least,
    )
    return _with_segmenter(tokenizer, records, options, whole_words)


def reopen_processor(
    start: str | Path, records: Dataset, options: TokenizerOptions, length: int, whole_words: bool
) -> TextProcessor:
    """Reopen the tokenizer of an encoder whose training continues."""
    tokenizer = _opened(start)
    # For other libraries, which truncate at it.
    tokenizer.model_max_length = length
    return _with_segmenter(tokenizer, records, options, whole_words)


def load_processor(folder: str | Path) -> TextProcessor:
    """Reopen the tokenizer of an encoder folder or a hub name.

    Raises:
        HeadstartError: there is none that can be read.
    """
    tokenizer = None
    # What a folder of another library does with texts, Transformers alone knows.
    if (Path(folder) / "headstart.json").is_file():
        with refused(f"no tokenizer can be read from {folder}", _WHOLE, Exception):
            tokenizer = StoredTokenizer.open(Path(folder))
    processor = TextProcessor(_opened(folder) if tokenizer is None else tokenizer)
    stored = Path(folder) / "counts.npy"
    if stored.is_file():
        counts = np.load(stored, allow_pickle=False)
        processor.vocabulary = replace(processor.vocabulary, counts=counts)
    return processor


_WHOLE = "give the folder of an encoder that was saved with its tokenizer"


def _opened(folder: str | Path) -> PreTrainedTokenizerFast:
    """Open the tokenizer of an encoder folder or a hub name, as Transformers does."""
    from transformers import AutoTokenizer

    hint, what = _WHOLE, f"no tokenizer can be read from {folder}"
    if not Path(folder).exists():
        what = f"there is no folder {folder}, and no encoder of that name can be fetched"
        hint = "check the path, or give a run or the folder of an encoder"
    with refused(what, hint):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    # Without its vocabulary a tokenizer is built all the same, and every word is unknown to it. One
    # that was fitted to texts in which no word comes twice is whole, and lists them in its file.
    whole = (Path(folder) / TOKENIZER).is_file()
    if not whole and len(tokenizer) <= len(tokenizer.all_special_ids):
        raise HeadstartError(
            f"no tokenizer can be read from {folder}: it has no tokens but special ones, as if its "
            "vocabulary was not copied; copy or fetch the folder again."
        )
    _as_sentence_transformers(tokenizer, Path(folder))
    return tokenizer


def _as_sentence_transformers(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Apply what a folder of sentence-transformers keeps beside its tokenizer."""
    backend = tokenizer.backend_tokenizer
    file, modules = folder / "sentence_bert_config.json", folder / "modules.json"
    with refused(f"the settings in {folder} cannot be read", "copy the folder again"):
        lowers = file.is_file() and json.loads(file.read_text("utf-8")).get("do_lower_case")
        static = modules.is_file() and "StaticEmbedding" in modules.read_text("utf-8")
    if lowers:
        own = [backend.normalizer] if backend.normalizer else []
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    if static and not (folder / "headstart.json").is_file():
        # A static vector is the mean over a text's own tokens, without special ones; a tokenizer of
        # ours was saved as its encoder reads.
        backend.post_processor = None


def store_tokens(records: Dataset, processor: TextProcessor, folder: Path) -> np.ndarray:
    """Tokenise records once into a memory-mapped token file; return the count (V,) of each token.

    Companion columns are stored in subfolders.
    """
    size = processor.vocabulary.size
    counts = write_token_file(folder, _tokenised(records, processor), size)
    for name in COMPANIONS:
        if name in records.column_names:
            documents = _tokenised(records, processor, name)
            counts = counts + write_token_file(folder / name, documents, size)
    return counts


def _with_segmenter(
    tokenizer: PreTrainedTokenizerFast,
    records: Dataset,
    options: TokenizerOptions,
    whole_words: bool,
) -> TextProcessor:
    """Add the word segmenter where whole words are masked and need one."""
    wanted = options.segmenter
    if wanted == "auto":
        chinese = whole_words and is_chinese(records["text"][:200])
        wanted = "jieba" if chinese else "none"
    if wanted == "jieba":
        require_jieba()
    return TextProcessor(tokenizer, wanted)


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
