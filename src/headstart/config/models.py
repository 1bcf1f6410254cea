"""The options of each verb: one model per verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from headstart.config.blanks import Separator
from headstart.config.options import (
    AutoBudgetText,
    AutoTimeText,
    GroupOptions,
    LabelCounts,
    OptionalSource,
    SafeguardOptions,
    Share,
    Source,
    SourceOptions,
    Sources,
    SplitOptions,
    Switch,
    TaskOptions,
    TrainingOptions,
)
from headstart.config.places import OptionalPlace, Place, Places
from headstart.config.tasks import SemiOptions

#: Stands before the name of an encoder that token vectors are distilled from.
DISTILL = "distill:"
#: Help of ``overwrite`` where the output is a file.
REPLACE = "Replace the file that --out names; it is never one that is read."
MODALITY_OPTIONS = (
    "Options of a kind of data, as --set MODALITY.KEY=VALUE; `headstart list modalities` has them."
)


class PretrainConfig(GroupOptions, TrainingOptions):
    """Pre-train an encoder on unlabeled data."""

    sources: Sources = Field(..., min_length=1, description="Files, folders or globs.")
    out: Place = Field(..., description="Run folder to write; it must not exist yet.")
    modality: str = Field(
        "auto",
        description="Kind of data (see `headstart list modalities`); auto looks at the sources.",
    )
    objective: str = Field(
        "auto", description="Pretext task, or a weighted mixture such as mlm:1,simcse:0.1."
    )
    encoder: str = Field("auto", description="Encoder name, or the folder of one to start from.")
    start: str = Field(
        "auto",
        min_length=1,
        description="Published encoder to stand beside the new one: none, a name or a folder; auto "
        "takes the best on this machine, unless encoder, objective or embeddings are given.",
    )
    safeguards: Switch = Field(
        "auto", description="Protect what the encoder knows where training continues from one."
    )
    safeguard_options: SafeguardOptions = Field(
        default_factory=SafeguardOptions, description="Options of each safeguard."
    )
    probe: OptionalSource = Field(
        None, description="Labeled records, 500 at most are used: does training help them?"
    )
    embeddings: str = Field(
        "auto",
        description="Start of a new encoder's token vectors: a run (its tokenizer, too), "
        "`distill:NAME` of a published encoder or a folder, `counts` of tokens that occur "
        "together, or `none`; auto depends on the encoder.",
    )
    length: int | None = Field(
        None,
        ge=4,
        le=65536,
        description="Tokens per row, or pixels per side; the default depends on the data.",
    )
    modality_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description=MODALITY_OPTIONS
    )
    encoder_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the encoder, as --set encoder.KEY=VALUE."
    )
    objective_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Options of an objective, as --set NAME.KEY=VALUE."
    )
    remove_overlap: Sources = Field(
        default_factory=list,
        description="Test data: records that occur there, exactly or nearly, are left out.",
    )
    quality: list[str] = Field(
        default_factory=list,
        description="Leave out records that fail these: a rule or a set, such as gopher.",
    )
    resume: bool = Field(
        False, description="Go on with the run in the folder; begin it if nothing was begun."
    )
    overwrite: bool = Field(
        False, description="Replace the run in the folder once this one has a checkpoint."
    )

    @property
    def teacher(self) -> str | None:
        """The encoder that ``embeddings`` are distilled from; None for other token vectors."""
        _, prefix, name = self.embeddings.partition(DISTILL)
        return name if prefix and self.embeddings.startswith(prefix) else None


#: What a quick look takes instead of the defaults.
QUICK: dict[str, Any] = {
    "labels": ["10", "100", "1000"],
    "seeds": 2,
    "from_scratch": "off",
    "published": ["off"],
    "alternatives_budget": "30s",
}


class EvaluateConfig(SplitOptions, TaskOptions):
    """Measure how good the frozen features are with few labels."""

    run: Place = Field(..., description="Folder of a pre-training run.")
    train: Source = Field("", description="Labeled records, split if no --test; unused for items.")
    test: OptionalSource = Field(None, description="Labeled records that only the score sees.")
    task: str = Field(
        "auto", description="Evaluation protocol; auto looks at the labels (see docs)."
    )
    label_separator: Separator = Field(
        None, min_length=1, description="Separator of several labels in one field."
    )
    names: str = Field(
        "auto",
        description="Class names as examples: auto (the labels, where they are words), off, or a "
        "file with a column of labels and one of names or descriptions.",
    )
    labels: LabelCounts = Field(
        ["10", "100", "1000", "all"],
        description="Numbers of labels to try: counts, shares such as 5%, or all.",
    )
    seeds: int = Field(5, ge=2, le=100, description="Label draws at each number of labels.")
    folds: int = Field(
        0, ge=0, le=20, description="Cross-validate one labeled file with this many folds."
    )
    shots: list[str] = Field(
        ["1", "5"], min_length=1, description="Examples of each class in few-shot episodes."
    )
    ways: int = Field(5, ge=2, le=10_000, description="Classes in each few-shot episode.")
    episodes: int = Field(
        200, ge=10, le=100_000, description="Few-shot episodes at each number of shots."
    )
    corruptions: list[str] = Field(
        ["off"], description="Also test on corrupted records: auto, off, or names such as typos."
    )
    shifted: OptionalSource = Field(
        None, description="Labeled records of another domain that the same probe is tested on."
    )
    pretraining_seeds: int = Field(
        1,
        ge=1,
        le=20,
        description="Pre-trainings to measure: the run, and the same from other seeds (slow).",
    )
    alternatives_budget: AutoTimeText = Field(
        "auto",
        description="Time of the simple alternatives; auto: as long as the pre-training, at least "
        "a minute and a half.",
    )
    from_scratch: Switch = Field(
        "auto",
        description="Also train the same network on the labels alone; auto: with all labels, in "
        "the time that the other alternatives leave.",
    )
    finetuned: bool = Field(
        False, description="Also fine-tune the whole pre-trained network on the labels (slow)."
    )
    published: list[str] = Field(
        ["auto"],
        min_length=1,
        description="Published encoders on this machine to compare with: auto, off, or names (see "
        "`headstart list starts`).",
    )
    against: list[str] = Field(
        default_factory=list,
        description="Other encoders to compare with: runs, or folders of Transformers, timm or "
        "sentence-transformers.",
    )
    quick: bool = Field(
        False,
        description="A first look: 1,000 labels at most, 2 draws, no network from scratch, no "
        "published encoder, 30 seconds of alternatives; each of these options can be given, too.",
    )
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    out: OptionalPlace = Field(None, description="Report file; report.html in the run by default.")
    overwrite: bool = Field(False, description=REPLACE)

    @model_validator(mode="before")
    @classmethod
    def _at_first_sight(cls, values: Any) -> Any:
        is_quick = isinstance(values, Mapping) and values.get("quick") in (True, "true", "True")
        return {**QUICK, **values} if is_quick else values


class FinetuneConfig(SplitOptions, TaskOptions, TrainingOptions):
    """Fine-tune a pre-trained encoder on labels."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    train: Source = Field("", description="Labeled records; with --names FILE there may be none.")
    val: OptionalSource = Field(None, description="Labeled records for early stopping.")
    task: str = Field("classification", description="Downstream task.")
    out: Place = Field(..., description="Run folder to write; it must not exist yet.")
    length: int | None = Field(
        None,
        ge=32,
        le=4096,
        description="Longer side in pixels (detection, segmentation), or tokens read (seq2seq).",
    )
    freeze: str = Field(
        "none", description="all (head only), none, or N: the embeddings and the first N layers."
    )
    layer_decay: float = Field(
        0.9, gt=0, le=1, description="Each layer learns this much slower than the one above it."
    )
    loss: Literal["cross_entropy", "contrast"] = Field(
        "cross_entropy",
        description="What the network learns by: the task's own loss, or contrast, which draws "
        "records of one class together and then fits a head (few labels of short texts).",
    )
    class_weights: bool = Field(False, description="Weigh classes by inverse frequency.")
    dropout: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Dropout of what is new above the encoder, whose own is its own.",
    )
    lora: int = Field(
        0, ge=0, le=1024, description="Learn low-rank pairs of this rank instead of whole layers."
    )
    label_separator: Separator = Field(
        None, min_length=1, description="Separator of several labels in one field."
    )
    threshold: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Probability from which a label is predicted (multilabel); 0 chooses it.",
    )
    wide: Switch = Field(
        "auto",
        description="Also learn from single tokens and phrases; auto: where it is known to help.",
    )
    budget: AutoBudgetText = Field("auto", description="How long; auto depends on the records.")
    patience: int = Field(
        5, ge=0, description="Stop after this many validations without progress; 0 never stops."
    )
    alternatives: bool = Field(
        True,
        description="Measure simple alternatives, too; logistic regression on the frozen features "
        "is taken where fine-tuning is not better.",
    )
    validation_share: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share held out where --val is missing; 0 depends on the records.",
    )
    names: str = Field(
        "auto",
        description="Class names as examples: auto (the labels, where they are words), off, or a "
        "file with a column of labels and one of names or descriptions.",
    )
    unlabeled: Sources = Field(
        default_factory=list,
        description="Files, folders or globs to learn from as well; their labels are not read.",
    )
    semi: Literal["auto", "propagate", "pseudo", "fixmatch", "uda", "mean-teacher"] = Field(
        "auto",
        description="How to learn from --unlabeled; auto is propagate where cross-validation "
        "inside the labels prefers it, else pseudo.",
    )
    semi_options: SemiOptions = Field(
        default_factory=SemiOptions, description="Learning from unlabeled records."
    )
    remove_overlap: Sources = Field(
        default_factory=list,
        description="Test data: unlabeled records that occur there, or nearly, are left out.",
    )
    resume: bool = Field(
        False, description="Go on with the run in the folder; begin it if nothing was begun."
    )
    overwrite: bool = Field(
        False, description="Replace the run in the folder once this one has a checkpoint."
    )


