"""How a verb that trains gets its run: begun, gone on with, or built to replace another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from headstart.claim import claimed, discard, place, replacement, take_place
from headstart.config import FinetuneConfig, Options, PretrainConfig
from headstart.config.loading import differences, laid_over, validated
from headstart.config.models import DISTILL
from headstart.config.options import data_options, spelled_out
from headstart.errors import CutOff, HeadstartError, shown
from headstart.files import delete
from headstart.ranks import is_first, launched
from headstart.run import RunFolder
from headstart.stopping import signal_of
from headstart.training.interrupt import Interrupted
from headstart.verbs.reading import hush, say, taken, whole_parts

Result = TypeVar("Result")
Plan = TypeVar("Plan", PretrainConfig, FinetuneConfig)

#: Options that name a run or an encoder's folder, or something else that is no path.
_ENCODERS = ("run", "encoder", "embeddings", "start")
_WORDS = ("auto", "none", "counts")
#: Options of encoders, objectives and kinds of data, such as a teacher's folder.
_GROUPS = ("encoder_options", "objective_options", "modality_options")
#: Options that a run may go on with in another way.
_FREE = ("resume", "overwrite", "out", "workers")
#: Characters of a value in a message.
_SHOWN = 60


@contextmanager
def begun(
    verb: str,
    model: type[Plan],
    values: Mapping[str, Any],
    check: Callable[[Plan], None],
) -> Iterator[tuple[RunFolder, Plan]]:
    """Begin a run, or go on with it if ``resume`` is among the options; yield it and its options.

    The run is locked. A new run that is refused before anything was trained leaves nothing
    behind, and with ``overwrite`` not before its first checkpoint is the former run gone.

    Args:
        values: options as the user gave them, without defaults; records in memory are stored
            beside the run, in ``RUN.data``, where it finds them again.
        check: raises an error for options that cannot work, before anything is written.

    Raises:
        HeadstartError: options that cannot work or differ from those of the run that goes on, or a
            folder that cannot be used.
    """
    hush(values)
    if isinstance(out := values.get("out"), str | os.PathLike):
        values = {**values, "out": os.path.expanduser(out)}  # before records are stored beside it
    with ExitStack() as stack:
        refused = _forgetting(data_of(values.get("out")))
        try:
            plan, fresh = _by_first(lambda: _decided(verb, model, values, check))

            def claim() -> RunFolder:
                run = stack.enter_context(claimed(plan.out, fresh=fresh, overwrite=plan.overwrite))
                if fresh:
                    run.begin(verb, plan)
                return run

            run = _by_first(claim)
        except BaseException:
            refused()
            raise
        with _kept_or_discarded(run, fresh, refused):
            yield run, plan
        if is_first():
            take_place(run)


def _decided(
    verb: str,
    model: type[Plan],
    values: Mapping[str, Any],
    check: Callable[[Plan], None],
) -> tuple[Plan, bool]:
    """Return the options of the run, and whether it is a new one."""
    out = values.get("out")
    values = taken(model, values, data_of(out))
    if values.get("resume") and not out:
        raise HeadstartError("--resume needs --out: the folder of the run to go on with.")
    resumed = _unfinished(verb, str(out), values) if values.get("resume") else None
    if resumed is not None:
        return _reopened(verb, model, resumed, values), False
    plan = located(whole_parts(validated(model, {**values, "resume": False})))
    check(plan)
    return plan, True


def data_of(out: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder beside a run for records that it was given in memory."""
    if not out:
        return None
    run = place(os.fspath(out))
    return run.with_name(f"{run.name}.data")


def _forgetting(folder: Path | None) -> Callable[[], None]:
    """Return what deletes all that the first process has put into a folder from here on."""
    before = set(folder.glob("*")) if folder else set()
    missing = [one for one in (folder, *folder.parents) if not one.exists()] if folder else []

    def forget() -> None:
        if folder is None or not is_first():
            return
        for path in set(folder.glob("*")) - before:
            delete(path)
        with suppress(OSError):  # it is not there, or another process is writing into it
            for made in missing:
                made.rmdir()

    return forget


def _by_first(work: Callable[[], Result]) -> Result:
    """Return what the first of several processes finds, in all of them.

    Raises:
        HeadstartError: it did, in all of them.
    """
    if launched() is None:
        return work()
    from headstart.training.processes import ProcessGroup

    group, found = ProcessGroup.here(), []
    group.first(lambda: found.append(work()))
    shared: Result = group.share(found[0] if found else None)
    return shared


