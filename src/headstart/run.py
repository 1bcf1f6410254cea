"""The run folder: everything of one run in one folder, readable without this library."""

from __future__ import annotations

import copy
import os
import shlex
from functools import lru_cache
from inspect import cleandoc
from pathlib import Path
from typing import Any, Self, TypeVar, overload

import yaml

from headstart.config import Options, SourceOptions
from headstart.config.loading import Model, as_given, names_given, validated
from headstart.errors import HeadstartError, did_you_mean
from headstart.files import write_json, write_text
from headstart.stored import check, opening, read_json, read_rows, read_text
from headstart.version import __version__

#: Hidden files of a run; see :class:`RunFolder`.
MARKER, LOCK = ".headstart-run", ".lock"
#: Types of what training records in ``config.yaml``, where it is recorded.
_RESOLVED: dict[str, type] = {
    **dict.fromkeys(("plan", "modality_options", "head", "scores"), dict),
    **dict.fromkeys(("records", "steps", "length"), int),
    **{"modality": str, "task": str, "labels": list},
}

Value = TypeVar("Value")


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """Return what a YAML text holds; a verb asks for its run's configuration some twenty times."""
    return yaml.safe_load(text)


class Part:
    """A file or folder that a run, or a verb that works on it, writes into the run's folder.

    As an attribute of :class:`RunFolder` it is the path.

    Args:
        name: in the folder.
        about: what is in it.
        result: a verb writes it anew, so that its ``--out`` may name it.
    """

    def __init__(self, name: str, about: str, *, result: bool = False) -> None:
        self.name, self.about, self.result = name, about, result

    @overload
    def __get__(self, run: None, owner: type[RunFolder]) -> Self: ...

    @overload
    def __get__(self, run: RunFolder, owner: type[RunFolder]) -> Path: ...

    def __get__(self, run: RunFolder | None, owner: type[RunFolder]) -> Self | Path:
        return self if run is None else run.folder / self.name


