"""Tokenizers fitted to the user's text with the ``tokenizers`` library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from headstart.modalities.text.deterministic import fit_unigram, fit_wordpiece
from headstart.modalities.text.scripts import MARKS, characters, unspaced
from headstart.modalities.text.superwords import LEAST, byte_level, composing, fit_superwords

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from headstart.modalities.text.stored_tokenizer import StoredTokenizer

PAD, UNKNOWN, MASK, CLS, SEP = "[PAD]", "[UNK]", "[MASK]", "[CLS]", "[SEP]"
_UNSPACED = characters(unspaced())
#: A letter of a script without spaces with its marks.
LETTER = f"[{_UNSPACED}][{MARKS}]*"
_SPACED = rf"[\p{{L}}{MARKS}&&[^{_UNSPACED}]]+"
#: A letter of a script without spaces, a word with its apostrophe, a number such as 7/10, or a run
#: of one sign such as !!!
WORD = (
    rf"{LETTER}|{_SPACED}(?:['\x{{2019}}]{_SPACED})?"
    rf"|\p{{N}}+(?:[/.]\p{{N}}+)*|([^\p{{L}}\p{{N}}])\1*[{MARKS}]*"
)
#: Characters that cannot be seen, but for those that join or part letters.
INVISIBLE = r"[\p{Cc}\p{Cf}\x{fffd}&&[^\s\p{Join_Control}]]"
#: Pre-tokens of byte-level BPE: GPT-2's (Radford et al. 2019), but marks do not split words.
RUNS = (
    rf"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}[\p{{L}}{MARKS}]*"
    r"| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
SPECIALS = [PAD, UNKNOWN, MASK, CLS, SEP]
#: Token of the first, second, ... span that was cut out (Raffel et al. 2020, section 3.1.4).
SENTINEL = "<extra_id_{}>"


def fit_tokenizer(
    texts: Iterable[str],
    *,
    kind: str,
    vocab_size: int,
    lowercase: bool = False,
    wrap: bool = True,
    length: int = 512,
    sentinels: int = 0,
    least: int = LEAST,
) -> PreTrainedTokenizerFast:
    """Fit a tokenizer of one family to texts.

    Args:
        kind: ``bpe`` (byte-level, Sennrich et al. 2016; Radford et al. 2019), ``wordpiece``
            (Schuster & Nakajima 2012), ``unigram`` (Kudo 2018), ``superword`` (words by BPE, then
            phrases of them), ``word`` or ``char``.
        vocab_size: most entries, specials included.
        lowercase: fold case, by the rules for all languages: the Turkish I becomes i. Accents and
            marks stay; texts become NFC either way.
        wrap: put ``[CLS]`` and ``[SEP]`` around each text.
        length: longest sequence that the encoder takes; written into the tokenizer's config.
        sentinels: number of tokens ``<extra_id_0>``, ``<extra_id_1>``, ..., which count down from
            the end of the vocabulary, in addition to ``vocab_size``, as in T5.
        least: lowest count of a phrase, for ``superword``.
    """
    from transformers import PreTrainedTokenizerFast

    if kind == "superword":
        tokenizer = fit_superwords(texts, vocab_size, SPECIALS, lowercase=lowercase, least=least)
    else:
        tokenizer = _fit_words(texts, kind, vocab_size, lowercase)
    if wrap:
        cls, sep = tokenizer.token_to_id(CLS), tokenizer.token_to_id(SEP)
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{CLS} $A {SEP}",
            pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
            special_tokens=[(CLS, cls), (SEP, sep)],
        )
    fitted = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        mask_token=MASK,
        cls_token=CLS,
        sep_token=SEP,
        model_max_length=length,
        clean_up_tokenization_spaces=False,
    )
    if sentinels:
        names: list[Any] = [SENTINEL.format(number) for number in reversed(range(sentinels))]
        fitted.add_special_tokens({"extra_special_tokens": names})
    return fitted


def _fit_words(texts: Iterable[str], kind: str, vocab_size: int, lowercase: bool) -> Tokenizer:
    tokenizer, trainer = _BUILDERS[kind](vocab_size)
    steps = composing(lowercase)
    if kind in ("wordpiece", "word"):
        steps.append(normalizers.Replace(Regex(INVISIBLE), ""))
    if kind == "bpe":
        # The first word has one space before it, as all others.
        steps += [normalizers.Prepend(" "), normalizers.Replace(Regex(r"\A  "), " ")]
    if kind == "word":
        steps.insert(0, normalizers.Replace(Regex(r"<br\s*/?>"), " "))
    tokenizer.normalizer = normalizers.Sequence(steps)
    if kind == "char":
        tokenizer = _characters(texts, vocab_size, tokenizer)
    else:
        _FITS.get(kind, Tokenizer.train_from_iterator)(tokenizer, texts, trainer)
    return tokenizer


def _bpe(vocab_size: int) -> tuple[Tokenizer, trainers.Trainer]:
    return byte_level(RUNS, vocab_size, SPECIALS)


def _wordpiece(vocab_size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.BertPreTokenizer(),
            # Without spaces a sentence is one word, which is unknown as a whole if it is long.
            pre_tokenizers.Split(Regex(LETTER), behavior="isolated"),
        ]
    )
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=SPECIALS, min_frequency=2, show_progress=False
    )
    return tokenizer, trainer


def _unigram(vocab_size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=SPECIALS, unk_token=UNKNOWN, show_progress=False
    )
    return tokenizer, trainer


def _word(vocab_size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(WORD), behavior="isolated"),
        ]
    )
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size, special_tokens=SPECIALS, min_frequency=2, show_progress=False
    )
    return tokenizer, trainer


def _char(vocab_size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer, trainers.WordLevelTrainer(special_tokens=SPECIALS)


def _characters(texts: Iterable[str], vocab_size: int, tokenizer: Tokenizer) -> Tokenizer:
    """Count characters here: the library's trainer is slow for one-character words."""
    from collections import Counter

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    kept = sorted(character for character, _ in counts.most_common(vocab_size - len(SPECIALS)))
    vocabulary = {token: index for index, token in enumerate([*SPECIALS, *kept])}
    tokenizer.model = models.WordLevel(vocabulary, unk_token=UNKNOWN)
    tokenizer.add_special_tokens(SPECIALS)
    return tokenizer


