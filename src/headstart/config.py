"""One pydantic model per verb: every option once, with its default, its bounds and its help text.

The command line is generated from these models and the Python verbs validate their keyword
arguments with them, so an option exists in both or in neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from headstart.errors import HeadstartError, did_you_mean


class Options(BaseModel):
    """A set of options; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


Model = TypeVar("Model", bound=Options)


@dataclass(frozen=True)
class Budget:
    """How long to train: an amount of ``minutes``, ``steps`` or ``epochs``."""

    amount: float
    unit: Literal["minutes", "steps", "epochs"]

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``30min``, ``90s``, ``2h``, ``5000steps`` or ``3epochs``."""
        match = re.fullmatch(
            r"\s*([0-9]*\.?[0-9]+)\s*(s|sec|min|m|h|hours?|steps?|epochs?)\s*", text
        )
        if not match or float(match[1]) <= 0:
            raise ValueError(
                f"{text!r} is no budget; write for example 30min, 5000steps or 3epochs"
            )
        amount, unit = float(match[1]), match[2]
        if unit.startswith("step"):
            return cls(max(1, round(amount)), "steps")
        if unit.startswith("epoch"):
            return cls(amount, "epochs")
        return cls(amount * {"s": 1 / 60, "m": 1, "h": 60}[unit[0]], "minutes")


def _budget_text(value: Any) -> Any:
    if isinstance(value, str):
        Budget.parse(value)
    return value


BudgetText = Annotated[str, BeforeValidator(_budget_text)]
#: YAML reads a bare on and off as True and False.
Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(lambda v: {True: "on", False: "off"}[v] if isinstance(v, bool) else v),
]
AutoBudgetText = Annotated[str, BeforeValidator(lambda v: v if v == "auto" else _budget_text(v))]


class SourceOptions(Options):
    """Where records lie and which columns hold them; shared by every verb that reads data."""

    text_column: str | None = Field(
        None, description="Column that holds the text; found by itself where it is obvious."
    )
    image_column: str | None = Field(
        None, description="Column that holds the picture; found by itself where it is obvious."
    )
    label_column: str | None = Field(
        None, description="Column that holds the label; found by itself where it is obvious."
    )
    document: Literal["line", "file"] = Field(
        "line", description="In .txt sources: is each line a document, or each file?"
    )


class TokenizerOptions(Options):
    """The tokenizer that is fitted to the user's text."""

    kind: Literal["auto", "bpe", "wordpiece", "unigram", "superword", "word", "char"] = Field(
        "auto", description="Tokenizer family; auto takes the one that suits the encoder."
    )
    vocab_size: int | None = Field(
        None, ge=16, le=1_000_000, description="Entries in the vocabulary; the encoder's default."
    )
    lowercase: bool | None = Field(None, description="Fold case first; the encoder's default.")
    segmenter: Literal["none", "auto", "jieba"] = Field(
        "auto", description="Word segmenter for scripts without spaces (extra `chinese`)."
    )


class OptimizerOptions(Options):
    """The optimizer and its schedule, which runs over progress from 0 to 1."""

    name: Literal["auto", "adamw", "muon"] = Field(
        "auto", description="AdamW, or Muon for matrices with AdamW for the rest; auto suits both."
    )
    learning_rate: float | None = Field(None, gt=0, description="Peak rate; the encoder's default.")
    muon_learning_rate: float = Field(
        8e-3, gt=0, description="Peak rate of the Muon matrices; half is best for convolutions."
    )
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay on matrices.")
    betas: tuple[float, float] = Field((0.9, 0.98), description="Adam's moment decays.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the run spent warming up.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="Shape of the decay after the warm-up."
    )
    clip: float = Field(1.0, ge=0, description="Largest gradient norm; 0 turns clipping off.")


