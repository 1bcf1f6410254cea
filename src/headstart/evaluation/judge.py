"""From a run and labels to a report: which contenders there are, and what they may see."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import headstart
from headstart.config import EvaluateConfig, SourceOptions
from headstart.data.audit import Audit
from headstart.data.split import labeled, split
from headstart.encoders.opening import encoder_folder, open_encoder, read_note
from headstart.errors import HeadstartError
from headstart.evaluation import BASELINES
from headstart.evaluation.evaluate import Contender, Kind, evaluate
from headstart.evaluation.features import Progress, features
from headstart.evaluation.report import Report
from headstart.modalities import Modality
from headstart.modalities.opening import open_modality, open_processor
from headstart.run import Run
from headstart.seeding import seeded

if TYPE_CHECKING:
    from datasets import Dataset

VERSIONS = ("torch", "transformers", "pytorch-lightning", "scikit-learn")

#: Trains the same network on labels alone: called with the labeled records, the records to
#: predict and a seed, it returns the predicted labels in order.
FromScratch = Callable[["Dataset", "Dataset", int], list[str]]


def judge(
    config: EvaluateConfig,
    *,
    from_scratch: FromScratch,
    say: Callable[[str], None],
    console: Any = None,
) -> Report:
    """Compare the run's frozen features with every simple alternative and write the report.

    Raises:
        HeadstartError: no finished run, no labels, or too few of them.
    """
    run = Run.open(config.run)
    folder = encoder_folder(run.require_encoder())
    note = read_note(folder)
    audits: dict[str, Any] = {}
    modality = open_modality(note["modality"])
    encoder, processor = open_encoder(folder), open_processor(folder)
    train, test = _labeled(config, modality, processor, audits)
    notes: list[str] = []
    background = _background(run, modality, notes)
    if background is not None:
        notes += modality.overlap(background, test if test is not None else train)
    if run.audit_file.exists():
        audits = {"pre-training": _read_json(run.audit_file), **audits}

    with _bar(console, "features") as progress:
        contenders = [_frozen("pretrained", encoder, processor, train, test, note, progress)]
        fresh = untrained(encoder, config.seed)
        contenders.append(_frozen("untrained", fresh, processor, train, test, note, progress))
    if config.from_scratch:
        contenders.append(_scratch(from_scratch, train, test))
    with _bar(console, "simple alternatives") as progress:
        baselines = BASELINES[modality.name]
        contenders += baselines(background, train, test, seed=config.seed, progress=progress)
    with _bar(console, "probes") as progress:
        results = evaluate(
            contenders,
            train["label"],
            test["label"] if test is not None else [],
            config,
            progress=progress,
        )
    report = Report(
        results,
        run=run,
        command=_command(config),
        versions={"headstart": headstart.__version__, **{name: version(name) for name in VERSIONS}},
        audits=audits,
        notes=notes,
    )
    out = Path(config.out) if config.out else run.report_file
    report.write(out)
    say(f"the report is in {out}")
    return report


def _labeled(
    config: EvaluateConfig, modality: Modality, processor: Any, audits: dict[str, Any]
) -> tuple[Dataset, Dataset | None]:
    """Read train and test; one labeled file is split unless it is to be cross-validated."""
    train = _read([config.train], config, modality, processor, "train", audits)
    if config.test:
        if config.folds:
            raise HeadstartError(
                "--folds cross-validates one labeled file; leave out --test, or --folds."
            )
        return train, _read([config.test], config, modality, processor, "test", audits)
    if config.folds:
        return train, None
    kept, held = split(train["label"], seed=config.seed)
    return train.select(kept), train.select(held)


def _read(
    sources: list[str],
    options: SourceOptions,
    modality: Modality,
    processor: Any,
    what: str,
    audits: dict[str, Any],
) -> Dataset:
    audit = Audit()
    records = modality.read(sources, options, audit)
    records = labeled(records, ", ".join(sources), audit)
    records = modality.readable(records, processor, audit)
    audits[what] = audit.summary()
    return records


def _background(run: Run, modality: Modality, notes: list[str]) -> Dataset | None:
    """The records of the pre-training, so that the alternatives learn from the same."""
    options = run.config()["options"]
    known = {name: options[name] for name in SourceOptions.model_fields if name in options}
    try:
        return modality.read(options.get("sources", []), SourceOptions(**known), Audit())
    except HeadstartError as error:
        notes.append(
            f"The sources of the pre-training cannot be read any more ({error}), so the simple "
            "alternatives saw the labeled records only."
        )
        return None


def untrained(encoder: Any, seed: int) -> Any:
    """Return a fresh encoder of the same shape; the seed decides its weights."""
    with seeded(seed, "untrained"):
        return encoder.untrained()


def _frozen(
    kind: Kind,
    encoder: Any,
    processor: Any,
    train: Dataset,
    test: Dataset | None,
    note: dict[str, Any],
    progress: Progress | None,
) -> Contender:
    vectors = [
        features(encoder, processor, part, length=int(note["length"]), progress=progress)
        for part in (train, test)
        if part is not None
    ]
    name = "pre-trained" if kind == "pretrained" else kind
    return Contender(name, kind, vectors[0], vectors[1] if test is not None else None)


def _scratch(from_scratch: FromScratch, train: Dataset, test: Dataset | None) -> Contender:
    def fit_predict(places: np.ndarray, seed: int) -> list[str]:
        return from_scratch(train.select(places), train if test is None else test, seed)

    return Contender("from scratch", "scratch", fit_predict=fit_predict)


def _command(config: EvaluateConfig) -> str:
    """The shell command that gives the same report again: only what differs from the defaults."""
    words = ["headstart", "evaluate", config.run]
    for name in sorted(config.model_fields_set - {"run"}):
        value = getattr(config, name)
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        elif isinstance(value, list):
            words += [word for item in value for word in (flag, str(item))]
        elif value is not None:
            words += [flag, str(value)]
    return shlex.join(words)


def _read_json(path: Path) -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@contextmanager
def _bar(console: Any, title: str) -> Iterator[Progress | None]:
    """Show a progress bar with its ETA where somebody looks."""
    if console is None or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
