"""What a run is: everything as plain values, its main facts in words, and the runs of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import fspath
from pathlib import Path
from typing import Any

from headstart.errors import HeadstartError
from headstart.pages.markup import cut, listed
from headstart.run import RunFolder
from headstart.stored import opening
from headstart.verbs.reading import Named

#: Most sources and classes that are named.
_NAMED = 3
#: Options that the facts show in another form, or that are no news.
_TOLD = frozenset({"sources", "train", "out", "run", "objective", "encoder", "task", "resume"})
_TOLD |= {"overwrite", "budget", "length", "batch_size", "modality"}


def info(run: Named) -> dict[str, Any]:
    """Return options, decisions, state and latest metrics of a run folder."""
    opened = RunFolder.open(fspath(run))
    content = opened.config()
    metrics = opened.metrics()
    size = sum(f.stat().st_size for f in opened.folder.rglob("*") if f.is_file())
    return {
        "folder": str(opened.folder),
        "verb": content["verb"],
        "finished": opened.finished,
        "options": content["options"],
        "resolved": content["resolved"],
        "last_metrics": metrics[-1] if metrics else {},
        "checkpoints": sorted(p.name for p in opened.checkpoints.glob("*")),
        "report": str(opened.report_file) if opened.report_file.exists() else None,
        "megabytes": round(size / 1e6, 1),
    }


def facts(run: RunFolder) -> dict[str, str]:
    """Return the main facts of a run in words, at most one screen; see :func:`info` for all.

    Raises:
        HeadstartError: ``config.yaml`` is damaged.
    """
    with opening(run.config_file, run.without_config()):
        return _facts(run)


def _facts(run: RunFolder) -> dict[str, str]:
    found = info(run.folder)
    options, resolved = found["options"], found["resolved"]
    plan = resolved.get("plan") or {}
    metrics = run.metrics()
    last = {key: value for row in metrics for key, value in row.items() if key in ("loss", "clock")}
    told = {
        "run": str(run.folder),
        "made by": f"headstart {found['verb']}",
        "state": _state(run, found),
        "encoder given": options.get("run"),
        "data": _few(options.get("sources") or [options.get("train")]),
        "records": f"{resolved['records']:,}" if "records" in resolved else None,
        "kind of data": resolved.get("modality"),
        "task": resolved.get("task"),
        "labels": _few(resolved.get("labels") or []),
        "objective": " + ".join(plan.get("objectives", {})) or None,
        "encoder": plan.get("encoder"),
        "beside it": _beside(run),
        "sizes": _sizes(plan, resolved),
        "options": cut(", ".join(_given(found["verb"], options)), 160) or None,
        "loss": f"{last['loss']:.4g}" if last.get("loss") is not None else None,
        "scores": ", ".join(f"{k} {v:.3g}" for k, v in _numbers(resolved.get("scores"))) or None,
        "head": (resolved.get("head") or {}).get("taken")
        or (resolved.get("chosen") or {}).get("name"),
        "time": _time(last, resolved),
        "disk": f"{found['megabytes']:,} MB",
        "classes": str(run.classes_file) if run.classes_file.exists() else None,
        "report": found["report"],
    }
    return {name: value for name, value in told.items() if value}


def _beside(run: RunFolder) -> str | None:
    """Return what stands beside the encoder, with its licence."""
    from headstart.encoders.formats import joined_parts

    told = [
        f"{part['name']} ({part['licence']})" if part["licence"] else part["name"]
        for part in joined_parts(run.encoder)[1:]
    ]
    return listed(told) if told else None


def runs(folder: Path) -> list[RunFolder]:
    """Return the runs in a folder and in its folders, the newest first; damaged ones are left out.

    Raises:
        HeadstartError: there is no such folder.
    """
    if not folder.is_dir():
        raise HeadstartError(f"there is no folder {folder}; name one that holds runs.")
    files = [*folder.glob("*/config.yaml"), *folder.glob("*/*/config.yaml")]
    found = []
    for file in sorted(files, key=lambda file: -file.stat().st_mtime):
        if file.parent.name.startswith("."):  # one that is not in its place yet
            continue
        try:
            found.append(RunFolder.open(file.parent))
        except HeadstartError:
            continue
    return found


def _state(run: RunFolder, found: Mapping[str, Any]) -> str:
    steps = found["resolved"].get("steps")
    if found["finished"]:
        made = max((row["step"] for row in run.metrics() if "loss" in row), default=steps)
        early = f" of {steps:,}" if steps and made < steps else ""
        return f"finished after {made:,}{early} steps" if steps else "finished"
    at = f" at step {found['last_metrics'].get('step', 0):,} of {steps:,}" if steps else ""
    return f"not finished{at}; `{run.command()}` goes on"


def _sizes(plan: Mapping[str, Any], resolved: Mapping[str, Any]) -> str:
    length = plan.get("length") or resolved.get("length")
    named = {"length": length, "batch": plan.get("batch_size"), "rate": plan.get("learning_rate")}
    return ", ".join(f"{name} {value}" for name, value in named.items() if value)


def _given(verb: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options whose values are not their defaults."""
    from headstart.config import FinetuneConfig, PretrainConfig

    model = FinetuneConfig if verb == "finetune" else PretrainConfig
    for name, value in options.items():
        field = model.model_fields.get(name)
        if field is None or name in _TOLD:
            continue
        default = field.get_default(call_default_factory=True)
        plain = default.model_dump(mode="json") if hasattr(default, "model_dump") else default
        if isinstance(value, Mapping) and isinstance(plain, Mapping):
            changed = {key: one for key, one in value.items() if one != plain.get(key)}
            yield from (f"{name}.{key}={one}" for key, one in changed.items())
        elif value != plain:
            yield f"{name}={value}"


def _few(values: list[Any]) -> str | None:
    names = [str(value) for value in values if value is not None]
    more = len(names) - _NAMED
    return listed([*names[:_NAMED], f"{more:,} more"] if more > 0 else names) if names else None


def _numbers(scores: Any) -> Iterator[tuple[str, float]]:
    if isinstance(scores, Mapping):
        yield from ((str(k), v) for k, v in list(scores.items())[:5] if isinstance(v, int | float))


def _time(last: Mapping[str, Any], resolved: Mapping[str, Any]) -> str | None:
    trained = (last.get("clock") or {}).get("seconds")
    read = resolved.get("preparation_seconds")
    parts = [(trained, "training"), (read, "reading and preparing")]
    return ", ".join(f"{_clock(value)} {what}" for value, what in parts if value) or None


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