class TrainingOptions(Options):
    """What the training loop needs to know; it knows nothing of modalities."""

    budget: BudgetText = Field("5min", description="How long: 30min, 5000steps or 3epochs.")
    batch_size: int | None = Field(None, ge=1, description="Rows a step and process.")
    accumulate: int = Field(1, ge=1, description="Batches whose gradients make one step.")
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    workers: int = Field(0, ge=0, le=64, description="Loader processes; 0 reads in line.")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="bf16 mixed precision where the processor is fast at it."
    )
    compile: bool = Field(False, description="Compile the network; pays on long runs.")
    checkpoint_every: float = Field(2.0, gt=0, description="Minutes between two checkpoints.")
    checkpoint_steps: int | None = Field(None, ge=1, description="Steps between two checkpoints.")
    validation_share: float = Field(
        0.01, ge=0, le=0.5, description="Share of the records held out for the validation loss."
    )
    validate_steps: int | None = Field(None, ge=1, description="Steps between two validations.")
    patience: int = Field(
        0, ge=0, description="Stop after this many validations without progress; 0 never stops."
    )
    devices: int = Field(1, ge=1, description="Processes on this machine (gloo on a CPU).")
    tracker: Literal["tensorboard", "wandb", "none"] = Field(
        "tensorboard", description="Where curves go besides metrics.jsonl (extra `wandb`)."
    )
    optimizer: OptimizerOptions = Field(default_factory=OptimizerOptions, description="Optimizer.")


class PretrainConfig(SourceOptions, TrainingOptions):
    """Pre-train an encoder on unlabeled data."""

    sources: list[str] = Field(..., min_length=1, description="Files, folders or globs.")
    out: str = Field(..., description="Run folder to write; it must not exist yet.")
    modality: str = Field(
        "auto", description="Kind of data (see `headstart list modalities`); the sources tell."
    )
    objective: str = Field(
        "auto", description="Pretext task, or a weighted mixture such as mlm:1,simcse:0.1."
    )
    encoder: str = Field("auto", description="Encoder name, or the folder of one to start from.")
    embeddings: str | None = Field(
        None, description="A run whose token embeddings and tokenizer the new encoder starts from."
    )
    length: int | None = Field(
        None, ge=4, le=65536, description="Tokens a row, or pixels a side; the default suits both."
    )
    tokenizer: TokenizerOptions = Field(default_factory=TokenizerOptions, description="Tokenizer.")
    encoder_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the encoder, as --set encoder.KEY=VALUE."
    )
    objective_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Options of an objective, as --set NAME.KEY=VALUE."
    )
    resume: bool = Field(False, description="Go on with the run that lies in the folder.")
    overwrite: bool = Field(False, description="Delete the run that lies in the folder.")


class EvaluateConfig(SourceOptions):
    """Measure what the frozen features are worth with few labels."""

    run: str = Field(..., description="Folder of a pre-training run.")
    train: str = Field(..., description="Labeled records; split for you if there is no --test.")
    test: str | None = Field(None, description="Labeled records that only the score sees.")
    labels: list[str] = Field(
        ["10", "100", "1000", "all"],
        description="Numbers of labels to try: counts, shares such as 5%, or all.",
    )
    seeds: int = Field(5, ge=2, le=100, description="Label draws at each number of labels.")
    folds: int = Field(
        0, ge=0, le=20, description="Cross-validate one labeled file with this many folds."
    )
    from_scratch: bool = Field(
        False, description="Also train the same network on the labels alone (slow)."
    )
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    out: str | None = Field(None, description="Report file; report.html in the run by default.")


class FinetuneConfig(SourceOptions, TrainingOptions):
    """Fine-tune a pre-trained encoder on labels."""

    run: str = Field(..., description="Run folder, or any encoder folder.")
    train: str = Field(..., description="Labeled records.")
    val: str | None = Field(None, description="Labeled records for early stopping.")
    task: str = Field("classification", description="Downstream task.")
    out: str = Field(..., description="Run folder to write; it must not exist yet.")
    length: int | None = Field(
        None,
        ge=32,
        le=4096,
        description="Longer side in pixels, for detection and segmentation; else the pictures'.",
    )
    freeze: str = Field(
        "none", description="all (head only), none, or N: the embeddings and the first N layers."
    )
    layer_decay: float = Field(
        0.9, gt=0, le=1, description="Each layer learns this much slower than the one above it."
    )
    class_weights: bool = Field(False, description="Weigh classes by inverse frequency.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the head.")
    wide: Switch = Field(
        "auto",
        description="Also learn from the very tokens and phrases; auto where it is known to pay.",
    )
    budget: AutoBudgetText = Field("auto", description="How long; auto follows the records.")
    patience: int = Field(
        5, ge=0, description="Stop after this many validations without progress; 0 never stops."
    )
    validation_share: float = Field(
        0.0, ge=0, le=0.5, description="Share held out where --val is missing; 0 lets it follow."
    )
    resume: bool = Field(False, description="Go on with the run that lies in the folder.")
    overwrite: bool = Field(False, description="Delete the run that lies in the folder.")


