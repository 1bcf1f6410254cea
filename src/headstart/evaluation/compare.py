"""Comparison of several runs on the same labels: which is best, and from how many labels on.

All runs see the same draws of labels and the same test records, so that every two of them can be
compared in pairs. A difference is claimed only if it survives Holm's correction for all pairs at
all numbers of labels, so that at most one comparison in twenty makes a false claim.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import CompareConfig, EvaluateConfig
from headstart.data.contradictions import contradictory
from headstart.encoders.opening import OpenedEncoder, encoder_folder, open_encoder
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digests_of
from headstart.evaluation.compare_page import compare_page
from headstart.evaluation.comparison import Comparison, pairs
from headstart.evaluation.evaluate import (
    check_needs,
    check_task,
    decided,
    evaluate,
    measure_of,
    protocol_of,
)
from headstart.evaluation.frozen_encoders import frozen, measured
from headstart.evaluation.protocols.reading import labeled_records
from headstart.evaluation.report.cost import cost_of
from headstart.evaluation.report.reproduce import command, versions
from headstart.files import scratch, write_text
from headstart.outputs import store_of
from headstart.run import RunFolder
from headstart.stored import read_json

if TYPE_CHECKING:
    from headstart.encoders import Encoder
    from headstart.modalities import Modality


def compare(config: CompareConfig, *, say: Callable[[str], None]) -> Comparison:
    """Measure the frozen features of all runs on the same labels; write the page if one is named.

    Raises:
        HeadstartError: fewer than two runs, a run named twice, runs of several modalities or sets
            of labels, or labels that cannot be measured.
    """
    folders = _folders(config.runs)
    encoders = {name: OpenedEncoder(folder) for name, folder in folders.items()}
    modality = _one_modality(config.runs, [opened.modality for opened in encoders.values()])
    check_task(config.task, modality)
    labels = _one_label_set(config.runs)
    shared = EvaluateConfig.model_fields.keys() & CompareConfig.model_fields.keys()
    plan = EvaluateConfig(run=config.runs[0], **{name: getattr(config, name) for name in shared})
    plan = decided(plan, modality)
    measure_of(plan)
    if protocol_of(plan).needs:  # opened twice rather than all held at once
        for opened in map(OpenedEncoder, folders.values()):
            check_needs(plan.task, modality, opened.encoder, opened.processor)
    first = next(iter(encoders.values()))
    notes: list[str] = []
    train, test = labeled_records(plan, modality, first.processor, {}, notes)
    if protocol_of(plan).classes:
        notes += contradictory(train, test, modality.content).sentences()
    digest_of = digests_of(modality)
    read = [digest_of(records) for records in (train, test)]
    for name, opened in encoders.items():
        if opened.modality.options != modality.options:
            again = labeled_records(plan, opened.modality, opened.processor, {}, [])
            if [digest_of(records) for records in again] != read:
                raise HeadstartError(
                    f"{name} reads {config.train} otherwise than {next(iter(encoders))}, for their "
                    f"options of {modality.content.noun} differ; compare runs that read alike."
                )
    notes += _label_notes(labels, train, config)
    # What a damaged run cannot say is refused before anything is computed.
    costs = {name: _cost(named) for name, named in zip(encoders, config.runs, strict=True)}
    candidates = []
    with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
        for (name, opened), named in zip(encoders.items(), config.runs, strict=True):
            say(f"features of {name}")
            encoder = open_encoder(opened.folder)
            costs[name] = {"parameters": _parameters(encoder), **costs[name]}
            candidate = frozen(name, "other", encoder, opened.processor, opened.length)
            store = _store(named, Path(temporary))
            candidates.append(measured(candidate, train, test, digest_of, store, None))
    results = evaluate(candidates, train, test, plan, modality.content)
    comparison = Comparison(
        results,
        pairs(results),
        costs,
        dict(zip(folders, config.runs, strict=True)),
        [*notes, *results.notes],
        command("compare", config, ["runs"]),
        versions(),
    )
    if config.out:
        write_text(Path(config.out), compare_page(comparison))
        say(f"the page is {config.out}")
    else:
        say("--out compare.html writes a page with the chart and every figure.")
    return comparison


def _folders(runs: list[str]) -> dict[str, str | Path]:
    """Return ``{name: encoder folder}``; names are the shortest paths that distinguish the runs."""
    if len(runs) < 2:
        raise HeadstartError("comparing needs two runs or more; name another one.")
    seen: set[Any] = set()
    found: dict[str, str | Path] = {}
    depth = 1
    parts = [Path(run).resolve().parts if os.path.exists(run) else (run,) for run in runs]
    while len({p[-depth:] for p in parts}) < len(set(parts)):
        depth += 1
    for run, part in zip(runs, parts, strict=True):
        if part in seen:
            raise HeadstartError(f"{run} is named twice; name each run once.")
        seen.add(part)
        folder = encoder_folder(run)
        if isinstance(folder, Path) and (Path(run) / "config.yaml").is_file():
            folder = RunFolder.open(run).require_encoder()
        found["/".join(part[-depth:])] = folder
    return found


def _one_modality(runs: list[str], modalities: list[Modality]) -> Modality:
    """Return the modality of the first run, which all must read."""
    modality = modalities[0]
    for run, other in zip(runs, modalities, strict=True):
        if other.name != modality.name:
            raise HeadstartError(
                f"{runs[0]} reads {modality.content.noun} and {run} reads {other.content.noun}; "
                "compare runs of one kind of data."
            )
    return modality


def _one_label_set(runs: list[str]) -> list[str] | None:
    """Return the labels of the runs that were fine-tuned on classes; None if there is no such run.

    Other heads, such as those that go on with a text or predict a number, have no labels.
    """
    known: list[str] | None = None
    owner = ""
    for run in runs:
        head = RunFolder(run).checked_head()
        if not head.is_dir() or "labels" not in (described := read_json(head / "head.json")):
            continue  # of an encoder alone, or of a pretext task
        labels = sorted(map(str, described["labels"]))
        if known is not None and labels != known:
            raise HeadstartError(
                f"{owner} was fine-tuned on {_listed(known)} and {run} on {_listed(labels)}; "
                "compare runs of one set of labels."
            )
        known, owner = labels, run
    return known


def _label_notes(labels: list[str] | None, train: Any, config: CompareConfig) -> list[str]:
    """Refuse fine-tuned runs of other labels; else return a note that they have seen labels."""
    if labels is None:
        return []
    given = sorted(set(map(str, train["label"]))) if "label" in train.column_names else []
    if not set(given) & set(labels):
        raise HeadstartError(
            f"the fine-tuned runs know {_listed(labels)}, and {config.train} has {_listed(given)}; "
            "compare them on labels of the same set."
        )
    return [
        "Some of these runs were fine-tuned: their encoders learned from labels, which the others "
        "did not see."
    ]


def _listed(labels: list[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _cost(run: str) -> dict[str, str]:
    """Return minutes and records, as far as known."""
    if not (Path(run) / "config.yaml").is_file():
        return {}
    opened = RunFolder.open(run)
    return cost_of(opened, opened.metrics())


def _store(run: str, temporary: Path) -> Path:
    """Return the folder of cached features: that of the run, or a temporary one for an encoder."""
    is_run = RunFolder(run).config_file.is_file()
    return RunFolder(store_of(run)).features if is_run else temporary


def _parameters(encoder: Encoder) -> str:
    count = sum(each.numel() for each in encoder.parameters())
    return f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count:,}"