class PredictConfig(SourceOptions):
    """Predict labels with a fine-tuned run, classes by their names, or voices of a mixture."""

    run: Place = Field(
        ...,
        description="Folder of a fine-tuned run, of one of clip, siglip or lit with --classes, or "
        "of one of pit or mixit.",
    )
    inputs: Sources = Field(
        ..., min_length=1, description="Files, folders or globs, or a text itself."
    )
    beams: int | None = Field(
        None, ge=1, le=32, description="Width of the beam search; as fine-tuned by default."
    )
    tokens: int | None = Field(
        None, ge=1, le=4096, description="Most tokens to write; as fine-tuned by default."
    )
    abstain: Share | None = Field(
        None,
        description="Give no label to records unlike the labeled ones; so many of those like them, "
        "such as 5%, lose theirs too.",
    )
    voices: int | None = Field(
        None, ge=1, le=8, description="Voices to separate; as pre-trained by default."
    )
    classes: list[str] = Field(
        default_factory=list,
        description="Names of classes to tell pictures apart by, as in cat,dog.",
    )
    templates: list[str] = Field(
        default_factory=list,
        description="Sentences that the names are put into, averaged; 'a photo of {}'. The name "
        "alone by default.",
    )
    out: OptionalPlace = Field(
        None,
        description="Write .jsonl, .csv or .parquet; transcripts: .srt or a folder, too; voices, "
        "masks: a folder. Else print.",
    )
    overwrite: bool = Field(False, description=REPLACE)
    batch_size: int = Field(64, ge=1, le=65536, description="Records per batch.")


