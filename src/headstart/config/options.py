"""Options of several verbs: sources, the optimizer and training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from headstart.config.strict import LARGEST as LARGEST
from headstart.config.strict import Data as Data
from headstart.config.strict import Options as Options
from headstart.config.strict import data_options as data_options

#: One source of records, one or none, and several.
Source = Annotated[str, Data()]
OptionalSource = Annotated[str | None, Data()]
Sources = Annotated[list[str], Data()]


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
        if amount > LARGEST:
            raise ValueError(f"the budget {text!r} is too large; give at most {LARGEST}")
        if unit.startswith("step"):
            if amount != int(amount):
                raise ValueError(f"{text!r}: steps are whole; give 1step, or 2steps, or more")
            return cls(int(amount), "steps")
        if unit.startswith("epoch"):
            return cls(amount, "epochs")
        return cls(amount * {"s": 1 / 60, "m": 1, "h": 60}[unit[0]], "minutes")


def _label_counts(values: list[str]) -> list[str]:
    values = [value.strip() for value in values]
    if not values:
        raise ValueError("give one number of labels or more")
    for value in values:
        match = re.fullmatch(r"all|([0-9]+|[0-9]*\.?[0-9]+(?=%))(%?)", value)
        if not match or (match[1] and not 0 < float(match[1]) <= (100 if match[2] else LARGEST)):
            raise ValueError(
                f"{value!r} is no number of labels; write a count such as 100, a share such as "
                "5%, or all"
            )
    return values


#: Numbers of labels: counts, shares such as ``5%``, or ``all``.
LabelCounts = Annotated[list[str], AfterValidator(_label_counts)]


def _share(value: Any) -> Any:
    if isinstance(value, str):
        number, percent = value.strip().removesuffix("%"), value.strip().endswith("%")
        try:
            value = float(number) / (100 if percent else 1)
        except ValueError:
            raise ValueError(f"{value!r} is no share; write for example 5%") from None
    return value


#: A share of records, such as ``5%`` or 0.05.
Share = Annotated[float, BeforeValidator(_share), Field(gt=0, lt=1)]


def _budget_text(value: Any) -> Any:
    if isinstance(value, str | int | float):
        Budget.parse(str(value))
    return value


BudgetText = Annotated[str, BeforeValidator(_budget_text)]
#: YAML reads a bare on and off as True and False.
Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(lambda v: {True: "on", False: "off"}[v] if isinstance(v, bool) else v),
]
AutoBudgetText = Annotated[str, BeforeValidator(lambda v: v if v == "auto" else _budget_text(v))]


def _time_text(value: Any) -> Any:
    is_budget = isinstance(value, str | int | float) and value != "auto"
    if is_budget and Budget.parse(str(value)).unit != "minutes":
        raise ValueError(f"{value!r} is no time; write for example 90s or 5min")
    return value


#: A time such as ``90s``, or ``auto``.
AutoTimeText = Annotated[str, BeforeValidator(_time_text)]


def _encoding_name(value: Any) -> Any:
    if isinstance(value, str):
        try:
            b"text".decode(value, "replace")
        except (LookupError, ValueError):
            raise ValueError(
                f"{value!r} is no encoding; write for example utf-8, cp1252 or gb18030"
            ) from None
    return value


EncodingName = Annotated[str, BeforeValidator(_encoding_name)]


class SourceOptions(Options):
    """Sources of records and their columns; shared by every verb that reads data."""

    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Column of the text, image, label, pair and so on, as in text=body; found "
        "automatically where it is obvious.",
    )
    document: Literal["auto", "line", "file"] = Field(
        "auto",
        description="In .txt files: is each line a record, or the whole file? auto takes the file "
        "where its folder names its class, and else the line.",
    )
    encoding: EncodingName | None = Field(
        None,
        description="Encoding of the text files, such as cp1252 or gb18030; by default it is "
        "detected, and said where it is not UTF-8.",
    )

    quiet: bool = Field(
        False, exclude=True, description="Print the result only, and no progress or notes."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, values: Any) -> Any:
        return spelled_out(values) if isinstance(values, Mapping) else values

    def without_label(self) -> Self:
        """Return the options for records whose labels are not read."""
        others = {name: column for name, column in self.columns.items() if name != "label"}
        return self.model_copy(update={"columns": others})

    def dividing(self) -> dict[str, str | None]:
        """Return the fields that a split looks at, and their columns; None where it is found."""
        return {}

    def undivided(self) -> Self:
        """Return the options for records that are not split."""
        return self


class GroupOptions(SourceOptions):
    """Sources whose records are split or drawn, and what stays together."""

    group: str | None = Field(
        None,
        min_length=1,
        description="Column of a patient, an author and so on: no split divides its records.",
    )

    def dividing(self) -> dict[str, str | None]:
        """Return the fields that a split looks at, and their columns."""
        return {} if self.group is None else {"group": self.group}

    def undivided(self) -> Self:
        """Return the options for records that are not split."""
        return self.model_copy(update={"group": None})


class SplitOptions(GroupOptions):
    """Sources of which a part is held out, at random or the latest."""

    split_by: Literal["random", "time"] = Field(
        "random", description="How records are held out where no file names them: time: the latest."
    )
    time_column: str | None = Field(
        None,
        min_length=1,
        description="Column of dates or numbers for --split-by time; found where it is obvious.",
    )

    @model_validator(mode="after")
    def _by_time(self) -> Self:
        if self.time_column is not None and self.split_by != "time":
            raise ValueError(
                f"the time column {self.time_column!r} is used by --split-by time alone; add that, "
                "or leave it out"
            )
        return self

    def dividing(self) -> dict[str, str | None]:
        """Return the fields that a split looks at, and their columns."""
        time = {"time": self.time_column} if self.split_by == "time" else {}
        return super().dividing() | time

    def undivided(self) -> Self:
        """Return the options for records that are not split."""
        kept = {"group": None, "split_by": "random", "time_column": None}
        return self.model_copy(update=kept)


class TaskOptions(Options):
    """Options that only one task has, of fine-tuning or of evaluation."""

    task_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options of the task, as --set TASK.KEY=VALUE; `headstart list tasks` and "
        "`headstart list protocols` have them.",
    )


def spelled_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in which ``label_column``, the short form, is one of ``columns``.

    Raises:
        ValueError: both are given and differ.
    """
    column = values.get("label_column")
    found = {name: value for name, value in values.items() if name != "label_column"}
    if column is not None:
        if isinstance(column, str) and not column.strip():
            raise ValueError("the name of the label column is empty; leave it out, or name one")
        columns = dict(found.get("columns") or {})
        if columns.setdefault("label", column) != column:
            raise ValueError(
                f"label_column is {column!r} and the column of the label is {columns['label']!r}; "
                "leave one out"
            )
        found["columns"] = columns
    return found


Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(Options):
    """The optimizer and its schedule, which runs over progress from 0 to 1."""

    name: Literal["auto", "adamw", "muon"] = Field(
        "auto", description="AdamW, or Muon for matrices with AdamW for the rest; auto chooses."
    )
    learning_rate: float | None = Field(
        None, gt=0, le=1000, description="Peak rate; by default the encoder's."
    )
    muon_learning_rate: float = Field(
        8e-3,
        gt=0,
        le=1000,
        description="Peak rate of the Muon matrices; half is best for convolutions.",
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1000, description="Decoupled weight decay on matrices."
    )
    betas: tuple[Decay, Decay] = Field((0.9, 0.98), description="Adam's moment decays.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the run spent warming up.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="Shape of the decay after the warm-up."
    )
    clip: float = Field(1.0, ge=0, description="Largest gradient norm; 0 turns clipping off.")