class PredictConfig(SourceOptions):
    """Predict labels with a fine-tuned run."""

    run: str = Field(..., description="Folder of a fine-tuned run.")
    inputs: list[str] = Field(..., min_length=1, description="Files, folders or globs.")
    out: str | None = Field(None, description="Write .jsonl, .csv or .parquet; else print.")
    batch_size: int = Field(64, ge=1, description="Records a batch.")


class EmbedConfig(SourceOptions):
    """Turn records into vectors."""

    run: str = Field(..., description="Run folder, or any encoder folder.")
    inputs: list[str] = Field(..., min_length=1, description="Files, folders or globs.")
    out: str = Field(..., description="File to write: .npy or .parquet.")
    batch_size: int = Field(64, ge=1, description="Records a batch.")


class SearchConfig(SourceOptions):
    """Find the records that are nearest to a query, by the cosine of their vectors."""

    run: str = Field(..., description="Run folder, or any encoder folder.")
    inputs: list[str] = Field(
        default_factory=list,
        description="What to search; the sources of the pre-training by default.",
    )
    query: str = Field(..., description="A file (every record of it is asked for), or a text.")
    count: int = Field(10, ge=1, description="Nearest records to return.")
    index: str | None = Field(
        None, description="Vectors that `headstart embed` wrote; else they are made, and kept."
    )
    out: str | None = Field(None, description="Write .jsonl, .csv or .parquet; else print.")


class GenerateConfig(Options):
    """Continue a prompt, or draw pictures, with a run whose pretext task can."""

    run: str = Field(..., description="Folder of a run (text: clm; pictures: vae, gan, bigan).")
    prompt: str = Field("", description="Text to continue.")
    tokens: int = Field(200, ge=1, le=100_000, description="Most tokens to write.")
    temperature: float = Field(0.8, ge=0, description="0 takes the likeliest token.")
    top_k: int = Field(0, ge=0, description="Sample among this many tokens; 0 means all.")
    count: int = Field(64, ge=1, le=10_000, description="Pictures to draw.")
    out: str | None = Field(
        None, description="Where the pictures go (.png); samples.png in the run by default."
    )
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")


def load(
    model: type[Model],
    *,
    file: str | Path | None = None,
    settings: Iterable[str] = (),
    **options: Any,
) -> Model:
    """Build a verb's options from a YAML file, ``key=value`` settings and keyword arguments.

    Later sources win: defaults, then ``file``, then ``settings``, then ``options``.

    Raises:
        HeadstartError: an unknown key or a value out of bounds, in one sentence.
    """
    values: dict[str, Any] = _read_yaml(Path(file)) if file else {}
    for setting in settings:
        _apply(model, values, setting)
    values.update(options)
    try:
        return model(**values)
    except ValidationError as error:
        raise HeadstartError(_sentence(model, error)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise HeadstartError(
            f"the config file {path} cannot be read: {error.strerror}; check --config."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise HeadstartError(f"the config file {path} is not YAML: {_one_line(error)}") from None
    if not isinstance(content, dict):
        raise HeadstartError(f"the config file {path} must hold `key: value` lines.")
    return content


def _apply(model: type[Options], values: dict[str, Any], setting: str) -> None:
    """Put one ``key=value`` where it belongs."""
    key, equals, text = setting.partition("=")
    if not equals:
        raise HeadstartError(f"--set {setting!r} must read key=value.")
    path = key.strip().split(".")
    head = path[0]
    if len(path) > 1 and "encoder_options" in model.model_fields:
        if head == "encoder":
            path = ["encoder_options", *path[1:]]
        elif head not in model.model_fields:
            path = ["objective_options", *path]
    target = values
    for part in path[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise HeadstartError(f"--set {setting!r}: {part!r} has no options of its own.")
    try:
        target[path[-1]] = yaml.safe_load(text)
    except yaml.YAMLError:
        target[path[-1]] = text


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown option {where!r}{did_you_mean(where, _names(model))}"
    if first["type"] == "missing":
        return f"the option {where!r} is missing; give it a value."
    message = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    shown = f" (given: {given!r})" if not isinstance(given, Mapping) else ""
    return f"option {where!r}: {message[0].lower()}{message[1:]}{shown}."


def _names(model: type[BaseModel], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        names.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names.extend(_names(field.annotation, f"{prefix}{name}."))
    return names


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