class RunFolder:
    """A run folder: its files, options and metrics.

    ::

    {parts}

    Two hidden files are there as well: ``.headstart-run`` says that the folder is a run, which
    ``--overwrite`` may replace, and ``.lock`` is locked by the process that trains in it.

    Args:
        folder: where the files lie.
        out: the place that a replacement of another run will take; ``folder`` by default.

    Attributes:
        within: the run that this one is a part of, and that goes on with it; None for most.
    """

    config_file = Part("config.yaml", "the options, and under `resolved` the decisions")
    metrics_file = Part("metrics.jsonl", "one JSON object per logged step")
    log_file = Part("log.txt", "all messages")
    tensorboard = Part("tensorboard", "the metrics for TensorBoard")
    wandb = Part("wandb", "(with --tracker wandb) what Weights & Biases keeps")
    checkpoints = Part("checkpoints", "training state; only the newest complete ones are kept")
    encoder = Part("encoder", "the network in the format of its library, with its tokenizer")
    head = Part("head", "(fine-tuned runs) the head on top of the encoder")
    prepared = Part("prepared", "token files, kept only while training may still be resumed")
    labels_alone = Part("labels_alone", "(with --unlabeled) the run on the labels alone")
    seeds = Part("seeds", "(after `evaluate --seeds`) the same pre-training from other seeds")
    features = Part("features", "(after `evaluate`) vectors of labeled records; may be deleted")
    indexes = Part("index", "(after `search`) vectors of the searched records")
    image_file = Part("pretext.png", "(images) the pretext task on the first records")
    words_file = Part("pretext.json", "(texts) the same, as words")
    audit_file = Part("audit.json", "what was read, and what was quarantined and why")
    classes_file = Part("classes.html", "(fine-tuned runs) each class with its mistakes")
    alignments_file = Part("alignments.html", "(speech recognition) what was heard, and said")
    ranking_file = Part("ranking.json", "(after `evaluate`) what ranks beside a network")
    report_file = Part("report.html", "the verdict", result=True)
    report_values = Part("report.json", "(interactions) the same, as plain values", result=True)
    perplexity_page = Part("perplexity.html", "(texts) the measured perplexity", result=True)
    perplexity_file = Part("perplexity.json", "the same, as plain values", result=True)
    bits_page = Part("bits.html", "(recordings) the measured bits a sample", result=True)
    bits_file = Part("bits.json", "the same, as plain values", result=True)
    rounded = Part("int8", "(after `compress`) the same in 8 bits, where that was chosen")
    compressed_page = Part("compress.html", "(after `compress`) the candidates and their curve")
    compressed_file = Part("compress.json", "the same, as plain values")
    samples_file = Part("samples.png", "(images) what `generate` has drawn", result=True)
    sounds_file = Part("samples.wav", "(recordings) what `generate` has written", result=True)

    def __init__(self, folder: str | Path, out: str | Path | None = None) -> None:
        self.folder = Path(folder)
        self.out = Path(out or folder)
        self.within: RunFolder | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    # -- creating and opening ----------------------------------------------------------------

    @classmethod
    def create(cls, folder: str | Path, verb: str, config: Options) -> Self:
        """Write the ``config.yaml`` of a new run.

        Raises:
            HeadstartError: there is something in the folder already.
        """
        run = cls(folder)
        run.begin(verb, config)
        return run

    def begin(self, verb: str, config: Options) -> None:
        """Write ``config.yaml``; see :meth:`create`."""
        if self.begun:
            raise HeadstartError(f"{self.folder} is not empty; choose another --out.")
        # Before this file and the next one are whole, nothing was begun.
        write_text(self.folder / MARKER, f"This folder is a run of headstart {__version__}.\n")
        options = config.model_dump(mode="json")
        if "out" in options:  # it holds wherever the file is read from
            options["out"] = os.path.abspath(options["out"])
        given = names_given(config)
        self.write_config({"verb": verb, "options": options, "given": given, "resolved": {}})

    @property
    def begun(self) -> bool:
        """True if there is anything in the folder, or in its place."""
        if not self.folder.is_dir():
            return os.path.lexists(self.folder)
        return any(not _is_before(path.name) for path in self.folder.iterdir())

    def is_ours(self) -> bool:
        """Return whether a run lies here: its marker does, or the config of an earlier version."""
        if (self.folder / MARKER).is_file():
            return True
        try:
            return {"out", "seed", "budget"} <= self.config()["options"].keys()
        except (HeadstartError, OSError):
            return False

    def foreign(self) -> list[str]:
        """Return the names in the folder that no run writes."""
        ours = {part.name for part in PARTS}
        names = (path.name for path in self.folder.iterdir())
        return sorted(name for name in names if name not in ours and not _is_before(name))

    def command(self) -> str:
        """Return the command that goes on with the run, to be pasted into a shell."""
        if self.within is not None:
            return self.within.command()
        again = ["--overwrite"] if self.folder != self.out and not self.folder.is_symlink() else []
        out = [f"--out={self.out}"] if str(self.out).startswith("-") else ["--out", str(self.out)]
        return shlex.join(["headstart", self.config()["verb"], "--resume", *again, *out])

    @classmethod
    def open(cls, folder: str | Path, out: str | Path | None = None) -> Self:
        """Open an existing run.

        Raises:
            HeadstartError: it does not exist, or is not a run folder.
        """
        if not os.fspath(folder).strip():
            raise HeadstartError("the name of the run is empty; name its folder.")
        run = cls(folder, out)
        # In contrast to Path.exists, it takes names that are too long.
        if not os.path.exists(run.folder):
            raise HeadstartError(f"there is no run at {run.folder}{runs_beside(run.folder)}")
        if not run.config_file.exists():
            raise HeadstartError(
                f"{run.folder} is not a run folder: it has no config.yaml; name a folder that "
                "`headstart pretrain` or `headstart finetune` wrote."
            )
        run.config()
        return run

    # -- config.yaml -------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return ``{"verb": ..., "options": {...}, "resolved": {...}}``."""
        text = read_text(self.config_file)
        with opening(self.config_file, self.without_config()):
            content = copy.deepcopy(_parsed(text))
            if not isinstance(content, dict):
                raise ValueError("it holds no keys and values")
            for key, kind in (("verb", str), ("options", dict), ("resolved", dict)):
                if not isinstance(content.get(key), kind):
                    raise ValueError(f"its key {key!r} is missing or not of type {kind.__name__}")
            for name, needed in _RESOLVED.items():
                if not isinstance(content["resolved"].get(name), needed | None):
                    raise ValueError(f"its key 'resolved.{name}' is not of type {needed.__name__}")
        # Earlier versions had an option for each column: NAME_column, which may be None.
        options = content["options"]
        for former in [name for name in options if name.endswith("_column")]:
            column = options.pop(former)
            if column is not None:
                options.setdefault("columns", {})[former.removesuffix("_column")] = column
        return content

    def plan(self, model: type[Model], **changes: Any) -> Model:
        """Return the options of the run, of which those count as given that were.

        Defaults may depend on what was not given, so that all of them as if they had been given
        would be another training.

        Args:
            changes: options that differ.

        Raises:
            HeadstartError: they are of another version.
        """
        content = self.config()
        options = validated(model, {**content["options"], **changes})
        return as_given(options, {*content.get("given", names_given(options)), *changes})

    def sources(self) -> tuple[list[str], SourceOptions]:
        """Return the sources of a pre-training, and the options that they were read with."""
        options = self.config()["options"]
        known = {name: options[name] for name in SourceOptions.model_fields if name in options}
        with opening(self.config_file, self.without_config()):
            return list(options.get("sources", [])), SourceOptions(**known)

    def write_config(self, content: dict[str, Any]) -> None:
        """Write ``config.yaml``, whole or not at all."""
        write_text(self.config_file, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    def resolve(self, **values: Any) -> None:
        """Record decisions that must not change on resume (steps, sizes, names)."""
        content = self.config()
        content["resolved"].update(values)
        self.write_config(content)

    @property
    def resolved(self) -> dict[str, Any]:
        """The recorded decisions of this run."""
        return dict(self.config()["resolved"])

    def recorded(self, name: str, kind: type[Value]) -> Value:
        """Return a decision that training has recorded.

        Raises:
            HeadstartError: it is missing or not of its type, so ``config.yaml`` was altered.
        """
        value = self.resolved.get(name)
        if not isinstance(value, kind):
            raise HeadstartError(
                f"{self.config_file} is damaged: resolved.{name} is missing or not of type "
                f"{kind.__name__}; {self.without_config()}."
            )
        return value

    @property
    def finished(self) -> bool:
        """True once the encoder has been written."""
        return bool(self.resolved.get("finished")) and self.encoder.is_dir()

    def require_encoder(self) -> Path:
        """Return the encoder folder.

        Raises:
            HeadstartError: training has not finished.
        """
        if not self.encoder.is_dir():
            raise HeadstartError(
                f"the run {self.folder} has no encoder yet: its training has not finished; "
                f"go on with `{self.command()}`."
            )
        return self.encoder

    def checked_head(self) -> Path:
        """Return the folder of the head, which a run may lack.

        Raises:
            HeadstartError: one of its files is missing or was altered since it was written.
        """
        if self.head.is_dir():
            check(self.head)
        return self.head

    def without_config(self) -> str:
        """Return what can be done without a whole ``config.yaml``."""
        if self.encoder.is_dir():
            return f"restore it from a copy, or name {self.encoder}, which can still be used"
        return "restore it from a copy, or start the run again with --overwrite"

    # -- metrics and audits ------------------------------------------------------------------

    def metrics(self) -> list[dict[str, Any]]:
        """Return the logged rows, oldest first; half-written and damaged lines are left out."""
        if not self.metrics_file.exists():
            return []
        return [row for row in read_rows(self.metrics_file) if _is_logged(row)]

    def write_audit(self, audit: dict[str, Any]) -> None:
        """Write ``audit.json``, as :meth:`headstart.data.audit.Audit.summary` returns it."""
        write_json(self.audit_file, audit)

    def audits(self) -> dict[str, dict[str, Any]]:
        """Return the audits as ``{"pre-training": summary}``; {} without any.

        Of a damaged one only that is said, in its notes: it only describes, and no work depends
        on it.
        """
        if not self.audit_file.exists():
            return {}
        try:
            return {"pre-training": read_json(self.audit_file, **_AUDITED)}
        except HeadstartError as error:
            empty = {name: kind() for name, kind in _AUDITED.items()}
            return {"pre-training": {**empty, "notes": [str(error)]}}


#: All parts of a run.
PARTS = tuple(part for part in vars(RunFolder).values() if isinstance(part, Part))
RunFolder.__doc__ = cleandoc(RunFolder.__doc__ or "").format(
    parts="\n".join(f"    {part.name:16} {part.about}" for part in PARTS)
)

#: What every audit has, and its types.
_AUDITED = {
    **dict.fromkeys(("kept", "quarantine", "blank", "duplicates"), int),
    **{"sources": dict, "reasons": dict, "records": list},
}


def _is_logged(row: dict[str, Any]) -> bool:
    clock = row.get("clock") or {"seconds": 0.0}
    return (
        isinstance(row.get("step"), int)
        and isinstance(row.get("loss"), int | float | None)
        and isinstance(clock, dict)
        and isinstance(clock.get("seconds"), int | float)
    )


def _is_before(name: str) -> bool:
    """Return whether a file may be there before a run is begun."""
    return name in (MARKER, LOCK) or (name.startswith(".") and name.endswith(".partial"))


def runs_beside(folder: Path) -> str:
    """Return which runs lie where ``folder`` does not, as the end of a message."""
    beside = folder.parent
    files = beside.glob("*/config.yaml") if os.path.isdir(beside) else []
    there = [file.parent.name for file in files]
    return did_you_mean(folder.name, there) if there else "; check the path."
