"""What an update, a rollback or a look at the versions found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headstart.deployment.updating.versions import Versions
from headstart.pages.result import Result


@dataclass(frozen=True)
class UpdateReport(Result):
    """The version that counts, what was decided, and all versions.

    Attributes:
        run: the run.
        current: the version that counts now.
        said: what was done, in a sentence; empty for a look.
        versions: one row for each version that was ever judged.
    """

    run: str
    current: int
    said: str
    versions: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "run": self.run,
            "current": self.current,
            "said": self.said,
            "versions": self.versions,
        }

    def __str__(self) -> str:
        lines = [self.said] if self.said else []
        for row in self.versions:
            mark = "*" if row["version"] == self.current else " "
            lines.append(f"{mark} {row['version']}  {row['about']}")
        return "\n".join(lines)


def report_on(versions: Versions, said: str = "") -> UpdateReport:
    """Return the versions of a run, the first and all that were judged."""
    rows: list[dict[str, Any]] = []
    for number in sorted({1, *versions.numbers(), *versions.judged()}):
        verdict = versions.verdict(number)
        if verdict is None:
            rows.append({"version": number, "about": "the run as it was before any update"})
            continue
        scores = ", ".join(
            f"{name} records {verdict[name]['incumbent']:.1%} -> {verdict[name]['candidate']:.1%}"
            for name in ("old", "new")
        )
        what = "taken" if verdict["taken"] else "refused"
        about = f"{what} on {verdict['date']}: {scores}; {verdict['reason']}"
        rows.append({"version": number, "about": about, **verdict})
    return UpdateReport(str(versions.run), versions.current, said, rows)
