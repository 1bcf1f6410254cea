"""Options of single fine-tuning tasks, for ``--set``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from headstart.config.options import Options


class SemiOptions(Options):
    """Options of semi-supervised learning; the defaults are the papers' values."""

    keep_pool: bool = Field(
        True,
        description="Keep vectors of unlabeled records with the head (propagate); without them it "
        "is smaller and a little less right.",
    )
    ratio: int = Field(7, ge=1, le=100, description="Unlabeled rows beside each labeled one.")
    threshold: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Lowest probability of a pseudo-label: FixMatch 0.95, UDA 0.8.",
    )
    weight: float | None = Field(
        None, ge=0, description="Weight of the unlabeled loss: 1, mean teacher 100."
    )
    momentum: float = Field(0.999, ge=0, lt=1, description="Momentum of the averaged weights.")
    ramp: float = Field(
        0.2, ge=0, le=1, description="Share of the run in which the mean teacher's weight rises."
    )
    temperature: float = Field(0.4, gt=0, le=1, description="Sharpens the targets of UDA.")
    annealing: Literal["none", "linear", "log", "exp"] = Field(
        "none", description="UDA's schedule that skips labels which are predicted well already."
    )
    views: str = Field("auto", description="Strong views; the kinds depend on the modality.")
    rounds: int = Field(8, ge=1, le=20, description="Rounds of pseudo-labels on frozen features.")
    share: float = Field(
        1.0, gt=0, le=1, description="Share of each class that has pseudo-labels in the end."
    )
    targets: Literal["soft", "hard"] = Field(
        "soft", description="Pseudo-labels as probabilities, or the most probable class."
    )


class PromptOptions(Options):
    """Options of task prompt: the template and the words of the labels."""

    template: str = Field(
        "{mask}: {text}", description="Template of the text and of the word that names its label."
    )
    verbalizers: dict[str, str | list[str]] = Field(
        default_factory=dict, description="The word or words of each label; its name by default."
    )

    @field_validator("template")
    @classmethod
    def _marks(cls, value: str) -> str:
        if value.count("{text}") != 1 or value.count("{mask}") != 1:
            raise ValueError("a template has {text} once and {mask} once")
        return value


class Seq2SeqTaskOptions(Options):
    """Options of task seq2seq."""

    tokens: int = Field(
        0, ge=0, le=4096, description="Most tokens to write; 0 is the longest training target."
    )
    beams: int = Field(4, ge=1, le=32, description="Width of the beam search; 1 is greedy.")
    no_repeat: int = Field(
        3, ge=0, le=20, description="Size of n-grams that never repeat in a text; 0 allows all."
    )
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="Share of each target that is spread over the vocabulary."
    )


class QuestionOptions(Options):
    """Options of task questions: windows over long contexts, and limits."""

    stride: int | None = Field(
        None, ge=0, description="Tokens that neighbouring windows share; default a third."
    )
    question_length: int = Field(64, ge=1, description="Most tokens of a question.")
    longest_answer: int = Field(30, ge=1, description="Most tokens of an answer.")


class CtcOptions(Options):
    """Options of task ctc: the symbols, the network on the frames, and how texts are found."""

    alphabet: str = Field(
        "",
        max_length=10_000,
        description="Characters that transcripts may have; others are set aside. Empty: those of "
        "the training transcripts.",
    )
    pieces: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Symbols by byte-pair encoding, single characters included; 0 takes these "
        "alone.",
    )
    width: int = Field(192, ge=8, le=2048, description="Channels of the blocks on the frames.")
    layers: int = Field(6, ge=0, le=48, description="Blocks on the frames.")
    hidden: float = Field(
        0.15, ge=0, lt=1, description="Share of the frames that is hidden in training."
    )
    speeds: bool = Field(True, description="Also learn from other speeds (0.9 and 1.1).")
    beams: int = Field(16, ge=1, le=1000, description="Width of the beam search; 1 is greedy.")
    order: int = Field(
        6,
        ge=0,
        le=12,
        description="Characters of an n-gram in the language model of the training transcripts; 0 "
        "for none.",
    )
    texts: str | None = Field(
        None,
        description="A text file whose lines the language model learns from, too, such as what "
        "will be said; up to 2 MB.",
    )
    weight: float = Field(0.5, ge=0, le=10, description="Weight of the language model.")
    bonus: float = Field(
        0.5, ge=-10, le=10, description="Bonus for each symbol, which makes up for the weight."
    )