class SafeguardOptions(Options):
    """Safeguards of a pre-trained encoder; each can be switched off."""

    head_warmup: float = Field(
        0.1, ge=0, le=0.9, description="Share of the steps in which only new parts learn; 0: none."
    )
    low_rate: bool = Field(
        True, description="A tenth of the rate from scratch, unless optimizer.learning_rate is set."
    )
    anchor: float = Field(
        2.0,
        ge=0,
        le=1000,
        description="Strength of the pull towards the initial weights, over the run; 0: none.",
    )
    rollback: bool = Field(
        True, description="Keep the best weights by the probe, including those of the start."
    )


class TrainingOptions(Options):
    """Options of the training loop, for any modality."""

    budget: BudgetText = Field("5min", description="How long: 30min, 5000steps or 3epochs.")
    batch_size: int | None = Field(None, ge=1, le=65536, description="Rows per step and process.")
    accumulate: int = Field(1, ge=1, le=65536, description="Batches whose gradients make one step.")
    seed: int = Field(0, ge=0, description="Everything random follows from this number.")
    workers: int = Field(0, ge=0, le=64, description="Loader processes; 0 reads in line.")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="bf16 mixed precision where the hardware is fast at it."
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
    keep: Literal["last", "best"] = Field(
        "last", description="Weights to save: the last, or the best by --watch."
    )
    watch: Literal[
        "validation_loss",
        "effective_rank",
        "lidar",
        "alpha_req",
        "alignment",
        "uniformity",
        "view_matching",
        "probe",
    ] = Field("validation_loss", description="Measure for --patience and --keep best.")
    devices: int = Field(1, ge=1, description="Processes on this machine (gloo on a CPU).")
    tracker: Literal["tensorboard", "wandb", "mlflow", "none"] = Field(
        "tensorboard",
        description="Tracker of the curves, in addition to metrics.jsonl (extras `wandb`, "
        "`mlflow`).",
    )
    optimizer: OptimizerOptions = Field(default_factory=OptimizerOptions, description="Optimizer.")