class ExplainConfig(SourceOptions):
    """Show which words or pixels a prediction rests on, and the most similar labeled records."""

    run: Place = Field(..., description="Folder of a fine-tuned run.")
    inputs: Sources = Field(
        ..., min_length=1, description="Files, folders or globs, or a text itself."
    )
    class_: str | None = Field(None, description="Class to explain; else the predicted one.")
    method: Literal["auto", "gradients", "rollout", "gradcam"] = Field(
        "auto", description="Integrated gradients, attention rollout or Grad-CAM; auto chooses."
    )
    count: int = Field(5, ge=1, le=1000, description="Most records to explain.")
    alike: int = Field(3, ge=0, le=100, description="Most similar labeled records to show.")
    out: OptionalPlace = Field(None, description="Also write .html, images (.png) or .json.")
    overwrite: bool = Field(False, description=REPLACE)
    seed: int = Field(0, ge=0, description="Seed of the random deletions of the check.")


class CompareConfig(SplitOptions, TaskOptions):
    """Compare several runs on the same labels: which is best, from how many labels on."""

    runs: Places = Field(..., min_length=1, description="Run folders, or any encoder folders.")
    train: Source = Field("", description="Labeled records; split for you if there is no --test.")
    test: OptionalSource = Field(None, description="Labeled records that only the score sees.")
    task: str = Field("auto", description="Evaluation protocol; auto is classification.")
    labels: LabelCounts = Field(
        ["10", "100", "1000", "all"],
        description="Numbers of labels to try: counts, shares such as 5%, or all.",
    )
    seeds: int = Field(5, ge=2, le=100, description="Label draws at each number of labels.")
    folds: int = Field(
        0, ge=0, le=20, description="Cross-validate one labeled file with this many folds."
    )
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    out: OptionalPlace = Field(None, description="Also write it as a page (.html).")
    overwrite: bool = Field(False, description=REPLACE)


class LabelConfig(GroupOptions):
    """Choose the unlabeled records that are most worth labeling next."""

    run: Place = Field(..., description="Run folder, or any encoder folder.")
    unlabeled: Sources = Field(
        ..., min_length=1, description="Files, folders or globs to choose from."
    )
    count: int = Field(50, ge=1, le=10_000, description="Records to choose.")
    labeled: Sources = Field(default_factory=list, description="Records that are labeled already.")
    out: Place = Field("to_label.csv", description="File to write: .csv or .jsonl; never replaced.")
    way: Literal[
        "auto", "propagation", "coverage", "uncertainty", "k-center", "badge", "random"
    ] = Field(
        "auto", description="How to choose; auto covers the data, then what labels leave open."
    )
    simulate: OptionalSource = Field(
        None, description="Labeled records on which choosing is compared with random choice."
    )
    seeds: int = Field(20, ge=2, le=100, description="Repetitions of the simulation.")
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