def _unfinished(verb: str, out: str, values: Mapping[str, Any]) -> RunFolder | None:
    """Return the run to go on with; None, and a word on it, if nothing was begun.

    Raises:
        HeadstartError: nothing was begun, and the command does not say what to begin.
    """
    pending, run = replacement(out), RunFolder(out)
    if values.get("overwrite"):
        # The run that this very command began, or else the one that it will replace.
        made = run.begun and run.is_ours() and run.config()["options"].get("overwrite")
        found = pending or (run if made else None)
    else:
        found = run if run.begun else None
        if pending is not None:
            say(
                f"The run that is to replace {out} has no checkpoint yet; it goes on with "
                f"`{pending.command()}`."
            )
    if found is not None:
        return RunFolder.open(found.folder, found.out)
    if not any(values.get(name) for name in ("sources", "train")):
        raise HeadstartError(
            f"there is no run at {out}: nothing was begun; check the path, or give the whole "
            f"command of `headstart {verb}`."
        )
    say(f"Nothing was begun in {out}; starting.")
    return None


def _reopened(verb: str, model: type[Plan], run: RunFolder, values: Mapping[str, Any]) -> Plan:
    """Return the options that a run was begun with.

    Raises:
        HeadstartError: the run is of another verb or version, or the values differ.
    """
    content = run.config()
    if content["verb"] != verb:
        raise HeadstartError(
            f"{run.out} was made by `headstart {content['verb']}`; resume it with that verb."
        )
    try:
        given = {k: value for k, value in spelled_out(values).items() if k not in _FREE}
    except ValueError as error:
        raise HeadstartError(f"{error}.") from None
    changes = {"resume": True, "overwrite": run.folder != run.out, "out": str(run.out)}
    if "workers" in values:
        changes["workers"] = values["workers"]
    try:
        before = run.plan(model, **changes)
    except HeadstartError as error:
        raise HeadstartError(
            f"{run.out} was made by another version of headstart, which had other options "
            f"({error}); start again with --overwrite."
        ) from None
    after = validated(model, laid_over(given, {**content["options"], **changes}))
    for name, old, new in differences(located(before), located(after)):
        raise HeadstartError(
            f"the option {name!r} is {shown(repr(old), _SHOWN)} in {run.out} and "
            f"{shown(repr(new), _SHOWN)} in this command; it cannot change on --resume: leave it "
            "out, or choose another --out."
        )
    return before


def located(plan: Plan) -> Plan:
    """Return options whose files and folders have their full paths."""
    from headstart.encoders import ENCODERS
    from headstart.modalities import MODALITIES

    found: dict[str, Any] = {}
    for name in data_options(type(plan)):
        value = getattr(plan, name)
        if isinstance(value, list):
            found[name] = [_full(one) for one in value]
        elif value:
            found[name] = _full(value)
    for name in (*_ENCODERS, "names"):
        value = getattr(plan, name, None)
        if value and value not in {*_WORDS, *ENCODERS}:
            path = value.removeprefix(DISTILL)
            if os.path.exists(path):
                found[name] = value.removesuffix(path) + _full(path)
    for name in _GROUPS:
        if value := getattr(plan, name, None):
            found[name] = _with_paths(value)
    for kind, given in found.get("modality_options", {}).items():
        if kind in MODALITIES:
            given.update(_with_data(MODALITIES[kind].Options, given))
    return plan.model_copy(update=found)


def _with_data(model: type[Options], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that name data, in full: they are paths without any slash, too."""
    return {name: _full(given[name]) for name in data_options(model) if given.get(name)}


def _with_paths(value: Any) -> Any:
    """Return options of another part of the code, in which a text that is a path is in full."""
    if isinstance(value, Mapping):
        return {name: _with_paths(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_paths(one) for one in value]
    is_path = isinstance(value, str) and os.sep in value and os.path.exists(value)
    return _full(value) if is_path else value


def _full(source: str) -> str:
    """Return the full path of a source, which may be a glob or have a part after ``#``."""
    if "://" in source:
        return source
    return os.path.abspath(os.path.expanduser(source))


@contextmanager
def _kept_or_discarded(run: RunFolder, fresh: bool, refused: Callable[[], None]) -> Iterator[None]:
    """Discard a new run that is refused before anything was trained; others say how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"stopped before training began; go on with `{run.command()}`.", signal_of(error)
        ) from None
    except CutOff:
        raise
    except HeadstartError:
        if is_first() and fresh and not _has_work(run):
            discard(run)
            refused()
        raise


def _has_work(run: RunFolder) -> bool:
    """Return whether something was trained in the run or below it."""
    return any(
        path.parent.name == run.checkpoints.name or path.name == run.encoder.name
        for path in run.folder.rglob("*")
    )
