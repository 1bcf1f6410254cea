"""The verb that watches data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import MonitorConfig
from headstart.files import check_ending
from headstart.outputs import check_free
from headstart.run import RunFolder
from headstart.verbs.reading import Named, console, load, say, speaking
from headstart.working import working

if TYPE_CHECKING:
    from headstart.deployment.monitoring.report import DriftReport


@speaking()
def monitor(run: Named, **options: Any) -> DriftReport:
    """Say whether new data is still what a run was made for, and what has moved.

    Args:
        run: a run folder, or any encoder folder; of a fine-tuned run predictions are compared, too.
        options: see :class:`headstart.config.MonitorConfig`.

    Returns:
        A report; its ``is_drift`` says whether an alarm was raised.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        report = run.monitor(baseline="2024.csv", new="2025.csv", every="week")
        print(report)
    """
    plan = load(MonitorConfig, run=run, **options)
    from headstart.deployment.monitoring.monitor import look
    from headstart.deployment.monitoring.report import DriftReport
    from headstart.encoders.opening import OpenedEncoder

    if plan.out:
        check_ending(Path(plan.out), "a report on drift", [".html", ".json"])
    check_free(plan)
    opened = OpenedEncoder(plan.run)
    with working("comparing", console(), say) as progress:
        findings = look(plan, opened, _tuned(plan.run), say, progress)
    report = DriftReport(plan.run, findings)
    if plan.out:
        report.write(Path(plan.out))
    if plan.webhook and report.is_drift:
        report.send(plan.webhook)
    return report


def _tuned(run: str) -> RunFolder | None:
    """Return a run that predicts; None for any other encoder."""
    folder = RunFolder(run)
    is_tuned = folder.config_file.is_file() and folder.config()["verb"] == "finetune"
    return folder if is_tuned and folder.finished else None
