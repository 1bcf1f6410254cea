"""The options of texts: the tokenizer, the numbers of the quality rules, second views."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from headstart.config import Options


class TokenizerOptions(Options):
    """The tokenizer that is fitted to the user's text."""

    kind: Literal["auto", "bpe", "wordpiece", "unigram", "superword", "word", "char"] = Field(
        "auto", description="Tokenizer family; auto depends on the encoder."
    )
    vocab_size: int | None = Field(
        None, ge=16, le=1_000_000, description="Size of the vocabulary; by default the encoder's."
    )
    lowercase: bool | None = Field(
        None,
        description="Fold case first, as for all languages (Turkish I becomes i); accents stay; by "
        "default the encoder's.",
    )
    segmenter: Literal["none", "auto", "jieba"] = Field(
        "auto", description="Word segmenter for scripts without spaces (extra `chinese`)."
    )


class QualityNumbers(Options):
    """The numbers of the quality rules; the defaults are those of the papers."""

    min_words: int = Field(50, ge=0, description="gopher.words: fewest words.")
    max_words: int = Field(100_000, ge=1, description="gopher.words: most words.")
    min_word_length: float = Field(3, ge=0, description="gopher.word_length: shortest mean.")
    max_word_length: float = Field(10, gt=0, description="gopher.word_length: longest mean.")
    symbols: float = Field(0.1, ge=0, description="gopher.symbols: most # or ... for each word.")
    bullets: float = Field(0.9, ge=0, le=1, description="gopher.bullets: largest share of lines.")
    ellipses: float = Field(0.3, ge=0, le=1, description="gopher.ellipses: largest share of lines.")
    alphabetic: float = Field(
        0.8, ge=0, le=1, description="gopher.alphabetic: smallest share of words with a letter."
    )
    stop_words: int = Field(2, ge=0, le=8, description="gopher.stop_words: fewest different ones.")
    repeated_lines: float = Field(
        0.3, ge=0, le=1, description="gopher.repeated_lines: largest share of lines or paragraphs."
    )
    repeated_characters: float = Field(
        0.2, ge=0, le=1, description="gopher.repeated_lines: largest share of their characters."
    )
    sentences: int = Field(3, ge=0, description="c4.sentences: fewest sentences.")
    line_words: int = Field(5, ge=0, description="c4.line_words: fewest words of a line.")


class TextOptions(Options):
    """Options of texts, for ``--set text.KEY=VALUE``."""

    tokenizer: TokenizerOptions = Field(default_factory=TokenizerOptions, description="Tokenizer.")
    quality_numbers: QualityNumbers = Field(
        default_factory=QualityNumbers, description="Numbers of the quality rules."
    )
    back_translation: list[str] = Field(
        default_factory=list,
        description="Folders of two translators, there and back: the result is the second view.",
    )

    @field_validator("back_translation")
    @classmethod
    def _there_and_back(cls, value: list[str]) -> list[str]:
        if len(value) not in (0, 2):
            raise ValueError("it needs two folders: one that translates there, and one back")
        return value
