"""Verbs that hand a trained model on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import ExportConfig, SourceOptions
from headstart.errors import HeadstartError
from headstart.outputs import check_free, check_unread
from headstart.registries import EXPORTS
from headstart.run import RunFolder
from headstart.verbs.reading import Named, console, load, say, speaking
from headstart.working import working

if TYPE_CHECKING:
    from headstart.deployment.exporting.export import Exported
    from headstart.encoders.opening import OpenedEncoder


@speaking()
def export(run: Named, *inputs: Any, **options: Any) -> Exported:
    """Write an encoder and its head to a folder that works without headstart.

    The folder is compared with the original on the user's own records, and refused where it gives
    something else.

    Args:
        run: a run folder, or any encoder folder.
        inputs: records to compare on: files, folders or globs, or records in memory; the run's own
            by default.
        options: see :class:`headstart.config.ExportConfig`.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        found = hs.export("runs/stars", format="onnx", quantize="int8", out="stars-int8")
        print(found.parity.overlap)
    """
    plan = load(ExportConfig, run=run, inputs=list(inputs), **options)
    EXPORTS.check(plan.format)
    _check_out(plan)
    from headstart.deployment.exporting.export import export as write_export
    from headstart.encoders.opening import OpenedEncoder

    opened = OpenedEncoder(plan.run)
    found = RunFolder.open(plan.run) if (Path(plan.run) / "config.yaml").exists() else None
    with working("reading the records", console(), say):
        records = _records(plan, opened, found)
    with working("exporting", console(), say):
        return write_export(plan, opened, found, records, say)


def _records(plan: ExportConfig, opened: OpenedEncoder, run: RunFolder | None) -> Any:
    """Return the records that are named, or those that the run was trained on."""
    if plan.inputs:
        return opened.read(plan.inputs, plan, say)
    if run is None:
        raise HeadstartError(
            f"{plan.run} is an encoder without its records; name some after it, to compare the "
            "export with the original on."
        )
    sources, options = run.sources()
    if not sources:  # a fine-tuned run
        sources = [str(run.config()["options"]["train"])]
    columns = {**options.columns, **plan.columns}
    reading: SourceOptions = options.model_copy(update={"columns": columns})
    return opened.read(sources, reading, say)


def _check_out(plan: ExportConfig) -> None:
    """Refuse an ``--out`` that holds anything but an export that may be replaced."""
    out = Path(plan.out)
    is_ours = (out / "export.json").is_file() and not os.path.islink(out)
    if not (is_ours and plan.overwrite):
        if is_ours:
            raise HeadstartError(
                f"{out} holds an export already; replace it with --overwrite, or choose another "
                "--out."
            )
        check_free(plan)
        return
    check_unread(plan)