_BUILDERS = {
    "bpe": _bpe,
    "wordpiece": _wordpiece,
    "unigram": _unigram,
    "word": _word,
    "char": _char,
}
_FITS: dict[str, Any] = {"wordpiece": fit_wordpiece, "unigram": fit_unigram}


#: Sampled characters for families whose fit is slow; others have the default of :func:`sample`.
CHARACTERS = {"superword": 20_000_000, "word": 25_000_000}


def sample(texts: Any, *, characters: int = 50_000_000) -> Iterator[str]:
    """Yield an even sample of the texts of a column, of about ``characters`` characters.

    A tokenizer converges on a sample of a large corpus; a fixed stride covers all of it.
    """
    count = len(texts)
    probe = texts[:: max(1, count // 200)][:200]
    mean = max(1.0, sum(map(len, probe)) / max(1, len(probe)))
    stride = max(1, math.ceil(count * mean / characters))
    for start in range(0, count, 1000 * stride):
        yield from texts[start : min(count, start + 1000 * stride) : stride]


def word_start_table(tokenizer: PreTrainedTokenizerFast | StoredTokenizer) -> list[bool]:
    """Return for each id whether the token begins a word, by the family's marker.

    Byte-level BPE and Unigram mark the beginning (``Ġ``, ``▁``), WordPiece the continuation
    (``##``). A family without marks has one word per token.
    """
    size = len(tokenizer)
    tokens: list[str] = [token or "" for token in tokenizer.convert_ids_to_tokens(range(size))]
    special = set(tokenizer.all_special_ids)
    if any(token.startswith("##") for token in tokens):
        return [not token.startswith("##") for token in tokens]
    for mark in ("Ġ", "▁"):
        if sum(token.startswith(mark) for token in tokens) > 0.02 * size:
            return [
                index in special or token.startswith(mark) or not _is_wordy(token)
                for index, token in enumerate(tokens)
            ]
    return [True] * size


def sentinel_ids(tokenizer: PreTrainedTokenizerFast | StoredTokenizer) -> tuple[int, ...]:
    """Return the ids of ``<extra_id_0>``, ``<extra_id_1>``, ..., as many as there are."""
    vocabulary = tokenizer.get_vocab()
    names = takewhile(vocabulary.__contains__, map(SENTINEL.format, count()))
    return tuple(vocabulary[name] for name in names)


def _is_wordy(token: str) -> bool:
    return any(character.isalnum() for character in token)
