"""What was measured on what, when and with which versions, in a line or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Results
    from headstart.run import RunFolder


def lines(
    results: Results,
    run: RunFolder | None,
    sources: Sequence[str],
    versions: Mapping[str, str],
) -> list[str]:
    """Return the run, the data, the date, the measure, the sizes and the versions.

    Args:
        sources: the labeled files; [] if they are not known.
        versions: ``{package: version}``.
    """
    what = " ".join(
        part
        for part in (
            str(run.folder) if run else "",
            f"on {' and '.join(sources)}" if sources else "",
        )
        if part
    )
    learned = f", {results.training:,} labeled records" if any(results.counts) else ""
    classes = f" of {len(results.classes):,} classes" if results.classes else ""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    measured = f"{results.task}, {results.metric.name} on {len(results.truth):,} {results.unit}"
    return [
        f"Measured {date.today().isoformat()}{f': {what}' if what else ''}; "
        f"{measured}{classes}{learned}{f'; {packages}' if packages else ''}."
    ]
